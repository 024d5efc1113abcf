"""A day's Parquet files: what they hold, what they state, and that those of a commit that fails do not stay."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from ft_assets import day_files
from ft_assets.lake import Lake
from ft_assets.schemas import FINE_TUNING_INPUTS, PAIR_FEATURES
from ft_assets_tests.builders import DAY, NEXT_DAY, inputs, make_lake, pair, put_day, table_of

NUMBERS = ("positive_rank", "negative_rank", "target", "positive_confidence", "negative_confidence")


def pairs(first: int, last: int, **columns: object) -> pa.RecordBatch:
    rows = [pair(f"s{n // 3}", f"p{n % 5}", f"n{n}", positive_rank=float(n), **columns) for n in range(first, last)]
    return table_of("pair_features", rows).combine_chunks().to_batches()[0]


def coded(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [column.dictionary_encode() if pa.types.is_string(column.type) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def stored(lake: Lake, day: dt.date = DAY) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = lake.slice("pair_features", day).to_table().to_pylist()
    return sorted(rows, key=lambda row: str(row["positive_rank"]))


def parquet_files(lake: Lake) -> list[Path]:
    return sorted(Path(lake.root).glob("pair_features/session_date=*/*.parquet"))


def replace(lake: Lake, *batches: pa.RecordBatch, day: dt.date = DAY) -> None:
    lake.replace_day("pair_features", day, lambda: batches, {})


def test_words_as_dictionaries_are_stored_as_words(tmp_path: Path) -> None:
    plain, as_codes = make_lake(tmp_path / "plain"), make_lake(tmp_path / "codes")
    batches = [pairs(0, 40), pairs(40, 41), pairs(41, 90)]
    replace(plain, *batches)
    replace(as_codes, *map(coded, batches))
    assert (
        stored(plain)
        == stored(as_codes)
        == sorted((row for batch in batches for row in batch.to_pylist()), key=lambda row: str(row["positive_rank"]))
    )
    (file,) = parquet_files(as_codes)
    assert pq.read_schema(file).field("negative_id").type == pa.string(), "whoever reads the file finds words"


def test_lists_of_codes_are_stored_as_lists_of_words(tmp_path: Path) -> None:
    lists: list[list[str | None] | None] = [["a", "b"], [], ["b", None], None]
    array = pa.array(lists, pa.list_(pa.string()))
    codes = pa.ListArray.from_arrays(array.offsets, array.flatten().dictionary_encode(), mask=array.is_null())
    rows = {
        field.name: pa.array([DAY] * 4) if field.name == "session_date" else pa.nulls(4, field.type)
        for field in FINE_TUNING_INPUTS.schema
    }
    lake = make_lake(tmp_path)
    lake.replace_day("fine_tuning_inputs", DAY, lambda: [pa.RecordBatch.from_pydict({**rows, "item_ids": codes})], {})
    assert lake.slice("fine_tuning_inputs", DAY).to_table()["item_ids"].to_pylist() == lists


def test_a_file_tells_no_words_of_others_rows(tmp_path: Path) -> None:
    """Where a person is forgotten, only the files that hold the person's rows are written anew."""
    lake = make_lake(tmp_path)
    batch = coded(pairs(0, 40))
    replace(lake, batch.slice(0, 10), batch.slice(10, 0))
    rows = table_of("fine_tuning_inputs", [inputs(f"s{n}", [f"item-{n}", "item-7"]) for n in range(9)]).combine_chunks()
    lists = rows["item_ids"].chunk(0)
    codes = pa.ListArray.from_arrays(lists.offsets, lists.flatten().dictionary_encode())
    rows = rows.set_column(rows.schema.get_field_index("item_ids"), "item_ids", codes)
    lake.replace_day("fine_tuning_inputs", DAY, lambda: rows.slice(3, 2).to_batches(), {})
    (of_pairs,) = parquet_files(lake)
    found = pq.read_table(of_pairs, read_dictionary=["negative_id", "session_id"])
    assert set(found["negative_id"].chunk(0).dictionary.to_pylist()) == {f"n{n}" for n in range(10)}
    assert found["session_id"].chunk(0).dictionary.to_pylist() == ["s0", "s1", "s2", "s3"]
    (of_lists,) = Path(lake.root).glob("fine_tuning_inputs/session_date=*/*.parquet")
    group = pq.ParquetFile(of_lists, read_dictionary=["item_ids.list.element"]).read_row_group(0)
    assert sorted(group["item_ids"].chunk(0).flatten().dictionary.to_pylist()) == ["item-3", "item-4", "item-7"]
    assert group["item_ids"].to_pylist() == [["item-3", "item-7"], ["item-4", "item-7"]]


