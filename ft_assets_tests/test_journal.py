"""The journal of ingestions: what counts is applied to each table once, whoever dies, and where."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pytest
from deltalake.exceptions import CommitFailedError

from ft_assets import ingestion, journal, schemas
from ft_assets import lake as lake_module
from ft_assets.journal import Applied, Staging, apply_pending, clear_abandoned, pending
from ft_assets.lake import Lake, Overtaken
from ft_assets_tests.builders import DAY, NEXT_DAY, event, item, make_lake, rejected, session, table_of
from ft_assets_tests.shop import Shop, click
from ft_assets_tests.shop import session as logged_session

TABLES = ("items", "search_sessions", "session_events", "rejected_records")


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


def book(name: str, **columns: Any) -> dict[str, Any]:
    """A row of ingested_files."""
    counts = {column.name: 0 for column in schemas.INGESTED_FILES.columns if column.type == pa.int64()}
    now = dt.datetime(2026, 11, 9, 8, tzinfo=dt.UTC)
    return {
        "source_file": name,
        "landed_as": name,
        "format": "ubi",
        "content": f"content of {name}",
        "modified_at": now,
        "copy_of": None,
        "fates": [],
        "ingested_at": now,
        **counts,
        **columns,
    }


def staged(lake: Lake, name: str = "f") -> Staging:
    """An ingestion that changes an item, adds a session, an event and a reject, and moves a session."""
    staging = Staging(lake, lake.slice("ingested_files").version)
    staging.put("items", table_of("items", [item("a", name), item(name)]).to_batches(), [DAY], replaces=True)
    sessions = [session(name, "a"), session("moving", "a", day=NEXT_DAY)]
    staging.put("search_sessions", table_of("search_sessions", sessions).to_batches(), [DAY, NEXT_DAY], replaces=True)
    staging.put("session_events", table_of("session_events", [event(name, "a")]).to_batches(), [DAY])
    staging.put("rejected_records", table_of("rejected_records", [rejected(source_file=name)]).to_batches())
    staging.put("session_parts", [])
    return staging


def commit(staging: Staging, name: str = "f") -> None:
    staging.commit(table_of("ingested_files", [book(name)]), {"run_id": "r"})


def counting(lake: Lake, name: str = "f") -> str:
    """An ingestion that counts and is applied to no table; its name."""
    staging = staged(lake, name)
    commit(staging, name)
    return staging.ingestion


def found(lake: Lake) -> dict[str, list[Any]]:
    columns = {
        "items": "text",
        "search_sessions": "session_id",
        "session_events": "event_id",
        "rejected_records": "source_file",
    }
    return {table: sorted(lake.slice(table).to_table()[column].to_pylist()) for table, column in columns.items()}


EXPECTED = {
    "items": ["f", "text of f"],
    "search_sessions": ["f", "moving"],
    "session_events": ["f/a/click"],
    "rejected_records": ["f"],
}
NOTHING: dict[str, list[Any]] = {table: [] for table in TABLES}


def left_over(lake: Lake) -> list[str]:
    """What lies beside the tables, folders too."""
    infos = lake.filesystem().get_file_info(pafs.FileSelector(journal.STAGING, allow_not_found=True, recursive=True))
    return sorted(info.path.removeprefix(f"{journal.STAGING}/") for info in infos)


def test_what_is_staged_changes_nothing_until_it_counts(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    staging = staged(lake)
    assert (pending(lake), apply_pending(lake), found(lake)) == (None, Applied(), NOTHING)
    assert len(left_over(lake)) == 6
    commit(staging)
    assert pending(lake) == staging.ingestion
    assert found(lake) == NOTHING
    done = apply_pending(lake)
    assert {table: made.rows for table, made in done.commits.items()} == dict(zip(TABLES, (2, 2, 1, 1), strict=True))
    assert done.days == {DAY, NEXT_DAY}
    assert (found(lake), pending(lake), left_over(lake)) == (EXPECTED, None, [])
    assert apply_pending(lake) == Applied()


def test_what_changes_nothing_is_not_written_down(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    staging = staged(lake)
    assert [change.table for change in staging.changes] == list(TABLES)
    commit(staging)
    apply_pending(lake)
    assert lake.slice("session_parts").version == 0
    empty = Staging(lake, lake.slice("ingested_files").version)
    commit(empty, "nothing but copies")
    assert (pending(lake), apply_pending(lake), left_over(lake)) == (None, Applied(), [])


def test_discarding_leaves_nothing(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    staging = staged(lake)
    staging.discard()
    staging.discard()
    assert left_over(lake) == []


@pytest.mark.parametrize("applied", range(5))
def test_who_comes_next_applies_what_a_dead_one_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, applied: int) -> None:
    lake = make_lake(tmp_path)
    name, apply, made = counting(lake), journal._apply, []

    def die(lake: Lake, ingestion: str, change: journal.Change) -> Any:
        if len(made) == applied:
            raise Killed
        made.append(change.table)
        return apply(lake, ingestion, change)

    monkeypatch.setattr(journal, "_apply", die)
    with suppress(Killed):
        apply_pending(lake)
    assert pending(lake) == (name if applied < len(TABLES) else None)
    monkeypatch.undo()
    assert list(apply_pending(lake).commits) == list(TABLES[applied:])
    assert (found(lake), pending(lake), left_over(lake)) == (EXPECTED, None, [])
    for table in TABLES:
        assert [entry.get("ingestion") for entry in lake.history(table)] == [None, name]


def test_removing_what_is_gone_already_is_applied(tmp_path: Path) -> None:
    """As when a person's waiting events were forgotten in between."""
    lake = make_lake(tmp_path)
    staging = Staging(lake, 0)
    staging.put("waiting_records", [], remove=pa.table({"event_id": ["never there"]}))
    commit(staging)
    assert pending(lake) == staging.ingestion
    assert apply_pending(lake).commits["waiting_records"].rows == 0
    assert (pending(lake), apply_pending(lake), left_over(lake)) == (None, Applied(), [])


