"""Run a file of ``sql/`` on DuckDB, with bound parameters, over tables of the lake.

A query names tables as the lake does. A parameter is written ``$name`` and bound, never pasted. Result rows stream:
memory is bounded by the batch and by DuckDB's own limit, beyond which it spills to a temporary folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ft_assets.lake import Slice

BATCH_ROWS = 65_536


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


@contextmanager
def session(tables: Mapping[str, Slice | pa.Table | pa.RecordBatchReader] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection in memory that sees the given tables by name, in UTC, and closes at the end."""
    with tempfile.TemporaryDirectory(prefix="ft_assets_duckdb_") as spill:
        config = {"temp_directory": spill, "memory_limit": os.environ.get("FT_ASSETS_DUCKDB_MEMORY", "4GB")}
        if threads := os.environ.get("FT_ASSETS_DUCKDB_THREADS"):
            config["threads"] = threads
        con = duckdb.connect(config=config)
        try:
            con.execute("set timezone = 'UTC'")
            con.execute("set enable_progress_bar = false")
            con.execute(read_sql("macros"))
            for name, table in (tables or {}).items():
                if isinstance(table, Slice):
                    table.create_view(con, name)
                else:
                    con.register(name, table)
            yield con
        finally:
            con.close()


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
