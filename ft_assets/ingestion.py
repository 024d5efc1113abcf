"""Landed files -> search_sessions, session_events, items and rejected_records, exactly once.

Files are taken in groups. A group is read as lines, SQL decides what becomes of every entry (an entry is a session, a
query document, an event, an item, or a line that is none of these), the books are balanced, and each table that the
group feeds gets one commit that carries the names of its files. A kill between two commits leaves some tables
without them; the next ingestion decides the same again and adds only what is missing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ft_assets import lines, queries, readers, spellings
from ft_assets.books import REASONS, Books, Ingested
from ft_assets.lake import ATTEMPTS, AlreadyIngested, Lake, Overtaken, Slice, wait
from ft_assets.readers import LandedFile

if TYPE_CHECKING:
    import duckdb

__all__ = ["FEEDS", "REASONS", "TABLES", "Books", "Ingested", "ingest", "new_files"]

# The order matters: the days of new events are those of sessions that are there already.
TABLES = ("items", "search_sessions", "session_events", "rejected_records")
FEEDS = {
    "embedding_studio": ("search_sessions", "session_events", "rejected_records"),
    "items": ("items", "rejected_records"),
    "ubi": ("search_sessions", "session_events", "rejected_records"),
}
# The SQL of sql/readers that turns the lines of a format into entries.
SCRIPTS = {
    "embedding_studio": ("embedding_studio_entries",),
    "items": ("items_entries",),
    "ubi": ("ubi_spellings", "ubi_records", "ubi_entries"),
}
DECISIONS = ("decide_sessions", "decide_events", "decide_items", "dispositions")

GROUP_BYTES = 256 << 20
GROUP_FILES = 1_000
GZIP_RATIO = 8  # what a compressed log grows to, about


def new_files(lake: Lake, landing: Path) -> list[LandedFile]:
    """The landed files that some table they feed does not hold yet, sorted by name."""
    files = readers.landed_files(landing)
    held = _held(lake, files)
    return [file for file in files if not _is_done(file, held)]


def named_files(lake: Lake, landing: Path, names: Sequence[str]) -> list[LandedFile]:
    """The landed files of these names, or all new ones where none is named.

    Raises:
        FileNotFoundError: a name is not in the landing place.
    """
    if not names:
        return new_files(lake, landing)
    landed = {file.name: file for file in readers.landed_files(landing)}
    missing = [name for name in names if name not in landed]
    if missing:
        raise FileNotFoundError(f"{len(missing)} of {len(names)} files are not in {landing}: {', '.join(missing[:5])}")
    return [landed[name] for name in names]


def ingest(lake: Lake, files: Sequence[LandedFile], metadata: Mapping[str, Any] | None = None) -> Ingested:
    """Bring landed files into the lake, each exactly once; those that it holds already are skipped.

    Other ingestions may run at the same time: where one was faster with a file, or changed what this one had compared
    with, nothing is written and the rest is decided again.

    Args:
        lake: the tables.
        files: as ``new_files`` or ``readers.landed_files`` gives them.
        metadata: stated in the log of every commit beside the files, the books and the affected days.

    Returns:
        What was done; without the files that others ingested.

    Raises:
        Overtaken: others kept coming first, ``ATTEMPTS`` times in a row.
        RuntimeError: the books of a file do not balance, or a table would get other rows than they say (a fault of this
            program); nothing of its group was written.
    """
    done, pending, attempt = Ingested(), list(files), 0
    while True:
        held = _held(lake, pending)
        pending = [file for file in pending if not _is_done(file, held)]
        if not pending:
            return done
        group = _next_group(pending, held)
        try:
            _Ingestion(lake, group, held, metadata or {}, done).run()
        except (AlreadyIngested, Overtaken):
            attempt += 1
            if attempt == ATTEMPTS:
                raise
            wait(attempt - 1)
        else:
            attempt, names = 0, {file.name for file in group}
            pending = [file for file in pending if file.name not in names]


def _held(lake: Lake, files: Sequence[LandedFile]) -> dict[str, frozenset[str]]:
    """The tables that hold each file."""
    fed = {table for file in files for table in FEEDS[file.format]}
    deltas = {table: lake.open(table) for table in fed}
    return {
        file.name: frozenset(
            table for table in FEEDS[file.format] if deltas[table].transaction_version(f"file:{file.name}") is not None
        )
        for file in files
    }


def _is_done(file: LandedFile, held: Mapping[str, frozenset[str]]) -> bool:
    return held[file.name] == frozenset(FEEDS[file.format])


def _next_group(files: Sequence[LandedFile], held: Mapping[str, frozenset[str]]) -> list[LandedFile]:
    """Files of one format that the same tables hold, up to a size; half-done ones first, then the catalogue."""

    def order(file: LandedFile) -> tuple[Any, ...]:
        return not held[file.name], file.format != "items", file.format, sorted(held[file.name])

    first = min(files, key=order)
    group: list[LandedFile] = []
    size = 0
    for file in sorted((f for f in files if order(f) == order(first)), key=lambda file: file.name):
        size += file.path.stat().st_size * (GZIP_RATIO if file.path.suffix == ".gz" else 1)
        if group and (size > GROUP_BYTES or len(group) == GROUP_FILES):
            break
        group.append(file)
    return group


class _Ingestion:
    """One group on its way into the lake."""

    def __init__(
        self,
        lake: Lake,
        group: Sequence[LandedFile],
        held: Mapping[str, frozenset[str]],
        metadata: Mapping[str, Any],
        done: Ingested,
    ) -> None:
        self.lake, self.group, self.held, self.metadata, self.done = lake, group, held, metadata, done
        self.format = group[0].format
        # all that decisions are made on; a commit is refused if it moved on.
        self.read: dict[str, Slice] = {name: lake.slice(name) for name in ("items", "search_sessions", "session_events")}

    def run(self) -> None:
        with queries.session(self.read) as con:
            self._read_lines(con)
            self._decide(con)
            books = _balanced_books(con)
            totals = {table: self._total(table, books) for table in TABLES if self._new_to(table)}
            for table, total in totals.items():  # all of them, before the first commit
                _check_rows(con, table, total)
            for table, total in totals.items():
                self._commit(con, table, total)
        self.done.note_books(books)

    def _new_to(self, table: str) -> list[str]:
        """The files of the group that the table is fed and does not hold."""
        return [file.name for file in self.group if table in FEEDS[self.format] and table not in self.held[file.name]]

    def _total(self, table: str, books: Mapping[str, Books]) -> Books:
        total = Books()
        for name in self._new_to(table):
            total.add(books[name])
        return total

    def _read_lines(self, con: duckdb.DuckDBPyConnection) -> None:
        now = dt.datetime.now(dt.UTC)
        rows = [
            {"file_number": number, "source_file": file.name, "held": sorted(self.held[file.name]), "ingested_at": now}
            for number, file in enumerate(self.group)
        ]
        schema = pa.schema(
            [
                ("file_number", pa.int32()),
                ("source_file", pa.string()),
                ("held", pa.list_(pa.string())),
                ("ingested_at", pa.timestamp("us", tz="UTC")),
            ]
        )
        con.register("given_files", pa.Table.from_pylist(rows, schema=schema))
        con.execute("create temp table files as from given_files")
        batches = lines.line_batches((number, file.path) for number, file in enumerate(self.group))
        con.register("given_lines", pa.RecordBatchReader.from_batches(lines.LINE_SCHEMA, batches))
        con.execute("create temp table lines as from given_lines")
        con.unregister("given_lines")

    def _decide(self, con: duckdb.DuckDBPyConnection) -> None:
        spellings.read_mappings(con, self.format)
        for script in ("macros", "empty_entries", *SCRIPTS[self.format], *DECISIONS):
            con.execute(queries.read_sql(f"readers/{script}"))

    def _commit(self, con: duckdb.DuckDBPyConnection, table: str, total: Books) -> None:
        files = self._new_to(table)
        days = [day for (day,) in con.execute(queries.read_sql(f"readers/{table}_days")).fetchall()]
        metadata = {
            **self.metadata,
            "files": files,
            "affected_days": [day.isoformat() for day in days],
            "counts": total.as_metadata(),
        }
        self._refuse_newer_sessions(table)
        rows = queries.query(con, f"readers/{table}")
        version = self.read[table].version if table in self.read else None
        if table == "items":
            commit = self.lake.upsert_items_once(rows.to_arrow_table(), files, metadata, version)
        else:
            commit = self.lake.append_once(table, lambda: queries.stream(rows), files, metadata, version)
        self.done.note_commit(table, commit, days)

    def _refuse_newer_sessions(self, table: str) -> None:
        """The days of events and items are those of the sessions that were read; newer ones may have others."""
        if table not in ("items", "session_events"):
            return
        now = self.lake.slice("search_sessions").version
        known = self.done.versions.get("search_sessions", -1)
        if now not in (self.read["search_sessions"].version, known):
            raise Overtaken(f"search_sessions was read at another version than {now}")


def _balanced_books(con: duckdb.DuckDBPyConnection) -> dict[str, Books]:
    """The books of each file.

    Raises:
        RuntimeError: an entry is not accounted for exactly once.
    """
    unbalanced = queries.rows(queries.query(con, "readers/unbalanced"))
    if unbalanced:
        first = unbalanced[0]
        raise RuntimeError(
            f"{first['source_file']}, record {first['record_number']}: {first['entries']} entries were read, "
            f"{first['accounted']} are accounted for"
        )
    books = {}
    for row in queries.rows(queries.query(con, "readers/books")):
        fates = row.pop("fates")
        name = row.pop("source_file")
        books[name] = Books(**row)
        for fate in fates:
            getattr(books[name], fate["disposition"])[fate["what"]] += fate["entries"]
        if not books[name].balance:
            raise RuntimeError(f"{name}: {books[name].read} entries were read, the books say {books[name]}")
    return books


def _check_rows(con: duckdb.DuckDBPyConnection, table: str, books: Books) -> None:
    """A table is about to get as many rows as the books say; of items they say only how many were read."""
    if table == "items":
        return
    expected = {
        "search_sessions": books.accepted["sessions"] + books.rebuilt,
        "session_events": books.accepted["events"],
        "rejected_records": books.rejected.total(),
    }[table]
    ((rows,),) = queries.query(con, f"readers/{table}").aggregate("count(*)").fetchall()
    if rows != expected:
        raise RuntimeError(f"{table} must get {expected} rows by the books, got {rows}; nothing was written")
