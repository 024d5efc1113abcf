"""Checks that compute a day's values a second time, by other means than the kernels did, and compare.

Which objects stay is computed anew for the whole day with NumPy's unsigned integers; ranks and confidences for a sample
of sessions, object by object, in plain loops and double precision. docs/method.md says what the formulas are.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets import queries, schemas
from ft_assets.day_texts import name_of
from ft_assets.found_vectors import vectors_of_some
from ft_assets.lake import Slice
from ft_assets.schemas import Table
from ft_assets.stored_values import ValueRule

SESSIONS = 200  # of a day, in the sample
TOLERANCE = 1e-4
_STEP, _MIX_1, _MIX_2 = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_EQUAL = 1e-6  # raw confidences as close as this are one value
Row = dict[str, Any]
Slices = Mapping[str, Slice]
Facts = Mapping[str, Any]
Values = dict[str, tuple[float, float]]  # rank and confidence, each with how far off a stored one may be


def computed_rules_of(table: Table) -> Iterator[ValueRule]:
    """The rules of a table whose values are computed anew."""
    if table.name == schemas.SAMPLED_INPUTS.name:
        yield ValueRule(
            "kept_are_the_lowest_hashes",
            "Of a session's not-event objects those stay that have the lowest hashes of seed, session and object, computed "
            "anew for every one.",
            "Make the day of sampled_inputs anew. If it comes back, the kernel and this rule disagree: report it with the "
            "objects shown.",
            other_kept,
            (table.name,),
            ("factor", "seed"),
        )
    if table.name == schemas.PAIR_FEATURES.name:
        yield ValueRule(
            "a_sample_is_computed_anew",
            f"Ranks and confidences of {SESSIONS} of the day's sessions, the same ones each time, computed anew object by "
            f"object from the stored vectors, agree with those stored to within {TOLERANCE}.",
            "Make the day of pair_features anew: its vectors, texts or sessions changed since, or its values were. If it "
            "comes back, do not train on the day, and report it with the objects shown and the settings of pair_features.",
            other_values,
            (table.name, schemas.SAMPLED_INPUTS.name, f"{schemas.ITEMS.name} as read", schemas.TEXT_VECTORS.name),
            ("model", "ranker", "ranks_aggregator", "confidence", "window_size"),
        )


def other_kept(slices: Slices, facts: Facts) -> Iterator[Row]:
    """Objects that stayed and should not have, or the other way round."""
    sampled, factor, seed = slices[schemas.SAMPLED_INPUTS.name], float(facts["factor"]), int(facts["seed"])
    if not _is_of_hashes(sampled, factor):
        return
    for batch in sampled.batches(columns=["session_id", "object_ids", "clicked", "kept"]):
        if (whole := batch.filter(_is_whole(batch))).num_rows:
            yield from _other_kept(whole, factor, seed)


def _is_of_hashes(sampled: Slice, factor: float) -> bool:
    """Whether anything hangs on a hash: not where all are to stay and do, or none is and just what is clicked does."""
    if factor not in (0, 1):
        return True
    lists = sampled.batches(columns=["clicked", "kept"])
    if factor == 1:
        return not all(pc.all(batch["kept"].flatten(), min_count=0).as_py() for batch in lists)
    return not all(batch["kept"].equals(batch["clicked"]) for batch in lists)


def _is_whole(batch: pa.RecordBatch) -> pa.Array:
    """Whether a session's lists have one length and no null; lists_are_aligned and lists_hold_no_nulls show the others."""
    is_whole = pc.is_valid(batch["session_id"])
    for name in ("object_ids", "clicked", "kept"):
        lists = batch[name]
        same = pc.equal(pc.list_value_length(lists), pc.list_value_length(batch["object_ids"]))
        is_whole = pc.and_(is_whole, pc.fill_null(same, False))
        if lists.flatten().null_count:
            holes = pc.list_parent_indices(lists).filter(pc.is_null(lists.flatten()))
            rows = pa.array(np.arange(batch.num_rows), holes.type)
            is_whole = pc.and_(is_whole, pc.invert(pc.is_in(rows, value_set=holes)))
    return is_whole


