"""Which texts go into a batch, and what is cut out of texts that were tokenized together."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets.token_batches import TokenBatch, by_tokens, cut, token_lengths, windows


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 600))
def test_every_row_is_in_one_batch_within_the_budget_and_no_batch_could_take_the_next_row(
    lengths: list[int], budget: int
) -> None:
    batches = by_tokens(np.array(lengths, dtype=np.int64), budget)
    rows = [row for batch in batches for row in batch.tolist()]
    assert sorted(rows) == list(range(len(lengths)))
    assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)
    for number, batch in enumerate(batches, 1):
        longest = max(lengths[row] for row in batch)
        assert len(batch) == 1 or longest * len(batch) <= budget
        assert number == len(batches) or longest * (len(batch) + 1) > budget


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.text(max_size=12), max_size=30), st.integers(1, 7), st.integers(1, 40))
def test_windows_are_the_texts_in_order_and_bounded(texts: list[str], most: int, characters: int) -> None:
    found = list(windows(iter(texts), most, characters))
    assert [text for window in found for text in window] == texts
    for window in found:
        assert 1 <= len(window) <= most
        assert len(window) == 1 or len(window) * max(map(len, window)) <= characters


@pytest.mark.parametrize("side", ["right", "left"])
def test_what_is_cut_out_has_the_tokens_of_its_texts_and_no_padding_that_all_share(side: str) -> None:
    lengths, width = [2, 5, 1, 3], 6
    mask = torch.stack([torch.tensor([1] * n + [0] * (width - n)) for n in lengths])
    ids = torch.arange(24).view(4, 6)
    if side == "left":
        mask = mask.flip(1)
    features = {"input_ids": ids * mask, "attention_mask": mask, "modality": "text"}
    assert token_lengths(features, 4).tolist() == lengths  # type: ignore[union-attr]
    part = cut(features, np.array([3, 0]))
    columns = slice(0, 3) if side == "right" else slice(3, 6)
    assert part["modality"] == "text"
    assert torch.equal(part["input_ids"], (ids * mask)[[3, 0], columns])
    assert torch.equal(part["attention_mask"], mask[[3, 0], columns])
    batch = TokenBatch(np.array([30, 0]), part)
    assert (batch.tokens, batch.part(slice(1, 2)).tokens, batch.part(slice(1, 2)).rows.tolist()) == (6, 2, [0])


def test_features_that_are_no_rows_of_texts_are_left_as_they_are() -> None:
    flat = {"input_ids": torch.arange(9), "offsets": torch.tensor([0, 4])}
    assert token_lengths(flat, 2) is None
    assert token_lengths({"attention_mask": torch.ones(2, 3), "pixels": torch.ones(2, 3, 4)}, 2) is None
    with pytest.raises(ValueError, match="must have an attention_mask to be cut, got input_ids, offsets"):
        cut(flat, np.array([0]))
