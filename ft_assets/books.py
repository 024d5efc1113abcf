"""The books of an ingestion: what became of every record, and why records are refused."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REASONS = {
    "not_utf8": "The line is not UTF-8 text.",
    "line_too_long": "The line is longer than a record can be.",
    "file_truncated": "The compressed file ends early or is damaged; what could be read before was read.",
    "not_json": "The line is not JSON.",
    "not_an_object": "The line, or an event of its list, is JSON but no object.",
    "nested_too_deep": "The record nests a hundred levels deep: no log is meant that way.",
    "unknown_record": "The object has the fields of no record of its format.",
    "missing_session_id": "No id says which session it is, or belongs to.",
    "missing_query": "The session has no query text.",
    "missing_time": "The record has no time.",
    "bad_time": "Its time is neither epoch time nor ISO 8601.",
    "time_too_early": "Its time lies before 1990.",
    "time_in_future": "Its time lies after the day on which it was ingested.",
    "missing_results": "The session has no list of results, not even an empty one.",
    "missing_item_id": "A result, an event or an item does not say which item it is.",
    "duplicate_result": "The session's list names an item twice.",
    "bad_rank": "A result's rank is not a finite number.",
    "missing_event_type": "The event has no type.",
    "missing_text": "The item has no text.",
    "conflicting_session": "The session id is taken by a session of other content.",
    "conflicting_event": "The event id is taken by an event of other content.",
    "item_not_shown": "The event is on an item that its session did not show.",
    "event_before_session": "The event comes before its session.",
    "event_too_late": "The event comes too long after its session to be due to it.",
}

FATES = ("accepted", "duplicate", "no_interest", "rejected")
COUNTS = ("lines", "blank", "headers", "read", "sessions")


@dataclass
class Books:
    """What became of a file, or of several.

    Attributes:
        lines: all lines; each is blank, a header of a bulk file, or holds records.
        read: records; each is accepted, a duplicate, rejected or of no interest.
        sessions: rows added to search_sessions.
        accepted: by kind; events that wait for their session are ``waiting events``.
        duplicate: by kind; those of a file that brings a known content again are ``copies``.
        rejected: by reason.
        no_interest: by action.
    """

    lines: int = 0
    blank: int = 0
    headers: int = 0
    read: int = 0
    sessions: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    duplicate: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    no_interest: Counter[str] = field(default_factory=Counter)

    @property
    def balance(self) -> bool:
        """Whether every record is accounted for."""
        return self.read == sum(self.of(fate).total() for fate in FATES)

    def of(self, fate: str) -> Counter[str]:
        """The records of a fate, by kind."""
        counts: Counter[str] = getattr(self, fate)
        return counts

    def add(self, other: Books) -> None:
        """Add the books of other files."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for fate in FATES:
            self.of(fate).update(other.of(fate))

    def as_copy(self) -> Books:
        """The books of a file that brings the same content again."""
        return Books(
            self.lines, self.blank, self.headers, self.read, duplicate=Counter({"copies": self.read} if self.read else {})
        )

    def as_metadata(self) -> dict[str, Any]:
        """Plain numbers, and dictionaries of them."""
        values: dict[str, Any] = {name: getattr(self, name) for name in COUNTS}
        for fate in FATES:
            values[fate] = self.of(fate).total()
            values[f"{fate}_by"] = dict(sorted(self.of(fate).items()))
        return values

    def as_row(self) -> dict[str, Any]:
        """The columns of ``ingested_files`` that they fill."""
        return {
            "lines": self.lines,
            "blank": self.blank,
            "headers": self.headers,
            "records": self.read,
            **{fate: self.of(fate).total() for fate in FATES},
            "waiting": self.accepted["waiting events"],
            "sessions": self.sessions,
            "events": self.accepted["events"],
            "fates": [
                {"fate": fate, "kind": kind, "records": records}
                for fate in FATES
                for kind, records in sorted(self.of(fate).items())
            ],
        }

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Books:
        """The books that a row of ``ingested_files``, or of ``sql/readers/books.sql``, states."""
        books = cls(row["lines"], row["blank"], row["headers"], row["records"], row["sessions"])
        for fate in row["fates"]:
            books.of(fate["fate"])[fate["kind"]] += fate["records"]
        return books


@dataclass
class Ingested:
    """What an ingestion did.

    Attributes:
        files: landed files that are done, those that bring a known content again among them.
        books: what became of their records.
        books_by_file: of each.
        copies: files that bring a known content again, with the file that brought it first.
        unread: files that could not be read as they are, with the reason; the next ingestion tries again.
        released: events that had waited, by what became of them: ``joined`` to their session, or a reason of rejection.
        rows: rows added or changed, by table.
        versions: the last version written, by table.
        affected_days: days whose daily tables are to be made again.
    """

    files: list[str] = field(default_factory=list)
    books: Books = field(default_factory=Books)
    books_by_file: dict[str, Books] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    released: Counter[str] = field(default_factory=Counter)
    rows: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    affected_days: list[dt.date] = field(default_factory=list)

    def as_metadata(self) -> dict[str, Any]:
        """Plain values: numbers, texts, and lists and dictionaries of them."""
        return {
            "files": list(self.files),
            **self.books.as_metadata(),
            "copies": dict(self.copies),
            "unread": dict(self.unread),
            "released": dict(sorted(self.released.items())),
            "rows_added": dict(self.rows),
            "versions": dict(self.versions),
            "affected_days": [day.isoformat() for day in self.affected_days],
        }

    def note_books(self, books_by_file: Mapping[str, Books]) -> None:
        """Add files that are done."""
        for name, books in books_by_file.items():
            self.files.append(name)
            self.books_by_file[name] = books
            self.books.add(books)
