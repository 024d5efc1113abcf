"""How far each event or not-event of a list can be believed, in [0, 1].

Letters: N objects, S sessions. A confidence is a weight computed from the list as it was shown (the engine's
ranks, or the model's where those are missing); it carries no gradient.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ft_assets.kernels.segments import (
    check_offsets,
    segment_ids,
    segment_lengths,
    segment_max,
    segment_min,
    segment_positions,
)
from ft_assets.kernels.transfers import moved

__all__ = ["ConfidenceCalculator", "constant_confidences", "windowed_confidences"]

# Raw values as close as this are one value: their span would be rounding, and min-max would blow it up.
_EQUAL = 1e-6


class ConfidenceCalculator(Protocol):
    """(ranks [N], clicks [N], offsets [S + 1]) -> confidences [N]."""

    def __call__(self, ranks: Tensor, clicks: Tensor, offsets: Tensor | None = None, /) -> Tensor:
        """Confidences in [0, 1] of every object of every session."""
        ...


def constant_confidences(ranks: Tensor, clicks: Tensor, offsets: Tensor | None = None) -> Tensor:
    """Confidence 1 for everyone.

    Args:
        ranks: float [N]; integers are taken as float32.
        clicks: bool [N].
        offsets: int64 [S + 1] on the host; None is one session.

    Returns:
        [N] of ones, of the ranks' dtype (float32 at least) and device.

    Raises:
        ValueError: lengths differ, ranks are neither floats nor integers, or offsets do not fit.

    Example:
        >>> constant_confidences(torch.tensor([0.9, 0.1]), torch.tensor([True, False])).tolist()
        [1.0, 1.0]
    """
    ranks, _ = _checked(ranks, clicks, offsets)
    return torch.ones_like(ranks, dtype=_result_dtype(ranks), requires_grad=False)


def windowed_confidences(ranks: Tensor, clicks: Tensor, offsets: Tensor | None = None, window_size: int = 3) -> Tensor:
    """Confidence from how a result and its neighbours were ranked and clicked.

    For result i of n (from 0), over its window i-h..i+h cut at the ends of the list, h = window_size // 2::

        m = mean rank    p = share of clicks    d = |rank_i - m| / (|m| + 1e-9)
        raw = (1 - d) p + (1 - p) d             if i was clicked
              (1 - p) (1 - d) + p d             if not
        raw *= exp(-3 (i + 1) / n - 0.3) + 0.25

    then min-max over the session. A session whose raw values are all equal (within 1e-6) gets 1 throughout.

    It assumes that an event is believable where neighbours with like ranks drew events too, a not-event where
    they drew none, and that attention falls off along the list.

    Args:
        ranks: finite float [N]; integers are taken as float32.
        clicks: bool [N].
        offsets: int64 [S + 1] on the host; None is one session.
        window_size: width of the window in results, at least 1.

    Returns:
        [N] in [0, 1], of the ranks' dtype (float32 at least) and device; no gradient.

    Raises:
        ValueError: lengths differ, ranks are neither floats nor integers, offsets do not fit, or window_size is below 1.

    Example:
        >>> ranks, clicks = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([True, False, False])
        >>> [round(c, 4) for c in windowed_confidences(ranks, clicks).tolist()]
        [0.8105, 0.0, 1.0]
    """
    ranks, offsets = _checked(ranks, clicks, offsets)
    if isinstance(window_size, bool) or not isinstance(window_size, int) or window_size < 1:
        raise ValueError(f"window_size must be an integer of at least 1, got {window_size!r}")
    if ranks.shape[0] == 0:
        return torch.ones_like(ranks, dtype=_result_dtype(ranks), requires_grad=False)
    lengths = segment_lengths(offsets)
    longest = int(lengths.max())
    half = min(window_size // 2, longest - 1)
    # Double precision, where there is one: the distance divides by a mean that may all but vanish.
    dtype = torch.float32 if ranks.device.type == "mps" else torch.float64
    values = torch.stack((ranks.detach().to(dtype), clicks.to(dtype)))
    if longest * lengths.shape[0] == ranks.shape[0]:
        # Sessions of one length are the rows of a matrix, and what depends on the place alone is one row.
        values = values.view(2, -1, longest)
        raw = _raw_confidences(values, torch.arange(longest, device="cpu"), lengths[:1], half)
        low, high = raw.amin(1, keepdim=True), raw.amax(1, keepdim=True)
    else:
        ids = segment_ids(offsets, ranks.shape[0])
        raw = _raw_confidences(values, segment_positions(offsets, ids), lengths.index_select(0, ids), half)
        ids = moved(ids, ranks.device)
        low = segment_min(raw, offsets).index_select(0, ids)
        high = segment_max(raw, offsets).index_select(0, ids)
    equal = (high - low) <= _EQUAL
    scaled = (raw - low) / (high - low).masked_fill(equal, 1.0)
    return scaled.masked_fill(equal, 1.0).view(-1).to(_result_dtype(ranks))


def _raw_confidences(values: Tensor, positions: Tensor, counts: Tensor, half: int) -> Tensor:
    """Raw confidences from ranks and clicks [2, ..., N], places in the session [N] and its length [N] or [1]."""
    windows = (positions + half).minimum(counts - 1) - (positions - half).clamp(min=0) + 1
    decay = (-3.0 * (positions + 1).to(values.dtype) / counts - 0.3).exp() + 0.25
    decay, windows = (moved(part.to(values.dtype), values.device) for part in (decay, windows))
    mean, share = (_window_sums(values, positions, counts, half) / windows).unbind()
    ranks, clicks = values.unbind()
    far = (ranks - mean).abs_().div_(mean.abs_().add_(1e-9))
    believed = torch.where(clicks > 0, share, 1 - share)
    # (1 - far) believed + far (1 - believed)
    return far.mul(1 - 2 * believed).add_(believed).mul_(decay)


def _window_sums(values: Tensor, positions: Tensor, counts: Tensor, half: int) -> Tensor:
    """Sums over windows of [2, ..., N] that do not cross sessions.

    Shifted adds, unlike differences of a running sum, give a session the same bits in any batch.
    """
    sums = values.clone()
    for k in range(1, half + 1):
        before = moved((positions[k:] >= k).to(values.dtype), values.device)
        after = moved((positions < counts - k)[:-k].to(values.dtype), values.device)
        sums[..., k:].addcmul_(values[..., :-k], before)
        sums[..., :-k].addcmul_(values[..., k:], after)
    return sums


def _checked(ranks: Tensor, clicks: Tensor, offsets: Tensor | None) -> tuple[Tensor, Tensor]:
    """Ranks as floats, and offsets on the host."""
    if ranks.ndim != 1 or ranks.shape != clicks.shape:
        raise ValueError(f"ranks and clicks must be [N] and [N], got {list(ranks.shape)} and {list(clicks.shape)}")
    if not ranks.is_floating_point():
        if ranks.is_complex() or ranks.dtype == torch.bool:
            raise ValueError(f"ranks must be floats or integers, got {ranks.dtype}")
        ranks = ranks.float()
    if offsets is None:
        return ranks, torch.tensor([0, ranks.shape[0]], device="cpu")
    offsets = offsets.cpu()
    check_offsets(offsets, ranks.shape[0])
    return ranks, offsets


def _result_dtype(ranks: Tensor) -> torch.dtype:
    return torch.float64 if ranks.dtype == torch.float64 else torch.float32
