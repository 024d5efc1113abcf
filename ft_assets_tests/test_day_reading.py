"""A day read as codes holds the rows that it was written with, in order of time, however it lies in its files."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ft_assets import day_files, day_reading
from ft_assets.day_files import decoded
from ft_assets.day_reading import ORDER, in_order, parts_in_order, row_groups
from ft_assets.lake import Lake, Slice
from ft_assets.schemas import FINE_TUNING_INPUTS
from ft_assets_tests.builders import DAY, NEXT_DAY, at_noon, inputs, make_lake, put_day, session, table_of

Row = dict[str, Any]
COLUMNS = FINE_TUNING_INPUTS.column_names
WORDS = ["query_text", "query_hash", "item_ids", "object_ids"]


def some_sessions(count: int, seed: int = 0) -> list[Row]:
    """Sessions of few times and texts, their lists short, empty or with a null, in any order."""
    rng = random.Random(seed)
    names = ["a", "b", "c", None]
    rows = []
    for number in range(count):
        shown = [rng.choice(names) for _ in range(rng.randrange(4))]
        started_at = at_noon(DAY) + dt.timedelta(microseconds=rng.randrange(count // 3 + 1))
        row = inputs(f"s{number}", [f"{name}" for name in shown], started_at=started_at)
        words = {"query_text": rng.choice(["tea", None]), "query_hash": f"h{rng.randrange(5)}"}
        rows.append({**row, **words, "item_ids": shown})
    rng.shuffle(rows)
    made: list[Row] = table_of("fine_tuning_inputs", rows).to_pylist()
    return made


def by_time(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["started_at"], row["session_id"]))


def put(lake: Lake, rows: list[Row], files: int, monkeypatch: pytest.MonkeyPatch) -> Slice:
    """The rows in so many files, as they come."""
    monkeypatch.setattr(day_files, "GROUP_BYTES", 1)
    monkeypatch.setattr(day_files, "FILE_BYTES", 1)
    size = -(-len(rows) // files)
    batches = [table_of("fine_tuning_inputs", rows[at : at + size]).to_batches()[0] for at in range(0, len(rows), size)]
    lake.replace_day("fine_tuning_inputs", DAY, lambda: batches, {})
    day = lake.slice("fine_tuning_inputs", DAY)
    assert len(day.file_uris()) == files
    return day


@pytest.mark.parametrize("held", [300, day_reading.HELD_BYTES])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_sessions_come_in_order_of_time_however_they_lie(
    tmp_path: Path, size: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_reading, "HELD_BYTES", held)
    for seed, files in enumerate((1, 2, 5)):
        rows = some_sessions(60, seed)
        day = put(make_lake(tmp_path / f"{seed}"), rows, files, monkeypatch)
        batches = list(in_order(day, size, COLUMNS, WORDS))
        assert [row for batch in batches for row in batch.to_pylist()] == by_time(rows)
        assert [batch.num_rows for batch in batches[:-1]] == [size] * (len(batches) - 1)
        parts = list(parts_in_order(day, COLUMNS, WORDS))
        assert [row for part in parts for row in part.to_pylist()] == by_time(rows)
        assert (len(parts) > 1) == (held < 10_000), "a large day is read in parts, a small one is not"


def test_words_are_codes_and_all_else_is_as_the_table_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = put(make_lake(tmp_path), some_sessions(60), 2, monkeypatch)
    tables = [*row_groups(day, COLUMNS, WORDS), *map(pa.table, in_order(day, 7, COLUMNS, WORDS))]
    for made in tables:
        assert [decoded(column.type) for column in made.columns] == day.table.schema.types
        coded = {name for name in made.column_names if made[name].type != day.table.schema.field(name).type}
        assert coded == set(WORDS)
        assert {column.num_chunks for column in made.columns} == {1}


def test_a_day_that_lies_in_order_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files come in any order from the log; a session that is before its time is seen in whatever file."""

    def held(*_: object) -> None:
        raise AssertionError("put in order")

    monkeypatch.setattr(day_reading, "parts_in_order", held)
    rows = by_time(some_sessions(60))
    day = put(make_lake(tmp_path / "sorted"), rows, 10, monkeypatch)
    assert [row for batch in in_order(day, 7, COLUMNS) for row in batch.to_pylist()] == rows
    for first in (0, 4, 5, 11, 58):  # inside of a file, and the last of one with the first of the next
        swapped = [*rows[:first], rows[first + 1], rows[first], *rows[first + 2 :]]
        day = put(make_lake(tmp_path / f"{first}"), swapped, 10, monkeypatch)
        with pytest.raises(AssertionError, match="put in order"):
            list(in_order(day, 7, COLUMNS))


def test_what_another_engine_rewrote_is_read_as_it_was(tmp_path: Path) -> None:
    lake, rows = make_lake(tmp_path), some_sessions(60)
    put_day(lake, "fine_tuning_inputs", table_of("fine_tuning_inputs", rows))
    lake.open("fine_tuning_inputs").delete("session_id = 's7'")
    left = by_time([row for row in rows if row["session_id"] != "s7"])
    day = lake.slice("fine_tuning_inputs", DAY)
    for words in (WORDS, []):
        found = list(in_order(day, 1000, COLUMNS, words))
        assert [row for batch in found for row in batch.to_pylist()] == left
        assert [decoded(type_) for type_ in found[0].schema.types] == day.table.schema.types


def test_ids_inside_of_results_are_codes_too(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    rows = [session("s2", [("a", 0.5), ("b", None)]), session("s1", ["b"]), session("s3", [])]
    lake.append("search_sessions", table_of("search_sessions", [*rows, session("s4", ["c"], day=NEXT_DAY)]), {})
    (part,) = parts_in_order(lake.slice("search_sessions", DAY), ["session_id", "started_at", "results"], ["results"])
    assert part.to_pylist() == [{name: row[name] for name in part.column_names} for row in by_time(rows)]
    assert part["results"].type.value_type.field("item_id").type == pa.dictionary(pa.int32(), pa.string())


def test_a_day_of_no_rows_has_no_batch(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    day = lake.slice("fine_tuning_inputs", DAY)
    for _ in range(2):
        assert [*in_order(day, 7, COLUMNS), *parts_in_order(day, ORDER), *row_groups(day, ["session_id"])] == []
        put_day(lake, "fine_tuning_inputs", table_of("fine_tuning_inputs", []))
        day = lake.slice("fine_tuning_inputs", DAY)


def test_a_null_among_the_times_loses_no_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_reading, "HELD_BYTES", 1)
    rows = some_sessions(30)
    rows[3] = {**rows[3], "started_at": None}
    day = put(make_lake(tmp_path), rows, 2, monkeypatch)
    found = pa.concat_tables(parts_in_order(day, ORDER))
    assert sorted(found["session_id"].to_pylist()) == sorted(row["session_id"] for row in rows)
    assert pc.sum(pc.is_null(found["started_at"])).as_py() == 1
    assert found["started_at"][-1].as_py() is None
