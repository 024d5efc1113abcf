"""What the ledger of ingested files is told while a person is forgotten.

A file that is rewritten must never look new. So its content is told first, as it is going to be: whenever the work breaks
off, the file is known by its name, size and time, or by what it holds. Its new size and time are told afterwards.

How many rows were forgotten is not counted along the way, where a kill would break the count: it is what the tables lack.
That would hide rows that were lost in another way, so the ledger says which files disagreed before anything was removed,
and their rows stay as they were. Between that and the end stands a mark, so that the next call ends what a kill broke off.

Each of these commits also makes an ingestion that has decided on older files and tables decide again.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ft_assets import journal, queries
from ft_assets.forget_landing import Delivery
from ft_assets.lake import ATTEMPTS, Lake, Overtaken, wait
from ft_assets.landing import LandedFile, landed_files
from ft_assets.lines import byte_blocks
from ft_assets.schemas import INGESTED_FILES, REJECTED_RECORDS, SEARCH_SESSIONS, SESSION_EVENTS, WAITING_RECORDS

Row = dict[str, Any]
Told = list[tuple[Row, Row]]  # rows of the ledger as they are and as they are to be
COUNTED = (SEARCH_SESSIONS, SESSION_EVENTS, WAITING_RECORDS, REJECTED_RECORDS)


@dataclass(frozen=True)
class Mark:
    """A forgetting that has begun.

    Attributes:
        names: its name in the log, and those of others that it ends with itself.
        unbalanced: files whose books and rows disagreed before.
    """

    names: tuple[str, ...]
    unbalanced: frozenset[str]


def unfinished(lake: Lake) -> Mark | None:
    """What killed forgettings have begun and not ended."""
    if not lake.exists(INGESTED_FILES.name):
        return None
    begun: dict[str, set[str]] = {}
    for entry in lake.history(INGESTED_FILES.name):
        if "forgetting" in entry:
            begun[str(entry["forgetting"])] = set(json.loads(entry["unbalanced"]))
        for name in json.loads(entry.get("forgotten", "[]")):
            begun.pop(name, None)
    return Mark(tuple(sorted(begun)), frozenset[str]().union(*begun.values())) if begun else None


def begin(lake: Lake) -> Mark:
    """Say that rows are about to be removed, and whose books are wrong already."""
    name, found = secrets.token_hex(8), set[str]()

    def decide(ledger: pa.Table) -> tuple[Told, Row]:
        found.clear()
        found.update(row["source_file"] for _, row in _lacking(lake, ledger))
        return [], {"forgetting": name, "unbalanced": sorted(found)}

    _commit(lake, decide)
    return Mark((name,), frozenset(found))


def balance(lake: Lake, mark: Mark, *, is_end: bool = False) -> None:
    """Let the books say that what the tables lack was forgotten, and every ingestion under way decide again.

    Args:
        lake: the tables.
        mark: of the forgetting.
        is_end: nothing more is removed.
    """

    def decide(ledger: pa.Table) -> tuple[Told, Row]:
        told = [(before, after) for before, after in _lacking(lake, ledger) if after["source_file"] not in mark.unbalanced]
        return told, {"forgotten": list(mark.names) if is_end else []}

    _commit(lake, decide)


def deliveries(lake: Lake, files: Sequence[LandedFile]) -> dict[str, Delivery]:
    """As what the lake knows the files that have been ingested as they are, by name."""
    if not lake.exists(INGESTED_FILES.name):
        return {}
    rows = lake.slice(INGESTED_FILES.name).to_table().to_pylist()
    formats: dict[str, set[str]] = {}
    for row in rows:
        formats.setdefault(row["content"], set()).add(row["format"])
    by_state = {_state(row): row for row in rows}
    known = [row for file in files if (row := by_state.get((file.name, file.bytes, file.modified_at)))]
    return {
        row["landed_as"]: Delivery(row["copy_of"] or row["source_file"], tuple(sorted(formats[row["content"]])))
        for row in known
    }


def tell_contents(lake: Lake, rewritten: Sequence[tuple[LandedFile, str]]) -> None:
    """Say what files will hold, before they do: their digests take the place of the old ones in all rows.

    Two files that become alike (nothing is left of either) stay apart: the digest of the second is mixed with its name.
    """

    def decide(ledger: pa.Table) -> tuple[Told, Row] | None:
        rows = ledger.to_pylist()
        by_state = {_state(row): row for row in rows}
        originals = {row["content"] for row in rows if row["copy_of"] is None}
        becomes: dict[str, str] = {}
        for file, digest in rewritten:
            row = by_state.get((file.name, file.bytes, file.modified_at))
            if row is not None and row["content"] not in becomes:
                is_taken = digest in originals - {row["content"]} or digest in becomes.values()
                becomes[row["content"]] = _apart(digest, row) if is_taken else digest
        told = [(row, {**row, "content": becomes.get(row["content"], row["content"])}) for row in rows]
        told = [(before, after) for before, after in told if before != after]
        return (told, {}) if told else None

    _commit(lake, decide)


def tell_states(lake: Lake, place: Path | str) -> None:
    """Say of files that are known by what they hold, which size and time they have now."""
    digests: dict[LandedFile, str | None] = {}

    def decide(ledger: pa.Table) -> tuple[Told, Row] | None:
        rows = ledger.to_pylist()
        states = {_state(row) for row in rows}
        names = {row["landed_as"] for row in rows}
        told = []
        for file in landed_files(place):
            if file.name not in names or (file.name, file.bytes, file.modified_at) in states:
                continue
            if file not in digests:
                digests[file] = digest_of(file)
            digest = digests[file]
            known = [r for r in rows if digest and r["landed_as"] == file.name and r["content"] in (digest, _apart(digest, r))]
            if known:
                row = max(known, key=lambda row: row["modified_at"])
                told.append((row, {**row, "bytes": file.bytes, "modified_at": file.modified_at}))
        return (told, {}) if told else None

    _commit(lake, decide)


def digest_of(file: LandedFile) -> str | None:
    """The digest of what a file holds, as the ledger has it; None if it went or changed meanwhile."""
    digest = hashlib.sha256()
    try:
        with file.open() as stream:
            for _ in byte_blocks(stream, digest):
                pass
    except FileNotFoundError:
        return None
    return digest.hexdigest() if file.state() == (file.bytes, file.modified_at) else None


def _commit(lake: Lake, decide: Callable[[pa.Table], tuple[Told, Row] | None]) -> None:
    """Change rows of the ledger in one commit, decided on tables to which every ingestion is applied."""
    for attempt in range(ATTEMPTS):
        ledger = lake.slice(INGESTED_FILES.name)
        journal.apply_pending(lake)
        decided = decide(ledger.to_table())
        if decided is None:
            return
        told, metadata = decided
        put = {_key(after): after for _, after in sorted(told, key=lambda pair: pair[1]["copy_of"] is None)}
        gone = {_key(before): before for before, _ in told if _key(before) not in put}
        schema = INGESTED_FILES.schema
        keys = pa.Table.from_pylist(list(gone.values()), schema=schema).select(list(INGESTED_FILES.key))
        rows = pa.Table.from_pylist(list(put.values()), schema=schema)
        try:
            name = f"forgetting:{secrets.token_hex(8)}"
            lake.merge_once(INGESTED_FILES.name, rows, [name], metadata, ledger.version, remove=keys if gone else None)
            return
        except Overtaken:
            if attempt == ATTEMPTS - 1:
                raise
            wait(attempt)


def _lacking(lake: Lake, ledger: pa.Table) -> Told:
    tables: Mapping[str, Any] = {table.name: lake.slice(table.name) for table in COUNTED}
    with queries.session({**tables, "ingested_files": ledger}) as con:
        found = queries.query(con, "forget/told_books").to_arrow_table().cast(INGESTED_FILES.schema)
    before = {_key(row): row for row in ledger.to_pylist()}
    return [(before[_key(row)], row) for row in found.to_pylist()]


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in INGESTED_FILES.key)


def _state(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["landed_as"], row["bytes"], row["modified_at"]


def _apart(digest: str, row: Mapping[str, Any]) -> str:
    """The digest of a file that is to be told apart from another of the same content."""
    return hashlib.sha256(f"{digest} {row['copy_of'] or row['source_file']}".encode()).hexdigest()
