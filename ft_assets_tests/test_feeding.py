"""The feed of a writer: order, back-pressure, and errors that reach whoever asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from ft_assets.feeding import AHEAD, Feed, conform
from ft_assets.schemas import ITEMS, PAIR_FEATURES
from ft_assets_tests.builders import DAY, item, make_lake, pair, put_day, table_of


def numbered(count: int) -> Iterator[pa.RecordBatch]:
    for number in range(count):
        yield table_of("items", [item(f"i{number}")]).to_batches()[0]


def feeding_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("feed-")]


def test_rows_come_in_the_order_made_and_are_counted() -> None:
    with Feed(ITEMS, lambda: numbered(20)) as feed:
        assert feed.reader.read_all()["item_id"].to_pylist() == [f"i{number}" for number in range(20)]
    assert feed.rows == 20


def test_tables_may_be_fed_as_well_as_batches() -> None:
    with Feed(ITEMS, lambda: [table_of("items", [item("a"), item("b")])]) as feed:
        assert feed.reader.read_all().num_rows == 2


def test_the_maker_stays_a_few_batches_ahead_and_no_more() -> None:
    made: list[int] = []

    def make() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(numbered(50)):
            made.append(number)
            yield batch

    with Feed(ITEMS, make) as feed:
        for _ in range(3):
            feed.reader.read_next_batch()
        time.sleep(0.1)
        assert 3 <= len(made) <= 3 + AHEAD + 2


def test_a_writer_that_stops_early_ends_the_thread_and_its_maker() -> None:
    closed = threading.Event()

    def make() -> Iterator[pa.RecordBatch]:
        try:
            yield from numbered(1_000_000)
        finally:
            closed.set()

    with Feed(ITEMS, make) as feed:
        feed.reader.read_next_batch()
    assert not feeding_threads()
    assert closed.wait(5)


def test_the_error_of_a_writer_that_stops_early_is_its_own() -> None:
    def write() -> None:
        with Feed(ITEMS, lambda: numbered(100)) as feed:
            feed.reader.read_next_batch()
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write()
    assert not feeding_threads()


@pytest.mark.parametrize("after", [0, 1, 5])
def test_an_error_of_the_maker_surfaces_as_itself_and_nothing_is_committed(tmp_path: Path, after: int) -> None:
    class UnreachableError(Exception):
        pass

    def make() -> Iterator[pa.RecordBatch]:
        for number in range(after):
            yield table_of("pair_features", [pair(f"new{number}")]).to_batches()[0]
        raise UnreachableError("the source went away")

    lake = make_lake(tmp_path)
    before = put_day(lake, "pair_features", table_of("pair_features", [pair("old")]))
    with pytest.raises(UnreachableError, match="the source went away"):
        lake.replace_day("pair_features", DAY, make, {})
    with pytest.raises(UnreachableError):
        lake.append_once("pair_features", make, ["a"], {})
    now = lake.slice("pair_features")
    assert (now.version, now.to_table()["session_id"].to_pylist()) == (before.version, ["old"])
    assert not lake.holds("pair_features", "a")
    assert not feeding_threads()


def test_columns_are_put_in_order_and_cast() -> None:
    rows = table_of("items", [item("a")])
    shuffled = rows.select(sorted(rows.column_names)).cast(
        pa.schema([rows.schema.field(n).with_type(pa.large_string()) if n == "text" else rows.schema.field(n)
                   for n in sorted(rows.column_names)])
    )  # fmt: skip
    assert conform(shuffled.to_batches()[0], ITEMS).equals(rows.to_batches()[0])


def test_a_column_missing_or_too_many_is_named() -> None:
    batch = table_of("items", [item("a")]).to_batches()[0]
    with pytest.raises(ValueError, match=r"items has the columns \['item_id', .*, got \['object_id'"):
        conform(batch.drop_columns(["item_id"]), ITEMS)
    with pytest.raises(ValueError, match="'extra'"):
        conform(batch.append_column("extra", pa.array([1])), ITEMS)


def test_a_value_that_does_not_fit_its_type_is_refused_with_the_table_named() -> None:
    batch = table_of("pair_features", [pair()]).to_batches()[0]
    wide = batch.set_column(batch.schema.get_field_index("target"), "target", pa.array([1_000]))
    with pytest.raises(ValueError, match=r"rows do not fit pair_features: .*1000"):
        conform(wide, PAIR_FEATURES)
