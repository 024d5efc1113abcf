"""Segments: values and offsets."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from ft_assets.kernels import (
    check_offsets,
    running_counts,
    segment_ids,
    segment_lengths,
    segment_max,
    segment_min,
    segment_positions,
)

OFFSETS = [[0], [0, 0], [0, 3], [0, 2, 2, 5], [0, 0, 4, 4], [0, 1, 2, 3]]


@pytest.mark.parametrize("offsets", OFFSETS)
def test_segments_equal_plain_slices(offsets: list[int]) -> None:
    values = torch.arange(offsets[-1], dtype=torch.float64) * 3 - 4
    cuts = [values[a:b].tolist() for a, b in pairwise(offsets)]
    flat = torch.tensor(offsets)
    ids = segment_ids(flat, offsets[-1])
    assert segment_lengths(flat).tolist() == [len(c) for c in cuts]
    assert ids.tolist() == [s for s, c in enumerate(cuts) for _ in c]
    assert segment_positions(flat, ids).tolist() == [i for c in cuts for i in range(len(c))]
    assert segment_min(values, flat).tolist() == [min(c, default=float("inf")) for c in cuts]
    assert segment_max(values, flat).tolist() == [max(c, default=-float("inf")) for c in cuts]


def test_running_counts_of_nothing_is_zero() -> None:
    assert running_counts(torch.zeros(0, dtype=torch.bool)).tolist() == [0]


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        (torch.tensor([0, 2]), "offsets must run from 0 to 3, got 0 to 2"),
        (torch.tensor([1, 3]), "offsets must run from 0 to 3, got 1 to 3"),
        (torch.tensor([0, 2, 1, 3]), "offsets must not fall, got 2 then 1"),
        (torch.tensor([0, 3], dtype=torch.int32), "must be int64"),
        (torch.tensor([[0, 3]]), "must be int64"),
        (torch.zeros(0, dtype=torch.int64), "must be int64"),
    ],
)
def test_offsets_that_do_not_fit_are_refused(offsets: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_offsets(offsets, 3)
