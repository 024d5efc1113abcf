"""How near the model puts a query and an item, and the scoring of a batch row by row.

A ranker maps ``query_vectors [N, D]`` and ``item_vectors [N, D]`` to ``[N]``, row by row, and carries its
``target``: 1 where a higher score is nearer (a similarity), -1 where a lower one is (a distance).

Letters: N rows (results), D width, Q query vectors, U distinct item vectors.

Half-precision vectors are widened: scores are float32, or float64 where the vectors are.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Protocol, cast

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ft_assets.kernels.transfers import moved

__all__ = ["Ranker", "cosine_similarity", "dot_product", "euclidean_distance", "ranker", "score"]

# Rows gathered at a time: they should stay in a core's cache on the host, and fill a device elsewhere.
_HOST_CHUNK_BYTES = 2 * 2**20
_DEVICE_CHUNK_BYTES = 256 * 2**20
_TINY = 1e-8


class Ranker(Protocol):
    """(query_vectors [N, D], item_vectors [N, D]) -> scores [N], with its target, 1 or -1."""

    target: int

    def __call__(self, query_vectors: Tensor, item_vectors: Tensor, /) -> Tensor:
        """Scores of every row."""
        ...


def ranker(target: int) -> Callable[[Callable[[Tensor, Tensor], Tensor]], Ranker]:
    """Give a function from two [N, D] to [N] its target, which makes it a ranker.

    Args:
        target: 1 for a similarity, -1 for a distance.

    Raises:
        ValueError: any other target.

    Example:
        >>> @ranker(target=-1)
        ... def manhattan_distance(query_vectors, item_vectors):
        ...     return (query_vectors - item_vectors).abs().sum(dim=1)
        >>> manhattan_distance.target
        -1
    """
    if target not in (1, -1):
        raise ValueError(f"target must be 1 (similarity) or -1 (distance), got {target!r}")

    def mark(function: Callable[[Tensor, Tensor], Tensor]) -> Ranker:
        marked = cast(Ranker, function)
        marked.target = target
        return marked

    return mark


@ranker(target=1)
def cosine_similarity(query_vectors: Tensor, item_vectors: Tensor) -> Tensor:
    """Cosine of the angle between the vectors of each row; 0 where one of them is (next to) zero.

    Args:
        query_vectors: float [N, D].
        item_vectors: float [N, D].

    Returns:
        [N] in [-1, 1] up to rounding, float32 at least; gradients flow.

    Raises:
        ValueError: the shapes differ or are not 2-D.

    Example:
        >>> cosine_similarity(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 4.0]])).tolist()
        [0.6000000238418579]
    """
    query_vectors, item_vectors = _rows(query_vectors, item_vectors)
    norms = _norms(query_vectors) * _norms(item_vectors)
    return dot_product(query_vectors, item_vectors) / norms


@ranker(target=1)
def dot_product(query_vectors: Tensor, item_vectors: Tensor) -> Tensor:
    """Dot product of each row; otherwise as :func:`cosine_similarity`.

    Example:
        >>> dot_product(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])).tolist()
        [11.0]
    """
    query_vectors, item_vectors = _rows(query_vectors, item_vectors)
    dots: Tensor = torch.linalg.vecdot(query_vectors, item_vectors, dim=1)
    return dots


@ranker(target=-1)
def euclidean_distance(query_vectors: Tensor, item_vectors: Tensor) -> Tensor:
    """Euclidean distance of each row, a distance: lower is nearer. The gradient at distance 0 is 0.

    Example:
        >>> euclidean_distance(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])).tolist()
        [5.0]
    """
    query_vectors, item_vectors = _rows(query_vectors, item_vectors)
    distances: Tensor = torch.linalg.vector_norm(query_vectors - item_vectors, dim=1)
    return distances


def score(
    query_vectors: Tensor,
    item_vectors: Tensor,
    query_index: Tensor,
    item_index: Tensor,
    ranker: Ranker = cosine_similarity,
) -> Tensor:
    """Score row n as ``ranker(query_vectors[query_index[n]], item_vectors[item_index[n]])``.

    ``[N, D]`` is never laid out: rows are gathered a cacheful at a time, again in the backward pass. Without
    gradients on the host, cosine and dot read every row once and write nothing but the scores.

    Args:
        query_vectors: float [Q, D].
        item_vectors: float [U, D], on the same device.
        query_index: int64 [N], in [0, Q).
        item_index: int64 [N], in [0, U).
        ranker: scores rows.

    Returns:
        [N], float32 at least, on the vectors' device; gradients flow into both kinds of vectors.

    Raises:
        ValueError: shapes do not fit, or (seen on the host) an index is out of range.

    Example:
        >>> queries, items = torch.eye(2), torch.tensor([[3.0, 4.0], [1.0, 0.0]])
        >>> score(queries, items, torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0]), dot_product).tolist()
        [3.0, 1.0, 4.0]
    """
    _check_score(query_vectors, item_vectors, query_index, item_index)
    device = item_vectors.device
    with_gradient = torch.is_grad_enabled() and (query_vectors.requires_grad or item_vectors.requires_grad)
    if not with_gradient and ranker in (cosine_similarity, dot_product):
        dots = _dots(query_vectors, item_vectors, query_index, item_index)
        if dots is not None and ranker is cosine_similarity:
            # The norm of a vector is taken once, however often it is scored.
            dots /= _norms(query_vectors).index_select(0, query_index)
            dots /= _norms(item_vectors).index_select(0, item_index)
        if dots is not None:
            return dots
    budget = _HOST_CHUNK_BYTES if device.type == "cpu" else _DEVICE_CHUNK_BYTES
    rows = max(1, budget // max(1, item_vectors.shape[1] * item_vectors.element_size()))
    query_index, item_index = moved(query_index, device), moved(item_index, device)

    def of_rows(start: int) -> Tensor:
        queries = query_vectors.index_select(0, query_index[start : start + rows])
        items = item_vectors.index_select(0, item_index[start : start + rows])
        return ranker(_widened(queries), _widened(items))

    total = item_index.shape[0]
    if with_gradient and total > rows:
        # Gathered rows are let go and gathered again in the backward pass: kept, they would be [N, D].
        kept = functools.partial(checkpoint, of_rows, use_reentrant=False, preserve_rng_state=False)
        return torch.cat([kept(start) for start in range(0, total, rows)])
    # A batch of no rows makes one empty chunk, so that there is always something to join.
    return torch.cat([of_rows(start) for start in range(0, max(total, 1), rows)])


def _dots(queries: Tensor, items: Tensor, query_index: Tensor, item_index: Tensor) -> Tensor | None:
    """Dots as the values of a sampled matrix product: a run of results of one query is a row of it.

    None where that product cannot be had: off the host, and for narrow or mixed floats.
    """
    tensors = (queries, items, query_index, item_index)
    # A subclass (a fake tensor, say) may not have the sparse product.
    if not all(type(t) in (Tensor, torch.nn.Parameter) and t.device.type == "cpu" for t in tensors):
        return None
    if queries.dtype != items.dtype or items.dtype not in (torch.float32, torch.float64):
        return None
    total, width = item_index.shape[0], items.shape[0]
    if total == 0:
        return None
    starting = torch.ones_like(query_index, dtype=torch.bool)
    starting[1:] = query_index[1:] != query_index[:-1]
    # No row may have more values than there are items, which a run that repeats them could.
    starting[::width] = True
    starts = starting.nonzero().squeeze(1)
    _hear_csr_is_beta()
    sample = torch.sparse_csr_tensor(
        torch.cat((starts, starts.new_full((1,), total))),
        item_index,
        torch.zeros(total, dtype=items.dtype, device=items.device),
        size=(starts.shape[0], width),
        check_invariants=False,  # the range has been checked, and columns of a row need not be sorted here
    )
    rows = queries.index_select(0, query_index.index_select(0, starts))
    dots: Tensor = torch.sparse.sampled_addmm(sample, rows, items.t(), beta=0.0).values()
    return dots


@functools.cache
def _hear_csr_is_beta() -> None:
    """Let torch say once, unheard, that CSR tensors are beta: what is used of them is tested here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        index = torch.zeros(1, dtype=torch.int64, device="cpu")
        torch.sparse_csr_tensor(index, index[:0], torch.zeros(0, device="cpu"), size=(0, 0))


