"""From a batch of sessions to pairs."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets.kernels import (
    SessionPairs,
    aggregate_max,
    aggregate_mean,
    aggregate_min,
    clamp_mask,
    constant_confidences,
    cosine_similarity,
    dot_product,
    euclidean_distance,
    extract_pairs,
    object_confidences,
    object_scores,
    pair_indices,
    windowed_confidences,
    zip_indices,
)
from ft_assets_tests import reference
from ft_assets_tests.batches import PlainPair, packed, plain_pairs, random_sessions, vectors

SEEDS = st.integers(0, 2**32)
RANKERS = {
    cosine_similarity: reference.cosine,
    dot_product: reference.dot,
    euclidean_distance: reference.euclidean,
}
AGGREGATORS = {aggregate_mean: reference.mean, aggregate_max: max, aggregate_min: min}
CALCULATORS = {windowed_confidences: reference.windowed, constant_confidences: lambda r, c: [1.0] * len(r)}


def partners_of(sessions: list[Any]) -> list[tuple[int, int]]:
    left = [i for i, s in enumerate(sessions) if not s.irrelevant]
    right = [i for i, s in enumerate(sessions) if s.irrelevant]
    if not left or not right:
        return []
    return [(left[k % len(left)], right[k % len(right)]) for k in range(max(len(left), len(right)))]


def assert_equal_rows(found: SessionPairs, expected: list[PlainPair], tolerance: float = 2e-5) -> None:
    assert found.positive_object.tolist() == [row.positive for row in expected]
    assert found.negative_object.tolist() == [row.negative for row in expected]
    assert found.session.tolist() == [row.session for row in expected]
    assert found.irrelevant.tolist() == [row.irrelevant for row in expected]
    for plural, single in (
        ("positive_ranks", "positive_rank"),
        ("negative_ranks", "negative_rank"),
        ("positive_confidences", "positive_confidence"),
        ("negative_confidences", "negative_confidence"),
    ):
        column = torch.tensor([getattr(row, single) for row in expected], dtype=torch.float64)
        torch.testing.assert_close(getattr(found, plural).double(), column, atol=tolerance, rtol=tolerance)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    seed=SEEDS,
    ranker=st.sampled_from(sorted(RANKERS, key=lambda r: r.target)),
    aggregator=st.sampled_from(list(AGGREGATORS)),
    calculator=st.sampled_from(list(CALCULATORS)),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    holes=st.tuples(st.booleans(), st.booleans()),
    which=st.sampled_from(["session", "irrelevant", "both"]),
)
def test_pairs_equal_plain_loops(
    seed: int, ranker: Any, aggregator: Any, calculator: Any, dtype: torch.dtype, holes: tuple[bool, bool], which: str
) -> None:
    rng = random.Random(seed)
    sessions = random_sessions(rng, rng.randint(0, 6), missing=holes[0], unscorable=holes[1])
    queries, items = vectors(rng, dtype)
    partners = None if which == "session" else partners_of(sessions)
    found = extract_pairs(
        packed(sessions), queries, items, ranker=ranker, ranks_aggregator=aggregator, confidence_calculator=calculator,
        session_pairs=which != "irrelevant",
        partners=None if partners is None else torch.tensor(partners, dtype=torch.int64).reshape(-1, 2),
    )  # fmt: skip
    expected = plain_pairs(
        sessions, queries, items, rank=RANKERS[ranker], aggregate=AGGREGATORS[aggregator],
        confidences=CALCULATORS[calculator], session_pairs=which != "irrelevant", partners=partners,
    )  # fmt: skip
    # Where the model's own float32 scores stand in, the windowed formula enlarges their rounding.
    assert_equal_rows(found, expected, 2e-4 if holes[0] else 2e-5)
    assert all(bool(x.isfinite().all()) for x in vars(found).values())


@settings(deadline=None, derandomize=True, max_examples=60)
@given(SEEDS)
def test_a_batch_is_its_parts_joined(seed: int) -> None:
    rng = random.Random(seed)
    groups = [random_sessions(rng, rng.randint(0, 3), missing=True, unscorable=True) for _ in range(3)]
    queries, items = vectors(rng)

    def extract(sessions: list[Any]) -> SessionPairs:
        partners = torch.tensor(partners_of(sessions), dtype=torch.int64).reshape(-1, 2)
        return extract_pairs(packed(sessions), queries, items, confidence_calculator=windowed_confidences, partners=partners)

    parts = [extract(group) for group in groups]
    shifts = [0, len(groups[0]), len(groups[0]) + len(groups[1])]
    partners = [(a + s, b + s) for group, s in zip(groups, shifts, strict=True) for a, b in partners_of(group)]
    whole = extract_pairs(
        packed([s for group in groups for s in group]), queries, items, confidence_calculator=windowed_confidences,
        partners=torch.tensor(partners, dtype=torch.int64).reshape(-1, 2),
    )  # fmt: skip
    for name in ("positive_ranks", "negative_ranks", "positive_confidences", "negative_confidences", "irrelevant"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]))


@settings(deadline=None, derandomize=True, max_examples=40)
@given(SEEDS)
def test_the_order_of_sessions_moves_pairs_and_changes_none(seed: int) -> None:
    rng = random.Random(seed)
    sessions = random_sessions(rng, 5)
    queries, items = vectors(rng)
    order = rng.sample(range(5), 5)

    def rows(order: list[int]) -> list[tuple[float, ...]]:
        found = extract_pairs(packed([sessions[i] for i in order]), queries, items, confidence_calculator=windowed_confidences)
        values = [found.positive_ranks, found.negative_ranks, found.positive_confidences, found.negative_confidences]
        return sorted((order[s], *row) for s, *row in zip(found.session.tolist(), *(v.tolist() for v in values), strict=True))

    assert rows(order) == rows(list(range(5)))


@pytest.mark.parametrize("aggregator", list(AGGREGATORS))
@pytest.mark.parametrize("ranker", list(RANKERS))
def test_gradients_agree_with_finite_differences(aggregator: Any, ranker: Any) -> None:
    rng = random.Random(4)
    batch = packed(random_sessions(rng, 6, longest=4, missing=True, unscorable=True, items=5))
    queries, items = (v.double().requires_grad_() for v in (vectors(rng, width=2)[0], vectors(rng, width=2)[1][:5]))

    def ranks(q: torch.Tensor, i: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pairs = extract_pairs(batch, q, i, ranker=ranker, ranks_aggregator=aggregator)
        assert not pairs.positive_confidences.requires_grad
        return pairs.positive_ranks, pairs.negative_ranks

    assert len(ranks(queries, items)[0])
    assert torch.autograd.gradcheck(ranks, (queries, items))


def test_confidences_do_not_depend_on_what_was_thinned() -> None:
    rng = random.Random(3)
    sessions = random_sessions(rng, 6)
    queries, items = vectors(rng)
    all_kept, none_kept = packed(sessions), packed(list(sessions))
    none_kept.kept.fill_(False)
    for batch in (all_kept, none_kept):
        batch.kept.logical_not_()
    scores = object_scores(all_kept, queries, items)
    clicked = torch.zeros(all_kept.objects).bool()
    first, second = (
        object_confidences(batch, clicked, scores, confidence_calculator=windowed_confidences)
        for batch in (all_kept, none_kept)
    )
    assert torch.equal(first, second)


def test_an_object_without_a_vector_makes_no_pairs_but_is_in_the_list_of_confidences() -> None:
    rng = random.Random(0)
    (session,) = random_sessions(rng, 1, longest=5, parts=False)
    session.items, session.objects = [0, 1, 2, 3], [0, 1, 2, 3]
    session.ranks, session.clicked = [4.0, 3.0, 2.0, 1.0], [True, False, False, False]
    session.kept, session.irrelevant, session.scorable = [True] * 4, False, [True, True, True, False]
    queries, items = vectors(rng)
    pairs = extract_pairs(packed([session]), queries, items, confidence_calculator=windowed_confidences)
    expected = reference.windowed([4, 3, 2, 1], [True, False, False, False])
    assert pairs.negative_object.tolist() == [1, 2]
    torch.testing.assert_close(pairs.negative_confidences, torch.tensor(expected[1:3]), atol=1e-5, rtol=0)


def test_pair_indices_of_nothing_are_nothing() -> None:
    assert [x.tolist() for x in pair_indices(torch.tensor([0]), torch.tensor([0]))] == [[], [], []]
    assert [x.tolist() for x in pair_indices(torch.tensor([0, 0, 2]), torch.tensor([0, 3, 3]))] == [[], [], []]
    none = torch.zeros(0, 2, dtype=torch.int64)
    assert [x.tolist() for x in zip_indices(torch.tensor([0, 1]), torch.tensor([0, 1]), none)] == [[], [], []]


def test_the_clamp_is_strict_on_both_sides_and_compares_in_float32() -> None:
    positive = torch.tensor([0.5, 0.75, 1.0, 0.6, float("nan")])
    negative = torch.tensor([0.5, 0.5, 0.5, 0.5, 0.5])
    assert clamp_mask(positive, negative, 0.0, 0.5).tolist() == [False, True, False, True, False]
    # 0.9 - 0.8 in float32 is below 0.1; as float32 numbers both sides are compared, whatever came in.
    wide = clamp_mask(torch.tensor([0.9], dtype=torch.float64), torch.tensor([0.8], dtype=torch.float64), 0.1, 1.0)
    narrow = clamp_mask(torch.tensor([0.9]), torch.tensor([0.8]), 0.1, 1.0)
    assert torch.equal(wide, narrow)
    assert clamp_mask(torch.tensor([0.1]), torch.tensor([0.0]), 0.1, 1.0).tolist() == [False]


def test_what_does_not_fit_is_refused() -> None:
    rng = random.Random(1)
    sessions = random_sessions(rng, 2)
    sessions[0].irrelevant, sessions[1].irrelevant = False, True
    batch, (queries, items) = packed(sessions), vectors(rng)
    for partners, message in (
        (torch.tensor([[1, 0]]), r"must be \(not-irrelevant, irrelevant\) sessions, got \[1, 0\] at row 0"),
        (torch.tensor([[0, 2]]), r"partners must be sessions in \[0, 2\)"),
        (torch.tensor([0, 1]), r"partners must be int64 \[K, 2\]"),
        (torch.tensor([[0.0, 1.0]]), r"partners must be int64 \[K, 2\]"),
    ):
        with pytest.raises(ValueError, match=message):
            extract_pairs(batch, queries, items, partners=partners)
    with pytest.raises(ValueError, match="item_index must be in"):
        extract_pairs(batch, queries, items[:1])
    with pytest.raises(ValueError, match="min must be below max, got 1 and 1"):
        clamp_mask(torch.zeros(1), torch.zeros(1), 1, 1)
    with pytest.raises(ValueError, match="min must be below max, got nan and 1"):
        clamp_mask(torch.zeros(1), torch.zeros(1), float("nan"), 1)
    with pytest.raises(ValueError, match="must have one length"):
        clamp_mask(torch.zeros(1), torch.zeros(2), 0, 1)
    with pytest.raises(ValueError, match="must have one length, got 1 and 2"):
        pair_indices(torch.tensor([0]), torch.tensor([0, 0]))
