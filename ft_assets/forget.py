"""Forget a person: every session of theirs leaves the landing place, the tables and the tables' history.

It may be killed at any moment and is finished by calling it again. What says which sessions are the person's goes last:
first the landed lines that do not name the person, then the tables made from sessions, then the sessions with their
user, then the landed lines that name the person. No log entry says who it was.
"""

from __future__ import annotations

import copy
import datetime as dt
import os
from dataclasses import dataclass, field
from pathlib import Path

from ft_assets import forget_tables as tables
from ft_assets.forget_landing import Blanked, OnRewritten, blank, remove_leftovers, sessions_shown, stale_before
from ft_assets.identity import pseudonym
from ft_assets.lake import Lake
from ft_assets.readers import LandedFile, landed_files
from ft_assets.schemas import SEARCH_SESSIONS, TABLES, TEXT_VECTORS, Table
from ft_assets.traces import Person

PASSES = 5


@dataclass
class Forgotten:
    """What was removed.

    Attributes:
        sessions: ids of the sessions found; nowhere kept.
        rows: rows deleted, by table; irrelevant pairs of the days touched among them.
        files: what was taken out of each landed file that was replaced.
        days: days whose daily tables are to be made anew.
        history: data files of old versions and of killed writers, by table.
        leftovers: half-written copies in the landing place.
        warnings: what could not be looked after.
    """

    sessions: set[str] = field(default_factory=set)
    rows: dict[str, int] = field(default_factory=dict)
    files: dict[str, Blanked] = field(default_factory=dict)
    days: list[dt.date] = field(default_factory=list)
    history: dict[str, int] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the person was found; files of old versions are nobody's in particular."""
        return not (self.rows or self.files)

    def note_rows(self, table: Table, rows: int) -> None:
        """Count rows of a table."""
        if rows:
            self.rows[table.name] = self.rows.get(table.name, 0) + rows

    def note_file(self, file: LandedFile, blanked: Blanked) -> None:
        """Count lines of a file."""
        if blanked != Blanked():
            self.files.setdefault(file.name, Blanked()).add(blanked)


def forget(
    lake: Lake,
    landing: Path,
    user: str,
    key: bytes | None,
    *,
    alone: bool = False,
    on_rewritten: OnRewritten | None = None,
) -> Forgotten:
    """Remove a person's sessions from the landing place, from every table and from the tables' history.

    Sessions are the person's where a table or a landed record says so, in a field for users or for clients. An ingestion
    that read a file before and commits after this has ended may bring sessions back; calling this again removes them.

    Args:
        lake: the tables.
        landing: the landing place.
        user: the id as it was logged, not its pseudonym.
        key: of the pseudonyms; without it, sessions are found by the landed files alone.
        alone: nobody else writes: then files that killed writers left a moment ago are deleted too, not only those older
            than an hour.
        on_rewritten: told of each landed file that was replaced: its name, its bytes and its time of change.

    Raises:
        ValueError: the user id is blank.
    """
    if not user.strip():
        raise ValueError("the user id must not be blank")
    before = stale_before(alone)
    names = frozenset({user} if key is None else {user, pseudonym(user, key)})
    done = Forgotten()
    for _ in range(PASSES):  # once more for what an ingestion added in the meantime
        if not _pass(lake, landing, names, done, on_rewritten):
            break
    else:
        done.warnings.append("sessions of the person kept coming in; end the ingestion and call this again")
    if lake.exists(SEARCH_SESSIONS.name):
        done.note_rows(TEXT_VECTORS, tables.delete_unasked_vectors(lake))
    done.leftovers = remove_leftovers(landing, before)
    for table in TABLES.values():
        if lake.exists(table.name):
            if files := tables.remove_history(lake, table, before):
                done.history[table.name] = files
            if tables.keeps_statistics(lake, table):
                done.warnings.append(f"the log of {table.name} was made by an older version and may keep values of its rows")
    return done


def _pass(lake: Lake, landing: Path, names: frozenset[str], done: Forgotten, on_rewritten: OnRewritten | None) -> bool:
    """Find what there is and remove it; whether there was anything."""
    files = landed_files(landing)
    shown, is_named = sessions_shown(files, Person(names))
    done.sessions |= tables.sessions_of(lake, names) | shown
    person = Person(names, frozenset(done.sessions))
    in_files = files if is_named or person.sessions else []
    before = copy.deepcopy((done.rows, done.files))
    for file in in_files:
        done.note_file(file, blank(file, person, named=False, on_rewritten=on_rewritten))
    _delete_rows(lake, person, done)
    for file in in_files:
        done.note_file(file, blank(file, person, named=True, on_rewritten=on_rewritten))
    return before != (done.rows, done.files)


def _delete_rows(lake: Lake, person: Person, done: Forgotten) -> None:
    days = tables.days_of(lake, person.sessions)
    done.days = sorted({*done.days, *days})
    for table in tables.tables_with(lake, "raw"):
        done.note_rows(table, tables.delete_raw(lake, table, person))
    for table in tables.tables_with(lake, "pairing"):
        done.note_rows(table, tables.delete_irrelevant_pairs(lake, table, days))
    # The tables that say whose a session is come last, the one that says its day first of them.
    of_users = tables.tables_with(lake, "user_id")
    for table in sorted(tables.tables_with(lake, "session_id"), key=lambda t: (t in of_users, t != SEARCH_SESSIONS)):
        touched = days if table == SEARCH_SESSIONS else []
        done.note_rows(table, tables.delete_sessions(lake, table, person.sessions, touched))
    for table in of_users:
        done.note_rows(table, tables.delete_users(lake, table, person.names))


def mentions(folder: Path, user: str, key: bytes | None, sessions: set[str]) -> list[str]:
    """Files of a folder that hold the user id, its pseudonym or a session: what forgetting does not reach.

    Args:
        folder: such as Dagster's own storage.
        user: the id as it was logged.
        key: of the pseudonyms.
        sessions: as ``Forgotten`` gives them.
    """
    words = {user, *([] if key is None else [pseudonym(user, key)]), *sessions}
    needles = [word.encode("utf-8", "surrogateescape") for word in words if len(word) >= 4]  # shorter ones are anywhere
    found = []
    for root, _, names in os.walk(folder):
        for path in sorted(Path(root, name) for name in names):
            data = path.read_bytes() if path.is_file() else b""
            if any(needle in data for needle in needles):
                found.append(path.relative_to(folder).as_posix())
    return found
