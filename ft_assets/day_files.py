"""Write the rows of a day as Parquet files, which one commit then makes part of the table.

Arrow's writer keeps words that come as a dictionary as one, where Delta's own takes every row's word by itself: a third of the
time. And files that are written stay written when another day's commit comes first: only the commit is made again.
"""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from ft_assets.feeding import check_columns
from ft_assets.prefetch import prefetched
from ft_assets.schemas import Table

AHEAD = 2  # batches made while one is written
# What is read at once, by one of several threads: of memory, at least, and of rows. Each group has its words in a dictionary of
# its own: where it is larger, fewer words are written and read (half of the time, where these had been four times as small).
GROUP_BYTES = 12 * 1024**2
GROUP_ROWS = 1024**2
FILE_BYTES = 128 * 1024**2
DICTIONARY_BYTES = 16 * 1024**2  # some 800,000 ids: those of a group, else each row has its own again


@dataclass(frozen=True)
class WrittenDay:
    """Files that no table has yet.

    Attributes:
        files: relative to the table's folder.
        rows: in all of them.
    """

    files: tuple[AddAction, ...]
    rows: int


def write_day(root: pafs.FileSystem, table: Table, day: dt.date, batches: Iterable[pa.RecordBatch]) -> WrittenDay:
    """Write a day's rows below the folder of its table.

    Args:
        root: the lake's root as a file system.
        table: the table, kept by day.
        day: the day.
        batches: the rows, in the table's columns; words may come as dictionaries, in lists too. They are made on a thread of
            their own, a few batches ahead.

    Raises:
        ValueError: rows of another day, or that do not fit the table.
    """
    folder = f"session_date={day.isoformat()}"
    root.create_dir(f"{table.name}/{folder}", recursive=True)
    files: list[AddAction] = []
    rows = 0
    try:
        with prefetched(batches, AHEAD) as made:
            groups = _groups(as_stored(_of_day(batch, table, day), table) for batch in made)
            group = next(groups, None)
            while group is not None:
                path = f"{folder}/part-{uuid.uuid4()}.zstd.parquet"
                files.append(added(path, day))  # known before it is there: what goes wrong takes it away
                in_file, size, group = _write_file(root, f"{table.name}/{path}", group, groups)
                files[-1] = added(path, day, in_file, size)
                rows += in_file
    except BaseException:
        take_away(root, table, files)
        raise
    return WrittenDay(tuple(files), rows)


def as_stored(batch: pa.RecordBatch, table: Table) -> pa.Table:
    """The rows as the table's files hold them: its columns in order, without the day, which the folder says.

    Raises:
        ValueError: a column is missing, one is too many, or a value does not fit its type.
    """
    check_columns(batch, table)
    fields, columns = [], []
    for field in table.schema:
        if field.name in table.partition_by:
            continue
        column = batch[field.name]
        try:
            column = column if decoded(column.type) == field.type else column.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ValueError(f"rows do not fit {table.name}: {field.name}: {error}") from error
        column = only_used(column)
        # A file states of a column that has none that it can hold no null: nobody has to look for one.
        fields.append(pa.field(field.name, column.type, nullable=field.name not in table.required or column.null_count > 0))
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _of_day(batch: pa.RecordBatch, table: Table, day: dt.date) -> pa.RecordBatch:
    """The batch, if its rows are of the day."""
    if batch["session_date"].unique().to_pylist() not in ([], [day]):
        others = sorted({str(other) for other in batch["session_date"].unique().to_pylist()} - {str(day)})
        raise ValueError(f"rows of {table.name} must all be of {day}, got rows of {', '.join(others)}")
    return batch


