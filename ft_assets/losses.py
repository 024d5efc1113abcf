"""Losses: FineTuningFeatures to one number.

Both push a positive's rank past its negative's and weigh every pair by the lesser of its two confidences: a pair
is worth no more than its weaker half. Letters: P pairs.

With x = -target (positive_rank - negative_rank) + margin, a pair that is ordered the wrong way has x > margin::

    prob_margin_ranking_loss          mean(sigmoid(x)           min(c+, c-))
    cosine_prob_margin_ranking_loss   mean(sigmoid(400 x - 6)   min(c+, c-))

The second is for cosines, whose differences are hundredths: it is a step of that width.
"""

from __future__ import annotations

from torch import Tensor, zeros

from ft_assets.features import COLUMNS, FineTuningFeatures

__all__ = ["cosine_prob_margin_ranking_loss", "prob_margin_ranking_loss"]


def prob_margin_ranking_loss(features: FineTuningFeatures, margin: float = 0.0) -> Tensor:
    """Mean of sigmoid(x) min(c+, c-), x = -target (positive - negative) + margin.

    Args:
        features: P pairs, all five fields; or none at all.
        margin: by how much a positive should be nearer than its negative.

    Returns:
        A scalar of the ranks' dtype and device, with gradients; 0, and gradients of 0, if there are no pairs.

    Raises:
        ValueError: some fields are there and some are not; the message names those that are not.

    Example:
        >>> import torch
        >>> one = torch.ones(1)
        >>> features = FineTuningFeatures(0.9 * one, 0.4 * one, one, one, 0.5 * one)
        >>> round(prob_margin_ranking_loss(features).item(), 4)
        0.1888
    """
    return _loss(features, margin, 1.0, 0.0)


def cosine_prob_margin_ranking_loss(features: FineTuningFeatures, margin: float = 0.0) -> Tensor:
    """Mean of sigmoid(400 x - 6) min(c+, c-); otherwise as :func:`prob_margin_ranking_loss`.

    Example:
        >>> import torch
        >>> one = torch.ones(1)
        >>> features = FineTuningFeatures(0.41 * one, 0.43 * one, one, one, 0.5 * one)
        >>> round(cosine_prob_margin_ranking_loss(features).item(), 4)
        0.4404
    """
    return _loss(features, margin, 400.0, 6.0)


def _loss(features: FineTuningFeatures, margin: float, slope: float, shift: float) -> Tensor:
    missing = [name for name in COLUMNS if getattr(features, name) is None]
    if len(missing) == len(COLUMNS):
        return zeros((), requires_grad=True)
    positive, negative, target = features.positive_ranks, features.negative_ranks, features.target
    likely, unlikely = features.positive_confidences, features.negative_confidences
    if positive is None or negative is None or target is None or likely is None or unlikely is None:
        raise ValueError(f"features must have every field, or none, got no {', '.join(missing)}")
    if len(features) == 0:
        # The mean of nothing is NaN. The sum of nothing is 0, and leads back to the ranks.
        nothing = positive.sum() + negative.sum()
        return nothing if nothing.requires_grad else nothing.requires_grad_()
    x = -target * (positive - negative) + margin
    return ((slope * x - shift).sigmoid() * likely.minimum(unlikely)).mean()
