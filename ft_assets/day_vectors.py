"""The vectors of a day's texts as they are scored: the row of each key in a matrix.

Letters: K keys (query hashes or item ids), V vectors, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets.found_vectors import FoundVectors

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class DayVectors:
    """The vectors of a day in a memory-mapped file: the kernel's page cache holds what is in use.

    Attributes:
        keys: query hashes or item ids, [K].
        rows: int64 [K], row of each key's vector; texts that are equal share one.
        matrix: float32 [V, D].
    """

    keys: pa.Array
    rows: Array
    matrix: Array

    @classmethod
    def of(cls, found: FoundVectors, role: str, width: int = 0) -> DayVectors:
        """Those of one role; a second vector of a text is passed over.

        Args:
            found: the vectors of the day's texts.
            role: query or item.
            width: of the model's vectors, where it is known: a day may have none of this role.

        Raises:
            ValueError: vectors of different widths under one model.
        """
        keys, texts = found.texts.keys(role)
        chosen = found.first()[texts]
        keys, chosen = keys.filter(pa.array(chosen >= 0)), chosen[chosen >= 0]
        widths = found.widths[chosen]
        width = width or int(widths[:1].sum())
        if (widths != width).any():
            raise ValueError(f"vectors of model {found.model} must all be {width} wide, got {sorted(set(widths.tolist()))}")
        return cls(keys, found.rows[chosen], found.matrices.get((role, width), np.zeros((0, width), np.float32)))

    @property
    def width(self) -> int:
        """D; 0 where there is no vector at all."""
        return int(self.matrix.shape[1])

    def rows_of(self, keys: pa.Array) -> Array:
        """Row of each key, -1 where it has no vector: int64 [len(keys)]."""
        at = pc.fill_null(pc.index_in(keys, value_set=self.keys), -1).to_numpy()
        return np.where(at < 0, -1, self.rows[at]) if len(self.rows) else at.astype(np.int64)

    def take(self, rows: Array, *, may_share: bool = False) -> tuple[Array, Array]:
        """The distinct rows in memory: float32 [R, D], and the place of each of ``rows`` in it, int64.

        Args:
            rows: which.
            may_share: whether all of the matrix will do, as it is, where most of it is wanted: that copies nothing.
        """
        wanted = np.zeros(len(self.matrix), dtype=bool)
        wanted[rows] = True
        if may_share and wanted.sum() * 2 >= len(wanted):
            return self.matrix, rows
        place = np.cumsum(wanted) - 1
        return np.take(self.matrix, np.flatnonzero(wanted), axis=0), place[rows]
