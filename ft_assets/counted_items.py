"""The items that a day's sessions list and how often, counted by the codes of its files.

An item stands in many lists, and a file holds its id once for each group of rows: no id is read for each time that it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ft_assets.day_reading import row_groups
from ft_assets.lake import Slice
from ft_assets.newest import Newest, files_of

COUNTS = pa.schema([("item_id", pa.string()), ("results", pa.int64())])

_newest = Newest[pa.Table]()


def counted_items(sessions: Slice) -> pa.Table:
    """The items of a day's lists, each once.

    Args:
        sessions: a day of a table that has them in lists, ``item_ids``.

    Returns:
        ``item_id``, and in how many ``results`` it stands; one that is null is counted as any other.
    """
    return _newest.answer(files_of(sessions), lambda: _counted(sessions))


def let_go() -> None:
    """Keep nothing."""
    _newest.kept = None


def _counted(sessions: Slice) -> pa.Table:
    columns = ["item_ids"]
    counts = [part for group in row_groups(sessions, columns, columns) for part in _of_group(group["item_ids"])]
    of_day = pa.concat_tables([COUNTS.empty_table(), *counts]).group_by("item_id").aggregate([("results", "sum")])
    return of_day.rename_columns(COUNTS.names)


def _of_group(lists: pa.ChunkedArray) -> Iterator[pa.Table]:
    for chunk in lists.chunks:
        items = chunk.flatten()
        if not pa.types.is_dictionary(items.type):  # as another writer wrote it
            items = items.dictionary_encode()
        names = pa.concat_arrays([items.dictionary, pa.nulls(1, items.dictionary.type)])
        counts = np.bincount(items.indices.fill_null(len(names) - 1).to_numpy(), minlength=len(names))
        occur = pa.array(counts > 0)
        yield pa.table([names.filter(occur), pa.array(counts).filter(occur)], schema=COUNTS)
