"""Forget a person: every session of theirs leaves the landing place, the tables and the tables' history.

It may be killed at any moment and is finished by calling it again. What says which sessions are the person's goes last:
first the landed lines that do not name the person, then the tables made from sessions, then the sessions with their
user, then the landed lines that name the person. The ledger of ingested files is told along the way (``forget_ledger``).
No log entry says who it was.

An ingestion that is under way is either seen, since what it made count is applied before anything is looked for, or it
is made to decide again, on files that are rewritten by then: every pass that found something ends with a commit of the
ledger, and is followed by another pass.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from ft_assets import forget_ledger as ledger
from ft_assets import forget_tables as tables
from ft_assets import journal
from ft_assets.forget_landing import (
    STALE_SECONDS,
    Blanked,
    Landed,
    Shown,
    content_after,
    in_utf16,
    remove_leftovers,
    rewrite,
    stale_before,
)
from ft_assets.identity import pseudonym
from ft_assets.lake import Lake
from ft_assets.landing import LandedFile, landed_files
from ft_assets.schemas import INGESTED_FILES, SEARCH_SESSIONS, TABLES, TEXT_VECTORS, Table
from ft_assets.spellings import session_paths, user_paths
from ft_assets.traces import Fields, Person

PASSES = 5
STALE = dt.timedelta(seconds=STALE_SECONDS)


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
    lake: Lake, landing: Path | str, user: str, key: bytes | None, *, alone: bool = False, spellings: Path | None = None
) -> Forgotten:
    """Remove a person's sessions from the landing place, from every table and from the tables' history.

    Sessions are the person's where a table or a landed record says so, in a field for users or for clients.

    Args:
        lake: the tables.
        landing: the landing place, a local folder or the URL of an object store.
        user: the id as it was logged, not its pseudonym.
        key: of the pseudonyms; without it, sessions are found by the landed files alone.
        alone: nobody else writes: then files that killed writers left a moment ago are deleted too, not only those older
            than an hour.
        spellings: the folder whose ``ubi_fields.csv`` the log was ingested with, where it has one: its fields for users
            and clients are looked into as well.

    Raises:
        ValueError: the user id is blank, or as ``spellings.mapping_rows``.
        Overtaken: ingestions kept coming first; call it again.
    """
    if not user.strip():
        raise ValueError("the user id must not be blank")
    names = frozenset({user} if key is None else {user, pseudonym(user, key)})
    fields = Fields(user_paths(spellings), session_paths(spellings))
    work = _Work(lake, landing, Person(names, fields=fields), Forgotten())
    work.take_up()
    for _ in range(PASSES):  # once more for what an ingestion added in the meantime
        if not work.one_pass():
            break
    else:
        work.done.warnings.append("sessions of the person kept coming in; end the ingestion and call this again")
    work.end()
    _clear(lake, landing, alone, work.done)
    return work.done


def _clear(lake: Lake, landing: Path | str, alone: bool, done: Forgotten) -> None:
    """Delete what no version of a table and no landed file needs any more."""
    before = stale_before(alone)
    if unread := in_utf16(landed_files(landing)):
        done.warnings.append(f"files in UTF-16 are not looked into; delete or convert them: {', '.join(unread[:5])}")
    if lake.exists(SEARCH_SESSIONS.name):
        done.note_rows(TEXT_VECTORS, tables.delete_unasked_vectors(lake))
    done.leftovers = remove_leftovers(landing, before)
    if lake.exists(INGESTED_FILES.name) and (left := journal.clear_staged(lake, None if alone else STALE)):
        done.warnings.append(
            f"{left} ingestions younger than an hour have rows of their own; call this again when they have ended"
        )
    for table in TABLES.values():
        if lake.exists(table.name):
            if files := tables.remove_history(lake, table, before):
                done.history[table.name] = files
            if tables.keeps_statistics(lake, table):
                done.warnings.append(f"the log of {table.name} was made by an older version and may keep values of its rows")


class _Work:
    """A forgetting on its way."""

    def __init__(self, lake: Lake, landing: Path | str, person: Person, done: Forgotten) -> None:
        """The person as known before any session is."""
        self.lake, self.landing, self.person, self.done = lake, landing, person, done
        self.mark: ledger.Mark | None = None

    def take_up(self) -> None:
        """Let the ledger know what a killed forgetting, of whomever, has done."""
        if left := ledger.unfinished(self.lake):
            ledger.tell_states(self.lake, self.landing)
            ledger.balance(self.lake, left, is_end=True)

    def one_pass(self) -> bool:
        """Find what there is and remove it; whether there was anything."""
        if self.lake.exists(INGESTED_FILES.name):
            journal.apply_pending(self.lake)
        files = landed_files(self.landing)
        landed = Landed(files, ledger.deliveries(self.lake, files))
        shown = landed.shown(self.person)
        if not self._find(shown):
            return False
        if self.mark is None:
            self._begin()
        person = replace(self.person, sessions=frozenset(self.done.sessions))
        changed = self._rewrite(landed, person, named=False)
        changed |= _delete_rows(self.lake, person, shown, self.done)
        changed |= self._rewrite(landed, person, named=True)
        if changed and self.mark:
            ledger.balance(self.lake, self.mark)
        return changed

    def end(self) -> None:
        """Say that nothing more is removed."""
        if self.mark:
            ledger.balance(self.lake, self.mark, is_end=True)

    def _find(self, shown: Shown) -> bool:
        is_any = shown.is_any
        for table in tables.tables_with(self.lake, "raw"):
            found, sessions = tables.raw_of(self.lake, table, self.person)
            is_any |= bool(found)
            shown.sessions |= sessions
        self.done.sessions |= tables.sessions_of(self.lake, self.person.names) | shown.sessions
        return is_any or bool(self.done.sessions)

    def _begin(self) -> None:
        self.mark = ledger.begin(self.lake)
        if wrong := self.mark.unbalanced:
            self.done.warnings.append(
                f"the books of {len(wrong)} files did not agree with the tables before anything was removed, and stay as they "
                f"are: {', '.join(sorted(wrong)[:5])}"
            )

    def _rewrite(self, landed: Landed, person: Person, *, named: bool) -> bool:
        """Take lines out of files, which are listed anew: some have been rewritten since; whether there were any."""
        plans = [(file, plan) for file in landed_files(self.landing) if (plan := landed.plan(file, person, named=named)).lines]
        if not plans:
            return False
        ledger.tell_contents(self.lake, [(file, content_after(file, plan)) for file, plan in plans])
        for file, plan in plans:
            if rewrite(file, plan):
                self.done.note_file(file, plan.blanked)
        ledger.tell_states(self.lake, self.landing)
        return True


def _delete_rows(lake: Lake, person: Person, shown: Shown, done: Forgotten) -> bool:
    """Delete what is the person's from all tables; whether there was anything."""
    before = dict(done.rows)
    days = tables.days_of(lake, person.sessions)
    done.days = sorted({*done.days, *days})
    for table in tables.tables_with(lake, "raw"):
        done.note_rows(table, tables.delete_raw(lake, table, person, shown.places))
    for table in tables.tables_with(lake, "pairing"):
        done.note_rows(table, tables.delete_irrelevant_pairs(lake, table, days))
    # The tables that say whose a session is come last, the one that says its day first of them.
    of_users = tables.tables_with(lake, "user_id")
    for table in sorted(tables.tables_with(lake, "session_id"), key=lambda t: (t in of_users, t != SEARCH_SESSIONS)):
        touched = days if table == SEARCH_SESSIONS else []
        done.note_rows(table, tables.delete_sessions(lake, table, person.sessions, touched))
    for table in of_users:
        done.note_rows(table, tables.delete_users(lake, table, person.names))
    return before != done.rows


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
