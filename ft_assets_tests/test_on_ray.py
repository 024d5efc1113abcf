"""A day on a Ray cluster of several nodes is the day of the loop, to the last bit, whoever is killed in the middle."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ft_assets import engine, on_ray
from ft_assets.encoders import load_encoder
from ft_assets.engine import PairSettings
from ft_assets.lake import Lake
from ft_assets.on_ray import DayOfPairs, Extractor, Model, RayCluster, TextEncoder
from ft_assets.schemas import PAIR_FEATURES
from ft_assets.shards import plan
from ft_assets_tests.builders import DAY, item, make_lake, sampled, slice_of, table_of, words_of
from ft_assets_tests.ray_cluster import node_of, ray_cluster, when
from ft_assets_tests.ray_days import MODEL, a_day, bits, pairs_by_the_loop

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]  # Ray's own warnings are not ours
ray = pytest.importorskip("ray", reason="Ray is not installed: make test-ray installs it")
pytest.importorskip("ray.data", reason="Ray is not installed: make test-ray installs it")

HERE = RayCluster(workers=2, cpus_per_worker=1.0)
SETTINGS = PairSettings(confidence="windowed", not_irrelevant_only=False, sessions_per_batch=16)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_cluster(nodes=2) as found:
        yield found


def on_the_cluster(day: DayOfPairs, settings: PairSettings, cluster: RayCluster = HERE) -> tuple[pa.Table, dict[str, int]]:
    rows = on_ray.pair_features(cluster, replace(day, settings=settings))
    return words_of(rows.batches(), PAIR_FEATURES.schema), rows.counts


@pytest.mark.parametrize("confidence", ["constant", "windowed"])
def test_a_day_on_several_nodes_is_the_loops_to_the_last_bit(cluster: Any, tmp_path: Path, confidence: str) -> None:
    day = a_day(make_lake(tmp_path), sessions=700)
    settings = replace(SETTINGS, confidence=confidence)
    expected, counts = pairs_by_the_loop(day, settings)
    found, found_counts = on_the_cluster(day, settings)
    assert bits(found) == bits(expected)
    assert found_counts == counts
    assert counts["pairs_irrelevant"] > 0


@pytest.mark.parametrize("shares", [(0.0, 1.0), (0.02, 0.98)])
def test_shards_of_which_no_pairs_come_are_no_trouble(cluster: Any, tmp_path: Path, shares: tuple[float, float]) -> None:
    day = a_day(make_lake(tmp_path), sessions=200, shares=shares)
    expected, counts = pairs_by_the_loop(day, SETTINGS)
    found, found_counts = on_the_cluster(day, SETTINGS)
    assert bits(found) == bits(expected)
    assert found_counts == counts


def test_a_day_that_is_stored_is_the_loops(cluster: Any, tmp_path: Path) -> None:
    day = a_day(make_lake(tmp_path), sessions=300)
    expected, _ = pairs_by_the_loop(day, SETTINGS)
    rows = on_ray.pair_features(HERE, replace(day, settings=SETTINGS))
    commit = day.lake.replace_day("pair_features", DAY, rows.batches, {})
    stored = day.lake.slice("pair_features", DAY).to_table()
    order = [(name, "ascending") for name in stored.schema.names]
    assert commit.rows == rows.counts["rows_out"] == expected.num_rows
    assert bits(stored.sort_by(order)) == bits(expected.sort_by(order)), "storage keeps no order of rows"


@pytest.mark.parametrize("killed", ["worker", "node"])
def test_what_is_killed_in_mid_run_is_redone_and_nothing_comes_twice(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    day = a_day(make_lake(tmp_path), sessions=700)
    expected, counts = pairs_by_the_loop(day, SETTINGS)
    victim, begun = tmp_path / "victim", tmp_path / "begun"
    begun.mkdir()
    # A batch in the middle of a shard in the middle of the day, of which a batch has been handed on already.
    slow = plan(day.inputs, SETTINGS.sessions_per_batch, True, HERE.workers).shards[3]
    assert slow.sessions > SETTINGS.sessions_per_batch

    class Slow(Extractor):
        def __call__(self, shard: Any) -> Iterator[pa.Table]:
            for number, rows in enumerate(super().__call__(shard)):
                if shard == slow and number == 1:
                    (begun / f"{os.getpid()}").touch()
                    if len(list(begun.iterdir())) == 1:
                        said = f"{os.getpid()} {ray.get_runtime_context().get_node_id()}"
                        victim.write_text(said)
                        time.sleep(300)
                yield rows

    def kill(said: str) -> None:
        process, node = said.split()
        if killed == "worker":
            os.kill(int(process), signal.SIGKILL)
        else:
            cluster.remove_node(node_of(cluster, node), allow_graceful=False)

    monkeypatch.setattr(on_ray, "Extractor", Slow)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with each_batch_a_block(), when(victim, kill):
        found, found_counts = on_the_cluster(day, SETTINGS)
    assert len(list(begun.iterdir())) == 2, "it was begun, killed, and begun again"
    assert bits(found) == bits(expected)
    assert found_counts == counts
    if killed == "node":
        cluster.add_node(num_cpus=2)


def test_each_text_is_encoded_as_the_loop_encodes_it_though_a_worker_dies(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    encoder = load_encoder(MODEL)

    class Slow(TextEncoder):
        def __call__(self, part: tuple[int, pa.RecordBatch]) -> Iterator[pa.Table]:
            if part[0] and not victim.exists():
                victim.write_text(f"{os.getpid()}")
                time.sleep(300)
            yield from super().__call__(part)

    days = [a_day(make_lake(tmp_path / name), sessions=200, encode=False) for name in ("loop", "ray")]
    monkeypatch.setattr(on_ray, "TextEncoder", Slow)
    model = Model({"model": MODEL}, encoder.fingerprint)
    done = []
    with when(victim, lambda said: os.kill(int(said), signal.SIGKILL)):
        for day, encoding in zip(days, (None, on_ray.encoding(HERE, model, 16)), strict=True):
            arguments = (day.lake, day.inputs, day.items, encoder, {"session_date": str(DAY)})
            done.append(engine.text_vectors(*arguments, texts_per_commit=16, encoding=encoding))
    assert victim.exists()
    assert done[0].encoded["item"] > 16, "several parts"
    assert (done[0].texts, done[0].encoded) == (done[1].texts, done[1].encoded)
    loop, found = (day.lake.slice("text_vectors").to_table().sort_by("text_hash") for day in days)
    assert bits_of_vectors(loop) == bits_of_vectors(found)


def test_nothing_to_encode_asks_no_cluster(tmp_path: Path) -> None:
    day, encoder = a_day(make_lake(tmp_path), sessions=20), load_encoder(MODEL)
    nowhere = RayCluster(address="192.0.2.1:6379")
    encoding = on_ray.encoding(nowhere, Model({"model": MODEL}, encoder.fingerprint))
    done = engine.text_vectors(day.lake, day.inputs, day.items, encoder, {}, encoding=encoding)
    assert done.encoded == {"query": 0, "item": 0}


def test_a_node_with_another_model_is_refused(cluster: Any) -> None:
    encoding = on_ray.encoding(HERE, Model({"model": MODEL}, "another-000000000000"))
    texts = pa.record_batch({"role": ["item"], "text_hash": ["h"], "text": ["red shoes"]})
    with pytest.raises(Exception, match="must have the model another-000000000000, this one has hashing-64-"):
        list(encoding.vectors(texts))


def test_a_lake_that_a_node_does_not_see_is_refused(cluster: Any, tmp_path: Path) -> None:
    day = replace(a_day(make_lake(tmp_path), sessions=20), lake=Lake(str(tmp_path / "elsewhere")))
    with pytest.raises(Exception, match=r"every node of the Ray cluster must reach the lake at .*elsewhere"):
        on_the_cluster(day, SETTINGS)


def test_an_address_that_nobody_answers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1"):
        with pytest.raises(ConnectionError, match=f"can be reached from here, got {address}: .*refused"):
            RayCluster(address=address).connected().__enter__()


def bits_of_vectors(rows: pa.Table) -> list[tuple[str, str, bytes]]:
    vectors = zip(rows["role"].to_pylist(), rows["text_hash"].to_pylist(), rows["vector"].to_pylist(), strict=True)
    return [(role, name, np.array(values, np.float32).tobytes()) for role, name, values in vectors]


@contextmanager
def each_batch_a_block() -> Iterator[None]:
    """Let Ray Data hand on each batch by itself; by default it waits until many are together."""
    context = ray.data.DataContext.get_current()
    before = context.target_max_block_size
    context.target_max_block_size = 16_384
    try:
        yield
    finally:
        context.target_max_block_size = before


@pytest.mark.model
def test_a_models_vectors_are_the_loops_to_the_last_bit(cluster: Any, tmp_path: Path) -> None:
    """Cut where the loop cuts: 90 texts a part, which fill several batches of tokens."""
    encoder = load_encoder(device="cpu", batch_tokens=256)
    words = ["red", "blue", "shoes", "hat", "for men", "of summer, light and warm"]
    texts = [f"{first} {second} {number}" for number in range(8) for first in words for second in words]
    items = [item(f"i{number}", text) for number, text in enumerate(texts)]
    rows = [sampled("s", [one["item_id"] for one in items], query_text="warm hat")]
    model = Model({"device": "cpu", "batch_tokens": 256}, encoder.fingerprint)
    stored = []
    for name, encoding in (("loop", None), ("ray", on_ray.encoding(HERE, model, 90))):
        lake = make_lake(tmp_path / name, items=table_of("items", items))
        day = slice_of(lake, "sampled_inputs", rows)
        engine.text_vectors(lake, day, lake.slice("items"), encoder, {}, texts_per_commit=90, encoding=encoding)
        stored.append(
            bits_of_vectors(lake.slice("text_vectors").to_table().sort_by([("role", "ascending"), ("text_hash", "ascending")]))
        )
    assert len(stored[0]) == len(texts) + 1
    assert stored[0] == stored[1]
