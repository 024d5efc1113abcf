"""Stream a day of sessions through the kernels: tables in, rows of the next table out.

Knows neither Dagster nor where tables are stored. Memory is bounded by the batch of sessions; what a whole day needs
at once, its distinct vectors, lies in a memory-mapped file.

Letters: S sessions of a batch, N results, O objects, P pairs, D width of a vector.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets import queries
from ft_assets.lake import Batches, Lake, Slice
from ft_assets.packing import DayVectors, PackedSessions, pack_sessions
from ft_assets.schemas import FINE_TUNING_FEATURES, PAIR_FEATURES, SAMPLED_INPUTS, TEXT_VECTORS

if TYPE_CHECKING:
    import torch

    from ft_assets.encoders import Encoder, Role
    from ft_assets.kernels import Ranker, SessionPairs

SESSIONS_PER_BATCH = 4_096
Encoding = Callable[[Iterable[pa.RecordBatch]], Iterable[pa.Table]]


@dataclass(frozen=True)
class DayRows:
    """The new rows of a day, computed while they are read, and what became of the rows that they came from.

    Attributes:
        batches: makes the rows; each call starts anew.
        counts: rows in, out and left out, complete once the batches have been read.
        made_from: version of every table that is read.
        configuration: what the rows are made with.
        model: fingerprint of the model, where one scored the rows.
        device: the torch device that they are computed on, where one is.
    """

    batches: Batches
    counts: dict[str, int]
    made_from: dict[str, int]
    configuration: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    device: str | None = None

    def made_with(self, configuration: dict[str, Any]) -> DayRows:
        """The same, stating its configuration."""
        return replace(self, configuration=configuration)


def versions(*slices: Slice) -> dict[str, int]:
    """The version of each table read."""
    return {slice_.table.name: slice_.version for slice_ in slices}


def fine_tuning_inputs(sessions: Slice, events: Slice, items: Slice, flags: Slice, event_types: list[str]) -> DayRows:
    """Join a day of sessions with its events and the catalogue, less results without a text and what enforced rules flag.

    Args:
        sessions: a day of search_sessions.
        events: session_events.
        items: the catalogue.
        flags: the day of flagged_sessions.
        event_types: which events count as positive evidence.
    """
    counts: dict[str, int] = {}
    read = (sessions, events, items, flags)

    def batches() -> Iterator[pa.RecordBatch]:
        counts.clear()
        with queries.session({slice_.table.name: slice_ for slice_ in read}) as con:
            parameters = {"event_types": event_types}
            counts.update(queries.rows(queries.query(con, "reports/fine_tuning_inputs_books", parameters))[0])
            yield from counted(queries.stream(queries.query(con, "assets/fine_tuning_inputs", parameters)), counts)

    return DayRows(batches, counts, versions(*read))


def sampled_inputs(inputs: Slice, factor: float, seed: int) -> DayRows:
    """Thin the not-events of a day, object by object.

    Args:
        inputs: a day of fine_tuning_inputs.
        factor: share of a session's not-event objects that stay, in [0, 1].
        seed: with the ids, all that the choice depends on.
    """
    import torch

    from ft_assets.kernels import id_hashes, kept_objects

    counts: dict[str, int] = {}

    def thinned(batch: pa.RecordBatch) -> pa.RecordBatch:
        packed = pack_sessions(batch)
        not_events = ~packed.object_clicked
        objects = kept_objects(
            torch.from_numpy(packed.object_clicked),
            torch.from_numpy(packed.object_offsets),
            id_hashes(batch["session_id"].to_pylist()),
            id_hashes(packed.object_names.to_pylist())[packed.object_name_index],
            factor=factor,
            seed=seed,
        ).numpy()
        _add(counts, not_event_objects=int(not_events.sum()), not_event_objects_kept=int((objects & not_events).sum()))
        kept = pa.ListArray.from_arrays(pa.array(packed.offsets, pa.int32()), pa.array(objects[packed.object_index]))
        return pa.RecordBatch.from_arrays([*batch.columns, kept], schema=SAMPLED_INPUTS.schema)

    def batches() -> Iterator[pa.RecordBatch]:
        counts.clear()
        counts.update(sessions_read=0, not_event_objects=0, not_event_objects_kept=0)
        yield from counted(map(thinned, _session_batches(inputs, SESSIONS_PER_BATCH, counts)), counts)

    return DayRows(batches, counts, versions(inputs))


@dataclass(frozen=True)
class Encoded:
    """What encoding a day's texts did: texts that had a vector already need nothing."""

    texts: dict[str, int]
    encoded: dict[Role, int]
    seconds: float
    version: int


