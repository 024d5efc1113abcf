"""From parts to objects: one rank and one click for every object.

Letters: N parts (results), O objects. ``index [N]`` names the object of each part, so parts of an object need
not be neighbours. An object is one example however many parts it has; one without parts gets 0.

Gradients are those of the formulas: a mean shares its gradient out evenly, a maximum or minimum passes it to
the part that is taken (evenly where parts tie).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ft_assets.kernels.transfers import moved

__all__ = ["aggregate_max", "aggregate_mean", "aggregate_min", "any_clicked"]


def aggregate_mean(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Mean of each object's parts.

    Args:
        values: float [N].
        index: int64 [N], the object of each part, in [0, size).
        size: O.

    Returns:
        [O], of the values' dtype and device; gradients flow.

    Raises:
        ValueError: values and index differ in length.

    Example:
        >>> aggregate_mean(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 1, 0]), 2).tolist()
        [2.5, 2.0]
    """
    _check(values, index)
    if _is_single_parts(index, size):
        return values
    index = moved(index, values.device)
    sums = values.new_zeros(size).index_add(0, index, values)
    counts = values.new_zeros(size).index_add(0, index, torch.ones_like(values))
    return sums / counts.clamp(min=1)


def aggregate_max(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Greatest of each object's parts; otherwise as :func:`aggregate_mean`.

    Example:
        >>> aggregate_max(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 1, 0]), 2).tolist()
        [4.0, 2.0]
    """
    return _extreme(values, index, size, "amax")


def aggregate_min(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Least of each object's parts; otherwise as :func:`aggregate_mean`.

    Example:
        >>> aggregate_min(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 1, 0]), 2).tolist()
        [1.0, 2.0]
    """
    return _extreme(values, index, size, "amin")


def any_clicked(clicked: Tensor, index: Tensor, size: int) -> Tensor:
    """Whether any part of each object was clicked.

    Args:
        clicked: bool [N].
        index: int64 [N], the object of each part, in [0, size).
        size: O.

    Returns:
        bool [O], on the device of ``clicked``.

    Raises:
        ValueError: clicked and index differ in length.

    Example:
        >>> any_clicked(torch.tensor([False, False, True]), torch.tensor([0, 1, 0]), 2).tolist()
        [True, False]
    """
    _check(clicked, index)
    if _is_single_parts(index, size):
        return clicked.bool()
    clicks = torch.zeros(size, dtype=torch.int64, device=clicked.device)
    return clicks.index_add(0, moved(index, clicked.device), clicked.long()) > 0


def _extreme(values: Tensor, index: Tensor, size: int, reduce: str) -> Tensor:
    _check(values, index)
    if _is_single_parts(index, size):
        return values
    index = moved(index, values.device)
    return values.new_zeros(size).scatter_reduce(0, index, values, reduce, include_self=False)


def _check(values: Tensor, index: Tensor) -> None:
    if values.shape != index.shape or index.ndim != 1:
        raise ValueError(f"values and index must be [N] and [N], got {list(values.shape)} and {list(index.shape)}")


def _is_single_parts(index: Tensor, size: int) -> bool:
    """Whether part i is object i, asked only where the answer is on the host already."""
    if index.device.type != "cpu" or index.shape[0] != size:
        return False
    return torch.equal(index, torch.arange(size, device=index.device))
