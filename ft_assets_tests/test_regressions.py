"""One test for each fault of the published 1.0.0, named after what must hold instead."""

from __future__ import annotations

import pytest
import torch

from ft_assets.extractor import FeaturesExtractor
from ft_assets.kernels import (
    aggregate_max,
    aggregate_mean,
    aggregate_min,
    cosine_similarity,
    windowed_confidences,
)
from ft_assets.losses import cosine_prob_margin_ranking_loss, prob_margin_ranking_loss
from ft_assets.records import FineTuningFeatures
from ft_assets_tests.sessions import assert_same, catalogue, model, session


def test_the_default_arguments_are_accepted() -> None:
    extractor = FeaturesExtractor(model())
    assert extractor.is_similarity
    assert len(extractor([session("abc", "a")], catalogue())) == 2


def test_cosine_runs_over_the_width_of_a_row() -> None:
    queries, items = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert cosine_similarity(queries, items).tolist() == pytest.approx([1.0, 1.0, 0.5**0.5])


def test_vectors_are_found_by_item_id_whatever_the_order_of_results() -> None:
    made = model()
    found = FeaturesExtractor(made)([session("dca", "c")], catalogue())
    scores = cosine_similarity(made.queries[:1].expand(3, -1), made.items[torch.tensor([2, 3, 0])]).tolist()
    assert found.positive_ranks.tolist() == pytest.approx([scores[0]] * 2)
    assert found.negative_ranks.tolist() == pytest.approx(scores[1:])


def test_every_positive_is_paired_with_every_negative() -> None:
    found = FeaturesExtractor(model(), max_abs_difference_threshold=9)([session("abcde", "bd")], catalogue())
    pairs = list(zip(found.positive_ranks.tolist(), found.negative_ranks.tolist(), strict=True))
    assert len(pairs) == len(set(pairs)) == 6
    assert [p for p, _ in pairs] == [pairs[0][0]] * 3 + [pairs[3][0]] * 3


def test_windowed_confidences_are_not_always_zero() -> None:
    found = windowed_confidences(torch.tensor([0.9, 0.8, 0.7]), torch.tensor([True, False, False]))
    assert found.max() == 1
    assert 0 < found[0] < 1


def test_use_positive_from_takes_ranks_as_ranks_and_confidences_as_confidences() -> None:
    irrelevant = FineTuningFeatures(negative_ranks=torch.tensor([0.1]), negative_confidences=torch.tensor([0.2]))
    other = FineTuningFeatures(*(torch.tensor([x]) for x in (0.9, 0.8, 1.0, 0.7, 0.6)))
    irrelevant.use_positive_from(other)
    assert_same(irrelevant, FineTuningFeatures(*(torch.tensor([x]) for x in (0.9, 0.1, 1.0, 0.7, 0.2))))


def test_adding_empty_features_changes_nothing() -> None:
    found = FeaturesExtractor(model())([session("abc", "a")], catalogue())
    before = found.positive_ranks.tolist()
    found += FineTuningFeatures()
    assert found.positive_ranks.tolist() == before


def test_the_cosine_loss_is_not_the_base_loss() -> None:
    one = torch.ones(1)
    features = FineTuningFeatures(0.5 * one, 0.51 * one, one, one, one)
    base, cosine = prob_margin_ranking_loss(features).item(), cosine_prob_margin_ranking_loss(features).item()
    assert base == pytest.approx(torch.sigmoid(torch.tensor(0.01)).item())
    assert cosine == pytest.approx(torch.sigmoid(torch.tensor(400 * 0.01 - 6)).item(), rel=1e-4)


@pytest.mark.parametrize("aggregator", [aggregate_mean, aggregate_max, aggregate_min])
def test_mean_max_and_min_aggregate_the_ranks_of_parts(aggregator: object) -> None:
    given = session("abc", "a", part_to_object_dict={"i0": "x", "i1": "x"})
    found = FeaturesExtractor(model(), ranks_aggregator=aggregator)([given], catalogue())
    found.positive_ranks.sum().backward()
    assert len(found) == 1


def test_sampling_has_a_seed() -> None:
    given = session("abcdefghijkl", "a")

    def stay(seed: int) -> tuple[str, ...]:
        return tuple(FeaturesExtractor(model(), negative_downsampling_factor=0.3, seed=seed)._downsample_not_events(given))

    assert stay(1) == stay(1)
    assert len({stay(seed) for seed in range(6)}) > 1


def test_sampling_draws_no_not_event_twice() -> None:
    given = session("abcdefghijkl", "a")
    for factor in (0.3, 0.7, 1.0):
        stay = FeaturesExtractor(model(), negative_downsampling_factor=factor)._downsample_not_events(given)
        assert len(stay) == len(set(stay)) == max(1, int(factor * 11))


def test_sampling_keeps_at_least_one_not_event() -> None:
    extractor = FeaturesExtractor(model(), negative_downsampling_factor=0.01)
    assert len(extractor._downsample_not_events(session("abc", "a"))) == 1


def test_a_clicked_objects_unclicked_parts_are_no_negatives() -> None:
    given = session("abc", "a", part_to_object_dict={"i0": "x", "i1": "x"})
    assert given.not_events == ["i2"]
    assert len(FeaturesExtractor(model())([given], catalogue())) == 1


def test_an_irrelevant_session_does_not_fail() -> None:
    for only in (True, False):
        extractor = FeaturesExtractor(model(), not_irrelevant_only=only)
        assert len(extractor([session("abc")], catalogue())) == 0
        assert len(extractor._get_fine_tuning_features(session("abc"), catalogue())) == 3
