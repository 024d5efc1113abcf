"""Files of rows that are added to the log: they hold the rows, each day its own, and those that nobody will commit go."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from ft_assets import lake as lakes
from ft_assets import log_files
from ft_assets.lake import Lake
from ft_assets.schemas import SEARCH_SESSIONS
from ft_assets_tests.builders import DAY, NEXT_DAY, event, make_lake, session, table_of


def sessions(first: int, last: int) -> list[dict[str, Any]]:
    return [session(f"s{n}", [f"i{n % 7}", f"i{n}"], day=NEXT_DAY if n % 3 else DAY) for n in range(first, last)]


def batch_of(rows: list[dict[str, Any]], name: str = "search_sessions") -> pa.RecordBatch:
    return table_of(name, rows).combine_chunks().to_batches()[0]


def coded(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The batches with the ids of their lists as codes of one list of words."""
    words = pa.array(sorted({each["item_id"] for batch in batches for row in batch["results"].to_pylist() for each in row}))
    found = []
    for batch in batches:
        lists = batch["results"]
        codes = pa.DictionaryArray.from_arrays(pa.compute.index_in(lists.values.field(0), words), words)
        results = pa.StructArray.from_arrays([codes, lists.values.field(1)], names=["item_id", "rank"])
        at = batch.schema.get_field_index("results")
        found.append(batch.set_column(at, "results", pa.ListArray.from_arrays(lists.offsets, results)))
    return found


def stored(lake: Lake, name: str = "search_sessions") -> list[dict[str, Any]]:
    return sorted(lake.slice(name).to_table().to_pylist(), key=lambda row: str(row[lake.slice(name).table.key[0]]))


def parquet_files(lake: Lake, name: str = "search_sessions") -> list[Path]:
    return sorted(Path(lake.root, name).rglob("*.parquet"))


@pytest.mark.parametrize("group", [1, log_files.GROUP_BYTES])
@pytest.mark.parametrize("waiting", [1, log_files.WAITING_BYTES])
def test_rows_of_any_days_are_stored_with_words_or_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int, waiting: int
) -> None:
    monkeypatch.setattr(log_files, "GROUP_BYTES", group)
    monkeypatch.setattr(log_files, "WAITING_BYTES", waiting)
    batches = [batch_of(sessions(0, 40)), batch_of(sessions(40, 41)), batch_of(sessions(41, 90))]
    for name, given in {"words": batches, "codes": coded(batches)}.items():
        lake = make_lake(tmp_path / name)
        commit = lake.append_once("search_sessions", partial(iter, given), ["f"], {})
        assert (commit.rows, lake.slice("search_sessions").version) == (90, commit.version)
        assert stored(lake) == sorted(
            (row for batch in batches for row in batch.to_pylist()), key=lambda row: row["session_id"]
        )
        assert len(parquet_files(lake)) == 2, "one for each day"
        assert [lake.slice("search_sessions", day).row_count for day in (DAY, NEXT_DAY)] == [30, 60]


def test_rows_of_a_table_without_days_are_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "GROUP_BYTES", 1)
    monkeypatch.setattr(log_files, "FILE_BYTES", 1)
    rows = [event(f"s{n}", "a") for n in range(5)]
    lake = make_lake(tmp_path)
    batches = [batch_of(rows[:2], "session_events"), batch_of(rows[2:], "session_events")]
    lake.append_once("session_events", lambda: iter(batches), ["f"], {})
    assert [row["session_id"] for row in stored(lake, "session_events")] == [f"s{n}" for n in range(5)]
    assert len(parquet_files(lake, "session_events")) == 2


def test_a_file_holds_the_words_of_its_rows_and_states_nothing_of_lists(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    many = [session(f"s{n}", [f"i{n}"]) for n in range(3000)]
    rare = session("rare", ["i7"], day=NEXT_DAY)
    lake.append_once("search_sessions", lambda: iter(coded([batch_of([*many, rare])])), ["f"], {})
    (file,) = Path(lake.root).glob(f"search_sessions/session_date={NEXT_DAY}/*.parquet")
    group = pq.ParquetFile(file).metadata.row_group(0)
    columns = {group.column(at).path_in_schema: group.column(at) for at in range(group.num_columns)}
    assert columns["results.list.element.item_id"].total_uncompressed_size < 200
    assert not columns["results.list.element.item_id"].is_stats_set
    assert columns["session_id"].statistics.min == "rare"


def test_what_fails_while_it_is_written_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "GROUP_BYTES", 1)
    lake = make_lake(tmp_path)

    def failing() -> Iterator[pa.RecordBatch]:
        yield batch_of(sessions(0, 10))
        assert len(parquet_files(lake)) == 2
        raise RuntimeError("the store is gone")

    with pytest.raises(RuntimeError, match="the store is gone"):
        lake.append_once("search_sessions", failing, ["f"], {})
    assert (parquet_files(lake), stored(lake)) == ([], [])
    with pytest.raises(ValueError, match="search_sessions has the columns"):
        log_files.add_files(lake.filesystem(), SEARCH_SESSIONS, [batch_of(sessions(0, 1)).drop_columns(["visit_id"])])


def test_a_conflict_repeats_the_commit_and_not_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = make_lake(tmp_path)
    failed: list[bool] = []
    made: list[bool] = []
    commit = DeltaTable.create_write_transaction

    def refused(self: DeltaTable, *args: Any, **kwargs: Any) -> None:
        if not failed:
            failed.append(True)
            raise CommitFailedError("another was first")
        commit(self, *args, **kwargs)

    def rows() -> Iterator[pa.RecordBatch]:
        made.append(True)
        yield batch_of(sessions(0, 6))

    monkeypatch.setattr(DeltaTable, "create_write_transaction", refused)
    lake.append_once("search_sessions", rows, ["f"], {})
    assert (len(made), len(parquet_files(lake)), len(stored(lake))) == (1, 2, 6)


def test_a_commit_that_came_and_was_told_to_have_failed_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake(tmp_path)
    commit = DeltaTable.create_write_transaction

    def broken(self: DeltaTable, *args: Any, **kwargs: Any) -> None:
        commit(self, *args, **kwargs)
        raise CommitFailedError("the connection broke")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", broken)
    with pytest.raises(lakes.AlreadyDone):
        lake.append_once("search_sessions", lambda: iter([batch_of(sessions(0, 6))]), ["f"], {})
    assert len(stored(lake)) == 6
