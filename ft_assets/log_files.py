"""Write rows that are added to a table of the log as Parquet files, which one commit then makes part of the table.

As ``day_files`` does for a day that is made anew: Arrow's writer takes the ids of a list as a dictionary, and leaves out what
nobody reads of them (their least and greatest). The days of added rows are as the log has them: one mostly, or many.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from ft_assets.day_files import DICTIONARY_BYTES, FILE_BYTES, added, take_away
from ft_assets.feeding import conform
from ft_assets.schemas import SEARCH_SESSIONS, SESSION_EVENTS, Table

__all__ = ["WRITTEN", "AddedFiles", "add_files"]

WRITTEN = frozenset({SEARCH_SESSIONS.name, SESSION_EVENTS.name})  # the tables that an ingestion adds millions of rows to
DAY = "session_date"
GROUP_BYTES = 8 * 1024**2  # of memory, at least, in a row group
WAITING_BYTES = 128 * 1024**2  # of all days together; more is written in smaller groups
RESULTS, ITEM_ID, RANK = "results", "item_id", "rank"
# Columns whose values come again and again. Of ids of its own rows a dictionary is one more copy.
REPEATED = (
    *("visit_id", "query_text", "user_id", "user_agent", "item_id", "event_type", "source_file"),
    *(f"{RESULTS}.list.element.{ITEM_ID}", f"{RESULTS}.list.element.{RANK}"),
)


@dataclass
class AddedFiles:
    """Files that no table has yet.

    Attributes:
        files: relative to the table's folder.
        rows: in all of them.
    """

    files: list[AddAction] = field(default_factory=list)
    rows: int = 0


def add_files(root: pafs.FileSystem, table: Table, batches: Iterable[pa.RecordBatch]) -> AddedFiles:
    """Write rows below the folder of their table, a file at least for each day where it is kept by day.

    Args:
        root: the lake's root as a file system.
        table: one of ``WRITTEN``.
        batches: the rows.

    Raises:
        ValueError: rows that do not fit the table.
    """
    days: dict[dt.date | None, _Day] = {}
    done = AddedFiles()
    try:
        for batch in batches:
            for day, rows in _by_day(_fitting(batch, table), table):
                days.setdefault(day, _Day(root, table, day, done)).take(rows)
            while sum(each.size for each in days.values()) > WAITING_BYTES:
                max(days.values(), key=lambda each: each.size).write()
        for each in days.values():
            each.close()
    except BaseException:
        for each in days.values():
            each.abandon()
        take_away(root, table, done.files)
        raise
    return done


def _by_day(batch: pa.RecordBatch, table: Table) -> Iterator[tuple[dt.date | None, pa.RecordBatch]]:
    """The rows of each day, without the day, which the folder says; all rows of a table that is not kept by day."""
    if DAY not in table.partition_by:
        yield None, batch
        return
    days = batch[DAY]
    rows = batch.drop_columns([DAY])
    found = days.unique()
    for day in found:
        yield day.as_py(), rows if len(found) == 1 else rows.filter(pc.equal(days, day))


def _fitting(batch: pa.RecordBatch, table: Table) -> pa.RecordBatch:
    """The batch with the table's columns and types, but for lists of codes, which stay."""
    at = batch.schema.get_field_index(RESULTS)
    if at < 0 or not _is_coded(batch.schema.field(at).type):
        return conform(batch, table)
    rest = conform(batch.set_column(at, RESULTS, pa.nulls(batch.num_rows, table.schema.field(RESULTS).type)), table)
    return rest.set_column(rest.schema.get_field_index(RESULTS), RESULTS, batch.column(at))


def _is_coded(lists: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(lists.value_type.field(ITEM_ID).type))


def _with_codes(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with the ids of their lists as codes of words: each word is then written once, and looked up once."""
    at = rows.schema.get_field_index(RESULTS)
    if at < 0:
        return rows
    lists = rows.column(at)
    values = lists.flatten()
    if lists.null_count or values.null_count:  # never, of sessions; lists of codes would lose it
        return rows
    ids = values.field(0)
    if _is_coded(lists.type):
        if len(ids) > len(ids.dictionary):
            return rows
        ids = ids.dictionary_decode()  # few rows of a group: a file holds the words that it needs
    lengths = pc.list_value_length(lists).cast(pa.int64())
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths)]).cast(pa.int32())
    coded = pa.StructArray.from_arrays([ids.dictionary_encode(), values.field(1)], names=[ITEM_ID, RANK])
    return rows.set_column(at, RESULTS, pa.ListArray.from_arrays(offsets, coded))


class _Day:
    """The files of one day, one after the other."""

    def __init__(self, root: pafs.FileSystem, table: Table, day: dt.date | None, done: AddedFiles) -> None:
        self.root, self.table, self.day, self.done = root, table, day, done
        self.folder = "" if day is None else f"{DAY}={day.isoformat()}/"
        self.waiting: list[pa.RecordBatch] = []
        self.size = 0
        self.path, self.at, self.rows = "", 0, 0  # of the file that is open: its name, its place in done, its rows
        self.sink: Any = None
        self.writer: pq.ParquetWriter | None = None

    def take(self, rows: pa.RecordBatch) -> None:
        if rows.num_rows:
            self.waiting.append(rows)
            self.size += rows.nbytes
        if self.size >= GROUP_BYTES:
            self.write()

    def write(self) -> None:
        """Write what waits as a row group."""
        group = _with_codes(pa.Table.from_batches(self.waiting).combine_chunks().to_batches()[0])
        self.waiting, self.size = [], 0
        if self.writer is not None and (self.writer.schema != group.schema or self.sink.tell() >= FILE_BYTES):
            self.end()
        if self.writer is None:
            self.begin(group.schema)
        assert self.writer is not None
        self.writer.write_batch(group, row_group_size=group.num_rows)
        self.rows += group.num_rows

    def begin(self, schema: pa.Schema) -> None:
        self.root.create_dir(f"{self.table.name}/{self.folder}".rstrip("/"), recursive=True)
        self.path = f"{self.folder}part-{uuid.uuid4()}.zstd.parquet"
        self.at = len(self.done.files)
        self.done.files.append(added(self.path, self.day))  # known before it is there: what goes wrong takes it away
        self.sink = self.root.open_output_stream(f"{self.table.name}/{self.path}")
        self.writer = pq.ParquetWriter(
            self.sink,
            schema,
            compression="zstd",
            use_dictionary=list(REPEATED),
            dictionary_pagesize_limit=DICTIONARY_BYTES,
            # of what stands in lists nobody asks the least and the greatest
            write_statistics=[column.name for column in schema if not pa.types.is_nested(column.type)],
            store_schema=False,
        )

    def end(self) -> None:
        """Close the file that is open, if one is."""
        if self.writer is None:
            return
        self.writer.close()
        size = self.sink.tell()
        self.sink.close()
        self.writer = None
        self.done.files[self.at] = added(self.path, self.day, self.rows, size)
        self.done.rows += self.rows
        self.rows = 0

    def close(self) -> None:
        if self.waiting:
            self.write()
        self.end()

    def abandon(self) -> None:
        with suppress(Exception):
            self.end()
