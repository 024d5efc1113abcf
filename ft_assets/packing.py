"""From Arrow batches of sessions to segments: flat values plus offsets, objects numbered, vectors found by row.

An Arrow list column is a segment already; what is left is to number objects and to find each text's vector, for all
sessions of a batch at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets import queries

if TYPE_CHECKING:
    import duckdb

    from ft_assets.kernels import SessionBatch

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class DayVectors:
    """The distinct vectors of a day in a memory-mapped file: the kernel's page cache holds what is in use.

    Attributes:
        keys: query hashes or item ids, [U].
        matrix: float32 [U, D].
    """

    keys: pa.Array
    matrix: Array

    @classmethod
    def load(cls, con: duckdb.DuckDBPyConnection, model: str, role: str, folder: Path, width: int = 0) -> DayVectors:
        """Write the day's vectors of one role into a file in ``folder`` and map it.

        Args:
            con: where sampled_inputs, items and text_vectors can be read.
            model: fingerprint of the model.
            role: query or item.
            folder: where the file goes.
            width: of the model's vectors, where it is known: a day may have none of this role.

        Raises:
            ValueError: vectors of different widths under one model.
        """
        path, keys = folder / role, []
        relation = queries.query(con, "assets/pair_features_vectors", {"model": model, "role": role})
        # Vectors stream past the texts of the day, however many the table holds.
        with queries.joined_as_written(con), path.open("wb") as file:
            for batch in queries.stream(relation, 8_192):
                if not batch.num_rows:
                    continue
                lengths = np.unique(pc.list_value_length(batch["vector"]).to_numpy(zero_copy_only=False))
                width = width or int(lengths[0])
                if lengths.tolist() != [width]:
                    raise ValueError(f"vectors of model {model} must all be {width} wide, got {lengths.tolist()}")
                keys.append(batch["key"])
                file.write(batch["vector"].flatten().to_numpy().astype(np.float32, copy=False).tobytes())
        names = pa.concat_arrays(keys) if keys else pa.array([], pa.string())
        if not keys:
            return cls(names, np.zeros((0, width), dtype=np.float32))
        return cls(names, np.memmap(path, dtype=np.float32, mode="r", shape=(len(names), width)))

    @property
    def width(self) -> int:
        """D; 0 where there is no vector at all."""
        return int(self.matrix.shape[1])

    def rows_of(self, keys: pa.Array) -> Array:
        """Row of each key, -1 where it has no vector: int64 [N]."""
        return pc.fill_null(pc.index_in(keys, value_set=self.keys), -1).to_numpy().astype(np.int64)  # type: ignore[no-any-return]

    def take(self, rows: Array) -> Array:
        """Copy rows into memory: float32 [len(rows), D]."""
        return np.asarray(self.matrix[rows], dtype=np.float32)


@dataclass(frozen=True)
class PackedSessions:
    """A batch of sessions as segments. S sessions, N results, O objects (in order of first appearance).

    Attributes:
        offsets: int64 [S + 1]; results of session s are rows offsets[s] to offsets[s + 1].
        object_offsets: int64 [S + 1], the same for objects.
        object_index: int64 [N], object of each result.
        object_names: distinct object ids of the batch.
        object_name_index: int64 [O], row of each object in ``object_names``.
        object_clicked: bool [O], whether any part was clicked.
        object_kept: bool [O], whether the object stays after thinning.
        ranks: float32 [N], NaN where the engine gave none.
        clicked: bool [N].
        is_irrelevant: bool [S].
        query_rows, item_rows: int64 [S], [N], rows of the day's vectors; 0 where no vectors were given.
    """

    offsets: Array
    object_offsets: Array
    object_index: Array
    object_names: pa.Array
    object_name_index: Array
    object_clicked: Array
    object_kept: Array
    ranks: Array
    clicked: Array
    is_irrelevant: Array
    query_rows: Array
    item_rows: Array

    def to_session_batch(self, query_index: Array, item_index: Array) -> SessionBatch:
        """The same as host tensors, for the kernels; the indices point into the vectors of this batch."""
        import torch

        from ft_assets.kernels import SessionBatch

        return SessionBatch(
            offsets=torch.from_numpy(self.offsets),
            object_offsets=torch.from_numpy(self.object_offsets),
            object_index=torch.from_numpy(self.object_index),
            query_index=torch.from_numpy(query_index.astype(np.int64)),
            item_index=torch.from_numpy(item_index.astype(np.int64)),
            ranks=torch.from_numpy(self.ranks),
            clicked=torch.from_numpy(self.clicked),
            kept=torch.from_numpy(self.object_kept),
            is_irrelevant=torch.from_numpy(self.is_irrelevant),
        )


def pack_sessions(
    batch: pa.RecordBatch, query_vectors: DayVectors | None = None, item_vectors: DayVectors | None = None
) -> PackedSessions:
    """Pack rows of fine_tuning_inputs or sampled_inputs.

    Raises:
        ValueError: lists of one row differ in length, or a query or an item has no vector.
    """
    import torch

    from ft_assets.kernels import number_objects

    offsets = np.concatenate([[0], np.cumsum(_lengths(batch))]).astype(np.int64)
    ranks = _flat(batch, "ranks").cast(pa.float32()).to_numpy(zero_copy_only=False).astype(np.float32)
    clicked = _flat(batch, "clicked").to_numpy(zero_copy_only=False).astype(bool)
    kept = _flat(batch, "kept").to_numpy(zero_copy_only=False).astype(bool) if "kept" in batch.schema.names else None
    names = _flat(batch, "object_ids").dictionary_encode()
    name = names.indices.to_numpy().astype(np.int64)
    item_rows = np.zeros(len(name), dtype=np.int64)
    query_rows = np.zeros(batch.num_rows, dtype=np.int64)
    if query_vectors is not None and item_vectors is not None:
        query_rows = query_vectors.rows_of(batch["query_hash"])
        if (query_rows < 0).any():
            at = int(np.flatnonzero(query_rows < 0)[0])
            raise ValueError(f"session {batch['session_id'][at]} has no vector for its query; run text_vectors first")
        items = _flat(batch, "item_ids")
        item_rows = item_vectors.rows_of(items)
        if (item_rows < 0).any():
            raise ValueError(f"item {items[int(np.flatnonzero(item_rows < 0)[0])]} has no vector; run text_vectors first")
    numbered = number_objects(torch.from_numpy(offsets), torch.from_numpy(name), len(names.dictionary))
    object_offsets, object_index, first = (rows.numpy() for rows in numbered)
    object_clicked = np.zeros(len(first), dtype=bool)
    object_clicked[object_index[clicked]] = True
    return PackedSessions(
        offsets=offsets,
        object_offsets=object_offsets,
        object_index=object_index,
        object_names=names.dictionary,
        object_name_index=name[first],
        object_clicked=object_clicked,
        object_kept=np.ones(len(first), dtype=bool) if kept is None else kept[first],
        ranks=ranks,
        clicked=clicked,
        is_irrelevant=batch["is_irrelevant"].to_numpy(zero_copy_only=False).astype(bool),
        query_rows=query_rows,
        item_rows=item_rows,
    )


def _lengths(batch: pa.RecordBatch) -> Array:
    """Length of each session's list, the same in every list column."""
    lists = [f.name for f in batch.schema if pa.types.is_list(f.type)]
    lengths = {name: pc.list_value_length(batch[name]).to_numpy(zero_copy_only=False) for name in lists}
    for name, found in lengths.items():
        differ = np.flatnonzero(found != lengths["item_ids"])
        if len(differ):
            at = int(differ[0])
            raise ValueError(
                f"lists of a session must be of one length: session {batch['session_id'][at]} has "
                f"{lengths['item_ids'][at]} item_ids and {found[at]} {name}"
            )
    return lengths["item_ids"].astype(np.int64)  # type: ignore[no-any-return]


def _flat(batch: pa.RecordBatch, name: str) -> pa.Array:
    return batch[name].flatten()
