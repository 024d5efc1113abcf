"""A batch of sessions as segments.

S sessions, N results, O objects. Objects are numbered across the batch, session by session, in order of first
appearance::

    session            0                 1        2 (no results)
    results            p0  p1  p2  p3    p4  p5
    offsets            0                 4        6  6
    object_index       0   1   0   2     3   4          p0 and p2 are parts of object 0
    object_offsets     0                 3        5  5

Every tensor is on the host: it is bookkeeping, and all sizes of a batch follow from it without asking a
device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ft_assets.kernels.segments import check_offsets, running_counts, segment_ids

__all__ = ["SessionBatch", "number_objects"]


@dataclass(frozen=True)
class SessionBatch:
    """Sessions packed into segments; checked once, here.

    Attributes:
        offsets: int64 [S + 1], the results of each session.
        object_offsets: int64 [S + 1], the objects of each session.
        object_index: int64 [N], the object of each result.
        query_index: int64 [S], the row of the query vectors for each session.
        item_index: int64 [N], the row of the item vectors for each result; of any value where not scorable.
        ranks: float32 [N], the engine's; NaN where it gave none.
        clicked: bool [N].
        kept: bool [O], the not-event objects that stay after thinning; ignored for clicked objects.
        is_irrelevant: bool [S].
        scorable: bool [N], False where no vector exists; None where all do. A part without one has no say in
            the model's rank of its object; an object without a scorable part makes no pairs, but is in the
            list that the confidences are computed on.

    Raises:
        ValueError: a tensor of another dtype, shape or device; offsets that do not fit; objects numbered in
            another order; a negative row; an infinite rank. The message names the field.

    Example:
        >>> batch = SessionBatch(
        ...     offsets=torch.tensor([0, 2]), object_offsets=torch.tensor([0, 2]),
        ...     object_index=torch.tensor([0, 1]), query_index=torch.tensor([0]),
        ...     item_index=torch.tensor([0, 1]), ranks=torch.tensor([0.9, 0.8]),
        ...     clicked=torch.tensor([True, False]), kept=torch.tensor([True, True]),
        ...     is_irrelevant=torch.tensor([False]))
        >>> batch.sessions, batch.results, batch.objects
        (1, 2, 2)
    """

    offsets: Tensor
    object_offsets: Tensor
    object_index: Tensor
    query_index: Tensor
    item_index: Tensor
    ranks: Tensor
    clicked: Tensor
    kept: Tensor
    is_irrelevant: Tensor
    scorable: Tensor | None = None

    def __post_init__(self) -> None:
        _check_vectors(self)
        s, n, o = self.sessions, self.results, self.objects
        _check("offsets", self.offsets, torch.int64, s + 1)
        _check("object_offsets", self.object_offsets, torch.int64, s + 1)
        _check("object_index", self.object_index, torch.int64, n)
        _check("query_index", self.query_index, torch.int64, s)
        _check("item_index", self.item_index, torch.int64, n)
        _check("ranks", self.ranks, torch.float32, n)
        _check("clicked", self.clicked, torch.bool, n)
        _check("kept", self.kept, torch.bool, o)
        _check("is_irrelevant", self.is_irrelevant, torch.bool, s)
        if self.scorable is not None:
            _check("scorable", self.scorable, torch.bool, n)
        check_offsets(self.offsets, n)
        check_offsets(self.object_offsets, o, "object_offsets")
        self._check_objects()
        self._check_values()

    @property
    def sessions(self) -> int:
        """S, the number of sessions."""
        return self.is_irrelevant.shape[0]

    @property
    def results(self) -> int:
        """N, the number of results."""
        return self.clicked.shape[0]

    @property
    def objects(self) -> int:
        """O, the number of objects."""
        return self.kept.shape[0]

    def __len__(self) -> int:
        return self.sessions

    def _check_objects(self) -> None:
        index = self.object_index
        if index.numel() == 0:
            if self.objects:
                raise ValueError(f"object_index must name all {self.objects} objects, got no results")
            return
        if torch.equal(self.object_offsets, self.offsets) and torch.equal(index, torch.arange(self.results)):
            return  # every result is an object of its own
        seen = torch.cat((index.new_full((1,), -1), index.cummax(0).values))
        if bool((index > seen[:-1] + 1).any()) or int(seen[-1]) != self.objects - 1:
            raise ValueError(
                "object_index must number objects in order of first appearance from 0 to "
                f"{self.objects - 1}, got another order or range"
            )
        sessions = segment_ids(self.offsets, self.results)
        low = self.object_offsets.index_select(0, sessions)
        high = self.object_offsets.index_select(0, sessions + 1)
        outside = (index < low) | (index >= high)
        if bool(outside.any()):
            at = int(outside.nonzero()[0])
            raise ValueError(
                f"object_index of result {at} must be in [{int(low[at])}, {int(high[at])}), the objects of "
                f"its session, got {int(index[at])}"
            )

    def _check_values(self) -> None:
        if bool((self.query_index < 0).any()):
            raise ValueError(f"query_index must not be negative, got {int(self.query_index.min())}")
        used = self.item_index if self.scorable is None else self.item_index[self.scorable]
        if bool((used < 0).any()):
            raise ValueError(f"item_index must not be negative where scorable, got {int(used.min())}")
        if bool(torch.isinf(self.ranks).any()):
            raise ValueError("ranks must be finite, or NaN where the engine gave none, got an infinite one")


def _check_vectors(batch: SessionBatch) -> None:
    """Every field is a 1-D tensor on the host, so that its length can be asked for."""
    for name in SessionBatch.__dataclass_fields__:
        tensor = getattr(batch, name)
        if name == "scorable" and tensor is None:
            continue
        if not isinstance(tensor, Tensor) or tensor.ndim != 1:
            came = list(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
            raise ValueError(f"{name} must be a 1-D tensor, got {came}")
        if tensor.device.type != "cpu":
            raise ValueError(f"{name} must be on the host, got {tensor.device}")


def _check(name: str, tensor: Tensor, dtype: torch.dtype, length: int) -> None:
    if tensor.dtype != dtype or tensor.shape[0] != length:
        raise ValueError(f"{name} must be {dtype} [{length}], got {tensor.dtype} {list(tensor.shape)}")


def number_objects(offsets: Tensor, names: Tensor, distinct: int) -> tuple[Tensor, Tensor, Tensor]:
    """Number the objects of each session in order of first appearance.

    Args:
        offsets: int64 [S + 1], the results of each session, on the host.
        names: int64 [N], in [0, distinct), which object each result is a part of.
        distinct: how many names there are.

    Returns:
        (object_offsets [S + 1], object_index [N], the first result of each object [O]), int64.

    Example:
        >>> [rows.tolist() for rows in number_objects(torch.tensor([0, 3, 4]), torch.tensor([5, 2, 5, 5]), 6)]
        [[0, 2, 3], [0, 1, 0, 2], [0, 1, 3]]
    """
    total = names.shape[0]
    keys, order = torch.sort(segment_ids(offsets, total) * distinct + names, stable=True)
    starts = torch.ones_like(keys, dtype=torch.bool)
    starts[1:] = keys[1:] != keys[:-1]
    if bool(starts.all()):
        return offsets, torch.arange(total), torch.arange(total)
    # Stable: of the results of an object the first comes first.
    first = order[starts]
    new = torch.zeros_like(starts).index_fill(0, first, True)
    so_far = running_counts(new)
    index = torch.empty_like(order).index_copy(0, order, so_far[first][starts.cumsum(0) - 1])
    return so_far[offsets], index, new.nonzero().squeeze(1)
