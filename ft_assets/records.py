"""Records: aligned columns, checked once.

``FineTuningFeatures`` are pairs, a ``FineTuningInput`` is a session, a ``SessionBatch`` is many of them in
segments (``InputBatch`` with their queries and item ids), an ``ItemsSet`` is what the model encodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ft_assets.features import FineTuningFeatures
from ft_assets.inputs import FineTuningInput, InputBatch, pack_inputs
from ft_assets.kernels import SessionBatch

__all__ = [
    "FineTuningFeatures",
    "FineTuningInput",
    "InputBatch",
    "ItemsSet",
    "SessionBatch",
    "pack_inputs",
]


class ItemsSet:
    """Items by id: the catalogue that the results of sessions are looked up in.

    Args:
        ids: ids of any kind, which become strings, each once.
        items: what the model's ``forward_items`` takes, one for each id; anything with len and [].

    Raises:
        ValueError: ids and items differ in length, or an id comes twice.

    Example:
        >>> items = ItemsSet([1, 2], ["black tea", "green tea"])
        >>> items.items_by_ids(["2"])
        (['green tea'], ['2'])
    """

    def __init__(self, ids: Iterable[Any], items: Sequence[Any] | Tensor) -> None:
        self.ids = [str(name) for name in ids]
        self.items = items
        if len(self.ids) != len(items):
            raise ValueError(f"ids and items must be of one length, got {len(self.ids)} and {len(items)}")
        self._rows = {name: row for row, name in enumerate(self.ids)}
        if len(self._rows) != len(self.ids):
            twice = next(name for row, name in enumerate(self.ids) if self._rows[name] != row)
            raise ValueError(f"ids must be unique, got {twice!r} more than once")

    def __len__(self) -> int:
        return len(self.ids)

    def items_by_ids(self, ids: Iterable[Any]) -> tuple[Any, list[str]]:
        """The items of these ids, in their order, and the ids as strings.

        Items given as a tensor (vectors computed beforehand, say) come as a tensor, others as a list.

        Raises:
            KeyError: an id that is not in the set; the message names it.
        """
        names = [str(name) for name in ids]
        try:
            rows = [self._rows[name] for name in names]
        except KeyError as missing:
            raise KeyError(f"item {missing} is not among the {len(self)} items of the set") from None
        if isinstance(self.items, Tensor):
            return self.items.index_select(0, torch.tensor(rows, device=self.items.device).long()), names
        return [self.items[row] for row in rows], names
