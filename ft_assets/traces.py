"""What in a line of a log belongs to a person: lines that name the person, and lines of the person's sessions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from ft_assets.identity import GENERAL, USER_FIELDS, Steps, name_pattern

# Where a format says which session a record is of. (The session_id of UBI is the visit; its query_id the session.)
SESSION_FIELDS = {
    "embedding_studio": frozenset({"session_id"}),
    "ubi": frozenset({"query_id"}),
    "items": frozenset[str](),
}
WORD_LENGTH = 4  # a shorter id is looked for between quotes only: as a bare word it may be anything

_TABBED = re.compile(r'^[^\t{\["]*\t')


@dataclass(frozen=True)
class Fields:
    """Where records say whose they are, beside the fields that every record has for it.

    Attributes:
        users: paths to users, as ``spellings.user_paths`` gives them.
        sessions: of UBI: paths to the session, as ``spellings.session_paths`` gives them.
    """

    users: frozenset[Steps] = frozenset()
    sessions: frozenset[Steps] = frozenset()

    @cached_property
    def in_text(self) -> re.Pattern[str]:
        """What a text holds that may be JSON with a user field in it."""
        return re.compile(rf'{name_pattern(USER_FIELDS | {path[-1] for path in self.users})}\\*"')

    @cached_property
    def session_values(self) -> re.Pattern[bytes]:
        """A field that names a session, and its value: between quotes, or bare."""
        name = name_pattern({"session_id", "query_id"} | {path[-1] for path in self.sessions})
        return re.compile(rf'"{name}"\s*:\s*(?:"((?:[^"\\]|\\.)*)|([^\s,"}}\]]+))'.encode())

    def is_user(self, path: Steps) -> bool:
        """Whether a user stands there."""
        return path[-1] in USER_FIELDS or any(_leads_to(path, users) for users in self.users)

    def is_session(self, path: Steps, names: frozenset[str]) -> bool:
        """Whether a session stands there, of a format that has these names for it."""
        if not path or not names:
            return False
        return path[-1] in names or ("query_id" in names and any(_leads_to(path, sessions) for sessions in self.sessions))


def _leads_to(path: Steps, field: Steps) -> bool:
    """Whether a path ends as that of a field; a lone name that means little is one at the top of a document only."""
    is_anywhere = len(field) > 1 or field[0] not in GENERAL
    return path[-len(field) :] == field and (is_anywhere or path[:-1] in ((), ("_source",)))


class Trace(NamedTuple):
    """Why a line is the person's.

    Attributes:
        kind: named: a user field says so; session: it is of one of the person's sessions; text: it is no JSON and holds
            the id as a word or between quotes.
        sessions: those that the line shows to be the person's.
        rest: what stays of a line that others share: a list of events of several sessions.
    """

    kind: Literal["named", "session", "text"]
    sessions: frozenset[str] = frozenset()
    rest: str = ""


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it stands: a name that comes twice is there twice."""


class _Scalar(NamedTuple):
    path: Steps
    words: str
    is_user: bool


