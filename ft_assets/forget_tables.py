"""Take sessions out of the tables of the lake, and out of their history.

A commit's log entry keeps its predicate for ever, so ids are never part of one: rows are merged with a table of keys that is
not logged, and deleted where they match. What has nothing to delete commits nothing.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from deltalake import CommitProperties

from ft_assets import queries, schemas
from ft_assets.lake import Lake, retried, writer_of
from ft_assets.schemas import SEARCH_SESSIONS, TEXT_VECTORS, Table
from ft_assets.traces import Person

STATISTICS = "delta.dataSkippingNumIndexedCols"


def tables_with(lake: Lake, column: str) -> list[Table]:
    """The tables that are there and have the column."""
    return [table for table in schemas.TABLES.values() if column in table.column_names and lake.exists(table.name)]


def sessions_of(lake: Lake, names: Iterable[str]) -> set[str]:
    """The sessions that the tables know to be a person's."""
    found: set[str] = set()
    keys = _keys("user_id", names)
    for table in tables_with(lake, "user_id"):
        if "session_id" in table.column_names:
            with queries.session({table.name: lake.slice(table.name), "keys": keys}) as con:
                rows = con.sql(f"select distinct session_id from {table.name} semi join keys using (user_id)").fetchall()
            found.update(session for (session,) in rows if session is not None)
    return found


def days_of(lake: Lake, sessions: Iterable[str]) -> list[dt.date]:
    """The days of sessions, in order."""
    if not lake.exists(SEARCH_SESSIONS.name):
        return []
    tables = {"search_sessions": lake.slice(SEARCH_SESSIONS.name), "keys": _keys("session_id", sessions)}
    with queries.session(tables) as con:
        rows = con.sql(
            "select distinct session_date from search_sessions semi join keys using (session_id) order by 1"
        ).fetchall()
    return [day for (day,) in rows]


def delete_sessions(lake: Lake, table: Table, sessions: Iterable[str], days: Iterable[dt.date] = ()) -> int:
    """Delete the rows of sessions; how many they were.

    Args:
        lake: the tables.
        table: one with a session_id.
        sessions: whose rows.
        days: stated in the commit as touched, so that their daily tables are made anew.
    """
    metadata = {"affected_days": [day.isoformat() for day in days]} if days else {}
    return _delete(lake, table, _keys("session_id", sessions), metadata)


def delete_users(lake: Lake, table: Table, names: Iterable[str]) -> int:
    """Delete the rows that bear a user id, of whatever session."""
    return _delete(lake, table, _keys("user_id", names), {})


def raw_of(lake: Lake, table: Table, person: Person) -> tuple[dict[str, str], set[str]]:
    """The raw records of a table that are the person's, or whose detail quotes one that is, and the sessions they show.

    Each with what stays of it, where others share it.
    """
    found, sessions = dict[str, str](), set[str]()
    columns: list[str] = [name for name in table.column_names if name in ("raw", "source_file", "detail")]
    for batch in lake.slice(table.name).batches(columns=columns):
        for row in batch.to_pylist():
            format_ = (row.get("source_file") or "").split("/", 1)[0]
            texts = ((row["raw"] or "").encode("utf-8", "surrogatepass"), (row.get("detail") or "").encode())
            for trace in (person.trace_in(text, format_) for text in texts if text):
                if trace and found.setdefault(row["raw"], trace.rest):
                    found[row["raw"]] = trace.rest
                sessions |= trace.sessions if trace else set()
    return found, sessions


def delete_raw(lake: Lake, table: Table, person: Person, places: Iterable[tuple[str, int]] = ()) -> int:
    """Delete the rows whose raw record is the person's, or whose detail quotes one that is; others lose the person's part.

    Args:
        lake: the tables.
        table: one with raw records.
        person: with all sessions.
        places: source_file and record_number of records that are known to be the person's: without a key, nothing in the
            row need say so.
    """
    found, _ = raw_of(lake, table, person)
    shared = {raw: rest for raw, rest in found.items() if rest}
    if shared:
        texts = [pa.array(part, pa.string()) for part in (shared.keys(), shared.values())]
        _merge(lake, table, pa.table(texts, names=["raw", "rest"]), ["raw"], {})
    deleted = _delete(lake, table, _keys("raw", found.keys() - shared.keys()), {})
    ordered = sorted(places)
    numbers = pa.array([number for _, number in ordered], pa.int64())
    names = pa.array([name for name, _ in ordered], pa.string())
    return deleted + _delete(lake, table, pa.table({"source_file": names, "record_number": numbers}), {})


def delete_irrelevant_pairs(lake: Lake, table: Table, days: list[dt.date]) -> int:
    """Delete what was paired across sessions on these days: a negative there may be anybody's, and its session is not said.

    The days are made anew, with the pairs of those who stay.
    """
    if not days:
        return 0
    listed = ", ".join(f"'{day.isoformat()}'" for day in days)
    with queries.session({table.name: lake.slice(table.name)}) as con:
        where = f"pairing = 'irrelevant' and session_date in ({listed})"
        rows = _count(con.sql(f"select count(*) from {table.name} where {where}"))
    if not rows:
        return 0
    predicate = f"pairing = 'irrelevant' and session_date in ({listed})"
    done = retried(
        lambda: lake.open(table.name).delete(predicate, writer_properties=writer_of(table.name), commit_properties=_stating({}))
    )
    return int(done["num_deleted_rows"] or 0)