def _other_kept(batch: pa.RecordBatch, factor: float, seed: int) -> Iterator[Row]:
    lengths = pc.list_value_length(batch["object_ids"]).to_numpy()
    coded = batch["object_ids"].flatten().dictionary_encode()
    codes, names = coded.indices.to_numpy().astype(np.int64), coded.dictionary
    if not len(codes):
        return
    keys = np.repeat(np.arange(len(lengths)), lengths) * len(names) + codes
    objects, first, part_of = np.unique(keys, return_index=True, return_inverse=True)
    clicked, kept = (
        np.bincount(part_of, batch[name].flatten().to_numpy(zero_copy_only=False), len(objects)) > 0
        for name in ("clicked", "kept")
    )
    session, name = objects // len(names), objects % len(names)
    start = _mixed((np.array([seed & (2**64 - 1)], np.uint64)) + _STEP)
    hashes = _mixed((_mixed((start ^ _hashes(batch["session_id"])[session]) + _STEP) ^ _hashes(names)[name]) + _STEP)
    counts = np.bincount(session[~clicked], minlength=len(lengths))
    wanted = counts if factor == 1 else np.maximum(1, np.floor(factor * counts)) if factor > 0 else np.zeros_like(counts)
    rows = np.flatnonzero(~clicked)
    rows = rows[np.lexsort((first[rows], hashes[rows], session[rows]))]
    place = np.arange(len(rows)) - (np.cumsum(counts) - counts)[session[rows]]
    expected = clicked.copy()
    expected[rows] = place < wanted[session[rows]]
    for row in np.flatnonzero(expected != kept):
        yield {
            "session_id": batch["session_id"][int(session[row])].as_py(),
            "object_id": names[int(name[row])].as_py(),
            "kept": bool(kept[row]),
            "expected": bool(expected[row]),
        }


def _hashes(ids: pa.Array) -> np.ndarray[Any, Any]:
    """64 bits of each id: its BLAKE2b digest of 8 bytes, little endian."""
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in ids.to_pylist())
    return np.frombuffer(digests, dtype="<u8")


