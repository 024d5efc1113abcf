"""Files that hold the same bytes are told from those that do not, whatever else they hold."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_assets.checks import checks, run_check
from ft_assets.column_bytes import are_copies
from ft_assets.lake import Lake
from ft_assets.prepared import COPIED
from ft_assets_tests.builders import DAY, inputs, make_lake, table_of

Row = dict[str, Any]
ROWS = [inputs(f"s{n}", ["a", "b", f"c{n}"], ["a"] if n % 3 else []) for n in range(50)]
CHANGES = {
    "session_id": "other", "query_hash": "other", "started_at": dt.datetime(2026, 11, 1, 1, tzinfo=dt.UTC),
    "is_irrelevant": None,
    "item_ids": ["a", "b", None], "object_ids": ["a", "b", "b"], "ranks": [1.0, None, None], "clicked": [False, False, None],
    "event_weight": [0.5, 0.0, 0.0],
}  # fmt: skip


def stored(folder: Path, copy: list[Row], rows: list[Row] = ROWS) -> Lake:
    lake = make_lake(folder)
    lake.replace_day("fine_tuning_inputs", DAY, lambda: in_groups("fine_tuning_inputs", rows), {})
    thinned = [row | {"kept": [True] * 3} for row in copy]
    lake.replace_day("sampled_inputs", DAY, lambda: in_groups("sampled_inputs", thinned), {})
    return lake


def in_groups(name: str, rows: list[Row]) -> list[pa.RecordBatch]:
    return list(table_of(name, rows).to_batches(max_chunksize=20))


def slices(lake: Lake) -> tuple[Any, Any]:
    return lake.slice("fine_tuning_inputs", DAY), lake.slice("sampled_inputs", DAY)


def found(lake: Lake) -> int:
    (check,) = (check for check in checks() if check.name == "sessions_are_all_there")
    return run_check(lake, check, DAY).rows or 0


def test_columns_that_were_taken_over_are_copies_and_others_do_not_matter(tmp_path: Path) -> None:
    lake = stored(tmp_path, ROWS)
    assert are_copies(*slices(lake), COPIED)
    assert found(lake) == 0
    shifted = stored(tmp_path / "other", [row | {"query_text": "other"} for row in ROWS])
    assert are_copies(*slices(shifted), COPIED)
    assert not are_copies(*slices(shifted), [*COPIED, "query_text"])


@pytest.mark.parametrize("column", COPIED)
def test_a_value_that_was_changed_is_none_of_a_copy_and_is_found(tmp_path: Path, column: str) -> None:
    lake = stored(tmp_path, [*ROWS[:30], ROWS[30] | {column: CHANGES[column]}, *ROWS[31:]])
    assert not are_copies(*slices(lake), COPIED)
    assert found(lake) == (2 if column == "session_id" else 1)


@pytest.mark.parametrize("copy", [ROWS[:-1], [*ROWS, ROWS[0]], []])
def test_rows_that_are_missing_or_too_many_make_no_copy(tmp_path: Path, copy: list[Row]) -> None:
    lake = stored(tmp_path, copy)
    assert not are_copies(*slices(lake), COPIED)
    assert found(lake) == {49: 1, 51: 0, 0: 50}[len(copy)]


def test_a_session_that_stands_twice_with_two_lists_is_found_in_copies_too(tmp_path: Path) -> None:
    rows = [*ROWS, ROWS[0] | {"item_ids": ["a", "b", "z"]}, ROWS[1] | {"session_id": None}]
    lake = stored(tmp_path, rows, rows)
    assert are_copies(*slices(lake), COPIED)
    assert found(lake) == 4  # each of two lists with the other; what has no id is in neither