@dataclass(frozen=True)
class Person:
    """Whom to look for.

    Attributes:
        names: the user id as logged, and its pseudonym.
        sessions: ids of the person's sessions.
        fields: where else records say whose they are.
    """

    names: frozenset[str]
    sessions: frozenset[str] = frozenset()
    fields: Fields = Fields()

    @cached_property
    def _needles(self) -> list[bytes]:
        return [name.encode("utf-8", "surrogateescape") for name in self.names]

    @cached_property
    def _session_needles(self) -> frozenset[bytes]:
        return frozenset(session.encode("utf-8", "surrogateescape") for session in self.sessions)

    @cached_property
    def _escape(self) -> bytes:
        """What a line must hold to spell one of the ids in another way than ours."""
        plain = all(re.fullmatch(r"[\w.@:+-]*", words, re.ASCII) for words in self.names | self.sessions)
        return rb"\u" if plain else b"\\"

    @cached_property
    def _words(self) -> re.Pattern[str]:
        quoted = [rf'"{re.escape(name)}\\*"' for name in self.names]
        bare = [rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in self.names if len(name) >= WORD_LENGTH]
        return re.compile("|".join(quoted + bare))

    def may_be_in(self, lines: bytes) -> bool:
        """Whether it is worth while to read a line, or several: a quick look that passes over none of the person's."""
        if self._escape in lines or any(needle in lines for needle in self._needles):
            return True
        return bool(self._session_needles) and self._names_session(lines)

    def _names_session(self, lines: bytes) -> bool:
        return any((quoted or bare) in self._session_needles for quoted, bare in self.fields.session_values.findall(lines))

    def trace_in(self, line: bytes, format: str) -> Trace | None:  # noqa: A002 (the landing place's word)
        """What makes a line the person's; None if nothing does.

        Args:
            line: without its end.
            format: one of the landing place's; any other is read as holding every kind of record.
        """
        if not self.may_be_in(line):
            return None
        fields = SESSION_FIELDS.get(format, frozenset({"session_id", "query_id"}))
        text = line.decode("utf-8", "replace").removeprefix("\ufeff").rstrip("\r\n")
        body = _TABBED.sub("", text, count=1)
        try:
            record = json.loads(body, object_pairs_hook=_Pairs, parse_int=str, parse_float=str)
            if isinstance(record, list):
                shared = self._trace_in_events(record, body, fields) if isinstance(record, _Pairs) else None
                return shared or self._trace_in_record(record, fields)
        except (ValueError, RecursionError):
            pass
        return self._trace_in_text(text, line, fields)

    def _trace_in_record(self, record: Any, fields: frozenset[str]) -> Trace | None:
        scalars = list(_scalars(record, self.fields))
        sessions = frozenset(scalar.words for scalar in scalars if self.fields.is_session(scalar.path, fields))
        if any(scalar.is_user and scalar.words in self.names for scalar in scalars):
            return Trace("named", sessions)
        return Trace("session") if sessions & self.sessions else None

    def _trace_in_events(self, record: _Pairs, body: str, fields: frozenset[str]) -> Trace | None:
        """A list of events that say each for itself which session they are of: only the person's are to go."""
        events = next((value for name, value in record if name == "events"), None)
        outside = _Pairs((name, value) for name, value in record if name != "events")
        if "session_id" not in fields or not isinstance(events, list) or isinstance(events, _Pairs):
            return None
        if any(name in fields for name, _ in outside) or self._trace_in_record(outside, fields):
            return None
        traces = [self._trace_in_record(event, fields) for event in events]
        found = [trace for trace in traces if trace]
        if not found or len(found) == len(traces):
            return None
        plain = json.loads(body)
        plain["events"] = [event for event, trace in zip(plain["events"], traces, strict=True) if not trace]
        kind: Literal["named", "session"] = "named" if any(trace.kind == "named" for trace in found) else "session"
        sessions = frozenset[str]().union(*(trace.sessions for trace in found))
        return Trace(kind, sessions, json.dumps(plain))

    def _trace_in_text(self, text: str, line: bytes, fields: frozenset[str]) -> Trace | None:
        if self._words.search(text):
            return Trace("text")
        return Trace("text") if fields and self._names_session(line) else None


def _scalars(value: Any, fields: Fields, path: Steps = (), is_user: bool = False) -> Iterator[_Scalar]:
    """Every text and number in a value with the names that it stands under; texts that are JSON themselves are opened."""
    if isinstance(value, _Pairs):
        for name, content in value:
            inner = (*path, name)
            yield from _scalars(content, fields, inner, is_user or fields.is_user(inner))
    elif isinstance(value, list):
        for content in value:
            yield from _scalars(content, fields, path, is_user)
    elif isinstance(value, bool):
        yield _Scalar(path, str(value).lower(), is_user)
    elif isinstance(value, str):
        yield _Scalar(path, value, is_user)
        if fields.in_text.search(value):
            try:
                yield from _scalars(json.loads(value, object_pairs_hook=_Pairs, parse_int=str, parse_float=str), fields)
            except ValueError:
                return
