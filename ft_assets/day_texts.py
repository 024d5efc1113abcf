"""The texts of a day: what its sessions asked, and what the items say that they show. Found once for all who ask.

Letters: Q queries, I items, H distinct texts of items, T = Q + H texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets import counted_items, queries
from ft_assets.lake import Slice
from ft_assets.newest import Newest, files_of

Array = np.ndarray[Any, Any]
ROLES = ("query", "item")


@dataclass(frozen=True)
class DayTexts:
    """The texts of a day; text t is query t, or text t - Q of those of the items.

    Attributes:
        query_hashes: [Q].
        session_ids: [Q], the first session that asked each.
        item_ids: [I].
        item_texts: int64 [I], the text of each item: its row in ``item_hashes``.
        item_hashes: [H].
    """

    query_hashes: pa.Array
    session_ids: pa.Array
    item_ids: pa.Array
    item_texts: Array
    item_hashes: pa.Array

    @classmethod
    def of(cls, asked: pa.Table, shown: pa.Table) -> DayTexts:
        """Of queries (query_hash, session_id), each once, and of items (item_id, text_hash)."""
        asked, shown = asked.combine_chunks(), shown.combine_chunks()
        coded = whole(shown["text_hash"]).dictionary_encode(null_encoding="encode")
        texts = coded.indices.to_numpy().astype(np.int64)
        return cls(whole(asked["query_hash"]), whole(asked["session_id"]), whole(shown["item_id"]), texts, coded.dictionary)

    @property
    def count(self) -> int:
        """T."""
        return len(self.query_hashes) + len(self.item_hashes)

    @property
    def counts(self) -> dict[str, int]:
        """Texts of each role."""
        return {role: len(hashes) - hashes.null_count for role, hashes in zip(ROLES, self._hashes, strict=True)}

    @property
    def names(self) -> pa.Array:
        """What names each text in the store, [T]; see ``name_of``."""
        return pa.concat_arrays([name_of(pa.scalar(role), hashes) for role, hashes in zip(ROLES, self._hashes, strict=True)])

    def are_of_items(self, texts: Array) -> Array:
        """Of each text whether it is an item's, else it is a query: bool [len(texts)]."""
        return texts >= len(self.query_hashes)

    def keys(self, role: str) -> tuple[pa.Array, Array]:
        """The query hashes, or the item ids, and the text of each."""
        if role == "query":
            return self.query_hashes, np.arange(len(self.query_hashes))
        return self.item_ids, self.item_texts + len(self.query_hashes)

    def hashes(self, chosen: Array) -> pa.Table:
        """Role and hash of the texts chosen, of which ``chosen``, bool [T], says yes."""
        roles = np.repeat(ROLES, [len(hashes) for hashes in self._hashes])
        return pa.table({"role": roles[chosen], "text_hash": pa.concat_arrays(self._hashes).filter(pa.array(chosen))})

    def to_table(self) -> pa.Table:
        """Role and hash of each text, [T], with the ``session_id`` or the least ``item_id`` that it can be told by."""
        items = pa.table({"text": self.item_texts, "item_id": self.item_ids}).group_by("text").aggregate([("item_id", "min")])
        by_text = whole(items["item_id_min"].take(pc.sort_indices(items["text"])))
        queries_, items_ = (pa.nulls(len(hashes), pa.string()) for hashes in self._hashes)
        named = self.hashes(np.ones(self.count, dtype=bool))
        named = named.append_column("session_id", pa.concat_arrays([self.session_ids, items_]))
        return named.append_column("item_id", pa.concat_arrays([queries_, by_text]))

    @property
    def _hashes(self) -> list[pa.Array]:
        return [self.query_hashes, self.item_hashes]


_newest = Newest[DayTexts]()


def texts_of_the_day(inputs: Slice, items: Slice) -> DayTexts:
    """The texts of a day.

    Args:
        inputs: a day of sampled_inputs.
        items: the catalogue.
    """
    return _newest.answer(files_of(inputs, items), lambda: _found(inputs, items))


def let_go() -> None:
    """Keep nothing."""
    _newest.kept = None
    counted_items.let_go()


def _found(inputs: Slice, items: Slice) -> DayTexts:
    listed = counted_items.counted_items(inputs)
    with queries.session({"sampled_inputs": inputs, "items": items, "counted_items": listed}) as con:
        asked = queries.query(con, "assets/queries_of_the_day").to_arrow_table()
        shown = queries.query(con, "assets/items_of_the_day").to_arrow_table()
    return DayTexts.of(asked, shown)


def name_of(role: pa.Array | pa.Scalar, text_hash: pa.Array) -> pa.Array:
    """What names a text in the store: its role and its hash; null where either is."""
    return pc.binary_join_element_wise(role, text_hash, " ")


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])
