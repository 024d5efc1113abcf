"""A table or view of a PostgreSQL database: what its columns are, and its rows from a watermark on."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ft_assets import queries
from ft_assets.pulls import Feed
from ft_assets.sources import OPTIONAL, OVERLAP_IDS, OVERLAP_SECONDS, REQUIRED, Source, SourceTable

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

    Connection = psycopg.Connection[tuple[Any, ...]]

NUMBERS = ("smallint", "integer", "bigint")
TIMES = {
    "timestamp with time zone": ("timestamptz 'epoch'", "now()"),
    "timestamp without time zone": ("timestamp 'epoch'", "localtimestamp"),  # taken as UTC
}
MICROSECONDS = 1_000_000
# The first pull's window begins before all that a column can hold.
BEGINNING = {"time": -210_000_000_000_000_000, "number": -(2**63)}
IDS = ("session_id", "event_id", "item_id", "object_id", "user_id", "visit_id")


@dataclass(frozen=True)
class Relation:
    """A table or view that can be pulled.

    Attributes:
        feed: what a pull of it goes on with.
        table: its settings.
        columns: key of the landed line -> column.
        watermark_type: the type of the watermark column.
    """

    feed: Feed
    table: SourceTable
    columns: Mapping[str, str]
    watermark_type: str

    @property
    def name(self) -> str:
        """As the settings name it."""
        return self.table.relation

    @property
    def watermark(self) -> str:
        """The column that grows."""
        return self.table.watermark

    @property
    def kind(self) -> str:
        """Whether the watermark is a time or a number."""
        return "time" if self.watermark_type in TIMES else "number"

    @property
    def overlap(self) -> int:
        """How far below the watermark to read again, in the watermark's unit."""
        if self.kind == "time":
            return (OVERLAP_SECONDS if self.table.overlap is None else self.table.overlap) * MICROSECONDS
        return OVERLAP_IDS if self.table.overlap is None else self.table.overlap

    def rows(self, con: Connection, start: int | None, batch_rows: int) -> Generator[tuple[int, str], None, None]:
        """Watermark and JSON object of each row from ``start`` on, lowest watermark first, ``batch_rows`` in memory."""
        beginning = BEGINNING[self.kind]
        statement = _statement(con, f"sources/rows_by_{self.kind}", self._names())
        with con.cursor(name=f"ft_assets_{self.feed.feed}") as cursor:
            cursor.itersize = batch_rows
            cursor.execute(statement, {"start": beginning if start is None else max(start, beginning)})
            yield from cursor  # two columns, as the statement says

    def unread(self, con: Connection) -> tuple[int, int]:
        """Rows that no pull can read, for want of a watermark, and rows that wait for their time."""
        statement = _statement(con, f"sources/unread_by_{self.kind}", self._names())
        ((unreadable, waiting),) = con.execute(statement, {}).fetchall()
        return int(unreadable), int(waiting)

    def _names(self) -> dict[str, sql.Composable]:
        from psycopg import sql

        epoch, now = TIMES.get(self.watermark_type, ("", ""))
        return {
            "relation": _identifier(self.name),
            "watermark": sql.Identifier(self.watermark),
            "document": self._document(),
            "epoch": _verbatim(epoch),
            "now": _verbatim(now),
        }

    def _document(self) -> sql.Composable:
        """The row as the database writes JSON: times in ISO 8601, numbers with their digits; ids as texts."""
        from psycopg import sql

        parts = [
            sql.SQL("{}, {}{}").format(sql.Literal(key), sql.Identifier(column), sql.SQL("::text" if key in IDS else ""))
            for key, column in self.columns.items()
        ]
        return sql.SQL("json_build_object({})").format(sql.SQL(", ").join(parts))


def described(con: Connection, source: Source, feed: str) -> Relation:
    """The table of a feed, with the columns that the database has.

    Raises:
        ValueError: the relation or a column is not there, or the watermark can be no watermark; the message names the
            relation and the columns there are.
    """
    table = source.tables[feed]
    name = _identifier(table.relation).as_string(con)
    there: dict[str, str] = dict(con.execute(_statement(con, "sources/columns", {}), {"relation": name}).fetchall())
    if not there:
        raise ValueError(f"{feed}: there is no table or view {table.relation} that this user can see")
    columns = {key: table.columns.get(field) or field for field, key in REQUIRED[feed].items()}
    for field, key in OPTIONAL[feed].items():
        column = table.columns.get(field, field if field in there else None)
        if column is not None:
            columns[key] = column
    missing = sorted({*columns.values(), table.watermark} - set(there))
    if missing:
        raise ValueError(
            f"{feed}: {table.relation} has no column {', '.join(missing)}; its columns are {', '.join(there)}. Say which is "
            "which under columns and watermark"
        )
    type_ = there[table.watermark]
    if type_ not in (*NUMBERS, *TIMES):
        raise ValueError(
            f"{feed}: the watermark {table.watermark} of {table.relation} must be one of {', '.join((*TIMES, *NUMBERS))}, "
            f"it is {type_}"
        )
    return Relation(Feed(source.name, feed, table.relation, table.watermark), table, columns, type_)


def _identifier(relation: str) -> sql.Identifier:
    from psycopg import sql

    return sql.Identifier(*relation.split("."))


def _verbatim(text: str) -> sql.SQL:
    """A word of this program, never of a user."""
    from psycopg import sql

    return sql.SQL(text)


def _statement(con: Connection, name: str, names: Mapping[str, sql.Composable]) -> sql.SQL:
    """A file of ``sql/``: ``"<name>"`` stands for an identifier or expression, ``$name`` for a value that is bound."""
    parts = re.split(r'"<(\w+)>"', queries.read_sql(name))
    for place in range(1, len(parts), 2):
        parts[place] = names[parts[place]].as_string(con)
    escaped = [part.replace("%", "%%") for part in parts]  # also in a column's name
    escaped[::2] = [re.sub(r"\$(\w+)", r"%(\1)s", text) for text in escaped[::2]]
    return _verbatim("".join(escaped))