def _norms(vectors: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(vectors, dim=1)
    return norms.clamp(min=_TINY)


def _rows(query_vectors: Tensor, item_vectors: Tensor) -> tuple[Tensor, Tensor]:
    if query_vectors.ndim != 2 or query_vectors.shape != item_vectors.shape:
        raise ValueError(
            "query_vectors and item_vectors must both be [N, D], "
            f"got {list(query_vectors.shape)} and {list(item_vectors.shape)}"
        )
    return _widened(query_vectors), _widened(item_vectors)


def _widened(vectors: Tensor) -> Tensor:
    return vectors.float() if vectors.dtype in (torch.float16, torch.bfloat16) else vectors


def _check_score(queries: Tensor, items: Tensor, query_index: Tensor, item_index: Tensor) -> None:
    if queries.ndim != 2 or items.ndim != 2 or queries.shape[1] != items.shape[1]:
        raise ValueError(
            f"query_vectors and item_vectors must be [Q, D] and [U, D], got {list(queries.shape)} and {list(items.shape)}"
        )
    if query_index.ndim != 1 or query_index.shape != item_index.shape:
        raise ValueError(
            f"query_index and item_index must be [N] and [N], got {list(query_index.shape)} and {list(item_index.shape)}"
        )
    for name, index, size in (
        ("query_index", query_index, queries.shape[0]),
        ("item_index", item_index, items.shape[0]),
    ):
        # The host knows its own numbers; a device would have to be waited for, and checks them itself.
        if index.device.type == "cpu" and index.numel() > 0:
            low, high = (int(bound) for bound in index.aminmax())
            if low < 0 or high >= size:
                raise ValueError(f"{name} must be in [0, {size}), got {low} to {high}")