def text_vectors(
    lake: Lake,
    inputs: Slice,
    items: Slice,
    encoder: Encoder,
    metadata: dict[str, Any],
    progress: Callable[[int, int], None] | None = None,  # told queries and items encoded so far
    texts_per_commit: int = 8_192,
    encoding: Encoding | None = None,  # who encodes a stream of texts; by default the encoder, here
) -> Encoded:
    """See to it that every text of a day has a vector under the encoder's model; encode those that have none.

    A text is encoded once in its life: what is there, from whatever session, day or run, is used again. Vectors are
    committed every ``texts_per_commit`` texts, so a killed run loses no more than that.
    """
    import time

    encoding = encoding or partial(map, partial(encoded_rows, encoder))
    vectors = lake.slice(TEXT_VECTORS.name)
    with queries.session({"sampled_inputs": inputs, "items": items, "text_vectors": vectors}) as con:
        books = queries.rows(queries.query(con, "reports/text_vectors_books"))
        missing = queries.query(con, "assets/text_vectors", {"model": encoder.fingerprint})
        encoded: dict[Role, int] = {"query": 0, "item": 0}
        seconds, began = 0.0, time.perf_counter()
        for rows in encoding(rebatched(queries.stream(missing, texts_per_commit), texts_per_commit)):
            seconds += time.perf_counter() - began
            for role in encoded:
                encoded[role] += pc.sum(pc.equal(rows["role"], role)).as_py() or 0
            lake.append(TEXT_VECTORS.name, rows, {"model": encoder.fingerprint})
            began = time.perf_counter()
            if progress is not None:
                progress(encoded["query"], encoded["item"])
    # The day's own entry in the log: all its texts have vectors from this version on.
    version = lake.append(TEXT_VECTORS.name, TEXT_VECTORS.empty(), metadata).version
    return Encoded({row["role"]: row["texts"] for row in books}, encoded, seconds, version)


def encoded_rows(encoder: Encoder, texts: pa.RecordBatch) -> pa.Table:
    """Rows of text_vectors for texts with their role and hash: a pure function of the batch and the model."""

    def of_role(role: Role) -> pa.Table:
        some = texts.filter(pc.equal(texts["role"], role))
        if not some.num_rows:
            return TEXT_VECTORS.empty()
        return _vector_rows(encoder.fingerprint, some, encoder.encode(some["text"].to_pylist(), role))

    return pa.concat_tables([of_role("query"), of_role("item")])


def _vector_rows(model: str, texts: pa.RecordBatch, matrix: np.ndarray[Any, Any]) -> pa.Table:
    if matrix.shape[0] != texts.num_rows or not np.isfinite(matrix).all():
        raise ValueError(
            f"{model} must give {texts.num_rows} finite vectors, got shape {matrix.shape} with "
            f"{int((~np.isfinite(matrix)).any(axis=-1).sum())} not finite"
        )
    rows, width = matrix.shape
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * width)
    vector = pa.ListArray.from_arrays(offsets, pa.array(matrix.astype(np.float32, copy=False).ravel()))
    model_column = pa.array([model] * rows)
    return pa.table([model_column, texts["role"], texts["text_hash"], vector], schema=TEXT_VECTORS.schema)


@dataclass(frozen=True)
class PairSettings:
    """How pairs are made; docs/method.md says what each choice computes.

    Attributes:
        ranker: cosine, dot or euclidean.
        ranks_aggregator: mean, max or min over an object's parts.
        confidence: constant or windowed.
        window_size: results in the window of windowed confidences.
        not_irrelevant_only: leave irrelevant sessions out, else pair them.
        sessions_per_batch: sessions in memory at once.
        device: where the kernels run; auto picks cuda, else mps, else cpu.
    """

    ranker: str = "cosine"
    ranks_aggregator: str = "mean"
    confidence: str = "constant"
    window_size: int = 3
    not_irrelevant_only: bool = True
    sessions_per_batch: int = SESSIONS_PER_BATCH
    device: str = "cpu"

    def kernels(self) -> PairKernels:
        """The functions of those names.

        Raises:
            ValueError: there is no choice of that name.
        """
        from ft_assets import kernels as k

        windowed = partial(k.windowed_confidences, window_size=self.window_size)
        rankers = {"cosine": k.cosine_similarity, "dot": k.dot_product, "euclidean": k.euclidean_distance}
        aggregators = {"mean": k.aggregate_mean, "max": k.aggregate_max, "min": k.aggregate_min}
        confidences = {"constant": k.constant_confidences, "windowed": windowed}
        return PairKernels(
            _choice("ranker", self.ranker, rankers),
            _choice("ranks_aggregator", self.ranks_aggregator, aggregators),
            _choice("confidence", self.confidence, confidences),
        )


