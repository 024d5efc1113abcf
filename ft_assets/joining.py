"""Join a batch of logged sessions with the catalogue and with their events, on codes in place of strings.

Every id of a batch becomes a number once; what follows is arithmetic on (session, number) pairs. So no result is grouped,
sorted or compared as a string.

Letters: S sessions of a batch, N results, E events, U distinct items of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets.day_texts import whole
from ft_assets.schemas import FINE_TUNING_INPUTS

Array = np.ndarray[Any, Any]

BOOKS = (
    *("sessions_without_results", "sessions_without_texts", "results_shown", "results_repeated", "results_without_text"),
    *("events_read", "positive_events", "positive_events_outside_their_list", "positive_events_without_text"),
)


LOGGED = ["session_id", "session_date", "query_text", "started_at", "results", "marked_irrelevant"]


def item_names(results: pa.ChunkedArray) -> pa.Array:
    """The distinct items of lists of results, whose items are a dictionary of one piece."""
    return whole(results).flatten().field("item_id").dictionary_encode().dictionary


def events_of(session_ids: pa.ChunkedArray, events: pa.Table, names: pa.ChunkedArray) -> pa.ListArray:
    """A list of its events for each session: a group for every session takes DuckDB several times as long.

    Args:
        session_ids: [S].
        events: columns session_id, item_id, is_positive.
        names: distinct items that become the dictionary; an event on another one has no item here.
    """
    ids = whole(session_ids).dictionary_encode()
    found = pc.index_in(whole(events["session_id"]), value_set=ids.dictionary, skip_nulls=True)
    mine = np.flatnonzero(found.is_valid().to_numpy(zero_copy_only=False))  # those of flagged sessions are not read
    at = found.take(pa.array(mine)).to_numpy()
    counts = np.bincount(at, minlength=len(ids.dictionary))
    starts, code = np.cumsum(counts) - counts, ids.indices.to_numpy()
    offsets = np.append(0, np.cumsum(counts[code]))
    # Sessions of one id each have all of its events.
    places = np.repeat(starts[code] - offsets[:-1], counts[code]) + np.arange(offsets[-1])
    rows = pa.array(mine[np.argsort(at, kind="stable")][places])
    item = pa.DictionaryArray.from_arrays(pc.index_in(whole(events["item_id"]), value_set=whole(names)), whole(names))
    values = pa.StructArray.from_arrays([item.take(rows), whole(events["is_positive"]).take(rows)], ["item_id", "is_positive"])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


@dataclass(frozen=True)
class Catalogue:
    """The items that have a text.

    Attributes:
        item_ids: each once.
        object_ids: of what each is a part.
    """

    item_ids: pa.Array
    object_ids: pa.Array
    _asked: list[tuple[pa.Array, Array, pa.DictionaryArray]] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def of(cls, items: pa.Table) -> Catalogue:
        """From the columns item_id and object_id."""
        return cls(*(whole(items[name]) for name in ("item_id", "object_id")))

    def rows_of(self, names: pa.Array) -> tuple[Array, pa.DictionaryArray]:
        """Row of each name, int64, -1 for one without a text; and its object, null there. It knows what it was asked last."""
        if not self._asked or not self._asked[0][0].equals(names):
            found = pc.index_in(names, value_set=self.item_ids)
            objects = self.object_ids.take(found).dictionary_encode()
            self._asked[:] = [(names, pc.fill_null(found, -1).to_numpy().astype(np.int64), objects)]
        return self._asked[0][1:]


@dataclass(frozen=True)
class _Shown:
    """The results of a batch as they were shown.

    Attributes:
        results: struct<item_id, rank> [N].
        session: int64 [N], the session of each.
        key: int64 [N], of (session, item): the same item in the same session has the same one.
        first: bool [N], whether it is the first place of its item in its list: there it was seen.
        names: distinct items, all of the batch among them, [U].
        code: int64 [N], row of each item in ``names``; U for one that is null.
        row: int64 [U + 1], row of each name in the catalogue; -1 for one without a text.
        objects: dictionary [U], the object of each name; null for one without a text.
    """

    results: pa.StructArray
    session: Array
    key: Array
    first: Array
    names: pa.Array
    code: Array
    row: Array
    objects: pa.DictionaryArray


def join_sessions(batch: pa.RecordBatch, catalogue: Catalogue) -> tuple[pa.RecordBatch, Mapping[str, int], Array]:
    """Rows of fine_tuning_inputs; where the batch's sessions, results and events went, the names of ``BOOKS``; clicks by place.

    A list that names an item twice showed it twice; its first place is where it was seen. Results without a text are removed,
    their events with them, and every list stays aligned. A session that keeps none is left out. It is irrelevant where it is
    marked so or drew no positive event on its whole list, on a removed result included: that session is no example of what
    nobody wants.

    Clicks by place: how often each place of the page was shown, of the results with a text, and how often of these it was
    clicked, int64 [2, length of the longest page].

    Args:
        batch: sessions with the columns ``LOGGED``, ``query_hash`` and ``events``, a list of {item_id, is_positive}. Items may
            come as a dictionary, here and there the same one: batches that share it are joined many times faster.
        catalogue: the items of the day that have a text.
    """
    shown = _shown(batch, catalogue)
    has_text = shown.row[shown.code] >= 0
    event_key, positive, event_code = _events(batch, shown)
    # An event on what was not shown has a key that no result has.
    drew = _among(shown.key, event_key[positive])
    kept = shown.first & has_text
    lengths = np.bincount(shown.session[kept], minlength=batch.num_rows)
    lists = _lists(shown, kept, drew, lengths)
    drew_event = np.bincount(shown.session[drew], minlength=batch.num_rows) > 0
    columns = {
        **{name: batch[name] for name in ("session_id", "session_date", "query_text", "query_hash", "started_at")},
        **lists,
        "is_irrelevant": pc.or_kleene(batch["marked_irrelevant"], pa.array(~drew_event)),
    }
    names = FINE_TUNING_INPUTS.column_names
    rows = pa.RecordBatch.from_arrays([columns[name] for name in names], names)
    outside = ~_among(event_key, shown.key)
    in_list = np.bincount(shown.session, minlength=batch.num_rows)
    books = {
        "sessions_without_results": (in_list == 0).sum(),
        "sessions_without_texts": ((in_list > 0) & (lengths == 0)).sum(),
        "results_shown": len(shown.key),
        "results_repeated": (~shown.first).sum(),
        "results_without_text": (shown.first & ~has_text).sum(),
        "events_read": len(event_key),
        "positive_events": positive.sum(),
        "positive_events_outside_their_list": (positive & outside).sum(),
        "positive_events_without_text": (positive & ~outside & (shown.row[event_code] < 0)).sum(),
    }
    made = rows if lengths.all() else rows.filter(pa.array(lengths > 0))
    place = np.arange(len(shown.key)) - np.repeat(np.cumsum(in_list) - in_list, in_list)
    longest = int(in_list.max(initial=0))
    by_place = np.stack([np.bincount(place[of], minlength=longest) for of in (kept, kept & drew)])
    return made, {name: int(count) for name, count in books.items()}, by_place


def _shown(batch: pa.RecordBatch, catalogue: Catalogue) -> _Shown:
    results = batch["results"].flatten()
    session = np.repeat(np.arange(batch.num_rows), pc.list_value_length(batch["results"]).fill_null(0).to_numpy())
    items = results.field("item_id").dictionary_encode()
    names = items.dictionary
    code = items.indices.fill_null(len(names)).to_numpy().astype(np.int64)
    row, objects = catalogue.rows_of(names)
    key = session * (len(names) + 1) + code
    return _Shown(results, session, key, first_places(key), names, code, np.append(row, -1), objects)


def _events(batch: pa.RecordBatch, shown: _Shown) -> tuple[Array, Array, Array]:
    """Key of each event, whether it is positive, and its item's code: [E] each.

    An event on an item that no session of the batch showed has a key that no result can have.
    """
    events = batch["events"].flatten()
    session = np.repeat(np.arange(batch.num_rows), pc.list_value_length(batch["events"]).fill_null(0).to_numpy())
    items = events.field("item_id")
    is_coded = pa.types.is_dictionary(items.type) and items.dictionary.equals(shown.names)
    at = items.indices if is_coded else pc.index_in(items, value_set=shown.names)
    code = pc.fill_null(at, -1).to_numpy().astype(np.int64)
    key = np.where(code < 0, -1, session * (len(shown.names) + 1) + code)
    return key, events.field("is_positive").to_numpy(zero_copy_only=False).astype(bool), code


def _lists(shown: _Shown, kept: Array, drew: Array, lengths: Array) -> dict[str, pa.Array]:
    offsets = pa.array(np.append(0, np.cumsum(lengths)), pa.int32())
    code, results, clicked = shown.code, shown.results, drew
    if not kept.all():
        code, results, clicked = code[kept], results.filter(pa.array(kept)), clicked[kept]
    values = {
        # The words stay dictionaries, as the files will have them.
        "item_ids": pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int32)), shown.names),
        "object_ids": pa.DictionaryArray.from_arrays(shown.objects.indices.take(pa.array(code)), shown.objects.dictionary),
        "ranks": results.field("rank"),
        "clicked": pa.array(clicked),
        "event_weight": pa.array(clicked.astype(np.float32)),
    }
    return {name: pa.ListArray.from_arrays(offsets, value) for name, value in values.items()}


def _among(keys: Array, others: Array) -> Array:
    """Which keys are among the others, bool: numpy's ``isin`` makes a hash table, at ten times the cost."""
    if not len(others):
        return np.zeros(len(keys), dtype=bool)
    ordered = np.sort(others)
    return ordered[np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)] == keys  # type: ignore[no-any-return]


def first_places(key: Array) -> Array:
    """Whether each key stands at its first place, bool [N].

    Example:
        >>> first_places(np.array([5, 2, 5])).tolist()
        [True, True, False]
    """
    ordered = np.sort(key)  # several times faster than asking where each came from, and mostly nothing repeats
    first = np.ones(len(key), dtype=bool)
    if (ordered[1:] == ordered[:-1]).any():
        first[:] = False
        first[np.unique(key, return_index=True)[1]] = True
    return first