def test_files_state_what_can_hold_no_null_and_tell_no_ids(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    replace(lake, coded(pairs(0, 10)))
    (file,) = parquet_files(lake)
    assert not any(field.nullable for field in pq.read_schema(file))
    group = pq.read_metadata(file).row_group(0)
    known = {group.column(number).path_in_schema: group.column(number).is_stats_set for number in range(group.num_columns)}
    assert {name for name, is_set in known.items() if is_set} == set(NUMBERS)


def test_a_null_is_stored_and_its_file_does_not_say_that_there_is_none(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    replace(lake, pairs(0, 10), pairs(10, 20, query_hash=None), pairs(20, 30))
    assert sorted(row["query_hash"] is None for row in stored(lake)) == [False] * 20 + [True] * 10
    nullable = [(pq.read_schema(f).field("query_hash").nullable, pq.read_metadata(f).num_rows) for f in parquet_files(lake)]
    assert sorted(nullable) == [(False, 10), (False, 10), (True, 10)]


def test_a_large_day_is_cut_into_files_and_small_batches_share_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = make_lake(tmp_path)
    batches = [coded(pairs(n, n + 10)) for n in range(0, 200, 10)]
    replace(lake, *batches)
    (file,) = parquet_files(lake)
    assert pq.read_metadata(file).num_row_groups == 1
    rows = stored(lake)
    monkeypatch.setattr(day_files, "GROUP_BYTES", 1)
    monkeypatch.setattr(day_files, "FILE_BYTES", 8_000)
    replace(lake, *batches)
    files = [Path(uri.removeprefix("file://")) for uri in lake.slice("pair_features", DAY).file_uris()]
    assert 1 < len(files) < 20
    assert sum(pq.read_metadata(each).num_row_groups for each in files) == 20
    assert stored(lake) == rows
    assert lake.slice("pair_features", DAY).row_count == 200


@pytest.mark.parametrize("after", [0, 1, 30])
def test_rows_that_go_wrong_leave_the_old_day_and_no_file(tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_files, "GROUP_BYTES", 1)
    monkeypatch.setattr(day_files, "FILE_BYTES", 8_000)
    lake = make_lake(tmp_path)
    put_day(lake, "pair_features", pa.Table.from_batches([pairs(0, 5)]))
    before, files = stored(lake), parquet_files(lake)

    def make() -> Iterator[pa.RecordBatch]:
        for n in range(after):
            yield pairs(10 * n, 10 * n + 10)
        raise RuntimeError("the model is gone")

    with pytest.raises(RuntimeError, match="the model is gone"):
        lake.replace_day("pair_features", DAY, make, {})
    assert stored(lake) == before
    assert parquet_files(lake) == files


def test_rows_of_another_day_are_refused_with_both_days_named(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    with pytest.raises(ValueError, match=f"must all be of {DAY}, got rows of {NEXT_DAY}"):
        replace(lake, pairs(0, 3), pairs(3, 6, session_date=NEXT_DAY))
    assert stored(lake) == []
    assert parquet_files(lake) == []


def test_columns_that_do_not_fit_are_named(tmp_path: Path) -> None:
    lake, batch = make_lake(tmp_path), pairs(0, 3)
    wide = batch.set_column(batch.schema.get_field_index("target"), "target", pa.array([1_000] * 3))
    with pytest.raises(ValueError, match=r"rows do not fit pair_features: target: .*1000"):
        replace(lake, wide)
    with pytest.raises(ValueError, match=r"pair_features has the columns .* got"):
        replace(lake, batch.drop_columns(["target"]))


def test_another_days_commit_in_between_makes_no_row_again(tmp_path: Path) -> None:
    lake, calls = make_lake(tmp_path), []

    def make() -> Iterator[pa.RecordBatch]:
        calls.append(1)
        yield pairs(0, 5)
        replace(lake, pairs(5, 9, session_date=NEXT_DAY), day=NEXT_DAY)  # after the table was opened, before the commit
        yield pairs(9, 12)

    commit = lake.replace_day("pair_features", DAY, make, {})
    assert calls == [1]
    assert (commit.rows, commit.version) == (8, lake.slice("pair_features").version)
    assert [len(stored(lake, day)) for day in (DAY, NEXT_DAY)] == [8, 4]


def test_a_commit_that_lost_is_made_again_of_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table moves on between its opening and the commit, twice: the day is there once, with its rows."""
    lake, others = make_lake(tmp_path), iter((NEXT_DAY, NEXT_DAY + dt.timedelta(days=1)))
    replace(lake, pairs(0, 2))
    opened = lake.open

    def overtaken(name: str) -> object:
        delta = opened(name)
        day = next(others, None)
        if day is not None:
            replace(Lake(lake.root), pairs(0, 1, session_date=day), day=day)
        return delta

    monkeypatch.setattr(lake, "open", overtaken)
    commit = lake.replace_day("pair_features", DAY, lambda: [pairs(0, 7)], {})
    monkeypatch.undo()
    assert commit.version == lake.slice("pair_features").version
    assert [len(stored(lake, day)) for day in lake.days("pair_features")] == [7, 1, 1]
    in_log = {Path(uri.removeprefix("file://")) for uri in lake.slice("pair_features").file_uris()}
    assert len(in_log) == 3


@pytest.mark.parametrize("error", [CommitFailedError("said to have failed"), OSError("connection lost"), KeyboardInterrupt()])
def test_a_commit_that_was_made_and_told_to_have_failed_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    lake, made = make_lake(tmp_path), []
    replace(lake, pairs(0, 2))
    through = DeltaTable.create_write_transaction

    def made_and_failed(delta: DeltaTable, *given: object, **named: object) -> None:
        through(delta, *given, **named)  # type: ignore[arg-type]
        made.append(1)
        if len(made) == 1:
            raise error

    monkeypatch.setattr(DeltaTable, "create_write_transaction", made_and_failed)
    if isinstance(error, CommitFailedError):
        assert lake.replace_day("pair_features", DAY, lambda: [pairs(0, 7)], {}).rows == 7
    else:
        with pytest.raises(type(error)):
            replace(lake, pairs(0, 7))
    assert made == [1]
    assert len(stored(lake)) == 7, "the files that count are there"


def test_numbers_come_back_to_the_last_bit(tmp_path: Path) -> None:
    lake, odd = make_lake(tmp_path), np.array([0.1, np.nan, -0.0, np.inf, 1e-45], dtype=np.float32)
    batch = pairs(0, 5)
    batch = batch.set_column(batch.schema.get_field_index("negative_rank"), "negative_rank", pa.array(odd))
    replace(lake, batch)
    table = lake.slice("pair_features", DAY).to_table().sort_by("positive_rank")
    assert table["negative_rank"].to_numpy().view(np.int32).tolist() == odd.view(np.int32).tolist()
    assert PAIR_FEATURES.schema == table.schema
