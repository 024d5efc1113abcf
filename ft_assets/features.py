"""The pairs that a loss is taken of: five aligned tensors.

Letters: P pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ft_assets.kernels import clamp_mask

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["COLUMNS", "FineTuningFeatures"]

COLUMNS = {
    "positive_ranks": "positive_rank",
    "negative_ranks": "negative_rank",
    "target": "target",
    "positive_confidences": "positive_confidence",
    "negative_confidences": "negative_confidence",
}
"""The column of the pair tables for every field: a column names one row's value, a field all of them."""


class _Column:
    """A tensor field that is checked, with its neighbours, whenever it is set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, features: FineTuningFeatures, owner: type | None = None) -> Tensor | None:
        return features._tensors[self.name] if features is not None else None

    def __set__(self, features: FineTuningFeatures, value: Tensor | None) -> None:
        features.replace(**{self.name: value})


class FineTuningFeatures:
    """Pairs of a positive and a negative: the model's ranks, how far each is believed, and the target.

    Args:
        positive_ranks: float [P], the model's score of the clicked object.
        negative_ranks: float [P], that of the not-event.
        target: float [P], 1 where a higher rank is nearer, -1 where a lower one is.
        positive_confidences: float [P], in [0, 1].
        negative_confidences: float [P], in [0, 1].

    Each may be None. A setter checks like the constructor; :meth:`replace` sets several fields at once.

    Raises:
        TypeError: a field is neither a tensor nor None.
        ValueError: a field is not 1-D, or the lengths differ.

    Example:
        >>> features = FineTuningFeatures(torch.tensor([0.9, 0.4]), torch.tensor([0.5, 0.4]))
        >>> features.clamp_diff_in(0.0, 1.0)
        >>> len(features), features.target
        (1, None)
    """

    positive_ranks = _Column()
    negative_ranks = _Column()
    target = _Column()
    positive_confidences = _Column()
    negative_confidences = _Column()

    def __init__(
        self,
        positive_ranks: Tensor | None = None,
        negative_ranks: Tensor | None = None,
        target: Tensor | None = None,
        positive_confidences: Tensor | None = None,
        negative_confidences: Tensor | None = None,
    ) -> None:
        self._tensors: dict[str, Tensor | None] = dict.fromkeys(COLUMNS)
        self.replace(
            positive_ranks=positive_ranks,
            negative_ranks=negative_ranks,
            target=target,
            positive_confidences=positive_confidences,
            negative_confidences=negative_confidences,
        )

    def replace(self, **fields: Tensor | None) -> FineTuningFeatures:
        """Set several fields at once, checked together; where the check fails nothing is set.

        Returns:
            These features.

        Raises:
            TypeError: a field of another name, or neither a tensor nor None.
            ValueError: a field is not 1-D, or the lengths would differ.

        Example:
            >>> len(FineTuningFeatures().replace(positive_ranks=torch.ones(2), target=torch.ones(2)))
            2
        """
        unknown = fields.keys() - COLUMNS.keys()
        if unknown:
            raise TypeError(f"fields must be of {', '.join(COLUMNS)}, got {', '.join(sorted(unknown))}")
        for name, tensor in fields.items():
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(f"{name} must be a tensor or None, got {type(tensor).__name__}")
            if tensor is not None and tensor.ndim != 1:
                raise ValueError(f"{name} must be [P], got {list(tensor.shape)}")
        tensors = {**self._tensors, **fields}
        lengths = {name: tensor.shape[0] for name, tensor in tensors.items() if tensor is not None}
        if len(set(lengths.values())) > 1:
            came = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise ValueError(f"lengths must be one, got {came}")
        self._tensors = tensors
        return self

    def __len__(self) -> int:
        return next((len(tensor) for tensor in self._tensors.values() if tensor is not None), 0)

    def __repr__(self) -> str:
        there = [name for name, tensor in self._tensors.items() if tensor is not None]
        return f"{type(self).__name__}(pairs={len(self)}, fields={there})"

    @staticmethod
    def _accumulate(a: Tensor | None, b: Tensor | None) -> Tensor | None:
        """Both: joined. One: that one. None: None."""
        if a is None or b is None:
            return b if a is None else a
        return torch.cat((a, b))

    def __iadd__(self, other: FineTuningFeatures) -> FineTuningFeatures:
        """Append the rows of ``other``; empty features change nothing.

        Raises:
            ValueError: the two have different fields, so that lengths would differ.
        """
        if not isinstance(other, FineTuningFeatures):
            return NotImplemented
        theirs = other._tensors
        return self.replace(**{name: self._accumulate(mine, theirs[name]) for name, mine in self._tensors.items()})

    def clamp_diff_in(self, min: float, max: float) -> None:  # noqa: A002 - the published name
        """Keep the pairs with min < |positive_rank - negative_rank| < max, strict, compared in float32.

        It filters every tensor that is there and changes no value. Features without both ranks have no
        difference to judge and stay as they are.

        Raises:
            ValueError: min is not below max.
        """
        if not min < max:
            raise ValueError(f"min must be below max, got {min} and {max}")
        positive, negative = self.positive_ranks, self.negative_ranks
        if positive is None or negative is None:
            return
        # The one place where the size depends on values, hence the one wait for the device.
        rows = clamp_mask(positive, negative, min, max).nonzero().squeeze(1)
        if rows.shape[0] < positive.shape[0]:
            self.replace(**{n: None if t is None else t.index_select(0, rows) for n, t in self._tensors.items()})

    def use_positive_from(self, other: FineTuningFeatures) -> None:
        """Take the positives of ``other``: ranks, confidences and target, cut to the shorter of the two.

        Negatives of an irrelevant session, which has no positive of its own, become pairs this way.

        Example:
            >>> irrelevant = FineTuningFeatures(negative_ranks=torch.tensor([0.3, 0.2]))
            >>> other = FineTuningFeatures(torch.tensor([0.9]), torch.tensor([0.1]), torch.tensor([1.0]))
            >>> irrelevant.use_positive_from(other)
            >>> len(irrelevant), irrelevant.positive_ranks, irrelevant.negative_ranks
            (1, tensor([0.9000]), tensor([0.3000]))
        """
        negatives = (self.negative_ranks, self.negative_confidences)
        length = len(other) if other.positive_ranks is not None else 0
        if any(tensor is not None for tensor in negatives):
            length = min(length, len(self))
        self.replace(
            positive_ranks=_head(other.positive_ranks, length),
            negative_ranks=_head(self.negative_ranks, length),
            target=_head(other.target, length),
            positive_confidences=_head(other.positive_confidences, length),
            negative_confidences=_head(self.negative_confidences, length),
        )

    def to(self, device: torch.device | str) -> FineTuningFeatures:
        """Move every tensor; returns these features."""
        return self.replace(**{n: None if t is None else t.to(device) for n, t in self._tensors.items()})

    def to_arrow(self) -> pa.Table:
        """A table with the columns of the pair tables, for the fields that are there; target is int8.

        Example:
            >>> FineTuningFeatures(torch.tensor([0.5]), target=torch.tensor([-1.0])).to_arrow().to_pydict()
            {'positive_rank': [0.5], 'target': [-1]}
        """
        import pyarrow as pa

        columns: dict[str, Any] = {}
        for name, tensor in self._tensors.items():
            if tensor is not None:
                values = tensor.detach().cpu()
                values = values.to(torch.int8) if name == "target" else _storable(values)
                columns[COLUMNS[name]] = pa.array(values.numpy())
        return pa.table(columns)

    @classmethod
    def from_arrow(cls, table: pa.Table | pa.RecordBatch, device: torch.device | str = "cpu") -> FineTuningFeatures:
        """Features from the columns of a pair table, a day of ``fine_tuning_features`` say.

        Args:
            table: columns as :meth:`to_arrow` names them; others are left alone.
            device: where the tensors go.

        Raises:
            ValueError: a column has nulls.
        """
        fields = {}
        for name, column in COLUMNS.items():
            if column not in table.column_names:
                continue
            values = table.column(column)
            if values.null_count:
                raise ValueError(f"{column} must have no nulls, got {values.null_count}")
            tensor = torch.tensor(values.to_numpy())
            if name == "target":
                tensor = tensor.float()
            fields[name] = tensor.to(device)
        return cls(**fields)

    def to_pandas(self) -> pd.DataFrame:
        """:meth:`to_arrow` as a data frame."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame, device: torch.device | str = "cpu") -> FineTuningFeatures:
        """:meth:`from_arrow` of a data frame."""
        import pyarrow as pa

        return cls.from_arrow(pa.Table.from_pandas(frame, preserve_index=False), device)


def _head(tensor: Tensor | None, length: int) -> Tensor | None:
    return None if tensor is None else tensor[:length]


def _storable(values: Tensor) -> Tensor:
    """Arrow has no bfloat16, and a table holds float32."""
    return values if values.dtype in (torch.float32, torch.float64) else values.float()
