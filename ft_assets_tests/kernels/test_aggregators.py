"""From parts to objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ft_assets.kernels import aggregate_max, aggregate_mean, aggregate_min, any_clicked
from ft_assets_tests import reference

AGGREGATORS = [
    (aggregate_mean, reference.mean),
    (aggregate_max, lambda v: max(v, default=0.0)),
    (aggregate_min, lambda v: min(v, default=0.0)),
]


@pytest.mark.parametrize("aggregators", AGGREGATORS)
@settings(deadline=None, derandomize=True, max_examples=50)
@given(rows=st.lists(st.tuples(st.integers(0, 5), st.floats(-9, 9), st.booleans()), max_size=12))
def test_aggregates_equal_plain_loops(aggregators: tuple[Any, Any], rows: list[tuple[int, float, bool]]) -> None:
    kernel, plain = aggregators
    index = torch.tensor([r[0] for r in rows], dtype=torch.int64)
    values = torch.tensor([r[1] for r in rows], dtype=torch.float64)
    expected = reference.aggregate(values.tolist(), index.tolist(), 6, plain)
    torch.testing.assert_close(kernel(values, index, 6), torch.tensor(expected, dtype=torch.float64))
    clicks = [r[2] for r in rows]
    expected_clicks = reference.aggregate(clicks, index.tolist(), 6, any)
    assert any_clicked(torch.tensor(clicks, dtype=torch.bool), index, 6).tolist() == expected_clicks


@pytest.mark.parametrize("aggregator", [aggregate_mean, aggregate_max, aggregate_min])
@pytest.mark.parametrize(
    ("values", "index", "size"),
    [
        ([0.5], [0], 1),
        ([1.0, -1.0], [0, 0], 1),
        ([1.0, -3.0, 2.0, 0.25], [0, 1, 0, 1], 2),
        ([1.0, 2.0, 3.0], [0, 1, 2], 3),
        ([1.0, 2.0], [1, 3], 4),
    ],
)
def test_gradients_agree_with_finite_differences(
    aggregator: Callable[..., Tensor], values: list[float], index: list[int], size: int
) -> None:
    """Also for a single part and for ranks that sum to 0, where the published classes divided by the sum."""
    leaf = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: aggregator(v, torch.tensor(index), size), leaf)


@pytest.mark.parametrize("aggregator", [aggregate_mean, aggregate_max, aggregate_min])
def test_single_parts_are_their_objects(aggregator: Callable[..., Tensor]) -> None:
    values = torch.randn(4)
    assert aggregator(values, torch.arange(4), 4) is values


def test_parts_in_another_order_are_not_taken_for_single_parts() -> None:
    assert aggregate_max(torch.tensor([1.0, 2.0]), torch.tensor([1, 0]), 2).tolist() == [2.0, 1.0]


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"values and index must be \[N\] and \[N\], got \[2\] and \[1\]"):
        aggregate_mean(torch.zeros(2), torch.zeros(1).long(), 1)
    with pytest.raises(ValueError, match="values and index"):
        aggregate_max(torch.zeros(2), torch.zeros(1).long(), 1)
    with pytest.raises(ValueError, match="values and index"):
        any_clicked(torch.zeros(2).bool(), torch.zeros(1).long(), 1)
