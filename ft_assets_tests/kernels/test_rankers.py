"""Scores of rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ft_assets.kernels import cosine_similarity, dot_product, euclidean_distance, ranker, rankers, score
from ft_assets_tests import reference

RANKERS = [
    (cosine_similarity, reference.cosine),
    (dot_product, reference.dot),
    (euclidean_distance, reference.euclidean),
]
DTYPES = [torch.float32, torch.float64, torch.bfloat16]


def rows(seed: int, count: int, width: int = 5, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("rankers", RANKERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rankers_equal_plain_loops_row_by_row(rankers: tuple[Any, Any], dtype: torch.dtype) -> None:
    kernel, plain = rankers
    queries, items = rows(0, 7, dtype=dtype), rows(1, 7, dtype=dtype)
    expected = [plain(q, i) for q, i in zip(queries.tolist(), items.tolist(), strict=True)]
    found = kernel(queries, items)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(found.double(), torch.tensor(expected, dtype=torch.float64), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rankers", RANKERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gradient", [False, True])
@settings(deadline=None, derandomize=True, max_examples=25)
@given(pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=30))
def test_score_equals_plain_loops(rankers: Any, dtype: torch.dtype, gradient: bool, pairs: list[tuple[int, int]]) -> None:
    kernel, plain = rankers
    queries, items = rows(0, 4, dtype=dtype), rows(1, 7, dtype=dtype).requires_grad_(gradient)
    index = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    expected = [plain(queries[q].tolist(), items[i].tolist()) for q, i in pairs]
    found = score(queries, items, index[:, 0], index[:, 1], kernel)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(found.double(), torch.tensor(expected).double(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kernel", [r for r, _ in RANKERS])
@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_gradients_agree_with_finite_differences_in_chunks_too(
    kernel: Any, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rankers, "_HOST_CHUNK_BYTES", chunk * 4 * 8)
    queries, items = rows(0, 3, 4, torch.float64), rows(1, 4, 4, torch.float64)
    query_index, item_index = torch.tensor([0, 0, 1, 2, 2, 2, 0]), torch.tensor([0, 3, 3, 1, 2, 2, 0])
    leaves = (queries.requires_grad_(), items.requires_grad_())
    assert torch.autograd.gradcheck(lambda q, i: score(q, i, query_index, item_index, kernel), leaves)


def test_what_is_kept_for_the_backward_pass_does_not_grow_as_rows_times_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rankers, "_HOST_CHUNK_BYTES", 8 * 64 * 4)
    queries, items = rows(0, 4, 64).requires_grad_(), rows(1, 5, 64).requires_grad_()
    n = 400
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        score(queries, items, torch.arange(n) % 4, torch.arange(n) % 5).sum().backward()
    assert sum(kept) < n * 64 / 2


@pytest.mark.parametrize("kernel", [r for r, _ in RANKERS])
def test_zero_vectors_make_neither_nan_scores_nor_nan_gradients(kernel: Any) -> None:
    queries, items = torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    found = kernel(queries, items)
    found.sum().backward()
    assert found.tolist() == [0.0, 0.0]
    assert bool(queries.grad.isfinite().all())
    with torch.no_grad():
        assert score(queries, items, torch.tensor([0]), torch.tensor([1]), kernel).tolist() == [0.0]


def test_a_ranker_of_ones_own_is_scored_row_by_row() -> None:
    @ranker(target=-1)
    def manhattan(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).abs().sum(1)

    assert manhattan.target == -1
    assert score(torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([0]), torch.tensor([0]), manhattan).tolist() == [2.0]


def test_rankers_carry_their_target() -> None:
    assert (cosine_similarity.target, dot_product.target, euclidean_distance.target) == (1, 1, -1)


def test_a_batch_is_its_parts_joined() -> None:
    queries, items = rows(0, 9, 64), rows(1, 30, 64)
    generator = torch.Generator().manual_seed(2)
    query_index = torch.randint(0, 9, (200,), generator=generator).sort().values
    item_index = torch.randint(0, 30, (200,), generator=generator)
    for kernel, _ in RANKERS:
        whole = score(queries, items, query_index, item_index, kernel)
        parts = [score(queries, items, query_index[a : a + 7], item_index[a : a + 7], kernel) for a in range(0, 200, 7)]
        assert torch.equal(whole, torch.cat(parts))


def test_what_does_not_fit_is_refused() -> None:
    queries, items, index = torch.zeros(2, 3), torch.zeros(4, 3), torch.tensor([0])
    with pytest.raises(ValueError, match=r"must both be \[N, D\], got \[2, 3\] and \[4, 3\]"):
        dot_product(queries, items)
    with pytest.raises(ValueError, match=r"must be \[Q, D\] and \[U, D\], got \[2, 3\] and \[4, 2\]"):
        score(queries, items[:, :2], index, index)
    with pytest.raises(ValueError, match=r"query_index and item_index must be \[N\] and \[N\]"):
        score(queries, items, index, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"item_index must be in \[0, 4\), got 4 to 4"):
        score(queries, items, index, torch.tensor([4]))
    with pytest.raises(ValueError, match=r"query_index must be in \[0, 2\), got -1 to -1"):
        score(queries, items, torch.tensor([-1]), index)
    with pytest.raises(ValueError, match=r"target must be 1 \(similarity\) or -1 \(distance\), got 0"):
        ranker(target=0)