def test_of_two_decided_on_one_version_the_second_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    first, second = staged(lake), staged(lake, "g")
    commit(first)
    with pytest.raises(Overtaken):
        commit(second, "g")
    assert {name.split("/")[0] for name in left_over(lake)} == {first.ingestion}
    apply_pending(lake)
    assert (found(lake), left_over(lake)) == (EXPECTED, [])


def test_a_commit_that_the_store_took_and_denied_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer got lost, the client asked again, and found the version taken: by itself."""
    lake = make_lake(tmp_path)
    staging, write, denied = staged(lake), lake_module.write_deltalake, []

    def deny(*args: Any, **kwargs: Any) -> None:
        write(*args, **kwargs)
        if not denied:
            denied.append(True)
            raise CommitFailedError("version 1 is taken")

    monkeypatch.setattr(lake_module, "write_deltalake", deny)
    commit(staging)
    assert denied
    apply_pending(lake)
    assert (found(lake), lake.slice("ingested_files").row_count, left_over(lake)) == (EXPECTED, 1, [])


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("has_come", [True, False])
def test_an_interrupted_commit_loses_no_row_whether_it_came_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException], has_come: bool
) -> None:
    shop = Shop(tmp_path)
    shop.put("embedding_studio/s.ndjson", [logged_session(), click(), "{"])
    append_once = Lake.append_once

    def interrupted(self: Lake, name: str, *args: Any) -> Any:
        if has_come:
            append_once(self, name, *args)
        raise fault("somewhere in the commit")

    monkeypatch.setattr(Lake, "append_once", interrupted)
    with pytest.raises(fault):
        shop.ingest()
    monkeypatch.undo()
    assert shop.new() == ([] if has_come else ["embedding_studio/s.ndjson"])
    shop.ingest()
    for table in ("search_sessions", "session_events", "rejected_records", "ingested_files"):
        assert len(shop.rows(table)) == 1
    assert pending(shop.lake) is None


def test_an_error_before_the_commit_leaves_nothing_staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("planted")

    shop = Shop(tmp_path)
    shop.put("embedding_studio/s.ndjson", [logged_session()])
    monkeypatch.setattr(ingestion._Ingestion, "_ledger_rows", fail)
    with pytest.raises(RuntimeError, match="planted"):
        shop.ingest()
    assert (left_over(shop.lake), pending(shop.lake)) == ([], None)


@pytest.mark.parametrize("is_reading", [True, False])
def test_rows_that_a_faster_process_applied_and_removed_are_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_reading: bool
) -> None:
    lake = make_lake(tmp_path)
    counting(lake)
    read, others = journal._staged, []

    def late(*args: Any) -> Iterable[pa.RecordBatch]:
        rows = read(*args)
        batches = [next(iter(rows))] if is_reading else []
        if not others:
            others.append(True)
            assert list(apply_pending(lake).commits) == list(TABLES)
            if is_reading:
                raise OSError("the connection broke")
        yield from batches
        yield from rows

    monkeypatch.setattr(journal, "_staged", late)
    assert apply_pending(lake) == Applied()
    assert others
    assert (found(lake), pending(lake), left_over(lake)) == (EXPECTED, None, [])


def test_rows_that_are_gone_before_they_are_applied_are_an_error_with_a_way_out(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    name = counting(lake)
    shutil.rmtree(Path(lake.root, journal.STAGING))
    with pytest.raises(RuntimeError, match=rf"ingestion {name} counts, but its rows for items are gone .* Move the lake away"):
        apply_pending(lake)


def test_other_errors_of_applying_are_told_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise OSError("disk full")

    lake = make_lake(tmp_path)
    name = counting(lake)
    monkeypatch.setattr(journal, "_apply", fail)
    with pytest.raises(OSError, match="disk full"):
        apply_pending(lake)
    assert (pending(lake), len(left_over(lake))) == (name, 6)


def test_the_newest_ingestion_is_found_behind_any_number_of_other_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "LOOK_BACK", (1, 3, None))
    lake = make_lake(tmp_path)
    assert pending(lake) is None
    name = counting(lake)
    for _ in range(5):
        assert pending(lake) == name
        lake.append("ingested_files", schemas.INGESTED_FILES.empty(), {"forgotten": "x"})
    apply_pending(lake)
    assert (found(lake), pending(lake)) == (EXPECTED, None)


def test_the_tidying_of_tables_touches_nothing_that_waits(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    name = counting(lake)

    def tidy() -> None:
        for table in schemas.TABLES:
            delta = lake.open(table)
            delta.optimize.compact()
            delta.vacuum(0, dry_run=False, enforce_retention_duration=False)
            delta.create_checkpoint()
            delta.cleanup_metadata()

    tidy()
    assert pending(lake) == name
    apply_pending(lake)
    tidy()
    assert (found(lake), pending(lake), apply_pending(lake)) == (EXPECTED, None, Applied())


def test_only_what_can_never_count_is_cleared_and_only_when_it_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = make_lake(tmp_path)
    long_ago = "20200101T000000"
    stopped, slept = staged(lake, "stopped"), staged(lake, "slept")
    for staging in (stopped, slept):  # begun long ago
        aged = f"{long_ago}{staging.ingestion[15:]}"
        shutil.move(*(str(Path(lake.root, journal.STAGING, name)) for name in (staging.ingestion, aged)))
        staging.ingestion = aged
    clear_abandoned(lake)
    assert len({name.split("/")[0] for name in left_over(lake)}) == 2, "both may come to count yet"
    commit(slept, "slept")
    young = Staging(lake, 0).ingestion
    foreign = Path(lake.root, journal.STAGING, "notes of others")
    foreign.mkdir()
    clear_abandoned(lake)
    left = {name.split("/")[0] for name in left_over(lake)}
    assert left == {slept.ingestion, young, foreign.name}, "the old one that was refused goes; one counts, one is young"
    apply_pending(lake)
    assert found(lake)["search_sessions"] == ["moving", "slept"]
    monkeypatch.setattr(journal, "ABANDONED", dt.timedelta(0))
    clear_abandoned(lake)
    assert left_over(lake) == [foreign.name]


def test_an_ingestion_begins_by_clearing_what_was_abandoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = make_lake(tmp_path)
    staged(lake, "dead")
    counting(lake)
    monkeypatch.setattr(journal, "ABANDONED", dt.timedelta(0))
    ingestion.ingest(lake, [])
    assert (found(lake), left_over(lake)) == (EXPECTED, [])


def test_an_emptied_folder_is_removed_too(tmp_path: Path) -> None:
    """As when a process was killed between the last file and the folder."""
    lake = make_lake(tmp_path)
    name = counting(lake)
    apply_pending(lake)
    Path(lake.root, journal.STAGING, name).mkdir()
    apply_pending(lake)
    assert left_over(lake) == []


def test_two_that_clear_up_at_once_do_not_trip_over_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = make_lake(tmp_path)
    counting(lake)
    filesystem = lake.filesystem()

    class Slow(pafs.SubTreeFileSystem):  # type: ignore[misc]
        def get_file_info(self, wanted: Any) -> Any:
            infos = super().get_file_info(wanted)
            for info in infos:
                filesystem.delete_file(info.path)
            filesystem.delete_dir(wanted.base_dir)
            return infos

    name = pending(lake)
    assert name is not None
    journal._discard(Slow(lake.root, pafs.LocalFileSystem()), name)
    assert left_over(lake) == []


def test_the_ledger_says_what_each_table_gets(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    name = counting(lake)
    entry = lake.history("ingested_files")[-1]
    assert (entry["ingestion"], entry["run_id"], json.loads(entry["files"])) == (name, "r", ["f"])
    assert json.loads(entry["changes"])[0] == {
        "table": "items",
        "rows": 2,
        "removed": 0,
        "days": [str(DAY)],
        "replaces": True,
    }
