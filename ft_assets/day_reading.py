"""Read the rows of a day out of its files, ids and words as codes.

DuckDB makes a word of every code of a file, and what reads those makes codes of them again: most of the time that reading
takes. Arrow keeps them, a group of rows at a time, each with a dictionary of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ft_assets.day_files import decoded
from ft_assets.lake import Slice
from ft_assets.queries import rebatched

Array = np.ndarray[Any, Any]

ORDER = ["started_at", "session_id"]
HELD_BYTES = 128 * 1024**2  # of a day's files, unpacked: what is put in order at once, in some 500 MB of memory


def row_groups(day: Slice, columns: Sequence[str], words: Sequence[str] = ()) -> Iterator[pa.Table]:
    """The rows of a day as they lie in its files, a group at a time, each column in one piece.

    Args:
        day: a day of a table.
        columns: which of its columns, in this order.
        words: of these, the columns whose text, in lists too, comes as a dictionary; all others come as the table has them.
    """
    for file in day.fragments():
        yield from _groups(day, file, columns, words)


def in_order(day: Slice, size: int, columns: Sequence[str], words: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """A day's sessions in order of time, ``size`` at a time, each batch in one piece; columns are as for ``parts_in_order``.

    They are written in that order, and mostly lie so; else they are put in order.
    """
    files = _files_in_order(day)
    if files is None:
        tables = parts_in_order(day, columns, words)
    else:
        tables = (group for file in files for group in _groups(day, file, columns, words))
    yield from rebatched((batch for table in tables for batch in table.to_batches()), size)


def parts_in_order(day: Slice, columns: Sequence[str], words: Sequence[str] = ()) -> Iterator[pa.Table]:
    """A day's sessions in order of time, as many at once as memory may hold, each column in one piece.

    A day that is larger is read several times, at each a part of its time: no session waits on a disk to be merged.

    Args:
        day: a day of a table of sessions.
        columns: which of its columns, those of ``ORDER`` among them.
        words: as for ``row_groups``.
    """
    files = list(day.fragments())
    metadata = [file.metadata for file in files]
    size = sum(each.row_group(number).total_byte_size for each in metadata for number in range(each.num_row_groups))
    cuts = _cuts(day, -(-size // HELD_BYTES))
    for part in range(len(cuts) + 1):
        held = [_rows_of(group, cuts, part) for group in row_groups(day, columns, words)]
        if any(map(len, held)):
            whole = pa.concat_tables(held).unify_dictionaries().combine_chunks()
            held.clear()
            yield whole.take(_order(whole))


def _cuts(day: Slice, parts: int) -> Array:
    """Times that cut a day into so many parts of like length: microseconds, int64."""
    if parts < 2:
        return np.zeros(0, dtype=np.int64)
    times = np.sort(np.concatenate([_times(group) for group in row_groups(day, ["started_at"])]))
    return np.unique(times[[len(times) * number // parts for number in range(1, parts)]])


def _rows_of(group: pa.Table, cuts: Array, part: int) -> pa.Table:
    """Rows of one part of the day; those of one time are of one part."""
    if not len(cuts):
        return group
    return group.filter(pa.array(np.searchsorted(cuts, _times(group), side="right") == part))


def _times(group: pa.Table) -> Array:
    # One that is null comes last, as where there is no part.
    return pc.fill_null(group["started_at"].cast(pa.int64()), np.iinfo(np.int64).max).to_numpy()  # type: ignore[no-any-return]


def _files_in_order(day: Slice) -> list[Any] | None:
    """Its files in the order of their sessions; None where a session is not behind all before it."""
    files = [file for file in day.fragments() if file.metadata.num_rows]
    if not files:
        return []
    keys = [pa.concat_tables(_groups(day, file, ORDER, ())) for file in files]
    places = _order(pa.concat_tables([each.slice(0, 1) for each in keys])).to_pylist()
    last = keys[0].slice(0, 0)
    for place in places:
        both = pa.concat_tables([last, keys[place]])
        if not _order(both).equals(pa.array(np.arange(len(both)), pa.uint64())):
            return None
        last = both.slice(len(both) - 1)
    return [files[place] for place in places]


def _order(keys: pa.Table) -> pa.Array:
    """Places of the rows in order of time; those that are equal stay as they are."""
    return pc.sort_indices(keys.select(ORDER), sort_keys=[(name, "ascending") for name in ORDER])


def _groups(day: Slice, file: Any, columns: Sequence[str], words: Sequence[str]) -> Iterator[pa.Table]:
    leaves = [file.metadata.schema.column(number) for number in range(file.metadata.num_columns)]
    coded = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY" and leaf.path.split(".")[0] in words]
    stored = [name for name in columns if name not in day.table.partition_by]
    with file.open() as opened:
        reader = pq.ParquetFile(opened, metadata=file.metadata, read_dictionary=coded, pre_buffer=True)
        # By groups, for Arrow reads lists of dictionaries in one piece only.
        for number in range(reader.num_row_groups):
            group = reader.read_row_group(number, columns=stored)
            yield pa.table({name: _column(day, group, name) for name in columns}).combine_chunks()


def _column(day: Slice, group: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    """A column as the table has it, but for dictionaries: what other writers wrote may be of another make."""
    wanted = day.table.schema.field(name).type
    if name in day.table.partition_by:
        return pa.repeat(pa.scalar(day.session_date, wanted), group.num_rows)
    return group[name] if decoded(group[name].type) == wanted else group[name].cast(wanted)
