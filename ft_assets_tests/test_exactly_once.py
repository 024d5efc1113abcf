"""Exactly once: kills, renames, copies and other ingestions change nothing of what the tables hold."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from ft_assets import ingestion
from ft_assets.lake import Lake, Overtaken
from ft_assets_tests.shop import DAY, START, TABLES, Shop, act, click, query, session


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def put_a_bit_of_everything(shop: Shop) -> None:
    shop.put(
        "items/i.ndjson", [{"item_id": "a", "text": "1"}, {"item_id": "b", "text": "2"}, {"item_id": "a", "text": "3"}, "{"]
    )
    shop.put("embedding_studio/1.ndjson", [session(), session("s2", at=START + DAY), click(), click("e2", "s2"), "{"])
    shop.put("embedding_studio/2.ndjson", [session(), session("s2", "other"), click(), click("e3", "s9")])
    shop.put(
        "ubi/1.ndjson",
        [query(), act("click", "a"), act("click", "a", "nowhere"), act("search", query_id="q7", message="seven")],
    )
    shop.put("ubi/2.ndjson", [query(words="late"), act("impression", "b"), act("impression", "c", "q7"), act("click", "a")])


def test_a_rerun_changes_nothing_and_an_ingested_file_is_not_new(shop: Shop) -> None:
    put_a_bit_of_everything(shop)
    done = shop.ingest()
    assert sorted(done.files) == [file.name for file in readers.landed_files(shop.landing)]
    before, versions = shop.all_rows(), {table: shop.lake.slice(table).version for table in TABLES}
    assert ingestion.new_files(shop.lake, shop.landing) == []
    again = ingestion.ingest(shop.lake, readers.landed_files(shop.landing))
    assert (again.files, again.rows, again.affected_days) == ([], {}, [])
    assert shop.all_rows() == before
    assert {table: shop.lake.slice(table).version for table in TABLES} == versions


def test_every_table_holds_every_file_it_is_fed_also_without_rows(shop: Shop) -> None:
    shop.put("embedding_studio/e.ndjson", [])
    done = shop.ingest()
    assert done.files == ["embedding_studio/e.ndjson"]
    assert all(shop.lake.holds(table, done.files[0]) for table in ingestion.FEEDS["embedding_studio"])


def test_a_commit_states_its_files_days_and_books(shop: Shop) -> None:
    shop.put("embedding_studio/s.ndjson", [session(), click()])
    ingestion.ingest(shop.lake, readers.landed_files(shop.landing), {"run_id": "r1"})
    for table in ("search_sessions", "session_events"):
        entry = shop.lake.history(table)[-1]
        assert json.loads(entry["files"]) == ["embedding_studio/s.ndjson"]
        assert json.loads(entry["affected_days"]) == ["2024-01-01"]
        assert json.loads(entry["counts"])["accepted_by"] == {"events": 1, "sessions": 1}
        assert entry["run_id"] == "r1"


KILLED_AFTER_EACH_COMMIT = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from ft_assets import ingestion
    from ft_assets.lake import Lake

    folder, kills = Path(sys.argv[1]), 0
    while True:
        child = os.fork()  # nothing has started a thread yet
        if child == 0:
            def deadly(method):
                def commit(*args, **kwargs):
                    done = method(*args, **kwargs)
                    os.kill(os.getpid(), signal.SIGKILL)
                    return done
                return commit
            Lake.append_once, Lake.upsert_items_once = deadly(Lake.append_once), deadly(Lake.upsert_items_once)
            lake = Lake(str(folder / "lake"))
            ingestion.ingest(lake, ingestion.new_files(lake, folder / "landing"))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        kills += 1
    print(kills)
    """
)


def test_a_kill_after_every_single_commit_ends_in_the_same_rows(shop: Shop, tmp_path: Path) -> None:
    whole = Shop(tmp_path / "whole")
    for each in (shop, whole):
        put_a_bit_of_everything(each)
    whole.ingest()
    command = [sys.executable, "-c", KILLED_AFTER_EACH_COMMIT, str(shop.folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout.strip() == "8"  # 2 commits of items, 3 of each log
    assert shop.all_rows() == whole.all_rows()


INGEST = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from ft_assets import ingestion
    from ft_assets.lake import Lake

    folder = Path(sys.argv[1])
    lake = Lake(str(folder / "lake"))
    print(sum(ingestion.ingest(lake, ingestion.new_files(lake, folder / "landing")).rows.values()))
    """
)


def test_three_ingestions_at_once_end_in_the_same_rows(shop: Shop, tmp_path: Path) -> None:
    whole = Shop(tmp_path / "whole")
    for each in (shop, whole):
        put_a_bit_of_everything(each)
    rows = sum(whole.ingest().rows.values())
    command = [sys.executable, "-c", INGEST, str(shop.folder)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    printed = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0] * 3, printed
    assert sum(int(out) for out, _ in printed) == rows
    assert shop.all_rows() == whole.all_rows()


def test_a_file_that_another_ingestion_won_is_skipped(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    put_a_bit_of_everything(shop)
    append_once, lost = Lake.append_once, []

    def beaten(self: Lake, name: str, *args: Any) -> Any:
        if name == "session_events" and not lost:
            lost.append(name)
            append_once(self, name, *args)
            raise AlreadyIngested("another was faster")
        return append_once(self, name, *args)

    monkeypatch.setattr(Lake, "append_once", beaten)
    shop.ingest()
    rows = shop.all_rows()
    assert ingestion.new_files(shop.lake, shop.landing) == []
    monkeypatch.undo()
    whole = Shop(shop.folder / "whole")
    put_a_bit_of_everything(whole)
    whole.ingest()
    assert rows == whole.all_rows()


def test_a_session_that_arrives_in_between_is_seen_before_writing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put("embedding_studio/1.ndjson", [session()])
    append_once, others = Lake.append_once, []

    def late(self: Lake, name: str, *args: Any) -> Any:
        if not others:
            others.append(name)
            shop.put("embedding_studio/0.ndjson", [session()])
            ingestion.ingest(self, [readers.landed_files(shop.landing)[0]])
        return append_once(self, name, *args)

    files = ingestion.new_files(shop.lake, shop.landing)
    monkeypatch.setattr(Lake, "append_once", late)
    done = ingestion.ingest(shop.lake, files)
    assert [row["source_file"] for row in shop.rows("search_sessions")] == ["embedding_studio/0.ndjson"]
    assert done.books.duplicate == {"sessions": 1}


def test_being_overtaken_again_and_again_is_an_error(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(*args: Any) -> None:
        raise Overtaken("again")

    shop.put("embedding_studio/1.ndjson", [session()])
    monkeypatch.setattr(Lake, "append_once", overtaken)
    monkeypatch.setattr(ingestion, "ATTEMPTS", 2)
    with pytest.raises(Overtaken):
        shop.ingest()


def test_files_are_taken_in_groups_bounded_by_size(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingestion, "GROUP_BYTES", 300)
    for at in range(4):
        shop.put(f"embedding_studio/{at}.ndjson", [session(f"s{at}"), session("same")])
    done = shop.ingest()
    assert done.versions["search_sessions"] >= 3
    assert (done.books.accepted["sessions"], done.books.duplicate["sessions"]) == (5, 3)


def test_metadata_is_plain(shop: Shop) -> None:
    put_a_bit_of_everything(shop)
    metadata = shop.ingest().as_metadata()
    assert json.loads(json.dumps(metadata)) == metadata
    total = sum(metadata[name] for name in ("accepted", "duplicate", "rejected", "no_interest"))
    assert total == metadata["read"]
