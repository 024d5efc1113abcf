"""The books of an ingestion: what became of every entry, and why records are refused."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ft_assets.lake import Commit

REASONS = {
    "not_utf8": "The line is not UTF-8 text.",
    "line_too_long": "The line is longer than a record can be.",
    "file_truncated": "The compressed file ends early or is damaged; what could be read before was read.",
    "not_json": "The line is not JSON.",
    "not_an_object": "The line, or an event of its list, is JSON but no object.",
    "unknown_record": "The object has the fields of no record of its format.",
    "missing_session_id": "No id says which session it is, or belongs to.",
    "missing_query": "The session has no query text.",
    "missing_time": "The record has no time.",
    "bad_time": "Its time is neither epoch time nor ISO 8601, or lies outside 1970..2199.",
    "missing_results": "The session has no list of results, not even an empty one.",
    "missing_item_id": "A result, an event or an item does not say which item it is.",
    "bad_rank": "A result's rank is not a number.",
    "missing_event_type": "The event has no type.",
    "missing_text": "The item has no text.",
    "conflicting_session": "The session id is taken by a session of other content.",
    "conflicting_event": "The event id is taken by an event of other content.",
    "query_missing": "The query of the event is neither logged nor can it be told from its events.",
}


@dataclass
class Books:
    """What became of a file, or of several.

    Attributes:
        lines: all lines; each is blank, a header of a bulk file, or holds entries.
        read: entries; each is accepted, a duplicate, rejected or of no interest.
        rebuilt: sessions made from their events alone, their own record being missing.
    """

    lines: int = 0
    blank: int = 0
    headers: int = 0
    read: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    duplicate: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    no_interest: Counter[str] = field(default_factory=Counter)
    rebuilt: int = 0

    @property
    def balance(self) -> bool:
        """Whether every entry is accounted for."""
        fates = (self.accepted, self.duplicate, self.rejected, self.no_interest)
        return self.read == sum(fate.total() for fate in fates)

    def add(self, other: Books) -> None:
        """Add the books of other files."""
        for name in ("lines", "blank", "headers", "read", "rebuilt"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("accepted", "duplicate", "rejected", "no_interest"):
            getattr(self, name).update(getattr(other, name))

    def as_metadata(self) -> dict[str, Any]:
        """Plain numbers, and dictionaries of them."""
        values = {name: getattr(self, name) for name in ("lines", "blank", "headers", "read", "rebuilt")}
        for name in ("accepted", "duplicate", "rejected", "no_interest"):
            values[name] = getattr(self, name).total()
            values[f"{name}_by"] = dict(sorted(getattr(self, name).items()))
        return values


@dataclass
class Ingested:
    """What an ingestion did.

    Attributes:
        files: names of the files that it ingested, or finished.
        books: of all of them.
        books_by_file: of each.
        rows: rows added, by table.
        versions: the last version written, by table.
        affected_days: days whose daily tables are to be made again.
    """

    files: list[str] = field(default_factory=list)
    books: Books = field(default_factory=Books)
    books_by_file: dict[str, Books] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    affected_days: list[dt.date] = field(default_factory=list)

    def as_metadata(self) -> dict[str, Any]:
        """Plain values: numbers, texts, and lists and dictionaries of them."""
        return {
            "files": list(self.files),
            **self.books.as_metadata(),
            "rows_added": dict(self.rows),
            "versions": dict(self.versions),
            "affected_days": [day.isoformat() for day in self.affected_days],
        }

    def note_commit(self, table: str, commit: Commit, days: Iterable[dt.date]) -> None:
        """Add a commit to a table, and the days that it touched."""
        self.rows[table] = self.rows.get(table, 0) + commit.rows
        self.versions[table] = commit.version
        self.affected_days = sorted({*self.affected_days, *days})

    def note_books(self, books_by_file: Mapping[str, Books]) -> None:
        """Add files that are done."""
        for name, books in books_by_file.items():
            self.files.append(name)
            self.books_by_file[name] = books
            self.books.add(books)
