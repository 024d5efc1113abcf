"""One session ready to use, and a list of them packed into segments.

S sessions, N results, O objects.
"""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from torch import Tensor

from ft_assets.kernels import (
    SessionBatch,
    any_clicked,
    id_hashes,
    kept_objects,
    number_objects,
    running_counts,
)

__all__ = ["FineTuningInput", "InputBatch", "pack_inputs"]


class FineTuningInput(BaseModel):
    """A session: its query, the results as shown, the engine's ranks, and what drew an event.

    Attributes:
        query: whatever the model's ``forward_query`` takes.
        events: ids of results that drew an event; one may be named again.
        results: ids of the results in the order shown, each once.
        ranks: the engine's rank of every result; None where it gave none. Entries of others are dropped.
        event_types: the type of each event, or None.
        timestamp: when the session started.
        is_irrelevant: marked so; a session without events always is.
        part_to_object_dict: the object of a part; a result without an entry is its own object. Entries of others
            are dropped.
        session_id: names the session in the hash that thins not-events. Without one its query and results do.
        without_text: results that the catalogue lacks: it is not asked for them and they make no pair, but they
            have their place in the list, which is sampled and given confidences whole.

    Ids and event types of any kind become strings. Raises pydantic's ValidationError, a ValueError, that says what must hold.

    Example:
        >>> session = FineTuningInput(query="tea", events=[2], results=[1, 2], ranks={1: 0.9, 2: 0.8})
        >>> session.events, session.not_events, session.is_irrelevant, len(session)
        (['2'], ['1'], False, 2)
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    query: Any
    events: list[str]
    results: list[str]
    ranks: dict[str, float | None]
    event_types: list[str] | None = None
    timestamp: datetime | int | float | None = None
    is_irrelevant: bool = False
    part_to_object_dict: dict[str, str] = Field(default_factory=dict)
    session_id: str | None = None
    without_text: frozenset[str] = frozenset()

    @field_validator("events", "results", "without_text", mode="before")
    @classmethod
    def _list_of_ids(cls, ids: Any) -> list[str]:
        return _ids(ids)

    @field_validator("event_types", mode="before")
    @classmethod
    def _list_of_types(cls, kinds: Any) -> list[str] | None:
        return None if kinds is None else _ids(kinds, "event_types", "an event type")

    @field_validator("ranks", mode="before")
    @classmethod
    def _ranks_of_ids(cls, ranks: Any) -> Any:
        return {_id(name): rank for name, rank in ranks.items()} if isinstance(ranks, dict) else ranks

    @field_validator("part_to_object_dict", mode="before")
    @classmethod
    def _objects_of_parts(cls, objects: Any) -> Any:
        if objects is None:
            return {}
        return {_id(k): _id(v) for k, v in objects.items()} if isinstance(objects, dict) else objects

    @field_validator("session_id", mode="before")
    @classmethod
    def _name_of_session(cls, name: Any) -> str | None:
        return None if name is None else _id(name)

    @field_validator("is_irrelevant", mode="before")
    @classmethod
    def _unmarked_is_relevant(cls, marked: Any) -> Any:
        return False if marked is None else marked

    @model_validator(mode="after")
    def _check(self) -> FineTuningInput:
        results = set(self.results)
        if len(results) != len(self.results):
            twice = sorted({name for name in self.results if self.results.count(name) > 1})
            raise ValueError(f"results must be unique, got more than once: {', '.join(twice)}")
        for what, ids in (("events", set(self.events)), ("without_text", self.without_text)):
            if ids - results:
                raise ValueError(f"{what} must be of results, got others: {', '.join(sorted(ids - results))}")
        if results - self.ranks.keys():
            missing = ", ".join(sorted(results - self.ranks.keys()))
            raise ValueError(f"ranks must have every result (None where the engine gave none), not: {missing}")
        if self.event_types is not None and len(self.event_types) != len(self.events):
            raise ValueError(f"event_types must be one for each of {len(self.events)} events, got {len(self.event_types)}")
        self.ranks = {name: self.ranks[name] for name in self.results}
        self.part_to_object_dict = {k: v for k, v in self.part_to_object_dict.items() if k in results}
        for name, rank in self.ranks.items():
            if rank is not None and math.isinf(rank):
                raise ValueError(f"ranks must be finite, got {rank} for {name}")
            if rank is not None and math.isnan(rank):
                self.ranks[name] = None
        self.is_irrelevant = self.is_irrelevant or not self.events
        return self

    def __len__(self) -> int:
        return len(self.results)

    @property
    def not_events(self) -> list[str]:
        """The results of objects without an event, in order: no part of a clicked object is among them."""
        clicked = {self.get_object_id(part) for part in self.events}
        return [part for part in self.results if self.get_object_id(part) not in clicked]

    def get_object_id(self, id: str) -> str:  # noqa: A002 - the published name
        """The object that a part is of: the part itself where nothing else is known."""
        return self.part_to_object_dict.get(id, id)

    def remove_results(self, ids: Iterable[Any]) -> None:
        """Drop results from every field; ids that were not shown are passed over.

        A session that loses its last event becomes irrelevant.
        """
        gone = set(_ids(ids))
        stay = [name not in gone for name in self.events]
        if self.event_types is not None:
            self.event_types = [kind for kind, stays in zip(self.event_types, stay, strict=True) if stays]
        self.events = [name for name, stays in zip(self.events, stay, strict=True) if stays]
        self.results = [name for name in self.results if name not in gone]
        self.ranks = {name: rank for name, rank in self.ranks.items() if name not in gone}
        self.part_to_object_dict = {k: v for k, v in self.part_to_object_dict.items() if k not in gone}
        self.without_text -= gone
        self.is_irrelevant = self.is_irrelevant or not self.events


@dataclass(frozen=True)
class InputBatch(SessionBatch):
    """Packed inputs: a SessionBatch with what its rows of vectors are to be made from.

    Attributes:
        queries: the distinct queries, [Q]; ``query_index`` counts them.
        item_ids: the distinct results that have a text, [U]; ``item_index`` counts them where scorable.
        partners: int64 [K, 2], (not-irrelevant, irrelevant) sessions to be paired, or None.
    """

    queries: Sequence[Any] = ()
    item_ids: Sequence[str] = ()
    partners: Tensor | None = None


def pack_inputs(
    inputs: Sequence[FineTuningInput],
    *,
    factor: float = 1.0,
    seed: int = 0,
    clicks_aggregator: Callable[[Tensor, Tensor, int], Tensor] = any_clicked,
    partners: Tensor | None = None,
) -> InputBatch:
    """Pack inputs into segments, each distinct query and item once, not-events thinned.

    A result without a text is packed like any other, marked as not scorable; no item is asked for it.

    Args:
        inputs: S sessions.
        factor: the share of each session's not-event objects that stays, in [0, 1].
        seed: of the hash that says which.
        clicks_aggregator: from the clicks of parts to an object's.
        partners: int64 [K, 2] of sessions, or None.

    Raises:
        ValueError: factor is outside [0, 1].

    Example:
        >>> session = FineTuningInput(query="tea", events=["b"], results=["a", "b"], ranks={"a": 2, "b": 1})
        >>> batch = pack_inputs([session, session])
        >>> batch.item_ids, batch.item_index.tolist(), batch.object_index.tolist(), batch.queries
        (['a', 'b'], [0, 1, 0, 1], [0, 1, 2, 3], ['tea'])
    """
    offsets = running_sums([len(i.results) for i in inputs])
    names, name_index = _distinct(list(chain.from_iterable(i.results for i in inputs)))
    scorable = _scorable(inputs)
    item_ids, item_index = (names, name_index) if scorable is None else _used(names, name_index, scorable)
    queries, query_index = _distinct([i.query for i in inputs])
    clicked = bytearray(chain.from_iterable(map(set(i.events).__contains__, i.results) for i in inputs))
    batch: dict[str, Any] = {
        "offsets": offsets,
        "query_index": query_index,
        "item_index": item_index,
        "ranks": _ranks(inputs),
        "clicked": torch.frombuffer(clicked, dtype=torch.bool) if clicked else torch.zeros(0).bool(),
        "is_irrelevant": torch.tensor([i.is_irrelevant for i in inputs], dtype=torch.bool),
        "scorable": scorable,
    }
    if any(i.part_to_object_dict for i in inputs):
        names, name_index = _distinct([i.part_to_object_dict.get(part, part) for i in inputs for part in i.results])
    object_offsets, object_index, first = number_objects(offsets, name_index, len(names))
    kept = torch.ones(first.shape[0], dtype=torch.bool)
    if factor != 1.0:
        clicks = clicks_aggregator(batch["clicked"], object_index, kept.shape[0])
        hashes = (id_hashes([_session_id(i) for i in inputs]), id_hashes(names)[name_index[first]])
        kept = kept_objects(clicks, object_offsets, *hashes, factor=factor, seed=seed)
    batch |= {"object_offsets": object_offsets, "object_index": object_index, "kept": kept}
    return InputBatch(**batch, queries=queries, item_ids=item_ids, partners=partners)


def running_sums(lengths: Sequence[int]) -> Tensor:
    """Offsets of segments of these lengths, int64 [S + 1].

    Example:
        >>> running_sums([2, 0, 1]).tolist()
        [0, 2, 2, 3]
    """
    return torch.tensor([0, *lengths], dtype=torch.int64).cumsum(0)


def _distinct(values: list[Any]) -> tuple[list[Any], Tensor]:
    """The distinct values in order of first appearance, and the row of each value among them, int64."""
    rows: defaultdict[Any, int] = defaultdict(count().__next__)
    try:
        index = array("q", map(rows.__getitem__, values))
    except TypeError:  # what has no hash is never known to be the same
        return values, torch.arange(len(values))
    return list(rows), torch.frombuffer(index, dtype=torch.int64) if index else torch.arange(0)


def _scorable(inputs: Sequence[FineTuningInput]) -> Tensor | None:
    """Whether a result has a text, bool [N]; None where all have."""
    if not any(i.without_text for i in inputs):
        return None
    return torch.tensor([name not in i.without_text for i in inputs for name in i.results], dtype=torch.bool)


def _used(values: list[str], index: Tensor, mask: Tensor) -> tuple[list[str], Tensor]:
    """The values that the marked entries of an index name, and the index into these, 0 where not marked."""
    used = torch.zeros(len(values), dtype=torch.bool).index_fill(0, index[mask], True)
    rows = running_counts(used)[index].masked_fill(~mask, 0)
    return [values[row] for row in used.nonzero().squeeze(1).tolist()], rows


def _ranks(inputs: Sequence[FineTuningInput]) -> Tensor:
    """The engine's ranks, float32 [N], NaN where there is none."""
    ranks: list[Any] = list(chain.from_iterable(map(i.ranks.__getitem__, i.results) for i in inputs))
    try:
        values = array("f", ranks)
    except TypeError:
        values = array("f", (math.nan if rank is None else rank for rank in ranks))
    return torch.frombuffer(values, dtype=torch.float32) if values else torch.zeros(0)


def _session_id(session: FineTuningInput) -> str:
    """What names a session in the hash: its id, else its query (if that is text) and its results, sorted."""
    if session.session_id is not None:
        return session.session_id
    query = session.query if isinstance(session.query, str) else ""
    return "\x1f".join((query, *sorted(session.results)))


def _ids(ids: Any, what: str = "ids", one: str = "an id") -> list[str]:
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise ValueError(f"{what} must be a list, got {ids!r}")
    return [_id(name, one) for name in ids]


def _id(name: Any, what: str = "an id") -> str:
    if name is None or isinstance(name, bytes):
        raise ValueError(f"{what} must be something that str() names, got {name!r}")
    # Of a str that is also an Enum, str() would give the member's name.
    return str.__str__(name) if isinstance(name, str) else str(name)
