"""Pairs of sessions, splits without leakage, batches for a Trainer."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ft_assets.datasets import FineTuningDataModule, PairedFineTuningInputs, split_inputs
from ft_assets.extractor import FeaturesExtractor
from ft_assets.records import FineTuningInput
from ft_assets_tests.sessions import catalogue, model, session

CLICKED = [session("abc", "a", query=n) for n in range(3)]
UNCLICKED = [session("gh", query=n) for n in range(5)]


def test_the_shorter_list_is_cycled_in_order() -> None:
    pairs = PairedFineTuningInputs(CLICKED, UNCLICKED)
    assert [(a.query, b.query) for a, b in (pairs[n] for n in range(len(pairs)))] == [
        (0, 0), (1, 1), (2, 2), (0, 3), (1, 4),
    ]  # fmt: skip
    turned = PairedFineTuningInputs(CLICKED, UNCLICKED[:2])
    assert [(a.query, b.query) for a, b in (turned[n] for n in range(3))] == [(0, 0), (1, 1), (2, 0)]


def test_without_irrelevant_sessions_every_row_is_a_session_alone() -> None:
    pairs = PairedFineTuningInputs.from_inputs(CLICKED)
    assert [pairs[n] for n in range(3)] == [(made, None) for made in CLICKED]
    assert len(PairedFineTuningInputs([])) == 0


def test_count_cuts_or_cycles_on() -> None:
    assert len(PairedFineTuningInputs(CLICKED, UNCLICKED, count=2)) == 2
    many = PairedFineTuningInputs(CLICKED, UNCLICKED, count=16)
    assert (many[15][0].query, many[15][1].query) == (0, 0)
    assert many[-1] == many[15]
    with pytest.raises(IndexError, match=r"row must be in \[0, 16\), got 16"):
        many[16]


def test_a_shuffle_is_its_seed() -> None:
    def order(seed: int) -> list[tuple[Any, Any]]:
        pairs = PairedFineTuningInputs(CLICKED, UNCLICKED, shuffle=True, seed=seed)
        return [(a.query, b.query) for a, b in (pairs[n] for n in range(len(pairs)))]

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(5)}) > 1
    assert sorted(b for _, b in order(1)) == [0, 1, 2, 3, 4]


def test_pairs_are_what_the_extractor_takes() -> None:
    pairs = PairedFineTuningInputs.from_inputs([session("abc", "a"), session("gh", query=1)])
    extractor = FeaturesExtractor(model(), not_irrelevant_only=False)
    assert len(extractor([pairs[0]], catalogue())) == 3


def test_sessions_in_the_wrong_list_are_refused() -> None:
    with pytest.raises(ValueError, match="not_irrelevant must be sessions with is_irrelevant False, got another at 1"):
        PairedFineTuningInputs([CLICKED[0], UNCLICKED[0]])
    with pytest.raises(ValueError, match="irrelevant must be sessions with is_irrelevant True, got another at 0"):
        PairedFineTuningInputs(CLICKED, CLICKED)
    with pytest.raises(ValueError, match="not_irrelevant must have a session to pair with, got none"):
        PairedFineTuningInputs([], UNCLICKED)
    with pytest.raises(ValueError, match="count must not be negative, got -1"):
        PairedFineTuningInputs(CLICKED, count=-1)


def logged(count: int = 200, queries: int = 40) -> list[FineTuningInput]:
    rng, start = random.Random(0), datetime(2024, 1, 1, tzinfo=UTC)
    return [
        session("ab", "a", f"query {rng.randrange(queries)}", timestamp=start + timedelta(minutes=rng.randrange(500)))
        for _ in range(count)
    ]


@pytest.mark.parametrize("by_time", [False, True])
def test_no_query_is_on_both_sides_and_no_session_is_lost(by_time: bool) -> None:
    inputs = logged(120, 60)
    split = split_inputs(inputs, 0.25, by_time=by_time)
    assert not {s.query for s in split.train} & {s.query for s in split.test}
    found = [id(s) for side in split for s in side]
    assert sorted(found) == sorted(id(s) for s in inputs)
    assert bool(split.left_out) == by_time


def test_a_quarter_of_the_queries_is_tested() -> None:
    assert len({s.query for s in split_inputs(logged(), 0.25).test}) == 10


def test_what_is_tested_by_time_comes_later_than_all_that_is_learned() -> None:
    split = split_inputs(logged(60, 200), 0.3, by_time=True)
    later = [*split.test, *split.left_out]
    assert max(s.timestamp for s in split.train) < min(s.timestamp for s in later)
    assert len(later) >= 18


@pytest.mark.parametrize("by_time", [False, True])
def test_the_split_does_not_depend_on_the_order_of_inputs(by_time: bool) -> None:
    inputs = logged(120, 60)
    turned = random.Random(1).sample(inputs, len(inputs))
    one, other = (split_inputs(x, 0.3, by_time=by_time, seed=5) for x in (inputs, turned))
    assert {id(s) for s in one.test} == {id(s) for s in other.test}


def test_the_split_does_not_depend_on_pythonhashseed() -> None:
    code = (
        "from ft_assets_tests.test_datasets import logged, split_inputs;"
        "print(sorted({s.query for s in split_inputs(logged(), 0.25, seed=3).test}))"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env={"PYTHONHASHSEED": "1"}, capture_output=True, text=True, check=True)
    assert run.stdout == f"{sorted({s.query for s in split_inputs(logged(), 0.25, seed=3).test})}\n"


def test_queries_are_one_where_their_key_is() -> None:
    inputs = [session("ab", "a", query) for query in ("Tea", "tea", "TEA", "milk")]
    split = split_inputs(inputs, 0.5, query_key=str.lower)
    assert sorted(len(side) for side in split) == [0, 1, 3]


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"test_share must be in \(0, 1\), got"):
        split_inputs(CLICKED, share)


def test_a_split_with_an_empty_side_is_refused() -> None:
    with pytest.raises(ValueError, match="both sides must have a session, got 0 to train, 1 to test, 0 left out"):
        split_inputs(CLICKED[:1], 0.5)
    with pytest.raises(ValueError, match="both sides must have a session"):
        split_inputs([], 0.5, by_time=True)
    with pytest.raises(ValueError, match="timestamp must be there to split by time, got none at 0"):
        split_inputs(CLICKED, 0.5, by_time=True)


def test_the_data_module_hands_every_session_over_once() -> None:
    data = FineTuningDataModule(CLICKED + UNCLICKED, CLICKED, batch_size=3, seed=1)
    batches = list(data.train_dataloader())
    assert [len(batch) for batch in batches] == [3, 3, 2]
    assert sorted(id(s) for batch in batches for s in batch) == sorted(id(s) for s in CLICKED + UNCLICKED)
    again = [id(s) for batch in data.train_dataloader() for s in batch]
    assert again == [id(s) for batch in batches for s in batch]
    assert list(data.val_dataloader()) == list(data.test_dataloader()) == [CLICKED]
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        FineTuningDataModule(CLICKED, batch_size=0)