def _mixed(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The finalizer of splitmix64."""
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    mixed: np.ndarray[Any, Any] = x ^ (x >> np.uint64(31))
    return mixed


def other_values(slices: Slices, facts: Facts) -> Iterator[Row]:
    """Stored ranks and confidences of a sample that are not what they are when computed anew."""
    tables = {slice_.table.name: slice_ for slice_ in slices.values()}
    with queries.session(tables) as con:
        sample = queries.query(con, "anew/sessions", {"sessions": SESSIONS}).to_arrow_table()
        con.register("sample", sample)
        texts = queries.query(con, "anew/texts").to_arrow_table()
        pairs = queries.rows(queries.query(con, "anew/pairs"))
    vectors = _vectors(texts, slices[schemas.TEXT_VECTORS.name], facts["model"])
    expected = {row["session_id"]: _objects_of(row, vectors, facts) for row in sample.to_pylist()}
    seen = set()
    for pair in pairs:
        for side in ("positive", "negative"):
            values = expected[pair["session_id"]].get(pair[f"{side}_id"], {})
            for what, (value, tolerance) in values.items():
                found = pair[f"{side}_{what}"]
                key = (pair["session_id"], pair[f"{side}_id"], what, found)
                # What is no number, values_are_in_range shows.
                if found is not None and math.isfinite(found) and abs(found - value) > tolerance and key not in seen:
                    seen.add(key)
                    yield {
                        "session_id": pair["session_id"],
                        "object_id": pair[f"{side}_id"],
                        "value": what,
                        "stored": found,
                        "expected": value,
                    }


def _vectors(texts: pa.Table, stored: Slice, model: str) -> dict[tuple[str, str], Any]:
    """The vector of each query hash and item id. One with two different ones is left out: pairs may have either's score."""
    hashes = name_of(texts["role"], texts["text_hash"]).combine_chunks()
    distinct = hashes.unique()
    found: dict[str, list[Any]] = defaultdict(list)
    for at, vectors in vectors_of_some(stored, model, distinct):
        for text, vector in zip(distinct.take(pa.array(at)).to_pylist(), vectors, strict=True):
            if vector.is_valid:
                found[text].append(np.asarray(vector.values.to_numpy(zero_copy_only=False), dtype=np.float64))
    of_key: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for role, key, text in zip(texts["role"].to_pylist(), texts["key"].to_pylist(), hashes.to_pylist(), strict=True):
        of_key[role, key] += found[text]
    return {
        key: first
        for key, (first, *others) in ((key, values) for key, values in of_key.items() if values)
        if all(np.array_equal(first, other, equal_nan=True) for other in others)
    }


def _objects_of(session: Row, vectors: Mapping[tuple[str, str], Any], facts: Facts) -> dict[str, Values]:
    """Rank and confidence of each object of a session; none where its lists or vectors are not whole."""
    lists = [session[name] for name in ("item_ids", "object_ids", "ranks", "clicked")]
    query = vectors.get(("query", session["query_hash"]))
    items = [vectors[("item", item)] for item in lists[0] if ("item", item) in vectors]
    whole = {len(items), *map(len, lists)} == {len(items)}
    if query is None or not whole or any(item.shape != query.shape for item in items):
        return {}
    aggregators: dict[str, Callable[[list[float]], float]] = {"mean": _mean, "max": max, "min": min}
    aggregate = aggregators[facts["ranks_aggregator"]]
    scores = [_score(facts["ranker"], query, item) for item in items]
    scale = TOLERANCE * max(1.0, *(float(np.linalg.norm(query) * np.linalg.norm(item)) for item in items))
    objects = list(dict.fromkeys(lists[1]))
    parts = {name: [row for row, of in enumerate(lists[1]) if of == name] for name in objects}
    ranks = [aggregate([scores[row] for row in parts[name]]) for name in objects]
    clicks = [any(lists[3][row] for row in parts[name]) for name in objects]
    has_all = all(rank is not None and math.isfinite(rank) for rank in lists[2])
    shown = [aggregate([lists[2][row] for row in parts[name]]) for name in objects] if has_all else ranks
    confidences = _confidences(shown, clicks, facts, least=0.0 if has_all else 1.0)
    return {
        name: {"rank": (rank, scale), "confidence": confidence}
        for name, rank, confidence in zip(objects, ranks, confidences, strict=True)
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _score(ranker: str, query: Any, item: Any) -> float:
    if ranker == "euclidean":
        return math.sqrt(sum((q - i) ** 2 for q, i in zip(query, item, strict=True)))
    dot = float(np.dot(query, item))
    return dot if ranker == "dot" else dot / (max(float(np.linalg.norm(query)), 1e-8) * max(float(np.linalg.norm(item)), 1e-8))


def _confidences(ranks: Sequence[float], clicks: Sequence[bool], facts: Facts, least: float) -> list[tuple[float, float]]:
    """Confidences, each with how far off a stored one may be.

    A window whose mean rank all but vanishes turns the last bit of a rank into any confidence: what a millionth of each
    rank (of ``least``, if that is more) moves is no fault.
    """
    if facts["confidence"] == "constant":
        return [(1.0, TOLERANCE)] * len(ranks)
    half = int(facts["window_size"]) // 2
    confidences, span = _windowed(ranks, clicks, half)
    moved = [
        _windowed([rank + sign[i % 2] * 1e-6 * max(abs(rank), least) for i, rank in enumerate(ranks)], clicks, half)[0]
        for sign in ((1, 1), (-1, -1), (1, -1), (-1, 1))
    ]
    return [
        (value, TOLERANCE + 1e-6 / max(span, _EQUAL) + 10 * max(abs(other[i] - value) for other in moved))
        for i, value in enumerate(confidences)
    ]


def _windowed(ranks: Sequence[float], clicks: Sequence[bool], half: int) -> tuple[list[float], float]:
    """Windowed confidences of a list, and how far their raw values lie apart."""
    count, raw = len(ranks), []
    for i, (rank, click) in enumerate(zip(ranks, clicks, strict=True)):
        window = range(max(0, i - half), min(count, i + half + 1))
        mean, share = (_mean([values[k] for k in window]) for values in (ranks, clicks))
        far = abs(rank - mean) / (abs(mean) + 1e-9)
        believed = (1 - far) * share + (1 - share) * far if click else (1 - share) * (1 - far) + share * far
        raw.append(believed * (math.exp(-3 * (i + 1) / count - 0.3) + 0.25))
    low, span = min(raw), max(raw) - min(raw)
    return [1.0 if span <= _EQUAL else (value - low) / span for value in raw], span
