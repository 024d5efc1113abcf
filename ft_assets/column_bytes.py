"""What files say of their columns without a value being read: how many values there are, and whether two hold the same.

What is written from the same values in the same way is the same bytes, dictionary and compression included; to compare those
takes a tenth of the time of reading the values, and proves as much. Other bytes prove nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ft_assets.lake import Slice


class Chunk(NamedTuple):
    """A column, or a leaf of it, in a row group: all that says how its bytes are to be read, and where these are."""

    kind: tuple[Any, ...]
    start: int
    size: int


def same_bytes(slice_: Slice, column: str, other: str) -> bool:
    """Whether two columns are the same in every row, as their bytes show; False says nothing.

    Mostly the ids of objects are those of the items themselves, for one.

    Args:
        slice_: a table, or a day of it.
        column: one of its columns.
        other: another, of the same type.
    """
    for fragment in slice_.fragments():
        with fragment.open() as file:
            for group in range(fragment.metadata.num_row_groups):
                one, two = (_chunks(fragment.metadata, group, name) for name in (column, other))
                # The sizes first: they are known already.
                if any([of(file, chunk) for chunk in one] != [of(file, chunk) for chunk in two] for of in (_size, _digest)):
                    return False
    return True


def are_copies(one: Slice, other: Slice, columns: Sequence[str]) -> bool:
    """Whether both are made of the same row groups, as far as these columns go, in whatever order and in whatever files.

    Where a table takes columns over from another, the same batches are written by the same writer. False says nothing.

    Args:
        one: a day of a table.
        other: a day of another.
        columns: those that must be the same; both have them.
    """
    # The sizes first: where they differ nothing is read.
    return all(Counter(_groups(one, columns, of)) == Counter(_groups(other, columns, of)) for of in (_size, _digest))


def values_in(slice_: Slice, column: str) -> tuple[int, int]:
    """How many rows there are, and how many values in the lists of a column: an empty list counts as one, and so does null."""
    rows = values = 0
    for fragment in slice_.fragments():
        metadata = fragment.metadata
        rows += metadata.num_rows
        leaf = next(number for number in range(metadata.num_columns) if _path(metadata, number)[0] == column)
        values += sum(metadata.row_group(group).column(leaf).num_values for group in range(metadata.num_row_groups))
    return rows, values


def _groups(slice_: Slice, columns: Sequence[str], of: Callable[[Any, Chunk], Any]) -> Iterator[tuple[Any, ...]]:
    """What a function says of each column of each row group."""
    for fragment in slice_.fragments():
        with fragment.open() as file:
            for group in range(fragment.metadata.num_row_groups):
                yield tuple((name, *(of(file, chunk) for chunk in _chunks(fragment.metadata, group, name))) for name in columns)


def _chunks(metadata: Any, group: int, name: str) -> list[Chunk]:
    """A column's leaves in a row group."""
    chunks = []
    for number in range(metadata.num_columns):
        column, leaf = metadata.row_group(group).column(number), metadata.schema.column(number)
        top, *below = _path(metadata, number)
        if top != name:
            continue
        kind = (
            *(tuple(below), column.num_values, column.compression, column.encodings, column.physical_type),
            *(str(leaf.logical_type), leaf.length, leaf.max_definition_level, leaf.max_repetition_level),
        )
        start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
        chunks.append(Chunk(kind, start, column.total_compressed_size))
    return chunks


def _path(metadata: Any, number: int) -> list[str]:
    return metadata.schema.column(number).path.split(".")  # type: ignore[no-any-return]


def _size(_file: Any, chunk: Chunk) -> tuple[Any, ...]:
    return chunk.kind, chunk.size


def _digest(file: Any, chunk: Chunk) -> tuple[Any, ...]:
    file.seek(chunk.start)
    return chunk.kind, hashlib.sha256(file.read(chunk.size)).digest()
