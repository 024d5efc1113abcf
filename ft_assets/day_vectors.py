"""The vectors of a day's texts, out of a store that holds those of every day.

Letters: K keys (query hashes or item ids), T distinct texts, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets.lake import Slice

Array = np.ndarray[Any, Any]

ROWS_AT_ONCE = 8_192
KEYS_AT_ONCE = 16 * ROWS_AT_ONCE  # to look up: each time a table of the texts' keys is made


@dataclass(frozen=True)
class DayVectors:
    """The distinct vectors of a day in a memory-mapped file: the kernel's page cache holds what is in use.

    Attributes:
        keys: query hashes or item ids, [K].
        rows: int64 [K], row of each key's vector; texts that are equal share one.
        matrix: float32 [T, D].
    """

    keys: pa.Array
    rows: Array
    matrix: Array

    @classmethod
    def load(cls, texts: pa.Table, vectors: Slice, model: str, role: str, folder: Path, width: int = 0) -> DayVectors:
        """Write the day's vectors of one role into a file in ``folder`` and map it.

        Args:
            texts: columns key and text_hash, of the day.
            vectors: text_vectors. Of a group of its rows that holds no text of the day, only the hashes are read.
            model: fingerprint of the model.
            role: query or item.
            folder: where the file goes.
            width: of the model's vectors, where it is known: a day may have none of this role.

        Raises:
            ValueError: vectors of different widths under one model.
        """
        hashes = _whole(texts["text_hash"])
        distinct = hashes.unique()
        path, rows, count = folder / role, np.full(len(distinct), -1, dtype=np.int64), 0
        with path.open("wb") as file:
            for at, found in vectors_of(vectors, model, keys_of(pa.scalar(role), distinct)):
                new = np.unique(at, return_index=True)[1]  # a second vector of a text is passed over
                new = np.sort(new[rows[at[new]] < 0])
                vector = found if len(new) == len(found) else found.take(pa.array(new))
                if not len(vector):
                    continue
                lengths = np.unique(pc.list_value_length(vector).to_numpy(zero_copy_only=False))
                width = width or int(lengths[0])
                if lengths.tolist() != [width]:
                    raise ValueError(f"vectors of model {model} must all be {width} wide, got {lengths.tolist()}")
                file.write(np.ascontiguousarray(vector.flatten().to_numpy(zero_copy_only=False), dtype=np.float32).data)
                rows[at[new]] = np.arange(count, count + len(new))
                count += len(new)
        row = rows[pc.index_in(hashes, value_set=distinct).to_numpy()]
        keys = _whole(texts["key"]).filter(pa.array(row >= 0))
        matrix = (
            np.memmap(path, dtype=np.float32, mode="c", shape=(count, width)) if count else np.zeros((0, width), np.float32)
        )
        return cls(keys, row[row >= 0], matrix)

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


def keys_of(role: pa.Array | pa.Scalar, text_hash: pa.Array) -> pa.Array:
    """What names a text in the store: its role and its hash; null where either is."""
    return pc.binary_join_element_wise(role, text_hash, " ")


def vectors_of(vectors: Slice, model: str, keys: pa.Array) -> Iterator[tuple[Array, pa.ListArray]]:
    """The stored vectors of some texts, every one that is there, some thousands at a time.

    Args:
        vectors: text_vectors. Of a group of its rows that holds none of the texts, only role and hash are read.
        model: fingerprint of the model.
        keys: of the texts, as ``keys_of`` makes them, each once.

    Yields:
        The place of each vector's text in ``keys``, int64, and the vectors.
    """
    for groups in _groups(vectors, model):
        stored = pa.chunked_array([chunk for _, of_group in groups for chunk in of_group.chunks], pa.string())
        at = pc.fill_null(pc.index_in(stored, value_set=keys, skip_nulls=True), -1).to_numpy().astype(np.int64)
        ends = np.cumsum([len(of_group) for _, of_group in groups])
        for (group, _), of_group in zip(groups, np.split(at, ends[:-1]), strict=True):
            if (of_group >= 0).any():
                yield from _of_group(group, of_group)


def _groups(vectors: Slice, model: str) -> Iterator[list[tuple[Any, pa.ChunkedArray]]]:
    """Groups of rows with the keys of these, as many at once as make a look-up pay."""
    groups: list[tuple[Any, pa.ChunkedArray]] = []
    for fragment in vectors.fragments(model=model):
        for group in fragment.split_by_row_group():
            # What another writer's engine rewrote, as after a deletion, comes as string_view, for which Arrow has no look-up.
            seen = group.to_table(columns=["role", "text_hash"]).cast(
                pa.schema([("role", pa.string()), ("text_hash", pa.string())])
            )
            groups.append((group, keys_of(seen["role"], seen["text_hash"])))
            if sum(len(keys) for _, keys in groups) >= KEYS_AT_ONCE:
                yield groups
                groups = []
    if groups:
        yield groups


def _of_group(group: Any, at: Array) -> Iterator[tuple[Array, pa.ListArray]]:
    row = 0
    for batch in group.scanner(columns=["vector"], batch_size=ROWS_AT_ONCE, batch_readahead=1).to_batches():
        of_batch = at[row : row + batch.num_rows]
        row += batch.num_rows
        mask = of_batch >= 0
        yield of_batch[mask], batch["vector"] if mask.all() else batch["vector"].filter(pa.array(mask))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    chunks = column.chunks
    return pa.concat_arrays(chunks) if chunks else pa.array([], column.type)
