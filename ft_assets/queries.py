"""Run a file of ``sql/`` on DuckDB, with bound parameters, over tables of the lake.

A query names tables as the lake does. A parameter is written ``$name`` and bound, never pasted. Result rows stream:
memory is bounded by the batch and by DuckDB's own limit, beyond which it spills to a temporary folder.

A day opens some forty sessions, and to open a database costs DuckDB more than to answer a small query. So the sessions of a
process share one database in memory, each with a connection and a schema of its own: none sees what another makes.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ft_assets.lake import Slice

BATCH_ROWS = 65_536
# What a database says that has come to its end, by a fault or with its process.
LOST = (duckdb.FatalException, duckdb.InternalException, duckdb.ConnectionException)
MEMORY_MIB = 4_096  # of a process, where FT_ASSETS_DUCKDB_MEMORY does not say; what is more goes to disk


@cache
def sql_root() -> Path:
    """The folder of the SQL files: inside the installed package, or at the top of a checkout.

    Raises:
        FileNotFoundError: neither is there.
    """
    package = Path(__file__).parent
    for folder in (package / "sql", package.parent / "sql"):
        if (folder / "assets").is_dir():
            return folder
    raise FileNotFoundError(f"no sql/assets in {package} nor in {package.parent}: the installation is incomplete")


@cache
def read_sql(name: str) -> str:
    """The text of ``sql/<name>.sql``.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return (sql_root() / f"{name}.sql").read_text(encoding="utf-8")


class _Database:
    """A database in memory with our macros, under the limits that the environment says."""

    def __init__(self) -> None:
        self.process = os.getpid()
        spill = tempfile.mkdtemp(prefix="ft_assets_duckdb_")
        self._clear = weakref.finalize(self, shutil.rmtree, spill, ignore_errors=True)  # at the latest when the process ends
        self._limits = _limits()
        # What was read of files is the system's to keep: a database lives as long as its process.
        set_ = {"temp_directory": spill, "enable_external_file_cache": "false", **self._limits}
        self._con = duckdb.connect(config=set_)
        self._con.execute(read_sql("macros"))
        self._numbers = itertools.count(1)

    def limit(self) -> None:
        """Keep to the limits that the environment says now."""
        if (limits := _limits()) != self._limits:
            for name in self._limits.keys() | limits.keys():
                self._con.execute(f"set {name} = '{limits[name]}'" if name in limits else f"reset {name}")
            self._limits = limits

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One more connection, in UTC, whose tables and views go with it."""
        con, schema = self._con.cursor(), f"session_{next(self._numbers)}"
        try:
            con.execute(f"create schema {schema}")
            con.execute(f"set search_path = '{schema},main'")
            con.execute("set timezone = 'UTC'")
            con.execute("set enable_progress_bar = false")
            yield con
        finally:
            con.close()  # whatever it was doing
            with suppress(*LOST), self._con.cursor() as last:
                last.execute(f"drop schema if exists {schema} cascade")
                # Said again, it has the memory handed back that the tables took: else the process would keep it.
                last.execute(f"set memory_limit = '{self._limits['memory_limit']}'")

    def close(self) -> None:
        """Let go of all that it holds."""
        self._con.close()
        self._clear()


def _limits() -> dict[str, str]:
    limits = {"memory_limit": os.environ.get("FT_ASSETS_DUCKDB_MEMORY", f"{MEMORY_MIB}MiB")}
    if threads := os.environ.get("FT_ASSETS_DUCKDB_THREADS"):
        limits["threads"] = threads
    return limits


class _Shared:
    """The database that the sessions of this process share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database: _Database | None = None

    def database(self) -> _Database:
        """It, under the limits of now; opened where there is none."""
        with self._lock:
            if self._database is None or self._database.process != os.getpid():  # a forked process has none of its threads
                self._database = _Database()
            self._database.limit()
            return self._database

    def close(self) -> None:
        """Share none any more."""
        with self._lock:
            if self._database is not None and self._database.process == os.getpid():
                self._database.close()
            self._database = None

    def give_up(self, database: _Database) -> None:
        """Open another one for who comes next: after a fatal error a database answers nothing any more."""
        with self._lock:
            if self._database is database:
                self._database = None


_shared = _Shared()
atexit.register(_shared.close)  # DuckDB complains of connections that the interpreter takes apart


@contextmanager
def session(
    tables: Mapping[str, Slice | pa.Table | pa.RecordBatchReader] | None = None, *, is_alone: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection in memory that sees the given tables by name, in UTC, and closes at the end.

    Args:
        tables: by name.
        is_alone: give it a database of its own: it may set there what holds for a whole database.
    """
    with ExitStack() as opened:
        if is_alone:
            database = _Database()
            opened.callback(database.close)
        else:
            database = _shared.database()
        con = opened.enter_context(database.connection())
        try:
            for name, table in (tables or {}).items():
                if isinstance(table, Slice):
                    table.create_view(con, name)
                else:
                    con.register(name, table)
            yield con
        except (duckdb.FatalException, duckdb.InternalException):
            _shared.give_up(database)
            raise


@contextmanager
def seen(con: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> Iterator[None]:
    """Let a connection see tables for a while, under these names."""
    for name, table in tables.items():
        con.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            con.unregister(name)


def query(con: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Any] | None = None) -> duckdb.DuckDBPyRelation:
    """The rows of ``sql/<name>.sql``, not computed yet."""
    return con.sql(read_sql(name), params=dict(parameters or {}))


def once(con: duckdb.DuckDBPyConnection, table: str, name: str, parameters: Mapping[str, Any] | None = None) -> None:
    """Keep the rows of ``sql/<name>.sql`` as a table of the connection, unless it has one of that name: several ask for it."""
    if not has(con, table):
        query(con, name, parameters).create(table)


def has(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether a connection has a table or a view of that name: of its own, for those beside it are in the same database."""
    tables = "select table_name as name, schema_name from duckdb_tables()"
    views = "select view_name, schema_name from duckdb_views()"
    own = f"from ({tables} union all {views}) where name = $name and schema_name = current_schema()"
    return bool(con.sql(own, params={"name": name}).fetchall())


def stream(relation: duckdb.DuckDBPyRelation, rows: int = BATCH_ROWS) -> pa.RecordBatchReader:
    """The rows as a stream of Arrow batches."""
    return relation.to_arrow_reader(rows)


def rebatched(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of exactly ``size`` rows but for the last: storage cuts them where it likes."""
    waiting: list[pa.RecordBatch] = []
    rows = 0

    def joined() -> pa.RecordBatch:
        return pa.Table.from_batches(waiting).unify_dictionaries().combine_chunks().to_batches()[0]

    for batch in batches:
        taken = 0
        while taken < batch.num_rows:
            piece = batch.slice(taken, size - rows)
            waiting.append(piece)
            rows += piece.num_rows
            taken += piece.num_rows
            if rows == size:
                yield joined()
                waiting, rows = [], 0
    if rows:
        yield joined()


def rows(relation: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    """All rows as dictionaries, with plain numbers (DuckDB adds up to decimals): for small answers."""
    return [{name: _plain(value) for name, value in row.items()} for row in relation.to_arrow_table().to_pylist()]


def _plain(value: Any) -> Any:
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == int(value) else float(value)
