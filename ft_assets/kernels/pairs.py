"""From a batch of sessions to pairs of a clicked object and a not-event.

S sessions, N results, O objects (rows of the batch), P pairs, Q and U query and item vectors, D width.

Who is paired with whom is worked out on the host, from the batch alone; what a pair is worth (the model's
ranks and the confidences) is worked out once per object on the device of the vectors, then gathered. Nothing
is read back from the device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ft_assets.kernels.aggregators import aggregate_mean, any_clicked
from ft_assets.kernels.confidences import ConfidenceCalculator, constant_confidences
from ft_assets.kernels.pairing import pair_batch, scorable_objects
from ft_assets.kernels.rankers import Ranker, cosine_similarity, score
from ft_assets.kernels.segments import running_counts, segment_ids
from ft_assets.kernels.sessions import SessionBatch
from ft_assets.kernels.transfers import moved

__all__ = [
    "Aggregator",
    "SessionPairs",
    "clamp_mask",
    "extract_pairs",
    "object_confidences",
    "object_scores",
]

Aggregator = Callable[[Tensor, Tensor, int], Tensor]
"""(values [N], index [N], size) -> [size]."""


@dataclass
class SessionPairs:
    """The pairs of a batch, row by row.

    Attributes:
        positive_object: int64 [P], the clicked object, on the host.
        negative_object: int64 [P], the not-event, on the host.
        session: int64 [P], the session of the positive, on the host.
        irrelevant: bool [P], whether the negative is an irrelevant session's, on the host.
        positive_ranks: float [P], the model's score, with gradients, on the vectors' device.
        negative_ranks: float [P], likewise, of the negative against its own session's query.
        positive_confidences: float [P], in [0, 1], without gradients.
        negative_confidences: float [P], likewise.
    """

    positive_object: Tensor
    negative_object: Tensor
    session: Tensor
    irrelevant: Tensor
    positive_ranks: Tensor
    negative_ranks: Tensor
    positive_confidences: Tensor
    negative_confidences: Tensor

    def __len__(self) -> int:
        return self.session.shape[0]


def extract_pairs(
    batch: SessionBatch,
    query_vectors: Tensor,
    item_vectors: Tensor,
    *,
    ranker: Ranker = cosine_similarity,
    ranks_aggregator: Aggregator = aggregate_mean,
    clicks_aggregator: Aggregator = any_clicked,
    confidence_calculator: ConfidenceCalculator = constant_confidences,
    session_pairs: bool = True,
    partners: Tensor | None = None,
) -> SessionPairs:
    """Pair the clicked objects of a batch with its not-events.

    Within a session that is not irrelevant: every clicked object x every kept not-event, positives first in
    result order, then negatives in result order. A partnership (a, b) of a not-irrelevant and an irrelevant
    session: the clicked objects of a zipped with the kept not-events of b, cut to the shorter. With both, a
    session's own pairs come first, then those of its partnerships in their order, session by session: a batch
    is its parts joined.

    Args:
        batch: the sessions.
        query_vectors: float [Q, D].
        item_vectors: float [U, D], on the same device.
        ranker: scores rows.
        ranks_aggregator: from the ranks of parts to an object's, the engine's and the model's alike.
        clicks_aggregator: from the clicks of parts to an object's.
        confidence_calculator: over each session's whole list, object by object.
        session_pairs: whether sessions make pairs of their own.
        partners: int64 [K, 2] of sessions, or None.

    Returns:
        The pairs; ranks float32 at least, with gradients; confidences of the ranks' dtype.

    Raises:
        ValueError: a row of the batch that the vectors do not have, or partners that are not (not-irrelevant,
            irrelevant) sessions of the batch.

    Example:
        >>> batch = SessionBatch(
        ...     offsets=torch.tensor([0, 3]), object_offsets=torch.tensor([0, 3]),
        ...     object_index=torch.tensor([0, 1, 2]), query_index=torch.tensor([0]),
        ...     item_index=torch.tensor([0, 1, 2]), ranks=torch.tensor([3.0, 2.0, 1.0]),
        ...     clicked=torch.tensor([False, True, False]), kept=torch.tensor([True, True, True]),
        ...     is_irrelevant=torch.tensor([False]))
        >>> pairs = extract_pairs(batch, torch.tensor([[1.0, 0.0]]), torch.eye(3, 2))
        >>> pairs.positive_object.tolist(), pairs.negative_object.tolist(), pairs.negative_ranks.tolist()
        ([1, 1], [0, 2], [1.0, 0.0])
    """
    clicked = clicks_aggregator(batch.clicked, batch.object_index, batch.objects)
    who = pair_batch(batch, clicked, session_pairs, partners)
    scores = object_scores(batch, query_vectors, item_vectors, ranker, ranks_aggregator)
    confidences = object_confidences(batch, clicked, scores, ranks_aggregator, confidence_calculator)
    positive, negative = (moved(rows, scores.device) for rows in (who.positive, who.negative))
    return SessionPairs(
        positive_object=who.positive,
        negative_object=who.negative,
        session=who.session,
        irrelevant=who.irrelevant,
        positive_ranks=scores.index_select(0, positive),
        negative_ranks=scores.index_select(0, negative),
        positive_confidences=confidences.index_select(0, positive),
        negative_confidences=confidences.index_select(0, negative),
    )


def object_scores(
    batch: SessionBatch,
    query_vectors: Tensor,
    item_vectors: Tensor,
    ranker: Ranker = cosine_similarity,
    ranks_aggregator: Aggregator = aggregate_mean,
) -> Tensor:
    """The model's rank of every object, [O], with gradients; 0 for one without a scorable part.

    Args:
        batch: the sessions.
        query_vectors: float [Q, D].
        item_vectors: float [U, D].
        ranker: scores rows.
        ranks_aggregator: from the ranks of parts to an object's.

    Raises:
        ValueError: a row of the batch that the vectors do not have.
    """
    query_index = batch.query_index.index_select(0, segment_ids(batch.offsets, batch.results))
    item_index, object_index = batch.item_index, batch.object_index
    if batch.scorable is not None:
        rows = batch.scorable.nonzero().squeeze(1)
        query_index, item_index, object_index = query_index[rows], item_index[rows], object_index[rows]
    scores = score(query_vectors, item_vectors, query_index, item_index, ranker)
    return ranks_aggregator(scores, moved(object_index, scores.device), batch.objects)


def object_confidences(
    batch: SessionBatch,
    clicked: Tensor,
    scores: Tensor,
    ranks_aggregator: Aggregator = aggregate_mean,
    confidence_calculator: ConfidenceCalculator = constant_confidences,
) -> Tensor:
    """The confidence of every object, over each session's whole list, before thinning.

    Engine ranks are aggregated over parts. In a session where one is missing the model's own scores stand in,
    for the whole session; an object without a score of its own is then no part of the list (its confidence
    reads 0, and no pair asks for it).

    Args:
        batch: the sessions.
        clicked: bool [O] on the host.
        scores: float [O], from :func:`object_scores`.
        ranks_aggregator: from the ranks of parts to an object's.
        confidence_calculator: (ranks [O], clicks [O], offsets [S + 1]) -> [O].

    Returns:
        [O], of the scores' dtype and device; no gradient.
    """
    device, offsets = scores.device, batch.object_offsets
    given = batch.ranks.isfinite()
    # Double precision keeps a mean of parts as exact as the ranks are; not every device has it.
    engine = batch.ranks if device.type == "mps" else batch.ranks.double()
    ranks = ranks_aggregator(engine.masked_fill(~given, 0.0), batch.object_index, batch.objects)
    if bool(given.all()):
        return confidence_calculator(moved(ranks, device), moved(clicked, device), offsets).detach().to(scores.dtype)
    missing = running_counts(~given)[batch.offsets].diff() > 0
    missing = missing.index_select(0, segment_ids(offsets, batch.objects))
    ranks = torch.where(moved(missing, device), scores.detach().to(ranks.dtype), moved(ranks, device))
    listed = scorable_objects(batch) | ~missing
    rows = listed.nonzero().squeeze(1)
    on_device = moved(rows, device)
    confidences = confidence_calculator(
        ranks.index_select(0, on_device), moved(clicked[rows], device), running_counts(listed)[offsets]
    )
    return torch.zeros_like(scores, requires_grad=False).index_copy(0, on_device, confidences.detach().to(scores.dtype))


def clamp_mask(positive_ranks: Tensor, negative_ranks: Tensor, min: float, max: float) -> Tensor:  # noqa: A002 - the published name
    """Mark the pairs inside the window: min < |positive - negative| < max, both strict, in float32.

    Args:
        positive_ranks: float [P].
        negative_ranks: float [P].
        min: lower bound, itself outside.
        max: upper bound, itself outside.

    Returns:
        bool [P]; False where a rank is NaN.

    Raises:
        ValueError: min is not below max, or the lengths differ.

    Example:
        >>> clamp_mask(torch.tensor([0.9, 0.5]), torch.tensor([0.5, 0.5]), 0.0, 1.0).tolist()
        [True, False]
    """
    if not min < max:
        raise ValueError(f"min must be below max, got {min} and {max}")
    if positive_ranks.shape != negative_ranks.shape:
        raise ValueError(
            "positive_ranks and negative_ranks must have one length, "
            f"got {list(positive_ranks.shape)} and {list(negative_ranks.shape)}"
        )
    difference = (positive_ranks.detach().float() - negative_ranks.detach().float()).abs()
    # The bounds as float32 numbers: a comparison with a Python float may be made in double precision.
    low, high = (difference.new_full((), bound) for bound in (min, max))
    return (difference > low) & (difference < high)
