"""Small files of vectors are joined: no row is lost, whoever writes meanwhile, and what they replace is deleted later."""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake.exceptions import CommitFailedError

from ft_assets import compaction, engine
from ft_assets.compaction import compact_vectors, remove_replaced, small_files
from ft_assets.encoders import load_encoder
from ft_assets.forget_tables import delete_unasked_vectors, remove_history
from ft_assets.lake import Lake
from ft_assets.schemas import TEXT_VECTORS
from ft_assets_tests.builders import DAY, item, make_lake, sampled, slice_of, table_of, vector


def add(lake: Lake, model: str, *names: str) -> None:
    rows = [vector(name, "query") | {"model": model, "text_hash": name} for name in names]
    lake.append("text_vectors", table_of("text_vectors", rows), {"model": model})


def hashes(lake: Lake) -> list[tuple[str, str]]:
    rows = lake.slice("text_vectors").to_table(["model", "text_hash"]).to_pylist()
    return sorted((row["model"], row["text_hash"]) for row in rows)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path / "lake"))
    for n in range(5):
        add(lake, "m", f"text {n}")
        add(lake, "other", f"text {n}")
    return lake


def test_the_files_of_one_model_become_one_with_the_same_rows(lake: Lake) -> None:
    before = lake.slice("text_vectors").to_table().sort_by([("model", "ascending"), ("text_hash", "ascending")])
    assert (small_files(lake, "m"), compact_vectors(lake, "m")) == (5, 0), "five are few"
    assert compact_vectors(lake, "m", at_least=5) == 5
    assert (small_files(lake, "m"), small_files(lake, "other")) == (1, 5)
    after = lake.slice("text_vectors").to_table().sort_by([("model", "ascending"), ("text_hash", "ascending")])
    assert after.equals(before)
    assert compact_vectors(lake, "m", at_least=1) == 0, "one file is joined with no other"


def test_files_are_written_as_vectors_compress_best(lake: Lake) -> None:
    compact_vectors(lake, "m", at_least=2)
    for path in lake.slice("text_vectors").file_uris():
        columns = pq.ParquetFile(path.removeprefix("file://")).metadata.row_group(0)
        found = {columns.column(n).path_in_schema.split(".")[0]: columns.column(n) for n in range(columns.num_columns)}
        assert "BYTE_STREAM_SPLIT" in found["vector"].encodings
        assert (found["vector"].compression, found["vector"].is_stats_set) == ("ZSTD", False)
        assert found["text_hash"].is_stats_set


def test_rows_that_are_appended_meanwhile_are_kept(lake: Lake) -> None:
    stop, added = threading.Event(), list[str]()

    def append() -> None:
        while not stop.is_set():
            added.append(f"late {len(added)}")
            add(lake, "m", added[-1])

    thread = threading.Thread(target=append)
    thread.start()
    try:
        joined = [compact_vectors(lake, "m", at_least=2) for _ in range(5)]
    finally:
        stop.set()
        thread.join()
    assert max(joined) >= 5
    expected = [f"text {n}" for n in range(5)] + added
    assert hashes(lake) == sorted([("m", name) for name in expected] + [("other", f"text {n}") for n in range(5)])


def test_where_rows_were_taken_away_meanwhile_the_table_stays_as_the_other_writer_left_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What forget deletes must not come back with the files that are joined."""
    table_of_sessions = table_of("search_sessions", [])
    lake.append("search_sessions", table_of_sessions, {})
    stale = lake.open("text_vectors")
    assert delete_unasked_vectors(lake) == 10
    opened = lake.open
    monkeypatch.setattr(lake, "open", lambda name: stale if name == "text_vectors" else opened(name))
    with pytest.raises(CommitFailedError):
        stale.optimize.compact(target_size=compaction.TARGET_BYTES)
    assert compact_vectors(lake, "m", at_least=2) == 0
    monkeypatch.undo()
    assert hashes(lake) == []


def test_what_was_replaced_is_deleted_when_nobody_reads_it_any_more(lake: Lake) -> None:
    reader = lake.slice("text_vectors")
    compact_vectors(lake, "m", at_least=2)
    assert reader.to_table().num_rows == 10, "a version that was opened before is still there"
    assert remove_replaced(lake, dt.timedelta(days=7)) == 0
    assert remove_replaced(lake, dt.timedelta(0)) == 5
    assert lake.slice("text_vectors").to_table().num_rows == 10
    with pytest.raises(FileNotFoundError):
        reader.to_table()


def test_forgetting_removes_the_replaced_files_at_once(lake: Lake) -> None:
    compact_vectors(lake, "m", at_least=2)
    assert remove_history(lake, TEXT_VECTORS, time.time() + 60) == 5
    folder = Path(lake.uri("text_vectors"))
    assert len([name for _, _, names in os.walk(folder) for name in names if name.endswith(".parquet")]) == 6


def test_a_day_joins_the_files_of_its_model_when_they_have_become_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = make_lake(tmp_path, items=table_of("items", [item(str(n), f"word {n}") for n in range(40)]))
    day = slice_of(lake, "sampled_inputs", [sampled("s", [str(n) for n in range(40)])])

    def encode() -> Any:
        return engine.text_vectors(
            lake, day, lake.slice("items"), load_encoder("hashing:32"), {"session_date": str(DAY)}, texts_per_commit=1
        )

    monkeypatch.setattr(compaction, "SMALL_FILES", 10)
    assert encode().encoded == {"query": 1, "item": 40}
    model = load_encoder("hashing:32").fingerprint
    assert small_files(lake, model) == 1
    assert lake.slice("text_vectors").row_count == 41
    assert encode().encoded == {"query": 0, "item": 0}
    last = lake.history("text_vectors")[-1]
    assert last["session_date"] == str(DAY), "the day's own entry comes last"


def test_half_precision_takes_half_the_room(tmp_path: Path) -> None:
    """Gaussian numbers, which compress as the vectors of a model do."""
    sizes = {}
    values = np.random.default_rng(0).standard_normal(2_000 * 64).astype(np.float32)
    for name, stored in {"whole": values, "half": values.astype(np.float16).astype(np.float32)}.items():
        lake = Lake(str(tmp_path / name))
        lists = pa.ListArray.from_arrays(pa.array(np.arange(2_001, dtype=np.int32) * 64), pa.array(stored))
        columns = [pa.array(["m"] * 2_000), pa.array(["item"] * 2_000), pa.array([str(n) for n in range(2_000)]), lists]
        lake.append("text_vectors", pa.table(columns, schema=TEXT_VECTORS.schema), {})
        sizes[name] = sum(pa.table(lake.open("text_vectors").get_add_actions(flatten=True))["size_bytes"].to_pylist())
        assert np.array_equal(lake.slice("text_vectors").to_table()["vector"].combine_chunks().flatten().to_numpy(), stored)
    assert sizes["half"] < 0.56 * sizes["whole"]
    assert sizes["whole"] < 0.9 * values.nbytes
