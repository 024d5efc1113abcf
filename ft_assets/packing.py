"""From Arrow batches of sessions to segments: flat values plus offsets, objects numbered, vectors found by row.

An Arrow list column is a segment already; what is left is to number objects and to find each text's vector, for all
sessions of a batch at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets.day_vectors import DayVectors

if TYPE_CHECKING:
    from ft_assets.kernels import SessionBatch

Array = np.ndarray[Any, Any]


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
    offsets = np.concatenate([[0], np.cumsum(_lengths(batch))]).astype(np.int64)
    ranks = _flat(batch, "ranks").cast(pa.float32()).to_numpy(zero_copy_only=False).astype(np.float32)
    clicked = _flat(batch, "clicked").to_numpy(zero_copy_only=False).astype(bool)
    kept = _flat(batch, "kept").to_numpy(zero_copy_only=False).astype(bool) if "kept" in batch.schema.names else None
    names = _flat(batch, "object_ids").dictionary_encode()
    name = names.indices.to_numpy().astype(np.int64)
    item_rows = np.zeros(len(name), dtype=np.int64)
    query_rows = np.zeros(batch.num_rows, dtype=np.int64)
    if query_vectors is not None and item_vectors is not None:
        query_rows = _rows_of(query_vectors, batch["query_hash"])
        if (query_rows < 0).any():
            at = int(np.flatnonzero(query_rows < 0)[0])
            raise ValueError(f"session {batch['session_id'][at]} has no vector for its query; run text_vectors first")
        items = _flat(batch, "item_ids")
        item_rows = _rows_of(item_vectors, items)
        if (item_rows < 0).any():
            raise ValueError(f"item {items[int(np.flatnonzero(item_rows < 0)[0])]} has no vector; run text_vectors first")
    object_offsets, object_index, first = _numbered(offsets, name, len(names.dictionary))
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


def _numbered(offsets: Array, name: Array, distinct: int) -> tuple[Array, Array, Array]:
    """As ``number_objects``; whether any object has two parts at all, a sort tells many times faster."""
    import torch

    from ft_assets.kernels import number_objects

    total = len(name)
    keys = np.sort(np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)) * distinct + name)
    if (keys[1:] != keys[:-1]).all():
        return offsets, np.arange(total), np.arange(total)
    object_offsets, object_index, first = number_objects(torch.from_numpy(offsets), torch.from_numpy(name), distinct)
    return object_offsets.numpy(), object_index.numpy(), first.numpy()


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


def _rows_of(vectors: DayVectors, keys: pa.Array) -> Array:
    """Row of each key, -1 where it has no vector; words that come again are looked up once."""
    coded = keys.dictionary_encode()
    return vectors.rows_of(coded.dictionary)[coded.indices.to_numpy()]  # type: ignore[no-any-return]


def _flat(batch: pa.RecordBatch, name: str) -> pa.Array:
    return batch[name].flatten()
