"""A few rows of a table to look at, less what may tell who a person is."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import duckdb
import pyarrow as pa

from ft_assets import queries
from ft_assets.lake import Lake
from ft_assets.schemas import Column, Table, table_named

ROWS, ENTRIES, LETTERS = 5, 3, 120
Cell = str | int | float | bool | None
# When a row of a table of the log came: of these the newest are shown.
_CAME = ("ingested_at", "updated_at")


def sample_columns(table: Table) -> list[Column]:
    """The columns that are no one's."""
    return [column for column in table.columns if not column.personal]


def sample_rows(lake: Lake, name: str, day: dt.date | None = None) -> list[dict[str, Cell]]:
    """The first rows of a day, or of what came last, in order of their key: the same at every look.

    Args:
        lake: where the tables are.
        name: the table.
        day: of tables kept by day, the day.

    Returns:
        Up to five rows, without their personal columns; lists show their first entries and how many there are.
    """
    with queries.session({name: lake.slice(name, day)}) as con:
        return first_rows(con, name, newest=day is None)


def first_rows(con: duckdb.DuckDBPyConnection, name: str, newest: bool = False) -> list[dict[str, Cell]]:
    """The same, of the rows of a table that a connection sees.

    Args:
        con: sees them under the table's name.
        name: the table.
        newest: of those that came last.
    """
    table = table_named(name)
    columns = sample_columns(table)
    names = [column.name for column in columns]
    keys = [key for key in table.key if key in names]
    scalars = [column.name for column in columns if not pa.types.is_nested(column.type)]
    came = next((column for column in _CAME if column in names), None) if newest else None
    rows = con.view(name)  # The names are those of the schema.
    if came is not None:
        rows = rows.filter(f"{came} = (select max({came}) from {name})")
    by = keys or scalars
    # Of millions of rows only those are read that come first by the first of the keys alone.
    leading = [value for (value,) in rows.select(by[0]).order(by[0]).limit(ROWS).fetchall()]
    if leading and leading[-1] is not None:
        rows = rows.filter(duckdb.ColumnExpression(by[0]) <= duckdb.ConstantExpression(leading[-1]))
    first = rows.select(*names).order(", ".join(by)).limit(ROWS)
    return [{key: _cell(value) for key, value in row.items()} for row in queries.rows(first)]


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        shown = ", ".join(str(_cell(entry)) for entry in value[:ENTRIES])
        return f"{shown}, ... ({len(value)})" if len(value) > ENTRIES else shown
    if isinstance(value, dict):
        return json.dumps({key: _cell(entry) for key, entry in value.items()}, ensure_ascii=False)
    text = value.isoformat() if isinstance(value, dt.date | dt.datetime) else str(value)
    return text if len(text) <= LETTERS else text[: LETTERS - 3] + "..."
