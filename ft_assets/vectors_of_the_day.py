"""What checks ask of the vectors of a day's texts: a few numbers of each, counted in one pass over them.

A vector's numbers are many, and a list that DuckDB adds up it decodes anew for every query: NumPy looks at some hundreds of
vectors at a time, once for all checks.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from ft_assets.found_vectors import FoundVectors, found_vectors
from ft_assets.lake import Slice
from ft_assets.schemas import ITEMS, SAMPLED_INPUTS, TEXT_VECTORS

Array = np.ndarray[Any, Any]

READS = (SAMPLED_INPUTS.name, ITEMS.name, TEXT_VECTORS.name)
ROWS_AT_ONCE = 512  # of 384 numbers, which a core's own cache holds
NUMBERS = pa.schema(
    [
        ("width", pa.int32()),
        ("numbers", pa.int32()),
        ("is_finite", pa.bool_()),
        ("is_zero", pa.bool_()),
        ("length", pa.float64()),
        ("hash", pa.int64()),
    ]
)
# Checks of text_vectors and of pair_features ask for the same: they are kept as long as the vectors are.
_counted: WeakKeyDictionary[FoundVectors, pa.Table] = WeakKeyDictionary()


def vectors_of_the_day(inputs: Slice, items: Slice, vectors: Slice, model: str) -> pa.Table:
    """The vectors of the day's texts in numbers: a row for each vector, and one for each text without any.

    Args:
        inputs: a day of sampled_inputs.
        items: the catalogue.
        vectors: text_vectors.
        model: fingerprint of the model.

    Returns:
        ``role`` and ``text_hash`` of a text, and the ``session_id`` or ``item_id`` to name it by; ``is_there``, whether the row
        is a vector's; of this its ``width``, how many of its ``numbers`` are no nulls, whether all of those are finite and
        whether all are zero, its euclidean ``length``, null where it has no number, and a ``hash`` of 64 bits, which vectors
        that are equal share within one process. A vector that is null has neither width nor hash.
    """
    found = found_vectors(inputs, items, vectors, model)
    if found not in _counted:
        _counted[found] = _rows(found)
    return _counted[found]


def _rows(found: FoundVectors) -> pa.Table:
    without = np.flatnonzero(found.first() < 0)
    rows = found.texts.to_table().take(pa.array(np.concatenate([found.places, without])))
    rows = rows.append_column("is_there", pa.array(np.arange(len(rows)) < len(found.places)))
    nothing = pa.table([pa.nulls(len(without), kind) for kind in NUMBERS.types], schema=NUMBERS)
    numbers = pa.concat_tables([_numbers(found), nothing])
    for name in NUMBERS.names:
        rows = rows.append_column(name, numbers[name])
    return rows


def _numbers(found: FoundVectors) -> pa.Table:
    """The columns of ``NUMBERS``, a row for each vector."""
    squares, hashes = np.full(len(found.places), np.nan), np.zeros(len(found.places), np.int64)
    kinds = [(found.matrices[kind], vectors) for kind, vectors in found.kinds() if kind[1]]
    for matrix, vectors in kinds:
        for start in range(0, len(vectors), ROWS_AT_ONCE):
            some = vectors[start : start + ROWS_AT_ONCE]
            values = matrix[start : start + ROWS_AT_ONCE]
            squares[some], hashes[some] = _squares(values, found.nulls[some]), _sums_of_bits(values)
    # Equal vectors have equal sums, and mostly others have others: what tells all apart is computed where sums are equal.
    shared = _are_shared(hashes)
    for matrix, vectors in kinds:
        for vector in vectors[shared[vectors]]:
            hashes[vector] = hash((matrix[found.rows[vector]] + 0.0).tobytes())  # -0.0 becomes 0.0
    numbers, is_null = np.maximum(found.widths, 0) - found.nulls, found.widths < 0
    columns = {
        "width": pa.array(found.widths, mask=is_null),
        "numbers": pa.array(numbers),
        "is_finite": pa.array(np.isfinite(squares)),
        "is_zero": pa.array(squares == 0),
        "length": pa.array(np.sqrt(squares), mask=numbers == 0),
        "hash": pa.array(hashes, mask=is_null),
    }
    return pa.table(columns).cast(NUMBERS)


def _squares(values: Array, nulls: Array) -> Array:
    """The sum of each vector's squares, in double precision, where no float's square is too large or too small to count."""
    squares: Array = np.einsum("ij,ij->i", values, values, dtype=np.float64)
    for row in np.flatnonzero(nulls):
        are_nan = np.isnan(values[row])
        if are_nan.sum() == nulls[row]:  # just the nulls: no number is NaN
            squares[row] = np.square(values[row][~are_nan], dtype=np.float64).sum()
    return squares


def _sums_of_bits(values: Array) -> Array:
    """Of each vector the sum of its numbers' bits, each times another number; less the signs, so that -0.0 is 0.0."""
    sums: Array = np.einsum("ij,j->i", values.view(np.int32) & 0x7FFFFFFF, _factors(values.shape[1]))
    return sums


@cache
def _factors(width: int) -> Array:
    return np.random.default_rng(0).integers(1, 2**62, width)


def _are_shared(values: Array) -> Array:
    """Whether each value occurs more than once."""
    order = np.argsort(values)
    equal = np.concatenate([[False], values[order][1:] == values[order][:-1], [False]])
    shared = np.zeros(len(values), dtype=bool)
    shared[order] = (equal[1:] | equal[:-1])[: len(values)]
    return shared
