"""How far an event or not-event can be believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets.kernels import constant_confidences, windowed_confidences
from ft_assets_tests import reference

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "extractor.json").read_text())["windowed_confidences"]
RANKS = st.floats(0.0625, 9, width=32)
SESSIONS = st.lists(st.lists(st.tuples(RANKS, st.booleans()), max_size=9), max_size=5)


def flat(sessions: list[list[tuple[float, bool]]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ranks = torch.tensor([r for s in sessions for r, _ in s], dtype=torch.float32)
    clicks = torch.tensor([c for s in sessions for _, c in s], dtype=torch.bool)
    return ranks, clicks, torch.tensor([0, *(len(s) for s in sessions)]).cumsum(0)


@pytest.mark.parametrize("case", GOLDEN)
def test_confidences_are_those_of_the_published_classes(case: dict[str, Any]) -> None:
    found = windowed_confidences(torch.tensor(case["ranks"]), torch.tensor(case["clicks"]), None, case["window_size"])
    torch.testing.assert_close(found, torch.tensor(case["confidences"]), atol=2e-6, rtol=0)


@settings(deadline=None, derandomize=True)
@given(SESSIONS, st.integers(1, 12))
def test_windowed_equals_plain_loops(sessions: list[list[tuple[float, bool]]], window: int) -> None:
    ranks, clicks, offsets = flat(sessions)
    expected = [c for s in sessions for c in reference.windowed([r for r, _ in s], [c for _, c in s], window)]
    found = windowed_confidences(ranks, clicks, offsets, window)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32), atol=1e-5, rtol=0)
    assert bool(((found >= 0) & (found <= 1)).all())


@settings(deadline=None, derandomize=True)
@given(SESSIONS)
def test_a_batch_is_its_parts_joined(sessions: list[list[tuple[float, bool]]]) -> None:
    ranks, clicks, offsets = flat(sessions)
    parts = [windowed_confidences(*flat([s])[:2]) for s in sessions]
    assert torch.equal(windowed_confidences(ranks, clicks, offsets), torch.cat([torch.zeros(0), *parts]))


def test_sessions_of_one_length_take_the_same_values_as_ragged_ones() -> None:
    ranks, clicks = torch.rand(40, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 3 == 0
    matrix = windowed_confidences(ranks, clicks, torch.arange(0, 41, 8), 5)
    ragged = windowed_confidences(ranks, clicks, torch.tensor([0, 0, 8, 16, 24, 32, 40]), 5)
    assert torch.equal(matrix, ragged)


@pytest.mark.parametrize("ranks", [[0.7], [0.0, 4.0], [0.0, 0.0]])
def test_a_session_of_equal_raw_values_gets_1_throughout(ranks: list[float]) -> None:
    """One result; two whose distance is 1 without a click, so that both raw values are 0 up to rounding."""
    values = torch.tensor(ranks, dtype=torch.float64)
    expected = [1.0] * len(ranks) if ranks != [0.0, 0.0] else [1.0, 0.0]
    assert windowed_confidences(values, torch.zeros(len(ranks)).bool()).tolist() == expected


@pytest.mark.parametrize("ranks", [[1.0, -1.0, 0.5], [0.1, 0.2, -0.3], [0.0, 0.0, 0.0], [-2.0, -1.0, 5.0]])
def test_ranks_that_sum_to_zero_stay_finite_and_within_bounds(ranks: list[float]) -> None:
    found = windowed_confidences(torch.tensor(ranks), torch.tensor([True, False, True]))
    assert bool(found.isfinite().all())
    assert found.min() == 0
    assert found.max() == 1


def test_constant_is_one() -> None:
    assert constant_confidences(torch.tensor([0.3, 9.0]), torch.tensor([True, False])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("calculator", [constant_confidences, windowed_confidences])
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(torch.float32, torch.float32), (torch.float64, torch.float64), (torch.bfloat16, torch.float32)],
)
def test_confidences_are_float32_at_least_and_carry_no_gradient(
    calculator: Any, dtype: torch.dtype, expected: torch.dtype
) -> None:
    ranks = torch.tensor([0.5, 0.25, 1.0], dtype=dtype, requires_grad=True)
    found = calculator(ranks, torch.tensor([True, False, False]))
    assert (found.dtype, found.requires_grad) == (expected, False)


@pytest.mark.parametrize("calculator", [constant_confidences, windowed_confidences])
def test_no_results_have_no_confidences(calculator: Any) -> None:
    nothing = torch.zeros(0)
    assert calculator(nothing, nothing.bool(), torch.tensor([0, 0, 0])).shape == (0,)
    assert calculator(nothing, nothing.bool()).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
@pytest.mark.parametrize("calculator", [constant_confidences, windowed_confidences])
def test_integer_ranks_are_taken_as_float32(calculator: Any, dtype: torch.dtype) -> None:
    ranks, clicks = torch.tensor([7, 3, 5, 1], dtype=dtype), torch.tensor([True, False, False, True])
    for offsets in (None, torch.tensor([0, 3, 4])):
        found = calculator(ranks, clicks, offsets)
        assert found.dtype == torch.float32
        assert torch.equal(found, calculator(ranks.float(), clicks, offsets))


@pytest.mark.parametrize("calculator", [constant_confidences, windowed_confidences])
def test_what_does_not_fit_is_refused(calculator: Any) -> None:
    ranks, clicks = torch.rand(3), torch.zeros(3).bool()
    with pytest.raises(ValueError, match=r"ranks and clicks must be \[N\] and \[N\], got \[3\] and \[2\]"):
        calculator(ranks, clicks[:2])
    for kind in (torch.bool, torch.complex64):
        with pytest.raises(ValueError, match=f"ranks must be floats or integers, got {kind}"):
            calculator(ranks.to(kind), clicks)
    with pytest.raises(ValueError, match="offsets must run from 0 to 3, got 0 to 4"):
        calculator(ranks, clicks, torch.tensor([0, 4]))


@pytest.mark.parametrize("window", [0, -3, 1.5, True])
def test_a_window_below_one_is_refused(window: Any) -> None:
    with pytest.raises(ValueError, match="window_size must be an integer of at least 1"):
        windowed_confidences(torch.rand(3), torch.zeros(3).bool(), None, window)
