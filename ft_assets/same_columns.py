"""What files say of their columns without a value being read: how many values there are, and whether two hold the same."""

from __future__ import annotations

from typing import Any

from ft_assets.lake import Slice


def same_bytes(slice_: Slice, column: str, other: str) -> bool:
    """Whether two columns are the same in every row, as their bytes show; False says nothing.

    What is written from the same values in the same way is the same bytes, dictionary and compression included: mostly the
    ids of objects are those of the items themselves, and comparing the rows would mean to decode all of them twice.

    Args:
        slice_: a table, or a day of it.
        column: one of its columns.
        other: another, of the same type.
    """
    for fragment in slice_.fragments():
        metadata = fragment.metadata
        with fragment.filesystem.open_input_file(fragment.path) as file:
            for number in range(metadata.num_row_groups):
                one, two = (_chunks(metadata, number, name) for name in (column, other))
                # Sizes and levels first: they are known already.
                if [how for how, _ in one] != [how for how, _ in two]:
                    return False
                if any(_bytes(file, a) != _bytes(file, b) for (_, a), (_, b) in zip(one, two, strict=True)):
                    return False
    return True


def values_in(slice_: Slice, column: str) -> tuple[int, int]:
    """How many rows there are, and how many values in the lists of a column: an empty list counts as one, and so does null."""
    rows = values = 0
    for fragment in slice_.fragments():
        metadata = fragment.metadata
        rows += metadata.num_rows
        values += sum(_chunks(metadata, number, column)[0][1].num_values for number in range(metadata.num_row_groups))
    return rows, values


def _chunks(metadata: Any, group: int, name: str) -> list[tuple[tuple[Any, ...], Any]]:
    """A column's leaves in a row group, each with all that says how its bytes are to be read."""
    leaves = []
    for place in range(metadata.num_columns):
        chunk, leaf = metadata.row_group(group).column(place), metadata.schema.column(place)
        if chunk.path_in_schema.split(".")[0] == name:
            levels = (leaf.max_definition_level, leaf.max_repetition_level, leaf.physical_type, chunk.num_values)
            leaves.append(((*levels, chunk.compression, chunk.encodings, chunk.total_compressed_size), chunk))
    return leaves


def _bytes(file: Any, chunk: Any) -> bytes:
    start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
    return file.read_at(chunk.total_compressed_size, start)  # type: ignore[no-any-return]
