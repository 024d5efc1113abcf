"""Losses: formulas, gradients, nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ft_assets.losses import cosine_prob_margin_ranking_loss, prob_margin_ranking_loss
from ft_assets.records import FineTuningFeatures

GOLDEN = json.loads((Path(__file__).parent / "golden" / "extractor.json").read_text())["prob_margin_ranking_loss"]
LOSSES = [prob_margin_ranking_loss, cosine_prob_margin_ranking_loss]
Loss = Callable[..., Tensor]


@pytest.mark.parametrize("case", GOLDEN)
def test_losses_are_those_of_the_published_formulas(case: dict[str, Any]) -> None:
    columns = ("positive_ranks", "negative_ranks", "positive_confidences", "negative_confidences")
    fields = {name: torch.tensor(case[name], dtype=torch.float64) for name in columns}
    features = FineTuningFeatures(**fields, target=torch.full_like(fields["positive_ranks"], case["target"]))
    assert prob_margin_ranking_loss(features, case["margin"]).item() == pytest.approx(case["loss"], abs=1e-6)
    found = cosine_prob_margin_ranking_loss(features, margin=case["margin"]).item()
    assert found == pytest.approx(case["cosine_loss"], abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_agree_with_finite_differences(loss: Loss) -> None:
    positive, negative = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in ([0.01, 0.02], [0.02, 0.01]))
    rest = [torch.ones(2, dtype=torch.float64), torch.tensor([0.5, 0.9]).double(), torch.tensor([0.7, 0.2]).double()]
    assert torch.autograd.gradcheck(lambda p, n: loss(FineTuningFeatures(p, n, *rest)), (positive, negative))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("target", [1.0, -1.0])
def test_a_step_down_the_gradient_moves_the_positive_nearer(loss: Loss, target: float) -> None:
    positive, one = torch.zeros(1, requires_grad=True), torch.ones(1)
    loss(FineTuningFeatures(positive, torch.zeros(1), target * one, one, one)).backward()
    assert (-positive.grad * target).item() > 0


@pytest.mark.parametrize("loss", LOSSES)
def test_of_no_pairs_the_loss_is_0_with_a_gradient_path(loss: Loss) -> None:
    nothing = loss(FineTuningFeatures())
    nothing.backward()
    assert nothing.item() == 0
    none = torch.zeros(0)
    loss(FineTuningFeatures(none, none, none, none, none)).backward()
    weight = torch.ones(3, requires_grad=True)
    ranks = weight[:0]
    loss(FineTuningFeatures(ranks, ranks, none, none, none)).backward()
    assert weight.grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_field_that_is_missing_is_named(loss: Loss) -> None:
    with pytest.raises(ValueError, match="features must have every field, or none, got no target, positive_confidences"):
        loss(FineTuningFeatures(torch.ones(1), torch.ones(1)))
