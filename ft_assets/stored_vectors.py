"""Find some texts in a store that holds those of every day: it is streamed past them, and what is not theirs is not held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets.day_texts import name_of
from ft_assets.lake import Slice

Array = np.ndarray[Any, Any]

ROWS_AT_ONCE = 8_192
NAMES_AT_ONCE = 16 * ROWS_AT_ONCE  # to look up: each time a table of the texts' names is made


def stored_vectors(vectors: Slice, model: str, names: pa.Array) -> Iterator[tuple[Array, pa.ListArray]]:
    """The stored vectors of some texts, every one that is there, some thousands at a time.

    Args:
        vectors: text_vectors. Of a group of its rows that holds none of the texts, only role and hash are read.
        model: fingerprint of the model.
        names: of the texts, as ``name_of`` makes them, each once.

    Yields:
        The place of each vector's text in ``names``, int64, and the vectors.
    """
    for group, at in _places(vectors, model, names):
        if (at >= 0).any():
            yield from _of_group(group, at)


def have_vectors(vectors: Slice, model: str, names: pa.Array) -> Array:
    """Which of the texts have a vector: bool [len(names)]. Only roles and hashes are read."""
    have = np.zeros(len(names), dtype=bool)
    for _, at in _places(vectors, model, names):
        have[at[at >= 0]] = True
    return have


def _places(vectors: Slice, model: str, names: pa.Array) -> Iterator[tuple[Any, Array]]:
    """Each group of rows, and the place of each row's text in ``names``; -1 where it is none of them."""
    for groups in _groups(vectors, model):
        stored = pa.chunked_array([chunk for _, of_group in groups for chunk in of_group.chunks], pa.string())
        at = pc.fill_null(pc.index_in(stored, value_set=names, skip_nulls=True), -1).to_numpy().astype(np.int64)
        ends = np.cumsum([len(of_group) for _, of_group in groups])
        for (group, _), of_group in zip(groups, np.split(at, ends[:-1]), strict=True):
            yield group, of_group


def _groups(vectors: Slice, model: str) -> Iterator[list[tuple[Any, pa.ChunkedArray]]]:
    """Groups of rows with the names of their texts, as many at once as make a look-up pay."""
    groups: list[tuple[Any, pa.ChunkedArray]] = []
    for fragment in vectors.fragments(model=model):
        for group in fragment.split_by_row_group():
            # What another writer's engine rewrote, as after a deletion, comes as string_view, for which Arrow has no look-up.
            seen = group.to_table(columns=["role", "text_hash"]).cast(
                pa.schema([("role", pa.string()), ("text_hash", pa.string())])
            )
            groups.append((group, name_of(seen["role"], seen["text_hash"])))
            if sum(len(names) for _, names in groups) >= NAMES_AT_ONCE:
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
