"""The lists of results that need no second look: ids that are words, ranks that are numbers, no item twice.

Nearly every list of a log is one. To hold each result to the rules in SQL takes longer than to parse it, so the words of
a batch are coded first: then a rule about ids is asked once of each word, and to find an item twice is to compare numbers. What
is not plain here may yet be sound; the full rules (sql/readers) decide on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["PLACED_SCHEMA", "Lists", "parted"]

LONGEST = 100  # results; an item is looked for at every distance
ITEM_ID, RANK = "item_id", "rank"
CODED = pa.list_(pa.struct([(ITEM_ID, pa.dictionary(pa.int32(), pa.string())), (RANK, pa.float32())]))
KEYS = ("file_number", "record_number")
RESULTS, PLACE = "results", "list_at"
LIST_SCHEMA = pa.schema([(KEYS[0], pa.int32()), (KEYS[1], pa.int64()), (RESULTS, CODED)])
PLACED_SCHEMA = LIST_SCHEMA.append(pa.field(PLACE, pa.int64()))


def parted(parsed: pa.RecordBatchReader, column: str) -> tuple[pa.Table, pa.Table]:
    """Parsed lines without their lists, and the plain lists.

    Args:
        parsed: file_number, record_number and more; a column of lists of {an id as text, a rank as float}.
        column: its name.

    Returns:
        The lines, with has_list and is_plain in the place of the lists; and a table of ``PLACED_SCHEMA``, whose codes are
        those of one list of words.
    """
    at = parsed.schema.get_field_index(column)
    schema = parsed.schema.remove(at).append(pa.field("has_list", pa.bool_())).append(pa.field("is_plain", pa.bool_()))
    narrow, lists = [], []
    for batch in parsed:
        results = batch.column(at)
        coded, plain = _coded(results)
        columns = [*batch.remove_column(at).columns, results.is_valid(), pa.array(plain, pa.bool_())]
        narrow.append(pa.RecordBatch.from_arrays(columns, schema=schema))
        found = pa.RecordBatch.from_arrays([*(batch[key] for key in KEYS), coded], schema=LIST_SCHEMA)
        lists.append(found if plain.all() else found.filter(pa.array(plain)))
    found = pa.Table.from_batches(lists, LIST_SCHEMA).unify_dictionaries()
    places = pa.array(np.arange(found.num_rows))
    return pa.Table.from_batches(narrow, schema), found.append_column(PLACED_SCHEMA.field(PLACE), places)


class Lists:
    """The plain lists of a group, and with them the others that its sessions have, as codes of the same words.

    Args:
        plain: of ``PLACED_SCHEMA``.
        others: ids that other lists hold.
    """

    def __init__(self, plain: pa.Table, others: pa.Array) -> None:
        lists = plain[RESULTS].combine_chunks()
        ids = lists.values.field(0)
        new = others.filter(pc.invert(pc.is_in(others, ids.dictionary))).drop_null().unique()
        self._words = pa.concat_arrays([ids.dictionary, new])  # behind the others: these keep their codes
        coded = pa.DictionaryArray.from_arrays(ids.indices, self._words)
        self._lists = pa.ListArray.from_arrays(lists.offsets, self._results(coded, lists.values.field(1)))

    def schema(self, of_rows: pa.Schema) -> pa.Schema:
        """The schema of rows with their lists."""
        return of_rows.set(of_rows.get_field_index(RESULTS), of_rows.field(RESULTS).with_type(CODED))

    def joined(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows with their lists, in the place of list_at; where that is null, with the list that they have."""
        for batch in batches:
            is_plain = batch[PLACE].is_valid()
            for rows in (batch.filter(is_plain), batch.filter(pc.invert(is_plain))) if batch[PLACE].null_count else (batch,):
                if rows.num_rows:
                    at = rows.schema.get_field_index(RESULTS)
                    results = self._coded(rows[RESULTS]) if rows[PLACE].null_count else self._lists.take(rows[PLACE])
                    yield rows.set_column(at, RESULTS, results).drop_columns([PLACE])

    def _coded(self, lists: pa.ListArray) -> pa.ListArray:
        values = lists.flatten()
        codes = pa.DictionaryArray.from_arrays(pc.index_in(values.field(0), self._words), self._words)
        offsets = np.zeros(len(lists) + 1, np.int32)
        np.cumsum(pc.list_value_length(lists).to_numpy(), out=offsets[1:])
        return pa.ListArray.from_arrays(pa.array(offsets), self._results(codes, values.field(1)))

    @staticmethod
    def _results(ids: pa.DictionaryArray, ranks: pa.Array) -> pa.StructArray:
        return pa.StructArray.from_arrays([ids, ranks], fields=list(CODED.value_type))


def _coded(results: pa.ListArray) -> tuple[pa.ListArray, np.ndarray[Any, np.dtype[np.bool_]]]:
    """The lists with their ids as codes of words, and which of them are plain."""
    lengths = pc.list_value_length(results).fill_null(0).to_numpy()
    values = results.flatten()
    ids = values.field(0).dictionary_encode()
    ranks = values.field(1)
    odd = (
        ~_are_words(ids.dictionary)[ids.indices.fill_null(0).to_numpy()] if len(ids.dictionary) else np.ones(len(ids), np.bool_)
    )
    for part in (values, ids, ranks):
        if part.null_count:
            odd |= part.is_null().to_numpy(zero_copy_only=False)
    numbers = ranks.fill_null(0).to_numpy()
    # true and false came as 1 and 0, nothing else did
    odd |= ~np.isfinite(numbers) | (numbers == 0) | (numbers == 1)
    list_of = np.repeat(np.arange(len(results), dtype=np.int32), lengths)
    plain = results.is_valid().to_numpy(zero_copy_only=False) & (lengths <= LONGEST)
    plain[list_of[odd]] = False
    codes = ids.indices.fill_null(-1).to_numpy()
    for distance in range(1, min(int(lengths.max(initial=0)), LONGEST)):
        twice = np.flatnonzero(codes[distance:] == codes[:-distance])
        plain[list_of[twice][list_of[twice] == list_of[twice + distance]]] = False
    offsets = np.zeros(len(results) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    structs = pa.StructArray.from_arrays([ids, ranks], fields=list(CODED.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets), structs), plain


def _are_words(words: pa.StringArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which are ids for sure: an object or a list that came in the place of one is its JSON here."""
    odd = pc.or_(pc.equal(words, ""), pc.or_(pc.starts_with(words, "{"), pc.starts_with(words, "[")))
    return ~odd.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
