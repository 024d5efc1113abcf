"""Exactly once: kills, renames, copies and other ingestions change nothing of what the tables hold."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ft_assets import ingestion, journal, landing, schemas
from ft_assets.lake import Home, Lake, Overtaken
from ft_assets.simulate import simulate
from ft_assets_tests.shop import DAY, START, TABLES, Shop, act, click, query, session


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


def put_a_bit_of_everything(shop: Shop) -> None:
    """Files of which each changes what others brought: items that change, sessions that grow, events that wait."""
    shop.put("items/1.ndjson", [{"item_id": "a", "text": "1"}, {"item_id": "b", "text": "2"}, "{"])
    shop.put("items/2.ndjson", [{"item_id": "a", "text": "3"}, {"item_id": "c", "text": "4"}])
    shop.put(
        "embedding_studio/1.ndjson",
        [session(), session("s2", at=START + DAY), click(), click("w1", "q1"), click("w2", "q1", "z"), click("w3", "s3"), "{"],
    )
    shop.put("embedding_studio/2.ndjson", [session(), session("s2", "other"), session("s3"), click(), click("e3", "s9")])
    shop.put("embedding_studio/3.ndjson.gz", [session(), session("s2", "other"), session("s3"), click(), click("e3", "s9")])
    shop.put("ubi/1.ndjson", [query(), act("click", "a"), act("click", "a", "nowhere"), act("click", "d")])
    shop.put("ubi/2.ndjson", [query(words="late"), act("impression", "d"), act("click", "b", at=START + 9 * DAY)])


def rows(lake: Lake) -> dict[str, list[str]]:
    """All rows of all tables that two lakes of the same files share; without the times of their making."""
    unstable = {"ingested_at", "updated_at", "modified_at"}
    return {
        name: sorted(
            json.dumps({key: value for key, value in row.items() if key not in unstable}, default=str, sort_keys=True)
            for row in lake.slice(name).to_table().to_pylist()
        )
        for name in schemas.TABLES
    }


def dying(command: str, folder: Path, *arguments: str) -> Any:
    """What ``dying.py`` says; its processes do what was tested above in one."""
    call = [sys.executable, "-m", "ft_assets_tests.dying", command, str(folder), *arguments]
    done = subprocess.run(call, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_same_as_whole(lakes: list[Lake], whole: Lake) -> None:
    """The same rows in every table, nothing half done; and what the dead staged in vain is cleared when it is old."""
    expected = rows(whole)
    for lake in lakes:
        assert rows(lake) == expected
        assert journal.pending(lake) is None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal, "ABANDONED", dt.timedelta(0))
            journal.clear_abandoned(lake)
        assert left_over(lake) == []


def left_over(lake: Lake) -> list[str]:
    """What ingestions staged and did not remove."""
    folder = Path(lake.root, journal.STAGING)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def ingested_one_by_one(shop: Shop) -> Shop:
    """The same files landed in another shop, each an ingestion of its own."""
    whole = Shop(shop.folder.with_name("whole"))
    shutil.copytree(shop.landing, whole.landing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingestion, "GROUP_FILES", 1)
        whole.ingest()
    assert {name: len(found) > 0 for name, found in whole.all_rows().items()} == dict.fromkeys(TABLES, True)
    return whole


class Killed(BaseException):
    """Stands for a kill in this process: nothing may catch it."""


@contextmanager
def dies_before_it_is_applied() -> Iterator[None]:
    """Ingestions in it die when they count, before any table has its part."""
    apply_pending = journal.apply_pending

    def die(lake: Lake) -> journal.Applied:
        if journal.pending(lake) is not None:
            raise Killed
        return apply_pending(lake)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "apply_pending", die)
        with pytest.raises(Killed):
            yield


# Again


def test_a_rerun_changes_nothing_and_an_ingested_file_is_not_new(shop: Shop) -> None:
    put_a_bit_of_everything(shop)
    done = shop.ingest()
    assert sorted(done.files) == [file.name for file in landing.landed_files(shop.landing)]
    before, versions = shop.all_rows(), {table: shop.lake.slice(table).version for table in TABLES}
    assert shop.new() == []
    again = ingestion.ingest(shop.lake, landing.landed_files(shop.landing))
    assert (again.files, again.rows, again.affected_days) == ([], {}, [])
    assert shop.all_rows() == before
    assert {table: shop.lake.slice(table).version for table in TABLES} == versions


def test_a_file_that_is_named_twice_is_ingested_once(shop: Shop) -> None:
    shop.put("embedding_studio/s.ndjson", [session(), click()])
    done = ingestion.ingest(shop.lake, landing.landed_files(shop.landing) * 2)
    assert (done.files, done.copies) == (["embedding_studio/s.ndjson"], {})
    assert len(shop.rows("ingested_files")) == 1


DELIVERY = [session(), session("s2"), click(), click("e2", "s2"), click("w", "later"), "{"]
NAME = "embedding_studio/first.ndjson"


def packed(level: int, name: str = "") -> bytes:
    text = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in DELIVERY).encode()
    if not level:
        return text
    packed = gzip.compress(text, level, mtime=level)
    return packed if not name else packed[:3] + b"\x08" + packed[4:10] + name.encode() + b"\0" + packed[10:]


def put_bytes(shop: Shop, name: str, content: bytes) -> None:
    path = shop.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def contents(shop: Shop) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table but the ledger."""
    return {table: found for table, found in shop.all_rows().items() if table != "ingested_files"}


