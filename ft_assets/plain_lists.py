"""The lists of results that need no second look: ids that are words, ranks that are numbers, no item twice.

Nearly every list of a log is one. To hold each result to the rules in SQL takes longer than to parse it, so the words of
a batch are coded first: then a rule about ids is asked once of each word, and to find an item twice is to compare numbers. What
is not plain here may yet be sound; the full rules (sql/readers) decide on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["LIST_SCHEMA", "parted"]

LONGEST = 100  # results; an item is looked for at every distance
ITEM_ID, RANK = "item_id", "rank"
CODED = pa.list_(pa.struct([(ITEM_ID, pa.dictionary(pa.int32(), pa.string())), (RANK, pa.float32())]))
KEYS = ("file_number", "record_number")
LIST_SCHEMA = pa.schema([(KEYS[0], pa.int32()), (KEYS[1], pa.int64()), ("results", CODED)])


def parted(parsed: pa.RecordBatchReader, column: str) -> tuple[pa.Table, pa.Table]:
    """Parsed lines without their lists, and the plain lists.

    Args:
        parsed: file_number, record_number and more; a column of lists of {an id as text, a rank as float}.
        column: its name.

    Returns:
        The lines, with has_list and is_plain in the place of the lists; and a table of ``LIST_SCHEMA``.
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
    return pa.Table.from_batches(narrow, schema), pa.Table.from_batches(lists, LIST_SCHEMA)


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
