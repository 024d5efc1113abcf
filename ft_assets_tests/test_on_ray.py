"""A day on a Ray cluster of several nodes is the day of the loop, to the last bit, whoever is killed in the middle."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_assets import engine, on_ray
from ft_assets.encoders import load_encoder
from ft_assets.engine import PairSettings
from ft_assets.lake import Lake
from ft_assets.on_ray import DayOfPairs, Extractor, Model, RayCluster, TextEncoder
from ft_assets_tests.builders import DAY, make_lake
from ft_assets_tests.ray_cluster import node_of, ray_cluster, when
from ft_assets_tests.ray_days import MODEL, a_day, bits, pairs_by_the_loop

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]  # Ray's own warnings are not ours
pytest.importorskip("ray.data", reason="Ray is not installed: make test-ray installs it")

HERE = RayCluster(workers=2, cpus_per_worker=1.0)
SETTINGS = PairSettings(confidence="windowed", not_irrelevant_only=False, sessions_per_batch=16)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_cluster(nodes=2) as found:
        yield found


def on_the_cluster(day: DayOfPairs, settings: PairSettings, cluster: RayCluster = HERE) -> tuple[pa.Table, dict[str, int]]:
    rows = on_ray.pair_features(cluster, replace(day, settings=settings))
    return pa.Table.from_batches(list(rows.batches())), rows.counts


@pytest.mark.parametrize("confidence", ["constant", "windowed"])
def test_a_day_on_several_nodes_is_the_loops_to_the_last_bit(cluster: Any, tmp_path: Path, confidence: str) -> None:
    day = a_day(make_lake(tmp_path), sessions=700)
    settings = replace(SETTINGS, confidence=confidence)
    expected, counts = pairs_by_the_loop(day, settings)
    found, found_counts = on_the_cluster(day, settings)
    assert bits(found) == bits(expected)
    assert found_counts == counts
    assert counts["pairs_irrelevant"] > 0