class PairKernels(NamedTuple):
    """The kernels that make a day's pairs."""

    ranker: Ranker
    ranks_aggregator: Callable[..., torch.Tensor]
    confidence_calculator: Callable[..., torch.Tensor]


def _choice(setting: str, name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise ValueError(f"{setting} must be one of {', '.join(known)}, got {name!r}")
    return known[name]


def pair_features(inputs: Slice, items: Slice, vectors: Slice, model: str, settings: PairSettings) -> DayRows:
    """Score a day's sessions and make every pair.

    Args:
        inputs: a day of sampled_inputs.
        items: the catalogue.
        vectors: text_vectors, where each text of the day has a vector under ``model``.
        model: fingerprint of the model.
        settings: how pairs are made.
    """
    counts: dict[str, int] = {}

    def batches() -> Iterator[pa.RecordBatch]:
        counts.clear()
        counts.update(sessions_read=0, results_shown=0, pairs_session=0, pairs_irrelevant=0)
        with pair_maker(inputs, items, vectors, model, settings) as maker:
            day = _Day(inputs, maker, counts)
            yield from counted(day.session_pairs(), counts)
            if not settings.not_irrelevant_only:
                yield from counted(day.irrelevant_pairs(), counts)

    return DayRows(batches, counts, versions(inputs, items, vectors), model=model, device=settings.device)


@dataclass(frozen=True)
class PairMaker:
    """Makes the pairs of a batch of sessions: a pure function of the batch, the day's vectors and the settings."""

    query_vectors: DayVectors
    item_vectors: DayVectors
    settings: PairSettings

    def of_sessions(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Every clicked object with every kept not-event object of its session; irrelevant sessions make none."""
        relevant = batch.filter(pc.invert(batch["is_irrelevant"]))
        if not relevant.num_rows:
            return pa.RecordBatch.from_pylist([], PAIR_FEATURES.schema)
        return self._rows(relevant, partners=None)

    def of_partners(self, relevant: pa.RecordBatch, irrelevant: pa.RecordBatch) -> pa.RecordBatch:
        """Positives of each session of the first with the not-events of the one beside it in the second."""
        both = pa.Table.from_batches([relevant, irrelevant]).combine_chunks().to_batches()[0]
        rows = np.arange(relevant.num_rows)
        return self._rows(both, partners=np.stack([rows, rows + len(rows)], axis=1))

    def _rows(self, batch: pa.RecordBatch, partners: np.ndarray[Any, Any] | None) -> pa.RecordBatch:
        import torch

        from ft_assets.kernels import extract_pairs

        packed = pack_sessions(batch, self.query_vectors, self.item_vectors)
        query_index, queries_ = np.unique(packed.query_rows, return_inverse=True)
        item_index, items_ = np.unique(packed.item_rows, return_inverse=True)
        kernels, device = self.settings.kernels(), torch.device(self.settings.device)
        with torch.inference_mode():
            pairs = extract_pairs(
                packed.to_session_batch(queries_, items_),
                torch.from_numpy(self.query_vectors.take(query_index)).to(device),
                torch.from_numpy(self.item_vectors.take(item_index)).to(device),
                ranker=kernels.ranker,
                ranks_aggregator=kernels.ranks_aggregator,
                confidence_calculator=kernels.confidence_calculator,
                session_pairs=partners is None,
                partners=None if partners is None else torch.from_numpy(partners),
            )
        return _pair_rows(batch, packed, pairs, kernels.ranker.target)


@contextmanager
def pair_maker(inputs: Slice, items: Slice, vectors: Slice, model: str, settings: PairSettings) -> Iterator[PairMaker]:
    """The maker of a day's pairs, its distinct vectors in a memory-mapped file that goes at the end."""
    with tempfile.TemporaryDirectory(prefix="ft_assets_vectors_") as folder:
        tables = {"sampled_inputs": inputs, "items": items, "text_vectors": vectors}
        with queries.session(tables) as con:
            query_vectors = DayVectors.load(con, model, "query", Path(folder))
            item_vectors = DayVectors.load(con, model, "item", Path(folder), query_vectors.width)
        yield PairMaker(query_vectors, item_vectors, settings)


@dataclass(frozen=True)
class _Day:
    inputs: Slice
    maker: PairMaker
    counts: dict[str, int]

    def session_pairs(self) -> Iterator[pa.RecordBatch]:
        """The pairs of the sessions' own."""
        for batch in _session_batches(self.inputs, self.maker.settings.sessions_per_batch, self.counts):
            rows = self.maker.of_sessions(batch)
            _add(self.counts, results_shown=len(batch["item_ids"].flatten()), pairs_session=rows.num_rows)
            yield rows

    def irrelevant_pairs(self) -> Iterator[pa.RecordBatch]:
        """Positives of not-irrelevant sessions with not-events of irrelevant ones, cycling the shorter list."""
        size = self.maker.settings.sessions_per_batch
        with queries.session({"sampled_inputs": self.inputs}) as con:
            partners = queries.stream(queries.query(con, "assets/pair_features_partners"), size)
            for beside in rebatched(partners, size):
                sides = (pa.RecordBatch.from_struct_array(beside[side]) for side in ("relevant", "irrelevant"))
                rows = self.maker.of_partners(*(side.cast(self.inputs.table.schema) for side in sides))
                _add(self.counts, pairs_irrelevant=rows.num_rows)
                yield rows


def _pair_rows(batch: pa.RecordBatch, packed: PackedSessions, pairs: SessionPairs, target: int) -> pa.RecordBatch:
    session = pa.array(pairs.session.numpy())

    def object_ids(rows: torch.Tensor) -> pa.Array:
        return packed.object_names.take(pa.array(packed.object_name_index[rows.numpy()]))

    count = len(session)
    columns = {
        "session_id": batch["session_id"].take(session),
        "session_date": batch["session_date"].take(session),
        "query_hash": batch["query_hash"].take(session),
        "positive_id": object_ids(pairs.positive_object),
        "negative_id": object_ids(pairs.negative_object),
        "positive_rank": pairs.positive_ranks.float().cpu().numpy(),
        "negative_rank": pairs.negative_ranks.float().cpu().numpy(),
        "target": np.full(count, target, dtype=np.int8),
        "positive_confidence": pairs.positive_confidences.float().cpu().numpy(),
        "negative_confidence": pairs.negative_confidences.float().cpu().numpy(),
        "pairing": pa.array(np.where(pairs.irrelevant.numpy(), "irrelevant", "session"), pa.string()),
    }
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns.values()], schema=PAIR_FEATURES.schema)


