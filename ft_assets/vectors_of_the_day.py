"""What checks ask of the vectors of a day's texts: a few numbers of each, counted in one pass over the store.

A vector's numbers are many, and a list that DuckDB adds up it decodes anew for every query: NumPy looks at some thousands of
vectors at a time, once for all checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets import queries
from ft_assets.day_vectors import keys_of, vectors_of
from ft_assets.lake import Slice
from ft_assets.schemas import ITEMS, SAMPLED_INPUTS, TEXT_VECTORS

if TYPE_CHECKING:
    import duckdb

Array = np.ndarray[Any, Any]

READS = (SAMPLED_INPUTS.name, ITEMS.name, TEXT_VECTORS.name)
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
# Of the files that were read, the newest answer: checks of text_vectors and of pair_features ask for the same one, in one
# process where days are made without Dagster's workers. A file is never written twice, so what it holds stays true.
_newest: dict[tuple[object, ...], pa.Table] = {}


def vectors_of_the_day(con: duckdb.DuckDBPyConnection, vectors: Slice, model: str, files: tuple[str, ...]) -> pa.Table:
    """The vectors of the day's texts in numbers: a row for each vector, and one for each text without any.

    Args:
        con: where sampled_inputs and items are to be read by their names.
        vectors: text_vectors.
        model: fingerprint of the model.
        files: all that are read.

    Returns:
        ``role`` and ``text_hash`` of a text, and the ``session_id`` or ``item_id`` to name it by; ``is_there``, whether the row
        is a vector's; of this its ``width``, how many of its ``numbers`` are no nulls, whether all of those are finite and
        whether all are zero, its euclidean ``length``, null where it has no number, and a ``hash`` of 64 bits, which vectors
        that are equal share within one process. A vector that is null has neither width nor hash.
    """
    if (key := (model, *files)) not in _newest:
        texts = queries.query(con, "prepared/texts_of_the_day").to_arrow_table()
        made = _counted(texts, vectors, model)
        _newest.clear()
        _newest[key] = made
    return _newest[key]


def _counted(texts: pa.Table, vectors: Slice, model: str) -> pa.Table:
    keys = keys_of(texts["role"], texts["text_hash"]).combine_chunks()
    places, numbers = [np.zeros(0, dtype=np.int64)], [NUMBERS.empty_table()]
    for at, found in vectors_of(vectors, model, keys):
        places.append(at)
        numbers.append(_numbers(found))
    with_vectors = np.concatenate(places)
    without = np.setdiff1d(np.arange(len(texts)), with_vectors)
    rows = texts.take(pa.array(np.concatenate([with_vectors, without])))
    counted = pa.concat_tables([*numbers, pa.table({field.name: pa.nulls(len(without), field.type) for field in NUMBERS})])
    rows = rows.append_column("is_there", pa.array(np.arange(len(rows)) < len(with_vectors)))
    for name in NUMBERS.names:
        rows = rows.append_column(name, counted[name])
    return rows


def _numbers(vectors: pa.ListArray) -> pa.Table:
    """The columns of ``NUMBERS``, a row for each vector."""
    widths = pc.list_value_length(vectors)
    made = {field.name: np.zeros(len(vectors), dtype=field.type.to_pandas_dtype()) for field in NUMBERS}
    of_row = pc.fill_null(widths, -1).to_numpy(zero_copy_only=False)
    for width in np.unique(of_row[of_row > 0]):  # one, if they are sound
        rows = np.flatnonzero(of_row == width)
        alike = (vectors if len(rows) == len(vectors) else vectors.take(pa.array(rows))).flatten()
        values = alike.to_numpy(zero_copy_only=False).reshape(-1, width) + 0.0  # -0.0 becomes 0.0, and a null NaN
        made["hash"][rows] = _hashes(values)
        made["numbers"][rows] = width
        if alike.null_count:
            holes = pc.is_null(alike).to_numpy(zero_copy_only=False).reshape(-1, width)
            made["numbers"][rows] -= holes.sum(axis=1)
            values[holes] = 0.0
        # In double precision no float's square is too large or too small to count.
        squares = np.einsum("ij,ij->i", values, values, dtype=np.float64)
        made["length"][rows] = np.sqrt(squares)
        made["is_finite"][rows], made["is_zero"][rows] = np.isfinite(squares), squares == 0
    is_null = {"width": of_row < 0, "length": made["numbers"] == 0, "hash": of_row < 0}
    columns = {name: pa.array(values, mask=is_null.get(name)) for name, values in made.items()}
    return pa.table({**columns, "width": widths}).cast(NUMBERS)


def _hashes(values: Array) -> list[int]:
    data, size = values.tobytes(), values.shape[1] * values.itemsize
    return [hash(data[start : start + size]) for start in range(0, len(data), size)]