AGAIN = {
    "renamed": ("embedding_studio/other.ndjson", packed(0)),
    "gzipped": ("embedding_studio/first.ndjson.gz", packed(6)),
    "gzipped otherwise": ("embedding_studio/first.json.gz", packed(1, "name.ndjson")),
    "in another folder": ("embedding_studio/2024/01/first.ndjson", packed(0)),
}


@pytest.mark.parametrize("how", AGAIN)
def test_a_file_that_is_delivered_again_adds_nothing_and_is_a_copy(shop: Shop, how: str) -> None:
    put_bytes(shop, NAME, packed(0))
    shop.ingest()
    before = contents(shop)
    name, content = AGAIN[how]
    put_bytes(shop, name, content)
    done = shop.ingest()
    assert (done.files, done.copies, done.rows, done.affected_days) == ([name], {name: NAME}, {}, [])
    assert (done.books.read, done.books.duplicate, done.books.rejected) == (6, {"copies": 6}, {})
    assert contents(shop) == before
    found = {row["landed_as"]: row["copy_of"] for row in shop.rows("ingested_files")}
    assert found == {NAME: None, name: NAME}
    assert shop.new() == []


def test_a_copy_of_a_copy_is_a_copy_of_the_first(shop: Shop) -> None:
    put_bytes(shop, NAME, packed(0))
    shop.ingest()
    for name, content in AGAIN.values():
        put_bytes(shop, name, content)
        shop.ingest()
    assert {row["copy_of"] for row in shop.rows("ingested_files") if row["landed_as"] != NAME} == {NAME}
    assert len(shop.rows("search_sessions")) == 2


def test_a_touched_file_adds_nothing_and_is_a_copy_of_itself(shop: Shop) -> None:
    put_bytes(shop, NAME, packed(0))
    shop.ingest()
    before = contents(shop)
    os.utime(shop.landing / NAME, (START, START))
    assert shop.new() == [NAME]
    done = shop.ingest()
    assert (done.copies, done.rows) == ({NAME: NAME}, {})
    assert contents(shop) == before
    assert {row["copy_of"] for row in shop.rows("ingested_files")} == {None, NAME}
    assert shop.new() == []


def test_a_file_landed_under_two_names_at_once_is_one_and_its_copy(shop: Shop) -> None:
    put_bytes(shop, NAME, packed(0))
    put_bytes(shop, "embedding_studio/second.ndjson.gz", packed(9))
    done = shop.ingest()
    assert done.copies == {"embedding_studio/second.ndjson.gz": NAME}
    assert (done.books.accepted["sessions"], done.books.duplicate) == (2, {"copies": 6})
    assert {row["source_file"] for row in shop.rows("search_sessions")} == {NAME}


@pytest.mark.parametrize(
    ("step", "copies"),
    [
        ("stage session_events", 0),  # it did not count: the new name is the first
        ("commit ingested_files", 1),
        ("commit search_sessions", 1),
        ("commit session_events", 1),
    ],
)
def test_a_file_that_is_renamed_after_its_ingestion_was_killed_adds_nothing(shop: Shop, step: str, copies: int) -> None:
    put_bytes(shop, NAME, packed(0))
    assert dying("step", shop.folder, step) == {"whole": False}
    renamed = "embedding_studio/renamed.ndjson"
    (shop.landing / NAME).rename(shop.landing / renamed)
    done = shop.ingest()
    assert done.copies == ({renamed: NAME} if copies else {})
    assert Counter(row["source_file"] for row in shop.rows("search_sessions")) == {NAME if copies else renamed: 2}
    for table, count in (("session_events", 2), ("waiting_records", 1), ("rejected_records", 1)):
        assert len(shop.rows(table)) == count


