"""SessionBatch checks itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ft_assets.kernels import SessionBatch


def fields() -> dict[str, Any]:
    """Two sessions: four results of three objects, none, then two of two."""
    return {
        "offsets": torch.tensor([0, 4, 4, 6]),
        "object_offsets": torch.tensor([0, 3, 3, 5]),
        "object_index": torch.tensor([0, 1, 0, 2, 3, 4]),
        "query_index": torch.tensor([0, 1, 0]),
        "item_index": torch.tensor([0, 1, 2, 3, 0, 1]),
        "ranks": torch.tensor([1.0, 2.0, float("nan"), 0.0, 1.0, 2.0]),
        "clicked": torch.zeros(6, dtype=torch.bool),
        "kept": torch.ones(5, dtype=torch.bool),
        "is_irrelevant": torch.zeros(3, dtype=torch.bool),
    }


def test_sizes_follow_from_the_fields() -> None:
    batch = SessionBatch(**fields())
    assert (batch.sessions, batch.results, batch.objects, len(batch)) == (3, 6, 5, 3)


def test_a_batch_of_no_sessions_is_a_batch() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    no = nothing.bool()
    zero = torch.zeros(1, dtype=torch.int64)
    batch = SessionBatch(zero, zero, nothing, nothing, nothing, nothing.float(), no, no, no)
    assert (batch.sessions, batch.results, batch.objects) == (0, 0, 0)


def test_where_there_is_no_vector_the_row_may_be_anything() -> None:
    item_index, scorable = torch.tensor([0, 1, 2, -7, 0, 1]), torch.tensor([True, True, True, False, True, True])
    SessionBatch(**fields() | {"item_index": item_index, "scorable": scorable})
    with pytest.raises(ValueError, match="item_index must not be negative where scorable, got -7"):
        SessionBatch(**fields() | {"item_index": item_index})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("offsets", torch.tensor([0, 4, 4, 5]), "offsets must run from 0 to 6, got 0 to 5"),
        ("offsets", torch.tensor([0, 4, 6]), r"offsets must be torch.int64 \[4\], got torch.int64 \[3\]"),
        ("object_offsets", torch.tensor([0, 3, 2, 5]), "object_offsets must not fall, got 3 then 2"),
        ("object_index", torch.tensor([1, 0, 0, 2, 3, 4]), "in order of first appearance from 0 to 4"),
        ("object_index", torch.tensor([0, 1, 0, 1, 2, 3]), "in order of first appearance from 0 to 4"),
        ("object_index", torch.tensor([0, 1, 2, 3, 3, 4]), r"object_index of result 3 must be in \[0, 3\)"),
        ("object_index", torch.tensor([0, 1, 2, 2, 0, 4]), "in order of first appearance"),
        ("query_index", torch.tensor([0, -1, 0]), "query_index must not be negative, got -1"),
        ("query_index", [0, 1, 0], "query_index must be a 1-D tensor, got list"),
        ("item_index", torch.zeros(6), r"item_index must be torch.int64 \[6\], got torch.float32 \[6\]"),
        ("ranks", torch.zeros(6, dtype=torch.float64), r"ranks must be torch.float32 \[6\]"),
        ("ranks", torch.full((6,), float("inf")), "ranks must be finite, or NaN"),
        ("ranks", torch.zeros(6, 1), r"ranks must be a 1-D tensor, got \[6, 1\]"),
        ("clicked", torch.zeros(6), r"clicked must be torch.bool \[6\]"),
        ("kept", torch.ones(4, dtype=torch.bool), "object_offsets must run from 0 to 4"),
        ("is_irrelevant", torch.zeros(3), r"is_irrelevant must be torch.bool \[3\]"),
        ("scorable", torch.zeros(5).bool(), r"scorable must be torch.bool \[6\]"),
        ("clicked", torch.zeros(6, dtype=torch.bool, device="meta"), "clicked must be on the host, got meta"),
    ],
)
def test_a_field_that_does_not_fit_is_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SessionBatch(**fields() | {field: value})


def test_objects_without_results_are_refused() -> None:
    nothing, zero = torch.zeros(0, dtype=torch.int64), torch.tensor([0, 0])
    with pytest.raises(ValueError, match="object_index must name all 1 objects, got no results"):
        SessionBatch(
            zero, torch.tensor([0, 1]), nothing, torch.tensor([0]), nothing, nothing.float(), nothing.bool(),
            torch.ones(1).bool(), torch.zeros(1).bool(),
        )  # fmt: skip
