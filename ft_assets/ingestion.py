"""Landed files -> the tables of the log, exactly once, every record accounted for.

Files are taken in groups. A group is read as lines, SQL decides what becomes of every record (a session, a query document,
an event, an item, or a line that is none of these), the books are balanced, and ``journal`` makes the outcome count in one
commit and applies it to each table. Sessions and events may come in any order: an event whose session is not known waits
for it in ``waiting_records``, and is judged when it comes.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ft_assets import identity, journal, landing, lineage, parsing, plain_lists, queries, reading, spellings
from ft_assets.books import REASONS, Books, Ingested
from ft_assets.lake import ATTEMPTS, Lake, Overtaken, Slice, wait
from ft_assets.landing import LandedFile
from ft_assets.ledger import Ledger
from ft_assets.schemas import INGESTED_FILES, table_named

__all__ = ["REASONS", "TABLES", "Books", "Ingested", "Settings", "ingest", "named_files", "new_files"]

TABLES = (
    "items",
    "search_sessions",
    "session_events",
    "rejected_records",
    "waiting_records",
    "session_parts",
)
# The SQL of sql/readers, in order: a format's own, and what decides on its sessions once it is known which the lake holds.
ENTRIES = {
    "embedding_studio": ("embedding_studio_entries", "asked_sessions"),
    "items": ("items_entries", "asked_sessions"),
    "ubi": ("ubi_spellings", "ubi_records"),
}
SESSIONS = {"embedding_studio": ("decide_sessions",), "items": (), "ubi": ("ubi_sessions",)}

GROUP_BYTES = 160 << 20
GROUP_FILES = 2_000
EARLIEST = dt.datetime(1990, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Settings:
    """What an ingestion takes for granted.

    Attributes:
        attribution: how long after its session an event may still be due to it.
        clock_skew: how much earlier than its session an event may say it was: two machines, two clocks.
        future: how far ahead of this machine's clock a log may be.
        changed_texts_reopen_days: whether the days that show an item are made anew when its text changes.
        spellings: a folder whose CSV files add to the field names of ubi, if there is one.
    """

    attribution: dt.timedelta = dt.timedelta(days=7)
    clock_skew: dt.timedelta = dt.timedelta(minutes=1)
    future: dt.timedelta = dt.timedelta(days=1)
    changed_texts_reopen_days: bool = True
    spellings: Path | None = None


class FaultyBooks(Exception):  # noqa: N818 (the books are at fault)
    """The books do not balance, or a table would get other rows than they say: a fault of this program; nothing was written."""


def new_files(lake: Lake, place: Path | str) -> list[LandedFile]:
    """The landed files that have not been ingested as they are now, sorted by name."""
    ledger = Ledger(lake)
    return [file for file in landing.landed_files(place) if not ledger.holds(file)]


def named_files(lake: Lake, place: Path | str, names: Sequence[str]) -> list[LandedFile]:
    """The landed files of these names, or all new ones where none is named; one that is gone does not stop the others.

    Raises:
        FileNotFoundError: none of the names is in the landing place.
    """
    if not names:
        return new_files(lake, place)
    wanted = set(names)
    found = [file for file in landing.landed_files(place) if file.name in wanted]
    if not found:
        raise FileNotFoundError(f"none of {len(wanted)} files is in {place}: {', '.join(sorted(wanted)[:5])}")
    return found


def ingest(
    lake: Lake,
    files: Sequence[LandedFile],
    metadata: Mapping[str, Any] | None = None,
    settings: Settings = Settings(),
) -> Ingested:
    """Bring landed files into the lake, each exactly once; those that it holds already are skipped.

    First what a killed ingestion left is applied. Other ingestions may run at the same time: where one was faster, nothing
    is written and the rest is decided again. A file that vanishes or changes while it is read, or that this program cannot
    take in, is left for the next time, and said so (``Ingested.unread``); it does not stop the others.

    Args:
        lake: the tables.
        files: as ``new_files`` or ``landing.landed_files`` gives them.
        metadata: stated in the log of every commit of the ledger.
        settings: what is taken for granted of times and texts.

    Returns:
        What was done; without the files that others ingested.

    Raises:
        Overtaken: others kept coming first, ``ATTEMPTS`` times in a row.
    """
    done, pending, attempt = Ingested(), list(dict.fromkeys(files)), 0
    most = GROUP_FILES
    journal.clear_abandoned(lake)
    with reading.ReadAhead() as ahead:
        while True:
            ledger = Ledger(lake)  # first: of the ingestions that it knows, each must be in the tables that are read behind it
            _note(done, journal.apply_pending(lake))
            pending = [file for file in pending if not ledger.holds(file) and file.name not in done.unread]
            if not pending:
                return done
            group = _next_group(pending)[:most]
            one = _Ingestion(lake, group, ledger, metadata or {}, settings, done)
            one.lines = ahead.take(group)
            more = min(2 * most, GROUP_FILES)
            ahead.begin(_next_group([file for file in pending if file not in group])[:more])
            try:
                one.run()
            except Overtaken:
                attempt += 1
                if attempt == ATTEMPTS:
                    raise
                wait(attempt - 1)
            except (duckdb.Error, FaultyBooks) as error:  # of this program: no file may stop the others for it
                if len(group) == 1:
                    done.unread[group[0].name] = f"it cannot be taken in: {error}"
                most = max(1, len(group) // 2)
            else:
                attempt, most = 0, more


def _note(done: Ingested, applied: journal.Applied) -> None:
    for table, commit in applied.commits.items():
        done.rows[table] = done.rows.get(table, 0) + commit.rows
        done.versions[table] = commit.version
    done.affected_days = sorted({*done.affected_days, *applied.days})


def _next_group(files: Sequence[LandedFile]) -> list[LandedFile]:
    """Files of one format, up to a size; the catalogue first."""

    def order(file: LandedFile) -> tuple[bool, str]:
        return file.format != "items", file.format

    if not files:
        return []
    first = min(files, key=order)
    group: list[LandedFile] = []
    size = 0
    for file in sorted((f for f in files if order(f) == order(first)), key=lambda file: file.name):
        size += reading.likely_bytes(file)
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
        ledger: Ledger,
        metadata: Mapping[str, Any],
        settings: Settings,
        done: Ingested,
    ) -> None:
        self.lake, self.ledger = lake, ledger
        self.group, self.format = group, group[0].format
        self.metadata, self.settings, self.done = metadata, settings, done
        self.now = dt.datetime.now(dt.UTC)
        self.read: dict[str, Slice] = {name: lake.slice(name) for name in TABLES}
        self.contents: dict[int, str] = {}
        self.lines: reading.GroupLines | None = None  # read ahead
        self.parsed: parsing.ParsedLines | None = None

    def run(self) -> None:
        with queries.session(self.read, is_alone=True) as con:
            self._prepare(con)
            self._read_files(con)
            copies = self._name_files(con)
            if not self.contents:
                return  # none could be read
            self._decide(con)
            books = _balanced_books(con)
            released = Counter({row["place"]: row["records"] for row in queries.rows(queries.query(con, "readers/released"))})
            _check_rows(con, books, released)
            staging = journal.Staging(self.lake, self.ledger.version)
            try:
                self._stage(con, staging)
                rows = self._ledger_rows(books, copies)
            except BaseException:
                staging.discard()
                raise
            staging.commit(pa.Table.from_pylist(list(rows.values()), schema=INGESTED_FILES.schema), self.metadata)
        self.done.copies.update({row["landed_as"]: row["copy_of"] for row in rows.values() if row["copy_of"] is not None})
        self.done.released.update(released)
        self.done.note_books({row["landed_as"]: Books.of_row(row) for row in rows.values()})
        _note(self.done, journal.apply_pending(self.lake))

    def _prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """What the SQL takes for granted."""
        identity.prepare(con, identity.user_key(), spellings.user_paths(self.settings.spellings))
        values = {
            "earliest_time": EARLIEST,
            "latest_time": self.now + self.settings.future,
            "attribution_seconds": int(self.settings.attribution.total_seconds()),
            "clock_skew_seconds": int(self.settings.clock_skew.total_seconds()),
            "changed_texts_reopen_days": self.settings.changed_texts_reopen_days,
        }
        con.execute("set preserve_insertion_order = false")  # what has an order says so
        for name, value in values.items():
            con.execute(f"set variable {name} = $1", [value])
        spellings.read_mappings(con, self.format, self.settings.spellings)
        for script in ("identity", "macros", "empty_entries"):
            con.execute(queries.read_sql(f"readers/{script}"))

    def _read_files(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make ``lines``; a file that cannot be read as it is leaves none.

        They stay as they were read, which several threads can go through at once; what is more than memory should hold goes
        to DuckDB, which spills it to disk.
        """
        con.register("no_lines", parsing.unparsed([]))
        con.execute("create temp table spilled_lines as from no_lines")
        found = self.lines or reading.read_group(self.group, lambda batches: _spill(con, batches))
        self.lines = None
        self.contents, self.parsed = found.contents, found.parsed
        for number, problem in found.problems.items():
            self.done.unread[self.group[number].name] = problem
            con.execute("delete from spilled_lines where file_number = $1", [number])
        con.register("held_lines", parsing.unparsed(found.batches))

    def _name_files(self, con: duckdb.DuckDBPyConnection) -> dict[int, str]:
        """Make ``files``, and hide the lines of those that bring a content again; who brought it first, by file number."""
        first: dict[str, str] = {}
        copies: dict[int, str] = {}
        rows = []
        for number, content in self.contents.items():
            name = self.group[number].name
            known = self.ledger.source_of(self.format, content) or first.get(content)
            source = known if known is not None else self.ledger.source_file(name, content)
            first.setdefault(content, source)
            if known is not None:
                copies[number] = known
            rows.append((number, name, source, self.format, known, self.ledger.is_again(name), self.now))
        schema = pa.schema(
            [
                ("file_number", pa.int32()),
                ("landed_as", pa.string()),
                ("source_file", pa.string()),
                ("format", pa.string()),
                ("copy_of", pa.string()),
                ("is_again", pa.bool_()),
                ("ingested_at", pa.timestamp("us", tz="UTC")),
            ]
        )
        columns = [pa.array([row[at] for row in rows], field.type) for at, field in enumerate(schema)]
        con.register("given_files", pa.table(columns, schema=schema))
        con.execute("create temp table files as from given_files")
        con.execute(queries.read_sql("readers/lines"))
        return copies

    def _parse(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make ``parsed_lines`` and ``plain_lists``; what is spilled is parsed by DuckDB alone, which spills that too."""
        lists = plain_lists.PLACED_SCHEMA.empty_table()
        if con.sql("from spilled_lines limit 1").fetchall():
            parsed = queries.query(con, "readers/embedding_studio_lines")
            narrow = parsed.project("* exclude (search_results), search_results is not null as has_list, false as is_plain")
            narrow.to_table("parsed_lines")
        else:
            # ahead of time nobody knew which files bring a known content
            if self.parsed is None or con.sql("from files where copy_of is not null limit 1").fetchall():
                self.parsed = parsing.parsed_lines(con)
            lists = self.parsed.lists
            con.register("parsed_lines", self.parsed.narrow)
        con.register("plain_lists", lists)

    def _decide(self, con: duckdb.DuckDBPyConnection) -> None:
        if self.format == parsing.PARSED_FORMAT:
            self._parse(con)
        for script in (*ENTRIES[self.format], "known_sessions"):
            con.execute(queries.read_sql(f"readers/{script}"))
        days = [day for (day,) in con.sql("select distinct session_date from known_sessions").fetchall()]
        self.read["search_sessions"].of_days(days).create_view(con, "near_sessions")
        for script in (*SESSIONS[self.format], "decide_events", "decide_items", "found_fates"):
            con.execute(queries.read_sql(f"readers/{script}"))
        if con.sql("from kept_records limit 1").fetchall():  # to plan it takes longer than all else of a small group
            con.execute(queries.read_sql("readers/kept_words"))
        con.execute(queries.read_sql("readers/fates"))

    def _stage(self, con: duckdb.DuckDBPyConnection, staging: journal.Staging) -> None:
        for table in TABLES:
            remove = None
            if table == "waiting_records":
                remove = queries.query(con, "readers/waiting_records_removed").to_arrow_table()
            replaces = table == "items"
            if table == "search_sessions":
                replaces = bool(con.sql("from session_rows where previous_day is not null limit 1").fetchall())
            if table == "waiting_records":
                replaces = bool(con.sql("from released_events where place in ('session', 'impression') limit 1").fetchall())
            days: list[dt.date] = []
            if table in lineage.INGESTED:
                days = [day for (day,) in con.execute(queries.read_sql(f"readers/{table}_days")).fetchall()]
            rows = queries.query(con, f"readers/{table}")
            if table != "search_sessions":
                staging.put(table, queries.stream(rows), days, replaces, remove)
            elif self.parsed is None or not self.parsed.lists.num_rows:
                staging.put(table, queries.stream(rows.project("* exclude (list_at)")), days, replaces)
            else:
                others = con.sql("select distinct unnest(results).item_id as item_id from odd_lists").to_arrow_table()
                lists = plain_lists.Lists(self.parsed.lists, others["item_id"].combine_chunks())
                schema = lists.schema(table_named(table).schema)
                staging.put(table, lists.joined(queries.stream(rows)), days, replaces, schema=schema)

    def _ledger_rows(self, books: Mapping[str, Books], copies: Mapping[int, str]) -> dict[int, dict[str, Any]]:
        """A row of the ledger for each file, by its number."""
        known = self.ledger.books_of(self.format, [self.contents[number] for number in copies])
        here = {self.contents[number]: self.group[number] for number in self.contents if number not in copies}
        rows = {}
        for number, content in self.contents.items():
            file = self.group[number]
            if number in copies:
                original = known.get(content) or books[self.ledger.source_file(here[content].name, content)]
                account, source = original.as_copy(), file.name
            else:
                source = self.ledger.source_file(file.name, content)
                account = books[source]
            rows[number] = {
                "source_file": source,
                "landed_as": file.name,
                "format": file.format,
                "content": content,
                "bytes": file.bytes,
                "modified_at": file.modified_at,
                "copy_of": copies.get(number),
                **account.as_row(),
                "forgotten_sessions": 0,
                "forgotten_records": 0,
                "ingested_at": self.now,
            }
        return rows


def _spill(con: duckdb.DuckDBPyConnection, batches: list[pa.RecordBatch]) -> None:
    """Move lines to DuckDB."""
    con.register("given_lines", parsing.unparsed(batches))
    con.execute("insert into spilled_lines from given_lines")
    con.unregister("given_lines")


def _balanced_books(con: duckdb.DuckDBPyConnection) -> dict[str, Books]:
    """The books of each file that was read for the first time.

    Raises:
        FaultyBooks: a record is not accounted for exactly once.
    """
    unbalanced = queries.rows(queries.query(con, "readers/unbalanced"))
    if unbalanced:
        first = unbalanced[0]
        raise FaultyBooks(
            f"{first['source_file']}, record {first['record_number']}: {first['entries']} records were read, "
            f"{first['accounted']} are accounted for"
        )
    books = {}
    for row in queries.rows(queries.query(con, "readers/books")):
        books[row["source_file"]] = found = Books.of_row(row)
        if not found.balance:
            raise FaultyBooks(f"{row['source_file']}: {found.read} records were read, the books say {found}")
    return books


def _check_rows(con: duckdb.DuckDBPyConnection, books: Mapping[str, Books], released: Counter[str]) -> None:
    """Each table is about to get as many rows as the books say, and as events are released from waiting.

    Raises:
        FaultyBooks: it is not; nothing was written.
    """
    total = Books()
    for each in books.values():
        total.add(each)
    expected = {
        "session_events": total.accepted["events"] + released["joined"],
        "rejected_records": total.rejected.total() + released.total() - released["joined"],
    }
    if total.accepted["sessions"]:
        expected["search_sessions"] = total.accepted["sessions"]
    for table, count in expected.items():
        ((rows,),) = queries.query(con, f"readers/{table}").aggregate("count(*)").fetchall()
        if rows != count:
            raise FaultyBooks(f"{table} must get {count} rows by the books, got {rows}; nothing was written")