# Kills


@pytest.mark.long
def test_a_kill_behind_every_single_step_ends_in_the_same_rows(shop: Shop) -> None:
    put_a_bit_of_everything(shop)
    steps = dying("steps", shop.folder, "embedding_studio/1.ndjson")["steps"]
    assert_same_as_whole([shop.lake], ingested_one_by_one(shop).lake)
    assert len(steps) == len(set(steps))
    wanted = {"make a folder embedding_studio/1.ndjson"}
    wanted |= {f"stage {table} embedding_studio/1.ndjson" for table in ingestion.TABLES}
    for entry in shop.lake.history("ingested_files")[1:]:
        ((file,), name) = json.loads(entry["files"]), entry["ingestion"]
        wanted |= {f"stage {ingestion.TABLES[-1]} {file}", f"commit ingested_files {file}"}
        wanted |= {f"commit {change['table']} {name}" for change in json.loads(entry["changes"])}
        wanted |= {f"remove a file {name}", f"remove the folder {name}"}
    assert set(steps) == wanted
    assert {step.split()[1] for step in steps if step.startswith("commit ")} == set(TABLES)


@pytest.mark.long
def test_ingestions_killed_at_any_moment_end_in_the_same_rows(shop: Shop) -> None:
    put_a_bit_of_everything(shop)
    said = dying("moments", shop.folder, "20")
    assert len(said["moments"]) == 20
    whole, *killed = [Shop(Path(home)).lake for home in said["homes"]]
    assert min(whole.slice(name).row_count for name in TABLES) > 0
    assert_same_as_whole(killed, whole)


@pytest.mark.long
def test_runs_killed_at_any_moment_end_in_the_same_rows(home: Home) -> None:
    simulate(home.landing, days=2, sessions=10, seed=5)
    said = dying("runs", home.path, "20")
    assert len(said["moments"]) == 20
    whole, *killed = [Home(Path(path)).lake for path in said["homes"]]
    assert whole.slice("fine_tuning_features").row_count > 0
    assert len(whole.days("fine_tuning_features")) == 2
    assert_same_as_whole(killed, whole)


# Others at the same time


@pytest.mark.parametrize("count", [2, 3])
def test_ingestions_of_the_same_files_at_once_end_in_the_same_rows(shop: Shop, count: int) -> None:
    put_a_bit_of_everything(shop)
    names = [file.name for file in landing.landed_files(shop.landing)]
    assert dying("together", shop.folder, json.dumps([names] * count)) == {"whole": [True] * count}
    assert_same_as_whole([shop.lake], ingested_one_by_one(shop).lake)


def test_ingestions_of_shares_that_overlap_add_every_record_once(shop: Shop) -> None:
    for number in range(4):
        shop.put(f"embedding_studio/{number}.ndjson", [session(f"s{number}"), click(f"e{number}", f"s{(number + 1) % 4}"), "{"])
        shutil.copy(shop.landing / f"embedding_studio/{number}.ndjson", shop.landing / f"embedding_studio/{number}-copy.ndjson")
    names = [file.name for file in landing.landed_files(shop.landing)]
    shares = [names[:6], names[::-1], names[2:]]
    assert dying("together", shop.folder, json.dumps(shares)) == {"whole": [True] * 3}
    assert [row["session_id"] for row in shop.rows("search_sessions")] == ["s0", "s1", "s2", "s3"]
    assert [row["event_id"] for row in shop.rows("session_events")] == ["e0", "e1", "e2", "e3"]
    assert len(shop.rows("rejected_records")) == 4
    assert shop.rows("waiting_records") == []
    books = shop.rows("ingested_files")
    assert sorted(row["landed_as"] for row in books) == names
    assert [sum(row["copy_of"] is None for row in books), sum(row["rejected"] for row in books)] == [4, 4]
    assert journal.pending(shop.lake) is None
    assert left_over(shop.lake) == []