def fine_tuning_features(pairs: Slice, minimum: float, maximum: float) -> DayRows:
    """The pairs of a day inside the clamp window.

    Raises:
        ValueError: the window is empty.
    """
    if not minimum < maximum:
        raise ValueError(f"the clamp window needs min < max, got min {minimum} and max {maximum}")
    counts: dict[str, int] = {}

    def batches() -> Iterator[pa.RecordBatch]:
        counts.clear()
        counts.update(pairs_read=pairs.row_count)
        with queries.session({"pair_features": pairs}) as con:
            inside = queries.query(con, "assets/fine_tuning_features", {"min": minimum, "max": maximum})
            yield from counted(queries.stream(inside.select(*FINE_TUNING_FEATURES.column_names)), counts)
        counts["pairs_clamped"] = counts["pairs_read"] - counts["rows_out"]

    return DayRows(batches, counts, versions(pairs))


def _session_batches(inputs: Slice, size: int, counts: dict[str, int]) -> Iterator[pa.RecordBatch]:
    """Sessions in order of time, ``size`` at a time, each batch contiguous."""
    with queries.session({"sessions": inputs}) as con:
        for batch in rebatched(queries.stream(queries.query(con, "assets/sessions_in_order"), size), size):
            _add(counts, sessions_read=batch.num_rows)
            yield batch.cast(inputs.table.schema)


def rebatched(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of exactly ``size`` rows but for the last: storage cuts them where it likes."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        taken = 0
        while taken < batch.num_rows:
            piece = batch.slice(taken, size - rows)
            waiting.append(piece)
            rows += piece.num_rows
            taken += piece.num_rows
            if rows == size:
                yield pa.Table.from_batches(waiting).combine_chunks().to_batches()[0]
                waiting, rows = [], 0
    if rows:
        yield pa.Table.from_batches(waiting).combine_chunks().to_batches()[0]


def counted(batches: Iterable[pa.RecordBatch], counts: dict[str, int]) -> Iterator[pa.RecordBatch]:
    """The same batches, their rows counted as ``rows_out``."""
    counts.setdefault("rows_out", 0)
    for batch in batches:
        counts["rows_out"] += batch.num_rows
        yield batch


def _add(counts: dict[str, int], **amounts: int) -> None:
    for name, amount in amounts.items():
        counts[name] = counts.get(name, 0) + amount
