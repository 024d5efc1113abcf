"""Who is paired with whom: rows of positives and negatives, worked out on the host from a batch alone.

S sessions (segments), O objects, P pairs, K partnerships. All tensors are on the host.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ft_assets.kernels.aggregators import any_clicked
from ft_assets.kernels.segments import running_counts, segment_ids, segment_lengths
from ft_assets.kernels.sessions import SessionBatch

__all__ = ["Pairing", "pair_batch", "pair_indices", "scorable_objects", "zip_indices"]


class Pairing(NamedTuple):
    """Object rows of every pair, in order.

    Attributes:
        positive: int64 [P], the clicked object.
        negative: int64 [P], the not-event.
        session: int64 [P], the session of the positive.
        irrelevant: bool [P], whether the negative is an irrelevant session's.
    """

    positive: Tensor
    negative: Tensor
    session: Tensor
    irrelevant: Tensor


def pair_indices(positive_offsets: Tensor, negative_offsets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Every positive of a segment with every negative of the same segment.

    Args:
        positive_offsets: int64 [S + 1] on the host.
        negative_offsets: int64 [S + 1] on the host.

    Returns:
        (positive, negative, segment), int64 [P] each: rows of the positives, rows of the negatives, and the
        segment; by segment, then by positive, then by negative.

    Raises:
        ValueError: the offsets differ in length.

    Example:
        >>> positive, negative, segment = pair_indices(torch.tensor([0, 2, 2]), torch.tensor([0, 2, 3]))
        >>> positive.tolist(), negative.tolist(), segment.tolist()
        ([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0])
    """
    if positive_offsets.shape != negative_offsets.shape:
        raise ValueError(
            "positive_offsets and negative_offsets must have one length, "
            f"got {positive_offsets.shape[0]} and {negative_offsets.shape[0]}"
        )
    positives, negatives = segment_lengths(positive_offsets), segment_lengths(negative_offsets)
    segments = segment_ids(positive_offsets, int(positive_offsets[-1]))
    repeats = negatives.index_select(0, segments)
    ends = repeats.cumsum(0)
    total = int((positives * negatives).sum())
    positive = torch.arange(segments.shape[0], device=segments.device)
    positive = positive.repeat_interleave(repeats, output_size=total)
    # Pair k of a positive whose pairs begin at b meets the (k - b)-th negative of its segment.
    shift = negative_offsets.index_select(0, segments) - (ends - repeats)
    negative = torch.arange(total, device=segments.device) + shift.index_select(0, positive)
    return positive, negative, segments.index_select(0, positive)


def zip_indices(positive_offsets: Tensor, negative_offsets: Tensor, partners: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The i-th positive of one segment with the i-th negative of another, cut to the shorter.

    Args:
        positive_offsets: int64 [S + 1] on the host.
        negative_offsets: int64 [S + 1] on the host.
        partners: int64 [K, 2], (segment of the positives, segment of the negatives).

    Returns:
        (positive, negative, partnership), int64 [P] each, in the order of the partnerships.

    Example:
        >>> offsets = torch.tensor([0, 2, 5])
        >>> [x.tolist() for x in zip_indices(offsets, offsets, torch.tensor([[0, 1]]))]
        [[0, 1], [2, 3], [0, 0]]
    """
    left, right = partners.unbind(1)
    counts = segment_lengths(positive_offsets)[left].minimum(segment_lengths(negative_offsets)[right])
    offsets = torch.cat((counts.new_zeros(1), counts.cumsum(0)))
    partnership = segment_ids(offsets, int(offsets[-1]))
    place = torch.arange(partnership.shape[0], device=offsets.device) - offsets[partnership]
    positive = positive_offsets[left][partnership] + place
    return positive, negative_offsets[right][partnership] + place, partnership


def pair_batch(batch: SessionBatch, clicked: Tensor, session_pairs: bool = True, partners: Tensor | None = None) -> Pairing:
    """Pair the clicked objects of a batch with its kept not-events; :func:`extract_pairs` says which and how.

    Args:
        batch: the sessions.
        clicked: bool [O].
        session_pairs: whether sessions make pairs of their own.
        partners: int64 [K, 2] of (not-irrelevant, irrelevant) sessions, or None.

    Raises:
        ValueError: partners are not (not-irrelevant, irrelevant) sessions of the batch.
    """
    scorable = scorable_objects(batch)
    irrelevant = batch.is_irrelevant.index_select(0, segment_ids(batch.object_offsets, batch.objects))
    # An irrelevant session has no positives: what was clicked in one marked so is nobody's example.
    positives = clicked & scorable & ~irrelevant
    negatives = ~clicked & batch.kept & scorable
    positive_offsets = running_counts(positives)[batch.object_offsets]
    negative_offsets = running_counts(negatives)[batch.object_offsets]
    none = torch.zeros(0, dtype=torch.int64, device=clicked.device)
    positive, negative, session = none, none, none
    if session_pairs:
        positive, negative, session = pair_indices(positive_offsets, negative_offsets)
    own = session.shape[0]
    if partners is not None:
        partners = _checked_partners(batch, partners)
        left, right, partnership = zip_indices(positive_offsets, negative_offsets, partners)
        positive, negative = torch.cat((positive, left)), torch.cat((negative, right))
        session = torch.cat((session, partners[:, 0][partnership]))
    pairing = Pairing(
        positives.nonzero().squeeze(1).index_select(0, positive),
        negatives.nonzero().squeeze(1).index_select(0, negative),
        session,
        torch.arange(session.shape[0], device=session.device) >= own,
    )
    if partners is None:
        return pairing
    # Stable: within a session its own pairs stay in front, its partnerships in their order.
    order = torch.argsort(session, stable=True)
    return Pairing(*(rows.index_select(0, order) for rows in pairing))


def scorable_objects(batch: SessionBatch) -> Tensor:
    """Whether an object has a part with a vector, bool [O]."""
    if batch.scorable is None:
        return torch.ones_like(batch.kept)
    return any_clicked(batch.scorable, batch.object_index, batch.objects)


def _checked_partners(batch: SessionBatch, partners: Tensor) -> Tensor:
    if partners.dtype != torch.int64 or partners.ndim != 2 or partners.shape[1] != 2:
        raise ValueError(f"partners must be int64 [K, 2], got {partners.dtype} {list(partners.shape)}")
    partners = partners.cpu()
    if bool(((partners < 0) | (partners >= batch.sessions)).any()):
        raise ValueError(f"partners must be sessions in [0, {batch.sessions}), got {partners.tolist()}")
    irrelevant = batch.is_irrelevant[partners]
    wrong = irrelevant[:, 0] | ~irrelevant[:, 1]
    if bool(wrong.any()):
        raise ValueError(
            "partners must be (not-irrelevant, irrelevant) sessions, "
            f"got {partners[wrong][0].tolist()} at row {int(wrong.nonzero()[0])}"
        )
    return partners