@pytest.mark.parametrize("count", [2, 3])
def test_of_processes_that_finish_a_dead_one_each_table_is_changed_by_one(shop: Shop, count: int) -> None:
    put_a_bit_of_everything(shop)
    whole = Shop(shop.folder.with_name("whole"))
    shutil.copytree(shop.landing, whole.landing)
    names = [file.name for file in landing.landed_files(shop.landing)]
    last = "ubi/1.ndjson"
    for each in (shop, whole):
        ingestion.ingest(each.lake, [file for file in landing.landed_files(each.landing) if not file.name.startswith("ubi")])
    with dies_before_it_is_applied():
        ingestion.ingest(shop.lake, [landing.landed_files(shop.landing)[names.index(last)]])
    ingestion.ingest(whole.lake, [landing.landed_files(whole.landing)[names.index(last)]])
    entry = json.loads(shop.lake.history("ingested_files")[-1]["changes"])
    assert {change["table"]: change["removed"] for change in entry}["waiting_records"] == 1
    said = dying("applied", shop.folder, str(count))
    assert said["whole"] == [True] * count
    assert sorted(table for tables in said["commits"] for table in tables) == sorted(change["table"] for change in entry)
    assert_same_as_whole([shop.lake], whole.lake)


def test_a_session_that_arrives_in_between_is_seen_before_anything_counts(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put("embedding_studio/1.ndjson", [session()])
    commit, others = journal.Staging.commit, []

    def late(self: journal.Staging, *args: Any) -> None:
        if not others:
            others.append(self)
            shop.put("embedding_studio/0.ndjson", [session()] * 2)
            ingestion.ingest(shop.lake, [landing.landed_files(shop.landing)[0]])
        commit(self, *args)

    files = ingestion.new_files(shop.lake, shop.landing)
    monkeypatch.setattr(journal.Staging, "commit", late)
    done = ingestion.ingest(shop.lake, files)
    assert [row["source_file"] for row in shop.rows("search_sessions")] == ["embedding_studio/0.ndjson"]
    assert done.books.duplicate == {"sessions": 1}
    assert left_over(shop.lake) == []


@pytest.mark.parametrize("moment", ["before the ledger is read", "behind it"])
def test_what_counts_and_is_not_applied_is_applied_before_anything_is_decided(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    shop.put("embedding_studio/0.ndjson", [session(), click()])
    shop.put("embedding_studio/1.ndjson", [session(), click(), "{"])
    first, second = landing.landed_files(shop.landing)
    others: list[str] = []

    class Late(ingestion.Ledger):
        def __init__(self, lake: Lake) -> None:
            if moment == "behind it":
                super().__init__(lake)
            if not others:
                others.append(moment)
                with dies_before_it_is_applied():
                    ingestion.ingest(lake, [first])
            if moment != "behind it":
                super().__init__(lake)

    monkeypatch.setattr(ingestion, "Ledger", Late)
    done = ingestion.ingest(shop.lake, [second])
    assert done.books.duplicate == {"sessions": 1, "events": 1}
    assert len(shop.rows("search_sessions")) == len(shop.rows("session_events")) == 1


def test_being_overtaken_again_and_again_is_an_error(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(*args: Any) -> None:
        raise Overtaken("again")

    shop.put("embedding_studio/1.ndjson", [session()])
    monkeypatch.setattr(Lake, "append_once", overtaken)
    monkeypatch.setattr(ingestion, "ATTEMPTS", 2)
    with pytest.raises(Overtaken):
        shop.ingest()
    assert left_over(shop.lake) == []


# What is told


def test_the_commit_of_the_ledger_states_files_changes_and_who_asked(shop: Shop) -> None:
    shop.put("embedding_studio/s.ndjson", [session(), click()])
    ingestion.ingest(shop.lake, landing.landed_files(shop.landing), {"run_id": "r1"})
    entry = shop.lake.history("ingested_files")[-1]
    assert (json.loads(entry["files"]), entry["run_id"]) == (["embedding_studio/s.ndjson"], "r1")
    assert {change["table"] for change in json.loads(entry["changes"])} == {"search_sessions", "session_events"}
    for table in ("search_sessions", "session_events"):
        applied = shop.lake.history(table)[-1]
        assert (applied["ingestion"], json.loads(applied["affected_days"])) == (entry["ingestion"], ["2024-01-01"])
