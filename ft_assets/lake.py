"""Read and write the tables of the lake: Delta tables in a local folder or an object store.

Three rules keep people's data safe.

* A table is created before the first row is written, so writers that start together agree on it.
* A day is replaced by one atomic commit: readers see the old day or the new one, a killed writer changes nothing.
* A commit of an ingestion carries its name as a Delta transaction: its rows are there exactly once.

Every commit states in its log entry what it was made from (see ``Slice.version``) and, for an ingestion, which days
it touched.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import ColumnProperties, CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from ft_assets.day_files import write_day
from ft_assets.feeding import Feed
from ft_assets.log_files import WRITTEN, AddedFiles, add_files
from ft_assets.schemas import TEXT_VECTORS, Table, table_named

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")
Batches = Callable[[], Iterable[pa.RecordBatch]]
ATTEMPTS = 20
GOES = "_goes"  # marks the rows of a merge that remove
UNREADABLE = "%#?[]^|\\"  # in a local path: deltalake 1.6 panics, looks elsewhere, or reads an empty history
# A list of ids is read several times as fast where all of a group are in its dictionary: 8 MiB hold some 400,000 ids, what
# deltalake allows by itself a catalogue of 50,000.
WRITER = WriterProperties(compression="ZSTD", max_row_group_size=128 * 1024, dictionary_page_size_limit=8 * 2**20)
# Bytes of like place beside each other are what compresses of a float (and nearly all of one in half precision); groups of
# 12 MiB let a reader pass over what it does not need, and hold little of a table that is larger than memory.
VECTOR_WRITER = WriterProperties(
    compression="ZSTD",
    max_row_group_size=8_192,
    # deltalake 1.6 finds no column inside another by its name, so what holds for the vectors is the default
    default_column_properties=ColumnProperties(
        dictionary_enabled=False, statistics_enabled="NONE", encoding="BYTE_STREAM_SPLIT"
    ),
    column_properties={
        name: ColumnProperties(dictionary_enabled=False, statistics_enabled="CHUNK", encoding="PLAIN")
        for name in ("role", "text_hash")
    },
)
# The log says which days an ingestion touched; sensors may read it long after. So it may hold no one's words or ids:
# by default it keeps the least and greatest value of every column of every file, also of files long removed.
TABLE_CONFIGURATION = {"delta.logRetentionDuration": "interval 3650 days", "delta.dataSkippingNumIndexedCols": "0"}


class AlreadyDone(Exception):  # noqa: N818 (a course of events, not a fault)
    """Another writer made this commit first; nothing was written again."""


class Overtaken(Exception):  # noqa: N818 (a course of events, not a fault)
    """The table has moved on since the rows were decided on; nothing of this commit was written."""


@dataclass(frozen=True)
class Home:
    """Where everything lives: ``landing/``, ``lake/`` and ``dagster/`` under one folder.

    The lake and the landing place may live elsewhere: ``FT_ASSETS_LAKE`` and ``FT_ASSETS_LANDING`` name a folder or an
    object store's URI each.
    """

    path: Path
    lake_uri: str | None = None
    landing_uri: str | None = None

    @classmethod
    def find(cls, home: str | os.PathLike[str] | None = None) -> Home:
        """The home named, else ``FT_ASSETS_HOME``, else ``.ft_assets`` in the working directory.

        ``FT_ASSETS_LAKE`` and ``FT_ASSETS_LANDING`` say where the lake and the landing place of that default home are; a
        home that is named has its own.
        """
        path = Path(home or os.environ.get("FT_ASSETS_HOME") or ".ft_assets").expanduser().absolute()
        return cls(path) if home else cls(path, os.environ.get("FT_ASSETS_LAKE"), os.environ.get("FT_ASSETS_LANDING"))

    @property
    def landing(self) -> Path | str:
        """Landed files, ``<landing>/<format>/**``: a local folder, or the URL of an object store as text."""
        if not self.landing_uri:
            return self.path / "landing"
        return self.landing_uri if "://" in self.landing_uri else Path(self.landing_uri).expanduser().absolute()

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME of this home."""
        return self.path / "dagster"

    @property
    def claims(self) -> Path:
        """What the processes at work on this home tell each other of what they do."""
        return self.path / "claims"

    @property
    def lake(self) -> Lake:
        """The tables."""
        return Lake(self.lake_uri or str(self.path / "lake"))


@dataclass(frozen=True)
class Commit:
    """One written version of a table and the rows that it added."""

    version: int
    rows: int


@dataclass(frozen=True)
class Slice:
    """A version of a table, or one day of it, not read yet."""

    table: Table
    delta: DeltaTable = field(repr=False)
    session_date: dt.date | None = None
    days: frozenset[dt.date] | None = None

    @property
    def version(self) -> int:
        """Delta version that is read."""
        return int(self.delta.version())

    def on(self, day: dt.date) -> Slice:
        """One day of the same version.

        Raises:
            ValueError: the table is not kept by day.
        """
        _check_by_day(self.table, day)
        return replace(self, session_date=day)

    def of_days(self, days: Iterable[dt.date]) -> Slice:
        """Some days of the same version, to query; the files of others are not opened.

        Raises:
            ValueError: the table is not kept by day.
        """
        wanted = frozenset(days)
        for day in wanted:
            _check_by_day(self.table, day)
        return replace(self, days=wanted)

    @property
    def row_count(self) -> int:
        """Rows, from the table's log alone."""
        actions = pa.table(self.delta.get_add_actions(flatten=True))
        if self.session_date is not None:
            days = actions["partition.session_date"].to_pylist()
            counts = zip(days, actions["num_records"].to_pylist(), strict=True)
            return sum(count for day, count in counts if day == self.session_date)
        return sum(actions["num_records"].to_pylist())

    def file_uris(self) -> list[str]:
        """The Parquet files that make it up."""
        if self.days is not None:
            return [uri for day in sorted(self.days) for uri in replace(self, days=None, session_date=day).file_uris()]
        filters = None if self.session_date is None else [("session_date", "=", self.session_date.isoformat())]
        return [str(uri) for uri in self.delta.file_uris(file_pruning_predicate=filters)]

    def create_view(self, con: duckdb.DuckDBPyConnection, name: str | None = None) -> None:
        """Make it readable in DuckDB under the table's name.

        Local files are read by DuckDB itself (four times faster than through a dataset); files in an object store
        through the storage layer of Delta.
        """
        name = name or self.table.name
        uris = self.file_uris()
        if not uris:
            con.register(name, self.table.empty())
        elif "://" in uris[0] and not uris[0].startswith("file://"):
            con.register(name, self.dataset())
        else:
            paths = [self._local_path(uri) for uri in uris]
            relation = con.read_parquet(paths, hive_partitioning=bool(self.table.partition_by))
            columns = ", ".join(self._cast(column) for column in self.table.column_names)
            relation.project(columns).create_view(name)

    def _local_path(self, uri: str) -> str:
        """Delta writes the folder of a table as in a URL, and what lies below it as it is."""
        folder, file = uri.removeprefix("file://").rsplit(f"/{self.table.name}/", 1)
        return f"{unquote(folder)}/{self.table.name}/{file}"

    def _cast(self, column: str) -> str:
        """Partition values come out of folder names, where DuckDB guesses a type; say which it is."""
        if column not in self.table.partition_by:
            return column
        return f"{column}::{'date' if column == 'session_date' else 'varchar'} as {column}"

    def _dataset(self) -> Any:
        """All of the table, read by Arrow itself where it is local.

        Delta's own way to files goes through Python on Arrow's threads, which a process that ends at once aborts over.
        """
        uri = str(self.delta.table_uri)
        folder = unquote(uri.removeprefix("file://")) if uri.startswith("file://") else uri
        files = None if "://" in folder else pafs.SubTreeFileSystem(folder, pafs.LocalFileSystem())
        return self.delta.to_pyarrow_dataset(schema=self.table.schema, filesystem=files)

    def dataset(self) -> Any:
        """The same as a pyarrow dataset."""
        dataset = self._dataset()
        if self.session_date is None and self.days is None:
            return dataset
        import pyarrow.dataset as ds

        if self.days is not None:
            return dataset.filter(ds.field("session_date").isin(sorted(self.days)))
        return dataset.filter(ds.field("session_date") == self.session_date)

    def fragments(self, **values: str) -> Iterable[Any]:
        """Its Parquet files as dataset fragments, which know their physical schema; of those with such partition values."""
        import pyarrow.dataset as ds

        wanted = {**values, **({} if self.session_date is None else {"session_date": self.session_date})}
        where = None
        for column, value in wanted.items():
            where = ds.field(column) == value if where is None else where & (ds.field(column) == value)
        return self._dataset().get_fragments(where)  # type: ignore[no-any-return]

    def batches(self, rows: int = 65_536, columns: list[str] | None = None) -> Iterable[pa.RecordBatch]:
        """Stream it, at most ``rows`` rows at a time."""
        return self.dataset().scanner(columns=columns, batch_size=rows).to_batches()  # type: ignore[no-any-return]

    def head(self, rows: int) -> pa.Table:
        """The first rows as stored."""
        return self.dataset().head(rows)

    def to_table(self, columns: list[str] | None = None) -> pa.Table:
        """Read all of it."""
        return (
            self.dataset()
            .to_table(columns=columns)
            .cast(pa.schema([f for f in self.table.schema if columns is None or f.name in columns]))
        )


class Lake:
    """The tables under one root.

    Args:
        root: a local folder, or an object store's URI such as ``s3://bucket/prefix``.
        storage_options: options of the object store; its usual environment variables serve without any.

    Raises:
        ValueError: a local path that the storage layer cannot read.
    """

    def __init__(self, root: str, storage_options: Mapping[str, str] | None = None) -> None:
        if "://" not in root and any(character in root for character in UNREADABLE):
            raise ValueError(f"the path of a lake must be free of {' '.join(UNREADABLE)}, got {root}; name another folder")
        self.root = root.rstrip("/")
        self.storage_options = dict(storage_options or {})

    def filesystem(self) -> pafs.FileSystem:
        """Its root as a file system, for files that are no table's."""
        if "://" in self.root:
            from deltalake.fs import DeltaStorageHandler

            return pafs.PyFileSystem(DeltaStorageHandler(self.root, self.storage_options))
        Path(self.root).mkdir(parents=True, exist_ok=True)
        return pafs.SubTreeFileSystem(self.root, pafs.LocalFileSystem())

    def uri(self, name: str) -> str:
        """Where the table lies."""
        return f"{self.root}/{table_named(name).name}"

    def open(self, name: str) -> DeltaTable:
        """The table at its newest version; made, empty, if it is not there yet.

        Raises:
            KeyError: no table has that name.
            ValueError: it was made by a version of ft_assets whose tables had other columns.
        """
        table = table_named(name)
        try:
            delta = DeltaTable(self.uri(name), storage_options=self.storage_options)
        except TableNotFoundError:
            return retried(lambda: self._create(table))
        missing = set(table.column_names) - {field.name for field in delta.schema().fields}
        if missing:
            raise ValueError(
                f"{self.uri(name)} must have the columns {', '.join(table.column_names)}, it lacks "
                f"{', '.join(sorted(missing))}: another version of ft_assets made it. Move the lake away and run again: "
                "the landing place holds what it was made of"
            )
        return delta

    def _create(self, table: Table) -> DeltaTable:
        if "://" not in self.root:
            Path(self.uri(table.name)).mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(
            self.uri(table.name),
            schema=table.schema,
            mode="ignore",
            partition_by=list(table.partition_by),
            description=f"A row is {table.row}.",
            configuration=TABLE_CONFIGURATION,
            storage_options=self.storage_options,
        )

    def exists(self, name: str) -> bool:
        """Whether the table has been made; asking does not make it."""
        return DeltaTable.is_deltatable(self.uri(name), storage_options=self.storage_options)

    def slice(self, name: str, session_date: dt.date | None = None, version: int | None = None) -> Slice:
        """A table, or a day of it, as it is now or was at a version.

        Raises:
            KeyError: no table has that name.
            ValueError: a day was asked of a table that has none.
        """
        table = table_named(name)
        if session_date is not None:
            _check_by_day(table, session_date)
        delta = self.open(name)
        if version is not None:
            delta.load_as_version(version)
        return Slice(table, delta, session_date)

    def slice_if_there(self, name: str, session_date: dt.date | None, version: int | None) -> Slice | None:
        """A table, or a day of it, as it was at a version; None where that is gone, as ``forget`` takes history away."""
        try:
            found = self.slice(name, session_date, version)
        except DeltaError:
            return None
        places = [f"{name}/{uri.rsplit(f'/{name}/', 1)[1]}" for uri in found.file_uris()]
        infos = self.filesystem().get_file_info(places)
        return found if all(info.type == pafs.FileType.File for info in infos) else None

    def days(self, name: str) -> list[dt.date]:
        """The days that a table holds, in order."""
        actions = pa.table(self.open(name).get_add_actions(flatten=True))
        return sorted(set(actions["partition.session_date"].to_pylist()))

    def holds(self, name: str, transaction: str) -> bool:
        """Whether a commit of that name has been made to the table."""
        return self.open(name).transaction_version(transaction) is not None

    def replace_day(self, name: str, day: dt.date, batches: Batches, metadata: Mapping[str, Any]) -> Commit:
        """Replace one day by new rows in one atomic commit.

        Args:
            name: the table.
            day: the day.
            batches: makes the rows.
            metadata: what the rows were made from, kept in the table's log.

        Raises:
            ValueError: rows of another day, or of another schema; or the table is not kept by day.
        """
        table = table_named(name)
        _check_by_day(table, day)
        self.open(name)  # made before the first row is written
        written = write_day(self.filesystem(), table, day, batches())
        paths = {file.path for file in written.files}
        tried = False

        def commit() -> Commit:
            nonlocal tried
            delta = self.open(name)
            # A commit that was told to have failed may have been made all the same (a broken connection).
            if tried and paths and paths <= set(pa.table(delta.get_add_actions(flatten=True))["path"].to_pylist()):
                return Commit(int(delta.version()), written.rows)
            tried = True
            delta.create_write_transaction(
                list(written.files),
                mode="overwrite",
                schema=delta.schema(),
                partition_by=list(table.partition_by),
                partition_filters=[("session_date", "=", day.isoformat())],
                commit_properties=_properties(metadata),
            )
            return Commit(int(delta.version()) + 1, written.rows)  # it is the next version, or no commit at all

        # What goes wrong here does not say whether the files count: they stay, and vacuum removes those that do not.
        return retried(commit)

    def append_once(
        self,
        name: str,
        batches: Batches,
        transactions: Iterable[str],
        metadata: Mapping[str, Any],
        read_version: int | None = None,
    ) -> Commit:
        """Append rows exactly once: the commit carries names, and no second commit with one of them is made.

        Args:
            name: the table.
            batches: makes the rows anew each time it is called: a conflict with another writer starts over.
            transactions: names of what the rows are, kept in the table's log for ever.
            metadata: what the rows were made from, kept in the table's log.
            read_version: the version that the rows were compared with, where they were.

        Raises:
            AlreadyDone: another writer was first with one of the names; nothing was written.
            Overtaken: the table is no longer at ``read_version``; nothing was written.
        """
        table, transactions = table_named(name), list(transactions)
        written: AddedFiles | None = None

        def add() -> Commit:
            """The files are written once; a conflict repeats the commit alone."""
            nonlocal written
            delta = self._open_for(name, transactions, read_version)
            written = written or add_files(self.filesystem(), table, batches())
            # What goes wrong here does not say whether the files count: they stay, and vacuum removes those that do not.
            delta.create_write_transaction(
                list(written.files),
                mode="append",
                schema=delta.schema(),
                partition_by=list(table.partition_by),
                commit_properties=_properties(metadata, transactions),
            )
            return Commit(int(delta.version()) + 1, written.rows)  # it is the next version, or no commit at all

        def write() -> Commit:
            delta = self._open_for(name, transactions, read_version)
            with Feed(table, batches) as feed:
                write_deltalake(
                    delta,
                    feed.reader,
                    mode="append",
                    writer_properties=writer_of(name),
                    commit_properties=_properties(metadata, transactions),
                )
            return Commit(int(delta.version()), feed.rows)

        return retried(add if name in WRITTEN else write)

    def merge_once(
        self,
        name: str,
        put: pa.Table,
        transactions: Iterable[str],
        metadata: Mapping[str, Any],
        read_version: int | None = None,
        remove: pa.Table | None = None,
        days: Iterable[dt.date] = (),
    ) -> Commit:
        """Put rows in the place of those with their key, and remove others, exactly once, in one commit.

        Args:
            name: the table.
            put: new and changed rows, at most one for a key.
            transactions: names of what the rows are, kept in the table's log for ever.
            metadata: what the rows were made from, kept in the table's log.
            read_version: the version that the rows were compared with, where they were.
            remove: keys of rows that go; a key is not in ``put`` as well.
            days: of a table kept by day, all days in which such rows may stand: no others are read.

        Raises:
            AlreadyDone: another writer was first with one of the names; nothing was written.
            Overtaken: the table is no longer at ``read_version``; nothing was written.
        """
        table, transactions = table_named(name), list(transactions)
        gone = table.schema.field(0).with_name(GOES).with_type(pa.bool_())
        source = pa.concat_tables(
            [
                put.cast(table.schema).append_column(gone, pa.array([False] * put.num_rows, pa.bool_())),
                *([] if remove is None else [_padded(remove, table, gone)]),
            ]
        )
        if not source.num_rows:  # a merge without rows commits nothing, and the names would stay new for ever
            return self.append_once(name, put.to_batches, transactions, metadata, read_version)
        columns = {column: f"new.{column}" for column in table.column_names}
        places = [f"new.{column} = old.{column}" for column in table.key]
        if days and "session_date" in table.partition_by:
            quoted = ", ".join(f"'{day.isoformat()}'" for day in days)
            places.append(f"old.session_date in ({quoted})")

        def write() -> Commit:
            delta = self._open_for(name, transactions, read_version)
            before = int(delta.version())
            merge = delta.merge(
                source,
                predicate=" and ".join(places),
                source_alias="new",
                target_alias="old",
                writer_properties=writer_of(name),
                commit_properties=_properties(metadata, transactions),
            )
            (
                merge.when_matched_delete(predicate=f"new.{GOES}")
                .when_matched_update(columns, predicate=f"not new.{GOES}")
                .when_not_matched_insert(columns, predicate=f"not new.{GOES}")
                .execute()
            )
            if int(delta.version()) == before:  # none of the rows to remove was there: the names still have to be
                write_deltalake(delta, put, mode="append", commit_properties=_properties(metadata, transactions))
            return Commit(int(delta.version()), put.num_rows)

        return retried(write)

    def _open_for(self, name: str, transactions: list[str], read_version: int | None) -> DeltaTable:
        """The table, if none of the names is in it and it is where it was read."""
        delta = self.open(name)
        done = [one for one in transactions if delta.transaction_version(one) is not None]
        if done:
            raise AlreadyDone(f"{len(done)} of {len(transactions)} are already in the table: {', '.join(done[:3])}")
        if read_version is not None and delta.version() != read_version:
            raise Overtaken(f"the rows were compared with version {read_version}, the table is at {delta.version()}")
        return delta

    def append(self, name: str, rows: pa.Table, metadata: Mapping[str, Any]) -> Commit:
        """Append rows in one commit."""

        def write() -> Commit:
            delta = self.open(name)
            write_deltalake(
                delta,
                rows.cast(table_named(name).schema),
                mode="append",
                writer_properties=writer_of(name),
                commit_properties=_properties(metadata),
            )
            return Commit(int(delta.version()), rows.num_rows)

        return retried(write)

    def history(self, name: str, after: int = -1) -> list[dict[str, Any]]:
        """The log entries of the versions behind ``after``, oldest first."""
        for attempt in range(ATTEMPTS):
            delta = self.open(name)
            newer = int(delta.version()) - after
            if newer <= 0:
                return []
            entries = [entry for entry in delta.history(newer) if entry["version"] > after]
            # delta counts versions down from the one it opened, though it reads commits that came since:
            # a commit in between would shift them all.
            if self.open(name).version() == delta.version():
                return sorted(entries, key=lambda entry: entry["version"])
            wait(attempt)
        raise RuntimeError(f"{name} was committed to while its history was read, {ATTEMPTS} times in a row")


def writer_of(name: str) -> WriterProperties:
    """How the files of a table are written."""
    return VECTOR_WRITER if name == TEXT_VECTORS.name else WRITER


def _check_by_day(table: Table, day: dt.date) -> None:
    if "session_date" not in table.partition_by:
        raise ValueError(f"{table.name} is not kept by day, asked for {day}")


def _padded(keys: pa.Table, table: Table, gone: pa.Field) -> pa.Table:
    """Keys as rows of the table that go, nothing in the other columns."""
    columns = [
        keys[field.name].cast(field.type) if field.name in table.key else pa.nulls(keys.num_rows, field.type)
        for field in table.schema
    ]
    return pa.table([*columns, pa.array([True] * keys.num_rows, pa.bool_())], schema=table.schema.append(gone))


def _properties(metadata: Mapping[str, Any], transactions: Iterable[str] = ()) -> CommitProperties:
    values = {
        key: value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
        for key, value in metadata.items()
    }
    return CommitProperties(
        custom_metadata=values, app_transactions=[Transaction(name, 1) for name in transactions], max_commit_retries=0
    )


def retried(write: Callable[[], T]) -> T:
    """Run a commit again when another writer came first, a little later each time."""
    for attempt in range(ATTEMPTS):
        try:
            return write()
        except CommitFailedError:
            if attempt == ATTEMPTS - 1:
                raise
            wait(attempt)
    raise AssertionError("unreachable")


def wait(attempt: int) -> None:
    """Let another writer finish, a little longer each time, and not in step with others that wait."""
    time.sleep(random.uniform(0.02, 0.1) * (attempt + 1))


def read_table(name: str, home: str | os.PathLike[str] | None = None, session_date: dt.date | str | None = None) -> pa.Table:
    """Read a table, or one day of it, as Arrow.

    Args:
        name: a table of DESIGN section 4, such as ``fine_tuning_features``.
        home: where to look; else ``FT_ASSETS_HOME``, else ``.ft_assets`` in the working directory.
        session_date: one day only, a date or its ISO form.

    Raises:
        KeyError: no table has that name; the message lists those there are.
        FileNotFoundError: nothing has been made there yet.
        ValueError: the table is not kept by day, or the date is not one.
    """
    table_named(name)
    lake = Home.find(home).lake
    if not lake.exists(name):
        raise FileNotFoundError(f"there is no table {name} under {lake.root}; materialize it first")
    day = dt.date.fromisoformat(session_date) if isinstance(session_date, str) else session_date
    return lake.slice(name, day).to_table()
