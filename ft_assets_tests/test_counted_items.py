"""The items that sessions list are counted as a loop over the lists would, however their files were written."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_assets import day_files
from ft_assets.counted_items import counted_items
from ft_assets.lake import Slice
from ft_assets_tests.builders import DAY, inputs, make_lake, table_of

Row = dict[str, Any]


def lists_of(seed: int) -> list[list[str | None] | None]:
    """Lists of some length, of few items, a few of them null."""
    chance = random.Random(seed)
    items = [None, *(f"item {number}" for number in range(12))]
    return [None, [], *([chance.choice(items) for _ in range(chance.randrange(9))] for _ in range(30))]


def counts_of(lists: list[list[str | None] | None]) -> Counter[str | None]:
    return Counter(item for each in lists for item in each or ())


def counted(sessions: Slice) -> Counter[str | None]:
    rows = counted_items(sessions).to_pylist()
    assert len({row["item_id"] for row in rows}) == len(rows)  # each once
    return Counter({row["item_id"]: row["results"] for row in rows})


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rows_of_group", [3, 100])
def test_items_are_counted_as_the_lists_hold_them(
    tmp_path: Path, seed: int, rows_of_group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_files, "GROUP_BYTES", 1)
    lists = lists_of(seed)
    rows = [inputs(f"s{number}", []) | {"item_ids": each, "kept": []} for number, each in enumerate(lists)]
    starts = range(0, len(rows), rows_of_group)
    batches = [table_of("sampled_inputs", rows[at : at + rows_of_group]).to_batches()[0] for at in starts]
    lake = make_lake(tmp_path)
    lake.replace_day("sampled_inputs", DAY, batches.copy, {})
    day = lake.slice("sampled_inputs", DAY)
    assert sum(file.metadata.num_row_groups for file in day.fragments()) == len(batches)
    assert counted(day) == counts_of(lists)


def test_what_another_writer_wrote_without_codes_is_counted_too(tmp_path: Path) -> None:
    lists = lists_of(0)
    lake = make_lake(tmp_path, sampled_inputs=table_of("sampled_inputs", [inputs("s", []) | {"item_ids": ["x"], "kept": []}]))
    day = lake.slice("sampled_inputs", DAY)
    (file,) = day.file_uris()
    as_views = pa.array(lists, pa.list_(pa.string_view()))
    pq.write_table(pa.table({"item_ids": as_views}), file.removeprefix("file://"), use_dictionary=False)
    assert counted(day) == counts_of(lists)


def test_the_items_of_a_day_that_is_not_there_are_none(tmp_path: Path) -> None:
    assert counted_items(make_lake(tmp_path).slice("sampled_inputs", DAY)).num_rows == 0


def test_a_day_made_anew_is_counted_anew(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    for items in (["a", "b"], ["b"]):
        rows = table_of("sampled_inputs", [inputs("s", items) | {"kept": [True] * len(items)}])
        lake.replace_day("sampled_inputs", DAY, rows.to_batches, {})
        assert counted(lake.slice("sampled_inputs", DAY)) == Counter(items)
