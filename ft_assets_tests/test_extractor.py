"""FeaturesExtractor: golden numbers, parts and batches, irrelevant sessions, what is refused."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ft_assets.extractor import FeaturesExtractor
from ft_assets.kernels import (
    aggregate_max,
    aggregate_min,
    constant_confidences,
    cosine_similarity,
    dot_product,
    euclidean_distance,
    windowed_confidences,
)
from ft_assets.records import FineTuningFeatures, FineTuningInput, ItemsSet
from ft_assets_tests import reference
from ft_assets_tests.sessions import (
    FIELDS,
    BatchedModel,
    TableModel,
    assert_same,
    catalogue,
    joined,
    model,
    random_input,
    session,
)

GOLDEN = json.loads((Path(__file__).parent / "golden" / "extractor.json").read_text())["sessions"]
SEEDS = st.integers(0, 2**32)
RANKERS = {"cosine": cosine_similarity, "euclidean": euclidean_distance}
CONFIDENCES = {"dummy": constant_confidences, "windowed": windowed_confidences}


@pytest.mark.parametrize("case", GOLDEN)
def test_features_are_those_of_the_published_classes(case: dict[str, Any]) -> None:
    items = ItemsSet(case["items"], torch.tensor(list(case["items"].values())))
    given = FineTuningInput(query=case["query"], events=case["events"], results=case["results"], ranks=case["ranks"])

    class Model:
        def forward_query(self, query: list[float]) -> Tensor:
            return torch.tensor(query)

        def forward_items(self, vectors: Tensor) -> Tensor:
            return vectors

    extractor = FeaturesExtractor(
        Model(), RANKERS[case["ranker"]], case["is_similarity"], confidence_calculator=CONFIDENCES[case["confidence"]],
        min_abs_difference_threshold=case["min_abs_difference"], max_abs_difference_threshold=case["max_abs_difference"],
    )  # fmt: skip
    found = extractor([given], items)
    for name in FIELDS:
        tensor = getattr(found, name)
        found_values = torch.zeros(0) if tensor is None else tensor
        torch.testing.assert_close(found_values, torch.tensor(case[name]).float(), atol=1e-4, rtol=0)


def inputs_of(seed: int, kind: str) -> list[Any]:
    rng = random.Random(seed)
    inputs = [random_input(rng) for _ in range(rng.randint(0, 6))]
    if kind == "inputs":
        return inputs
    irrelevant = [None, *(x for x in inputs if x.is_irrelevant)]
    return [(x, rng.choice(irrelevant)) for x in inputs if not x.is_irrelevant]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(SEEDS, st.sampled_from(["inputs", "tuples"]), st.booleans(), st.sampled_from([0.3, 1.0]))
def test_a_batch_is_its_parts_joined(seed: int, kind: str, only: bool, factor: float) -> None:
    """However it is split; plain lists where no partners are made across the parts."""
    extractor = FeaturesExtractor(
        model(), not_irrelevant_only=only or kind == "inputs", negative_downsampling_factor=factor,
        confidence_calculator=windowed_confidences,
    )  # fmt: skip
    batch = inputs_of(seed, kind)
    cut = len(batch) // 2
    with torch.no_grad():
        whole = extractor(batch, catalogue())
        assert_same(whole, joined([extractor([entry], catalogue()) for entry in batch]))
        assert_same(whole, joined([extractor(batch[:cut], catalogue()), extractor(batch[cut:], catalogue())]))
        assert_same(whole, extractor(extractor.pack(batch), catalogue()))


@settings(deadline=None, derandomize=True, max_examples=40)
@given(SEEDS)
def test_the_extractor_equals_the_loop_over_sessions(seed: int) -> None:
    rng = random.Random(seed)
    batch = [random_input(rng, missing=False) for _ in range(5)]
    extractor = FeaturesExtractor(model(), confidence_calculator=windowed_confidences)
    if all(made.is_irrelevant for made in batch):
        assert len(extractor(batch, catalogue())) == 0
        return
    with torch.no_grad():
        found = extractor(batch, catalogue())
        for loop in (reference.loop_windowed, reference.plain_windowed):
            columns = reference.loop_extract(batch, model(), catalogue(), loop)
            names = ("positive_ranks", "negative_ranks", "positive_confidences", "negative_confidences")
            for name, column in zip(names, columns, strict=True):
                torch.testing.assert_close(getattr(found, name), column, atol=2e-5, rtol=0)


@settings(deadline=None, derandomize=True, max_examples=20)
@given(SEEDS)
def test_with_and_without_gradients_the_numbers_are_the_same(seed: int) -> None:
    batch = inputs_of(seed, "inputs")
    extractor = FeaturesExtractor(model(), confidence_calculator=windowed_confidences)
    with torch.no_grad():
        without = extractor(batch, catalogue())
    assert_same(extractor(batch, catalogue()), without, 2e-4)


def test_the_model_is_asked_once_for_all_distinct_items_and_once_for_all_queries() -> None:
    batch = [session("abc", "a", 0), session("bcd", "c", 1), session("ab", "b", 0)]
    together, one_by_one = model(), model(TableModel)
    FeaturesExtractor(together)(batch, catalogue())
    assert sorted(together.asked) == [("items", 4), ("queries", 2)]
    FeaturesExtractor(one_by_one)(batch, catalogue())
    assert sorted(one_by_one.asked) == [("items", 4), ("query", 1), ("query", 1)]


def test_a_query_vector_may_have_a_dimension_of_one() -> None:
    class Rows(TableModel):
        def forward_query(self, query: int) -> Tensor:
            return self.queries[query : query + 1]

    batch = [session("abc", "a", 0), session("bcd", "c", 1)]
    assert_same(FeaturesExtractor(model(Rows))(batch, catalogue()), FeaturesExtractor(model())(batch, catalogue()))


def test_gradients_reach_queries_and_items() -> None:
    made = model()
    features = FeaturesExtractor(made)([session("abc", "a"), session("bcd", "c", 1)], catalogue())
    (features.positive_ranks - features.negative_ranks).sum().backward()
    assert bool((made.queries.grad[:2] != 0).any(dim=1).all())
    assert bool((made.items.grad[:4] != 0).any(dim=1).all())
    assert not features.positive_confidences.requires_grad
    assert not features.target.requires_grad


@pytest.mark.parametrize(("ranker", "target"), [(cosine_similarity, 1), (dot_product, 1), (euclidean_distance, -1)])
def test_the_target_is_the_rankers(ranker: Any, target: int) -> None:
    features = FeaturesExtractor(model(), ranker, max_abs_difference_threshold=99)([session("abc", "a")], catalogue())
    assert features.target.tolist() == [target, target]


@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        ("a", "gh", 2 + 1),  # one positive: of two negatives one is used
        ("ab", "g", 2 + 1),
        ("ab", "ghi", 2 + 2),
        ("abc", "gh", 0 + 2),
    ],
)
def test_an_irrelevant_partner_gives_negatives_cut_to_the_shorter(first: str, second: str, pairs: int) -> None:
    one, other = session("abc", first), session(second, query=1)
    extractor = FeaturesExtractor(model(), not_irrelevant_only=False)
    found = extractor([(one, other)], catalogue())
    own = extractor([(one, None)], catalogue())
    assert (len(found), len(own)) == (pairs, len(found) - min(len(first), len(second)))
    assert_same(found, extractor([one, other], catalogue()))
    made = model()
    length = len(found) - len(own)
    scores = cosine_similarity(made.queries[1].expand(length, -1), made.items[6 : 6 + length])
    torch.testing.assert_close(found.negative_ranks[len(own) :], scores)
    positives = cosine_similarity(made.queries[0].expand(length, -1), made.items[:length])
    torch.testing.assert_close(found.positive_ranks[len(own) :], positives)


def test_use_positive_from_and_the_kernels_agree_where_a_session_has_no_negatives() -> None:
    one, other = session("ab", "ab"), session("ghi", query=1)
    extractor = FeaturesExtractor(model(), confidence_calculator=windowed_confidences)
    negatives = extractor._get_fine_tuning_features(other, catalogue())
    assert (len(negatives), negatives.positive_ranks, negatives.target) == (3, None, None)
    found = extractor._get_paired_inputs_features(one, other, catalogue())
    torch.testing.assert_close(found.negative_ranks, negatives.negative_ranks[:2])
    torch.testing.assert_close(found.negative_confidences, negatives.negative_confidences[:2])


def test_the_shorter_list_is_cycled_in_order() -> None:
    """Three sessions and two irrelevant ones: (0, x) (1, y) (2, x)."""
    sessions = [session("ab", "a", 0), session("cd", "c", 1), session("ef", "e", 2)]
    x, y = session("gh", query=3), session("ij", query=3)
    extractor = FeaturesExtractor(model(), not_irrelevant_only=False)
    expected = joined([extractor([pair], catalogue()) for pair in zip(sessions, [x, y, x], strict=True)])
    assert_same(extractor([*sessions, x, y], catalogue()), expected)
    assert_same(extractor([x, *sessions, y], catalogue()), expected)


def test_a_session_that_is_cycled_makes_its_own_pairs_once() -> None:
    one, others = session("ab", "a"), [session(x, query=1) for x in ("gh", "i", "j")]
    found = FeaturesExtractor(model(), not_irrelevant_only=False)([one, *others], catalogue())
    assert len(found) == 1 + 3


def test_irrelevant_sessions_are_left_out_by_default_and_are_nothing_alone() -> None:
    one, other = session("abc", "a"), session("gh", query=1)
    marked = session("def", "d", query=2, is_irrelevant=True)
    extractor = FeaturesExtractor(model())
    own = extractor([one], catalogue())
    assert_same(extractor([other, one, marked], catalogue()), own)
    assert_same(extractor([(one, other)], catalogue()), own)
    for alone in ([other], [marked], [], [(other, None)]):
        assert len(extractor(alone, catalogue())) == 0
        assert len(FeaturesExtractor(model(), not_irrelevant_only=False)(alone, catalogue())) == 0


def test_the_clamp_applies_to_merged_pairs_too() -> None:
    one, other = session("abc", "a"), session("gh", query=1)
    wide = FeaturesExtractor(model(), not_irrelevant_only=False)([(one, other)], catalogue())
    difference = (wide.positive_ranks - wide.negative_ranks).abs().tolist()
    narrow = FeaturesExtractor(model(), not_irrelevant_only=False, max_abs_difference_threshold=max(difference))
    assert len(narrow([(one, other)], catalogue())) == len(wide) - 1
    gone = FeaturesExtractor(model(), not_irrelevant_only=False, min_abs_difference_threshold=difference[-1])
    kept = [d for d in difference if d > torch.tensor(difference[-1]).item()]
    assert len(gone([(one, other)], catalogue())) == len(kept)


def test_an_object_of_many_parts_is_one_example() -> None:
    objects = {"i0": "x", "i1": "x", "i2": "y", "i3": "y"}
    given = session("abcd", "a", part_to_object_dict=objects)
    made = model()
    scores = cosine_similarity(made.queries[0].expand(4, -1), made.items[:4]).detach()
    for aggregator, pick in ((aggregate_max, max), (aggregate_min, min)):
        found = FeaturesExtractor(made, ranks_aggregator=aggregator)([given], catalogue())
        assert found.positive_ranks.tolist() == pytest.approx([pick(scores[:2].tolist())])
        assert found.negative_ranks.tolist() == pytest.approx([pick(scores[2:].tolist())])


def test_thinning_takes_all_parts_of_an_object_together() -> None:
    given = session("abcdefgh", "a", part_to_object_dict={f"i{n}": f"o{n // 2}" for n in range(8)})
    for seed in range(8):
        stay = FeaturesExtractor(model(), negative_downsampling_factor=0.5, seed=seed)._downsample_not_events(given)
        assert len(stay) == 2
        assert len({given.get_object_id(name) for name in stay}) == 1
    assert FeaturesExtractor(model(), negative_downsampling_factor=0.0)._downsample_not_events(given) == []
    assert FeaturesExtractor(model())._downsample_not_events(given) == given.not_events


def test_confidences_are_those_of_the_whole_list_however_few_negatives_stay() -> None:
    given = session("abcde", "b", session_id="s")
    full, thin = (
        FeaturesExtractor(model(), confidence_calculator=windowed_confidences, negative_downsampling_factor=factor)
        for factor in (1.0, 0.5)
    )
    expected = reference.windowed([1.0, 0.9, 0.8, 0.7, 0.6], [False, True, False, False, False])
    events, not_events = full._confidences(given, ["i4", "i0"])
    assert events.tolist() == pytest.approx([expected[1]], abs=1e-5)
    assert not_events.tolist() == pytest.approx([expected[4], expected[0]], abs=1e-5)
    stay = thin._downsample_not_events(given)
    found = thin([given], catalogue()).negative_confidences.tolist()
    assert found == pytest.approx(thin._confidences(given, stay)[1].tolist(), abs=1e-6)


def test_where_a_rank_is_missing_the_models_scores_stand_in() -> None:
    given = session("abc", "b", ranks={"i0": 9.0, "i1": None, "i2": 3.0})
    made = model()
    scores = cosine_similarity(made.queries[0].expand(3, -1), made.items[:3]).tolist()
    expected = reference.windowed(scores, [False, True, False])
    extractor = FeaturesExtractor(made, confidence_calculator=windowed_confidences)
    found = extractor([given], catalogue())
    assert found.positive_confidences.tolist() == pytest.approx([expected[1]] * 2, abs=1e-4)
    assert found.negative_confidences.tolist() == pytest.approx([expected[0], expected[2]], abs=1e-4)
    with pytest.raises(ValueError, match="ranks must be there for every result, got none for i1"):
        extractor._confidences(given, [])


def test_the_order_of_sessions_and_of_results_moves_pairs_and_changes_none() -> None:
    sessions = [session("abcd", "b", 0), session("efg", "f", 1), session("hij", "hi", 2)]
    extractor = FeaturesExtractor(model(), negative_downsampling_factor=0.5)

    def rows(batch: list[FineTuningInput]) -> list[tuple[float, float]]:
        found = extractor(batch, catalogue())
        return sorted(zip(found.positive_ranks.tolist(), found.negative_ranks.tolist(), strict=True))

    expected = rows(sessions)
    for order in itertools.permutations(sessions):
        assert rows(list(order)) == expected
    turned = [FineTuningInput(query=s.query, results=s.results[::-1], events=s.events, ranks=s.ranks) for s in sessions]
    torch.testing.assert_close(torch.tensor(rows(turned)), torch.tensor(expected))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"model": object()}, TypeError, "model must have forward_query, got object without it"),
        ({"ranker": "cosine"}, TypeError, "ranker must be a function, got str"),
        ({"confidence_calculator": None}, TypeError, "confidence_calculator must be a function, got NoneType"),
        ({"ranks_aggregator": 1}, TypeError, "ranks_aggregator must be a function, got int"),
        ({"clicks_aggregator": 1}, TypeError, "clicks_aggregator must be a function, got int"),
        ({"not_irrelevant_only": 1}, TypeError, "not_irrelevant_only must be a bool, got int"),
        ({"seed": 0.5}, TypeError, "seed must be an integer, got float"),
        ({"negative_downsampling_factor": 1.5}, ValueError, r"negative_downsampling_factor must be in \[0, 1\], got 1.5"),
        ({"min_abs_difference_threshold": 1.0}, ValueError, "must be below max_abs_difference_threshold, got 1.0 and 1.0"),
        ({"is_similarity": False}, ValueError, "must agree with the ranker: cosine_similarity is a similarity, got False"),
        (
            {"ranker": euclidean_distance, "is_similarity": True},
            ValueError,
            "must agree with the ranker: euclidean_distance is a distance, got True",
        ),
        ({"ranker": lambda q, i: q}, ValueError, "is_similarity must be given for a ranker that carries no target"),
    ],
)
def test_a_setting_that_cannot_hold_is_refused(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        FeaturesExtractor(**{"model": model()} | settings)


@pytest.mark.parametrize(("says", "target"), [(True, 1.0), (False, -1.0)])
def test_a_ranker_without_a_target_is_believed_what_is_said_of_it(says: bool, target: float) -> None:
    extractor = FeaturesExtractor(model(), lambda q, i: (q * i).sum(1), says, max_abs_difference_threshold=99)
    assert extractor([session("ab", "a")], catalogue()).target.tolist() == [target]


def test_a_batch_that_is_none_is_refused() -> None:
    one = session("ab", "a")
    extractor = FeaturesExtractor(model())
    with pytest.raises(TypeError, match="all of FineTuningInput, or all of tuples of two, got 'x'"):
        extractor(["x"], catalogue())
    with pytest.raises(TypeError, match="all of FineTuningInput, or all of tuples of two"):
        extractor([(one, None), one], catalogue())
    with pytest.raises(TypeError, match=r"a tuple must be \(FineTuningInput, FineTuningInput or None\)"):
        extractor([(None, one)], catalogue())
    with pytest.raises(ValueError, match="the second of a tuple must be irrelevant, got one with events"):
        extractor([(one, one)], catalogue())
    with pytest.raises(KeyError, match="item 'i1' is not among the 1 items"):
        extractor([one], catalogue(1))


def test_a_result_without_a_text_makes_no_pair_but_has_its_place_in_the_list() -> None:
    texts = ItemsSet(["i0", "i2", "i3"], [0, 2, 3])
    extractor = FeaturesExtractor(model(), confidence_calculator=windowed_confidences, max_abs_difference_threshold=2.0)
    whole, lacking = session("abcd", "a"), session("abcd", "a", without_text=["i1"])
    found, expected = extractor([lacking], texts), extractor([whole], catalogue())
    assert_same(found, expected.replace(**{name: getattr(expected, name)[1:] for name in FIELDS}))
    with pytest.raises(KeyError, match="item 'i1' is not among the 3 items"):
        extractor([whole], texts)


def test_where_a_rank_is_missing_a_result_without_a_text_is_no_part_of_the_list() -> None:
    texts = ItemsSet(["i0", "i2", "i3"], [0, 2, 3])
    extractor = FeaturesExtractor(model(), confidence_calculator=windowed_confidences, max_abs_difference_threshold=2.0)
    lacking = session("abcd", "a", ranks={"i0": None, "i1": 0.9, "i2": 0.5, "i3": 0.1}, without_text=["i1"])
    shorter = session("acd", "a", ranks=dict.fromkeys(["i0", "i2", "i3"]))
    assert_same(extractor([lacking], texts), extractor([shorter], texts))


def test_the_catalogue_and_the_model_are_not_asked_for_what_has_no_text() -> None:
    encoder = model()
    extractor = FeaturesExtractor(encoder, not_irrelevant_only=False, max_abs_difference_threshold=2.0)
    nothing, empty = ItemsSet([], []), session("ab", "a", without_text=["i0", "i1"])
    assert len(extractor([empty], nothing)) == 0
    assert len(extractor._get_fine_tuning_features(session("ab", without_text=["i0", "i1"]), nothing)) == 0
    assert encoder.asked == []
    negatives = extractor._get_fine_tuning_features(session("abc", without_text=["i1"]), ItemsSet(["i0", "i2"], [0, 2]))
    assert_same(
        FineTuningFeatures(negative_ranks=negatives.negative_ranks),
        FineTuningFeatures(negative_ranks=extractor._get_fine_tuning_features(session("ac"), catalogue()).negative_ranks),
    )
    batch = [session("abc", "a"), session("abc", "ab", without_text=["i0"]), empty, session("bd", without_text=["i1"])]
    assert_same(extractor(batch[:3], catalogue()), joined([extractor([entry], catalogue()) for entry in batch[:3]]), 1e-6)
    assert len(extractor(batch, catalogue())) == 2 + 1 + 1 + 1


def test_a_packed_batch_must_say_what_to_encode() -> None:
    extractor = FeaturesExtractor(model())
    packed = extractor.pack([session("ab", "a")])
    bare = {name: getattr(packed, name) for name in type(packed).__mro__[1].__dataclass_fields__}
    with pytest.raises(TypeError, match=r"must have its queries and item ids; FeaturesExtractor\.pack makes one"):
        extractor(type(packed).__mro__[1](**bare), catalogue())


def test_vectors_of_another_shape_are_refused() -> None:
    class Short(BatchedModel):
        def forward_items(self, items: list[int]) -> Tensor:
            return self.items[:1]

    class Flat(BatchedModel):
        def forward_queries(self, queries: list[int]) -> Tensor:
            return self.queries[0]

    with pytest.raises(ValueError, match=r"the model's items must be a tensor \[2, D\], got \[1, 5\]"):
        FeaturesExtractor(model(Short))([session("ab", "a")], catalogue())
    with pytest.raises(ValueError, match=r"the model's queries must be a tensor \[1, D\], got \[5\]"):
        FeaturesExtractor(model(Flat))([session("ab", "a")], catalogue())


def test_a_batch_without_pairs_still_leads_back_to_the_model() -> None:
    features = FeaturesExtractor(model())([session("ab", "ab")], catalogue())
    assert isinstance(features, FineTuningFeatures)
    assert (len(features), features.positive_ranks.requires_grad) == (0, True)


def test_confidences_of_one_session_are_float32_like_those_of_a_batch():
    class Nothing:
        def forward_query(self, query):
            return torch.ones(2)

        def forward_items(self, items):
            return torch.ones(len(items), 2)

    session = FineTuningInput(query="q", events=["a"], results=["b", "a", "c"], ranks={"a": 0.9, "b": 0.7, "c": 0.8})
    for calculator in (constant_confidences, windowed_confidences):
        events, others = FeaturesExtractor(Nothing(), confidence_calculator=calculator)._confidences(session, ["b", "c"])
        assert (events.dtype, others.dtype) == (torch.float32, torch.float32)
        assert (events.shape, others.shape) == ((1,), (2,))