def only_used(array: pa.Array) -> pa.Array:
    """The same words, or lists of them, with a dictionary of those that occur: a file may tell no words of others' rows.

    Example:
        >>> codes = pa.DictionaryArray.from_arrays(pa.array([2, 0, 2]), pa.array(["tea", "cup", "pot"]))
        >>> only_used(codes).dictionary.to_pylist()
        ['tea', 'pot']
    """
    if pa.types.is_list(array.type) and pa.types.is_dictionary(array.type.value_type):
        values = only_used(array.flatten())
        lengths = pc.list_value_length(array).fill_null(0).to_numpy()
        offsets = pa.array(np.append(0, np.cumsum(lengths)), pa.int32())
        return pa.ListArray.from_arrays(offsets, values, mask=array.is_null() if array.null_count else None)
    if not pa.types.is_dictionary(array.type):
        return array
    codes = array.indices.drop_null().to_numpy().astype(np.intp)
    occurs = np.zeros(len(array.dictionary), dtype=bool)
    occurs[codes] = True
    if occurs.all():
        return array
    place = pa.array(np.cumsum(occurs, dtype=np.int32) - 1)
    return pa.DictionaryArray.from_arrays(place.take(array.indices), array.dictionary.filter(pa.array(occurs)))


def decoded(type_: pa.DataType) -> pa.DataType:
    """The type without dictionaries.

    Example:
        >>> decoded(pa.list_(pa.dictionary(pa.int32(), pa.string())))
        ListType(list<item: string>)
    """
    if pa.types.is_dictionary(type_):
        return type_.value_type
    if pa.types.is_list(type_):
        return pa.list_(decoded(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(decoded(field.type)) for field in type_])
    return type_


def _groups(batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Row groups: batches as they come, small ones put together where they are alike."""
    waiting: list[pa.Table] = []
    size = 0
    for batch in batches:
        if waiting and (size >= GROUP_BYTES or batch.schema != waiting[0].schema):
            yield _joined(waiting)
            waiting, size = [], 0
        if batch.num_rows:
            waiting.append(batch)
            size += batch.nbytes
    if waiting:
        yield _joined(waiting)


def _joined(tables: list[pa.Table]) -> pa.Table:
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _write_file(
    root: pafs.FileSystem, path: str, first: pa.Table, others: Iterator[pa.Table]
) -> tuple[int, int, pa.Table | None]:
    """Write row groups into a file until it is large enough: its rows, its bytes, and a group that is for the next file."""
    rows, group = 0, first
    with root.open_output_stream(path) as sink:
        with pq.ParquetWriter(
            sink,
            first.schema,
            compression="zstd",
            use_dictionary=_words(first.schema),
            dictionary_pagesize_limit=DICTIONARY_BYTES,
            # The least and the greatest of ids help no reader, and finding them takes longer than writing them.
            write_statistics=[field.name for field in first.schema if pa.types.is_primitive(field.type)],
            store_schema=False,
        ) as to:
            while True:
                to.write_table(group, row_group_size=GROUP_ROWS)
                rows += group.num_rows
                group = next(others, None)
                if group is None or group.schema != first.schema or sink.tell() >= FILE_BYTES:
                    break
        size = sink.tell()
    return rows, size, group


def _words(schema: pa.Schema) -> list[str]:
    """Parquet's names of the columns that hold words: numbers are smaller and quicker without a dictionary."""
    names = []
    for field in schema:
        type_ = decoded(field.type)
        if pa.types.is_string(type_):
            names.append(field.name)
        elif pa.types.is_list(type_) and pa.types.is_string(type_.value_type):
            names.append(f"{field.name}.list.element")
    return names


def take_away(root: pafs.FileSystem, table: Table, files: Iterable[AddAction]) -> None:
    """Delete files that nobody has committed, those of them that are there."""
    for file in files:
        with suppress(OSError):
            root.delete_file(f"{table.name}/{file.path}")


def added(path: str, day: dt.date | None, rows: int = 0, size: int = 0) -> AddAction:
    """A file as a commit names it, of a day where its table is kept by day."""
    # Only the count is stated: the log holds no one's words or ids (see lake.TABLE_CONFIGURATION).
    return AddAction(
        path=path,
        size=size,
        partition_values={} if day is None else {"session_date": day.isoformat()},
        modification_time=int(time.time() * 1000),
        data_change=True,
        stats=json.dumps({"numRecords": rows}),
    )
