"""A day cut into shards is the day: the same batches, the same pairs, in the same order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ft_assets import engine
from ft_assets.engine import PairSettings
from ft_assets.schemas import PAIR_FEATURES
from ft_assets.shards import PAST_ALL, Plan, Run, plan
from ft_assets_tests.builders import make_lake, sampled, slice_of, words_of
from ft_assets_tests.ray_days import a_day, bits, pairs_by_the_loop


def cut(day: Any, settings: PairSettings, workers: int = 1) -> Plan:
    return plan(day.inputs, settings.sessions_per_batch, not settings.not_irrelevant_only, workers)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("shares", [(0.5, 0.3), (0.05, 0.9), (1.0, 0.0), (0.0, 1.0)])
def test_shards_in_their_order_make_what_the_loop_makes(tmp_path: Path, shares: tuple[float, float], workers: int) -> None:
    day = a_day(make_lake(tmp_path), sessions=130, shares=shares)
    settings = PairSettings(confidence="windowed", not_irrelevant_only=False, sessions_per_batch=8)
    loop, counts = pairs_by_the_loop(day, settings)
    made = cut(day, settings, workers)
    assert len(made.shards) > workers
    assert (made.sessions, made.results) == (counts["sessions_read"], counts["results_shown"])
    maker = engine.pair_maker(day.inputs, day.items, day.vectors, day.model, settings)
    rows = [batch for shard in made.shards for batch in shard.pairs(day.inputs, maker)]
    assert bits(words_of(rows, PAIR_FEATURES.schema)) == bits(loop)


def test_a_shard_reads_its_own_sessions_only(tmp_path: Path) -> None:
    day = a_day(make_lake(tmp_path), sessions=130)
    order = sorted((row["started_at"], row["session_id"]) for row in day.inputs.to_table().to_pylist())
    read: list[tuple[Any, str]] = []
    for shard in cut(day, PairSettings(sessions_per_batch=8)).shards:
        (side,) = shard.sides
        rows = side.read(day.inputs, shard.sessions).to_pylist()
        assert len(rows) == shard.sessions <= 8 * -(-17 // 4)
        read += [(row["started_at"], row["session_id"]) for row in rows]
    assert read == order, "each session once, though many begin at the same time"


def test_an_empty_day_has_no_shards(tmp_path: Path) -> None:
    assert plan(slice_of(make_lake(tmp_path), "sampled_inputs", []), 8, True) == Plan([], 0, 0)


def test_a_shard_whose_sessions_are_not_all_there_is_refused(tmp_path: Path) -> None:
    inputs = slice_of(make_lake(tmp_path), "sampled_inputs", [sampled("s", ["a"])])
    first = (inputs.to_table()["started_at"][0].as_py(), "")
    assert Run("all", first, PAST_ALL, 0, 1).read(inputs).num_rows == 1
    with pytest.raises(ValueError, match=r"must find its 2 all sessions from .* got 1"):
        Run("all", first, PAST_ALL, 0, 2).read(inputs)
