"""Which texts go into a batch: those of like length, so many that their padded tokens fill a budget.

Letters: N texts, L tokens of the longest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TokenBatch:
    """Texts as a model takes them.

    Attributes:
        rows: int64 [N], the places of the texts.
        features: what the model takes; tensors [N, L], and settings that are no tensor.
    """

    rows: Array
    features: Mapping[str, Any]

    @property
    def tokens(self) -> int:
        """Padded tokens, N x L; the texts where the features tell no tokens."""
        mask = self.features.get("attention_mask")
        return len(self.rows) if mask is None else int(mask.numel())

    def part(self, texts: slice) -> TokenBatch:
        """Some of its texts, less the padding that they no longer need."""
        return TokenBatch(self.rows[texts], cut(self.features, np.arange(len(self.rows))[texts]))


def windows(texts: Iterable[str], most: int, most_characters: int = 4_000_000) -> Iterator[list[str]]:
    """Texts in their order, so many at a time as are tokenized at once.

    Args:
        texts: of whatever length.
        most: texts in a window, at least 1.
        most_characters: texts times the longest, which bounds the memory of a window; one text may be longer.

    Example:
        >>> list(windows(["aa", "b", "c", "dddd"], 3, most_characters=4))
        [['aa', 'b'], ['c'], ['dddd']]
    """
    window: list[str] = []
    longest = 0
    for text in texts:
        longest = max(longest, len(text))
        if window and (len(window) == most or longest * (len(window) + 1) > most_characters):
            yield window
            window, longest = [], len(text)
        window.append(text)
    if window:
        yield window


def by_tokens(lengths: Array, budget: int) -> list[Array]:
    """Rows in batches, longest first: as many as make N x L no more than the budget, and always one.

    Args:
        lengths: int [N], tokens of each row.
        budget: padded tokens of a batch, at least 1.

    Returns:
        Rows of each batch, int64.

    Example:
        >>> [rows.tolist() for rows in by_tokens(np.array([2, 9, 2, 4, 1]), 8)]
        [[1], [3, 0], [2, 4]]
    """
    order = np.argsort(-lengths, kind="stable").astype(np.int64)
    batches, start = [], 0
    while start < len(order):
        count = max(1, budget // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + count])
        start += count
    return batches


def token_lengths(features: Mapping[str, Any], texts: int) -> Array | None:
    """Tokens of each text, int64 [N]; None where the features cannot be told apart text by text."""
    mask = features.get("attention_mask")
    tensors = {name: value for name, value in features.items() if hasattr(value, "shape")}
    if mask is None or mask.ndim != 2 or mask.shape[0] != texts or any(t.shape != mask.shape for t in tensors.values()):
        return None
    lengths: Array = mask.sum(dim=1).numpy()
    return lengths


def cut(features: Mapping[str, Any], rows: Array) -> dict[str, Any]:
    """Features of some texts: what a tokenizer gives for these texts alone, padded to the longest of them.

    Args:
        features: of texts padded together, at either side; see ``token_lengths``.
        rows: int64, of the texts wanted.
    """
    import torch

    index = torch.from_numpy(np.ascontiguousarray(rows))
    mask = features.get("attention_mask")
    if mask is None:
        raise ValueError(f"features of texts must have an attention_mask to be cut, got {', '.join(features)}")
    used = mask.index_select(0, index).any(dim=0).nonzero().squeeze(1)
    columns = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)

    def of_rows(value: torch.Tensor) -> torch.Tensor:
        return value.index_select(0, index)[:, columns].contiguous()

    return {name: of_rows(value) if hasattr(value, "shape") else value for name, value in features.items()}
