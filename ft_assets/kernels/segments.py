"""Ragged data as flat values and offsets.

A batch of S segments that hold N values in all is one flat tensor and one ``offsets [S + 1]``; segment s is
``values[offsets[s]:offsets[s + 1]]``, and it may be empty::

    values   a b c | d | | e f        N = 6
    offsets  0       3   4 4   6      S = 4
    ids      0 0 0   1     3 3
    positions 0 1 2  0     0 1

An Arrow list column has this layout already. Offsets live on the host: they are bookkeeping, a few bytes a
segment, and whoever knows them there never has to wait for a device. Values live wherever they like.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ft_assets.kernels.transfers import moved

__all__ = [
    "check_offsets",
    "running_counts",
    "segment_ids",
    "segment_lengths",
    "segment_max",
    "segment_min",
    "segment_positions",
]


def check_offsets(offsets: Tensor, total: int, name: str = "offsets") -> None:
    """Refuse offsets that do not cut ``total`` values into segments.

    Args:
        offsets: int64 [S + 1], on the host.
        total: N, the number of values.
        name: how the message calls the offsets.

    Raises:
        ValueError: not int64, not 1-D, empty, not from 0 to ``total``, or falling somewhere.

    Example:
        >>> check_offsets(torch.tensor([0, 3, 3]), 3)
        >>> check_offsets(torch.tensor([0, 2]), 3)
        Traceback (most recent call last):
        ValueError: offsets must run from 0 to 3, got 0 to 2
    """
    if offsets.dtype != torch.int64 or offsets.ndim != 1 or offsets.numel() == 0:
        raise ValueError(f"{name} must be int64 [S + 1], got {offsets.dtype} {list(offsets.shape)}")
    first, last = int(offsets[0]), int(offsets[-1])
    if (first, last) != (0, total):
        raise ValueError(f"{name} must run from 0 to {total}, got {first} to {last}")
    if bool((offsets[1:] < offsets[:-1]).any()):
        at = int((offsets[1:] < offsets[:-1]).nonzero()[0])
        raise ValueError(f"{name} must not fall, got {int(offsets[at])} then {int(offsets[at + 1])}")


def segment_lengths(offsets: Tensor) -> Tensor:
    """Length of every segment, int64 [S].

    Example:
        >>> segment_lengths(torch.tensor([0, 3, 4, 4, 6])).tolist()
        [3, 1, 0, 2]
    """
    return offsets[1:] - offsets[:-1]


def segment_ids(offsets: Tensor, total: int) -> Tensor:
    """The segment of every value, int64 [N], on the device of the offsets.

    Args:
        offsets: int64 [S + 1].
        total: N, given so that no device is asked for it.

    Example:
        >>> segment_ids(torch.tensor([0, 3, 4, 4, 6]), 6).tolist()
        [0, 0, 0, 1, 3, 3]
    """
    segments = torch.arange(offsets.shape[0] - 1, device=offsets.device)
    return segments.repeat_interleave(segment_lengths(offsets), output_size=total)


def segment_positions(offsets: Tensor, ids: Tensor) -> Tensor:
    """The place of every value within its segment, from 0, int64 [N].

    Args:
        offsets: int64 [S + 1].
        ids: int64 [N], from :func:`segment_ids`.

    Example:
        >>> offsets = torch.tensor([0, 3, 4, 4, 6])
        >>> segment_positions(offsets, segment_ids(offsets, 6)).tolist()
        [0, 1, 2, 0, 0, 1]
    """
    return torch.arange(ids.shape[0], device=ids.device) - offsets.index_select(0, ids)


def running_counts(mask: Tensor) -> Tensor:
    """How many are set before each place, int64 [N + 1].

    Example:
        >>> running_counts(torch.tensor([True, False, True])).tolist()
        [0, 1, 1, 2]
    """
    return torch.cat((mask.new_zeros(1, dtype=torch.int64), mask.cumsum(0)))


def segment_min(values: Tensor, offsets: Tensor) -> Tensor:
    """Least value of every segment, [S], of the values' dtype; inf where a segment is empty.

    Args:
        values: float [N].
        offsets: int64 [S + 1].

    Example:
        >>> segment_min(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 2, 2, 3])).tolist()
        [1.0, inf, 4.0]
    """
    return _reduce(values, offsets, "min", float("inf"))


def segment_max(values: Tensor, offsets: Tensor) -> Tensor:
    """Greatest value of every segment, [S], of the values' dtype; -inf where a segment is empty.

    Example:
        >>> segment_max(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 2, 2, 3])).tolist()
        [2.0, -inf, 4.0]
    """
    return _reduce(values, offsets, "max", -float("inf"))


def _reduce(values: Tensor, offsets: Tensor, reduce: str, initial: float) -> Tensor:
    # unsafe=True leaves out torch's own check of the offsets, which would read them back from the device.
    return torch.segment_reduce(values, reduce, offsets=moved(offsets, values.device), initial=initial, unsafe=True)