def delete_unasked_vectors(lake: Lake) -> int:
    """Delete the vectors of query texts that no session asks any more."""
    if not lake.exists(TEXT_VECTORS.name):
        return 0
    vectors = lake.slice(TEXT_VECTORS.name)  # before the sessions: a query that is asked only now has its vector later
    with queries.session({"text_vectors": vectors, "search_sessions": lake.slice(SEARCH_SESSIONS.name)}) as con:
        keys = queries.query(con, "forget/unasked_vectors").to_arrow_table()
    return _delete(lake, TEXT_VECTORS, keys, {"forgotten": True})  # see row_changes


def remove_history(lake: Lake, table: Table, before: float) -> int:
    """Delete every data file that the newest version does not use; how many there were.

    Not by Delta's own vacuum: that passes over some files of killed writers (``*.parquet#*``), cannot tell those of a
    writer at work, and commits twice. The log stays: it holds days, names of landed files, and which version came when.

    Args:
        lake: the tables.
        table: one that is there.
        before: seconds since 1970; younger files that no version knows may be those of a writer at work.
    """
    found = _files(lake, table)  # before the newest version is asked for: what a writer adds meanwhile is not among them
    delta = lake.open(table.name)
    used = _names(delta.file_uris())
    removed = _names(delta.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=True))
    old = [file for file in found if file.name not in used and (file.name in removed or file.changed_at < before)]
    for file in old:
        file.delete()
    return len(old)


def keeps_statistics(lake: Lake, table: Table) -> bool:
    """Whether the table's log keeps values of its rows: it was made before logs were kept free of them."""
    return lake.open(table.name).metadata().configuration.get(STATISTICS) != "0"


def _names(paths: Iterable[str]) -> set[str]:
    """Their last parts: they differ in all of a table, and come with and without the table's folder before them."""
    return {str(path).rsplit("/", 1)[-1] for path in paths}


class _File(NamedTuple):
    """A file in the folder of a table."""

    name: str
    changed_at: float
    delete: Callable[[], None]


def _files(lake: Lake, table: Table) -> list[_File]:
    """Whatever lies in the folder of a table, but for its log."""
    folder = Path(lake.uri(table.name))
    if "://" not in lake.root:  # the storage layer would not list what a killed writer left
        inner = [path for path in folder.rglob("*") if path.is_file() and "_delta_log" not in path.relative_to(folder).parts]
        return [_File(path.name, path.stat().st_mtime, partial(path.unlink, missing_ok=True)) for path in inner]
    from pyarrow.fs import FileSelector, FileType

    store = lake.filesystem()
    infos = store.get_file_info(FileSelector(table.name, recursive=True))
    kept = [info for info in infos if info.type == FileType.File and "_delta_log" not in info.path.split("/")]
    return [_File(info.base_name, info.mtime_ns / 1e9, partial(store.delete_file, info.path)) for info in kept]


def _delete(lake: Lake, table: Table, keys: pa.Table, metadata: Mapping[str, Any]) -> int:
    """Delete the rows that agree with a row of keys in all its columns."""
    if not keys.num_rows:
        return 0
    with queries.session({table.name: lake.slice(table.name), "keys": keys}) as con:
        if not _count(con.sql(f"select count(*) from {table.name} semi join keys using ({', '.join(keys.column_names)})")):
            return 0

    return _merge(lake, table, keys, keys.column_names, metadata)


def _merge(lake: Lake, table: Table, rows: pa.Table, keys: list[str], metadata: Mapping[str, Any]) -> int:
    """Delete the rows that agree in their keys, or let the rest take the place of their raw; how many were deleted."""

    def merge() -> int:
        merger = lake.open(table.name).merge(
            rows,
            predicate=" and ".join(f"old.{name} = gone.{name}" for name in keys),
            source_alias="gone",
            target_alias="old",
            writer_properties=writer_of(table.name),
            commit_properties=_stating(metadata),
        )
        is_update = "rest" in rows.column_names
        matched = merger.when_matched_update({"raw": "gone.rest"}) if is_update else merger.when_matched_delete()
        return int(matched.execute()["num_target_rows_deleted"])

    return retried(merge)


def _keys(column: str, values: Iterable[str]) -> pa.Table:
    return pa.table({column: pa.array(sorted({value for value in values if value is not None}), pa.string())})


def _count(relation: Any) -> int:
    return int(relation.fetchall()[0][0])


def _stating(metadata: Mapping[str, Any]) -> CommitProperties:
    return CommitProperties(custom_metadata={name: json.dumps(value) for name, value in metadata.items()}, max_commit_retries=0)
