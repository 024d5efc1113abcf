"""What files say of their columns: the same bytes are the same values, and other values are never the same bytes."""

import pytest

from ft_assets.column_bytes import same_bytes, values_in
from ft_assets_tests.builders import DAY, NEXT_DAY, make_lake, put_day, sampled, table_of

LISTS = [sampled("s", ["a", "b"]), sampled("t", ["b", "c", "d"])]


def lake_with(folder, rows):
    lake = make_lake(folder)
    put_day(lake, "sampled_inputs", table_of("sampled_inputs", rows))
    return lake


def test_columns_of_the_same_values_are_the_same(tmp_path):
    lake = lake_with(tmp_path, LISTS)
    assert same_bytes(lake.slice("sampled_inputs", DAY), "item_ids", "object_ids")


@pytest.mark.parametrize(
    "objects",
    [["b", "c", "b"], ["d", "c", "b"], ["b", "c", "e"], ["c", "c", "d"], ["b", "c", None]],
    ids=["a part", "another order", "another object", "twice", "none"],
)
def test_columns_that_differ_in_one_value_are_not_the_same(tmp_path, objects):
    lake = lake_with(tmp_path, [LISTS[0], {**LISTS[1], "object_ids": objects}])
    assert not same_bytes(lake.slice("sampled_inputs", DAY), "item_ids", "object_ids")


def test_each_day_is_looked_at_by_itself(tmp_path):
    lake = lake_with(tmp_path, LISTS)
    other = sampled("u", ["a", "b"], object_ids=["a", "a"], day=NEXT_DAY)
    put_day(lake, "sampled_inputs", table_of("sampled_inputs", [other]), NEXT_DAY)
    said = [same_bytes(lake.slice("sampled_inputs", day), "item_ids", "object_ids") for day in (DAY, NEXT_DAY, None)]
    assert said == [True, False, False]


def test_rows_and_values_are_counted_and_an_empty_list_as_one(tmp_path):
    lake = lake_with(tmp_path, [*LISTS, sampled("u", [])])
    assert values_in(lake.slice("sampled_inputs", DAY), "clicked") == (3, 6)
    assert values_in(lake.slice("sampled_inputs", NEXT_DAY), "clicked") == (0, 0)
