"""Stream a day of sessions through the kernels: tables in, rows of the next table out.

Knows neither Dagster nor where tables are stored. Memory is bounded by the batch of sessions; what a whole day needs
at once, its vectors, lies in a memory-mapped file.

Letters: S sessions of a batch, N results, O objects, P pairs, D width of a vector.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets import queries
from ft_assets.day_reading import in_order, parts_in_order, row_groups
from ft_assets.day_vectors import DayVectors
from ft_assets.device_memory import Fitting
from ft_assets.found_vectors import found_vectors
from ft_assets.joining import BOOKS, LOGGED, Catalogue, events_of, item_names, join_sessions
from ft_assets.lake import Batches, Slice
from ft_assets.packing import PackedSessions, pack_sessions
from ft_assets.queries import rebatched
from ft_assets.schemas import FINE_TUNING_FEATURES, PAIR_FEATURES, SAMPLED_INPUTS
from ft_assets.stated import clicks_by_place, pairs_of_batch, pairs_of_sessions
from ft_assets.text_encoding import Encoded, Encoding, text_vectors

if TYPE_CHECKING:
    import duckdb
    import torch

    from ft_assets.kernels import Landing, Ranker, SessionPairs

T = TypeVar("T")
__all__ = [
    "SESSIONS_PER_BATCH",
    "DayRows",
    "Encoded",
    "Encoding",
    "PairKernels",
    "PairMaker",
    "PairSettings",
    "Work",
    "counted",
    "fine_tuning_features",
    "fine_tuning_inputs",
    "held_back",
    "own_pairs",
    "pair_features",
    "pair_maker",
    "rebatched",
    "sampled_inputs",
    "text_vectors",
    "versions",
]

SESSIONS_PER_BATCH = 16_384
WORDS = ["query_text", "query_hash", "item_ids", "object_ids"]  # of sessions, those that come again and again
PACKED = [name for name in SAMPLED_INPUTS.column_names if name not in ("query_text", "event_weight")]  # what pairs are made of
PAIRINGS = ("session", "irrelevant")
HASHES_KEPT = 1_000_000  # of object ids: some 100 MB
SESSIONS_PER_JOIN = 32_768  # a group of rows in the files: what is put together of several costs their words again
IN_FLIGHT = 1  # batches that a GPU works on while the next is packed


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
        stated: numbers of the rows that checks of later days compare theirs with, complete once the batches have been read.
    """

    batches: Batches
    counts: dict[str, int]
    made_from: dict[str, int]
    configuration: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    device: str | None = None
    stated: dict[str, list[dict[str, int]]] = field(default_factory=dict)

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
    stated: dict[str, list[dict[str, int]]] = {}
    by_place: list[np.ndarray[Any, Any]] = []
    read = (sessions, events, items, flags)

    def batches() -> Iterator[pa.RecordBatch]:
        counts.clear()
        by_place.clear()
        counts.update(sessions_read=sessions.row_count, sessions_flagged=sessions.row_count, **dict.fromkeys(BOOKS, 0))
        with queries.session({slice_.table.name: slice_ for slice_ in (events, items, flags)}) as con:
            for part in parts_in_order(sessions, LOGGED, ["query_text", "results"]):
                ready, catalogue = _with_events(con, part, event_types)
                counts["sessions_flagged"] -= ready.num_rows
                for batch in ready.to_batches(SESSIONS_PER_JOIN):
                    rows, books, clicks = join_sessions(batch, catalogue)
                    _add(counts, **books)
                    by_place.append(clicks)
                    yield from counted([rows], counts)
        counts.setdefault("rows_out", 0)
        stated.update(clicks_by_place(by_place))

    return DayRows(batches, counts, versions(*read), stated=stated)


def _with_events(con: duckdb.DuckDBPyConnection, part: pa.Table, event_types: list[str]) -> tuple[pa.Table, Catalogue]:
    """Sessions that no enforced rule flags, with the hashes of their queries and their events; and the items that are shown."""
    numbered = part.select(["session_id", "query_text"]).append_column("place", pa.array(np.arange(len(part))))
    shown = pa.table({"item_id": item_names(part["results"])})
    with queries.seen(con, {"sessions": numbered, "shown": shown}):
        unflagged = queries.query(con, "assets/fine_tuning_inputs").to_arrow_table()
        logged = queries.query(con, "assets/fine_tuning_inputs_events", {"event_types": event_types}).to_arrow_table()
        catalogue = Catalogue.of(queries.query(con, "assets/fine_tuning_inputs_items").to_arrow_table())
    ready = part if len(unflagged) == len(part) else part.take(unflagged["place"])
    ready = ready.append_column("query_hash", unflagged["query_hash"])
    return ready.append_column("events", events_of(ready["session_id"], logged, shown["item_id"])).combine_chunks(), catalogue


def sampled_inputs(inputs: Slice, factor: float, seed: int) -> DayRows:
    """Thin the not-events of a day, object by object.

    Args:
        inputs: a day of fine_tuning_inputs.
        factor: share of a session's not-event objects that stay, in [0, 1].
        seed: with the ids, all that the choice depends on.
    """
    import torch

    from ft_assets.kernels import kept_objects

    counts: dict[str, int] = {}
    stated: dict[str, list[dict[str, int]]] = {}
    pairs: list[np.ndarray[Any, Any]] = []
    hashes = _IdHashes(factor)

    def thinned(batch: pa.RecordBatch) -> pa.RecordBatch:
        packed = pack_sessions(batch)
        not_events = ~packed.object_clicked
        with _one_thread():
            objects = kept_objects(
                torch.from_numpy(packed.object_clicked),
                torch.from_numpy(packed.object_offsets),
                hashes.once(batch["session_id"]),
                hashes.of(packed.object_names)[packed.object_name_index],
                factor=factor,
                seed=seed,
            ).numpy()
        _add(counts, not_event_objects=int(not_events.sum()), not_event_objects_kept=int((objects & not_events).sum()))
        pairs.append(pairs_of_batch(packed.object_clicked, objects, packed.object_offsets, packed.is_irrelevant))
        kept = pa.ListArray.from_arrays(pa.array(packed.offsets, pa.int32()), pa.array(objects[packed.object_index]))
        columns = {**dict(zip(batch.schema.names, batch.columns, strict=True)), "kept": kept}
        return pa.RecordBatch.from_arrays([columns[name] for name in SAMPLED_INPUTS.column_names], SAMPLED_INPUTS.column_names)

    def batches() -> Iterator[pa.RecordBatch]:
        counts.clear()
        pairs.clear()
        counts.update(sessions_read=0, not_event_objects=0, not_event_objects_kept=0)
        yield from counted(map(thinned, _session_batches(inputs, SESSIONS_PER_JOIN, counts)), counts)
        stated.update(pairs_of_sessions(pairs))

    return DayRows(batches, counts, versions(inputs), stated=stated)


class _IdHashes:
    """Hashes of ids, each object's once a day, and none where all or no objects stay: nothing is chosen then.

    Args:
        factor: share of the objects that stay.
    """

    def __init__(self, factor: float) -> None:
        self._chosen = factor not in (0.0, 1.0)
        self._known: dict[str, int] = {}

    def once(self, ids: pa.Array) -> torch.Tensor:
        """int64 [K] of ids that do not come again."""
        import torch

        from ft_assets.kernels import id_hashes

        return id_hashes(ids.to_pylist()) if self._chosen else torch.zeros(len(ids), dtype=torch.int64)

    def of(self, ids: pa.Array) -> torch.Tensor:
        """int64 [K] of ids that come again in other batches."""
        import torch

        from ft_assets.kernels import id_hash

        if not self._chosen:
            return self.once(ids)
        if len(self._known) > HASHES_KEPT:
            self._known.clear()
        names = ids.to_pylist()
        self._known.update((name, id_hash(name)) for name in names if name not in self._known)
        return torch.tensor([self._known[name] for name in names], dtype=torch.int64)


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
        precision: of the vectors that are compared: float32, or bfloat16, which halves what is moved and gathered; sums
            are float32 in any case.
        device: where the kernels run, by torch's name.
    """

    ranker: str = "cosine"
    ranks_aggregator: str = "mean"
    confidence: str = "constant"
    window_size: int = 3
    not_irrelevant_only: bool = True
    sessions_per_batch: int = SESSIONS_PER_BATCH
    precision: str = "float32"
    device: str = "cpu"

    @property
    def dtype(self) -> torch.dtype:
        """The precision, as torch has it.

        Raises:
            ValueError: there is no choice of that name.
        """
        import torch

        known: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
        return cast("torch.dtype", _choice("precision", self.precision, known))

    def kernels(self) -> PairKernels:
        """The functions of those names.

        Raises:
            ValueError: there is no choice of that name.
        """
        from functools import partial

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
        maker = pair_maker(inputs, items, vectors, model, settings)
        sessions = own_pairs(_shown(_session_batches(inputs, settings.sessions_per_batch, counts, PACKED), counts))
        yield from counted(maker.rows(sessions, counts), counts)
        if not settings.not_irrelevant_only:
            yield from counted(maker.rows(_partners(inputs, settings.sessions_per_batch), counts), counts)

    return DayRows(batches, counts, versions(inputs, items, vectors), model=model, device=settings.device)


def pair_maker(inputs: Slice, items: Slice, vectors: Slice, model: str, settings: PairSettings) -> PairMaker:
    """The maker of a day's pairs, the day's vectors in memory-mapped files."""
    found = found_vectors(inputs, items, vectors, model)
    query_vectors = DayVectors.of(found, "query")
    return PairMaker(query_vectors, DayVectors.of(found, "item", query_vectors.width), settings)


def _shown(batches: Iterable[pa.RecordBatch], counts: dict[str, int]) -> Iterator[pa.RecordBatch]:
    """The same sessions, the results that they show counted."""
    for batch in batches:
        _add(counts, results_shown=len(batch["item_ids"].flatten()))
        yield batch


def own_pairs(batches: Iterable[pa.RecordBatch]) -> Iterator[Work]:
    """Every clicked object with every kept not-event object of its session; irrelevant sessions make none."""
    for batch in batches:
        relevant = batch.filter(pc.invert(batch["is_irrelevant"])) if pc.any(batch["is_irrelevant"]).as_py() else batch
        if relevant.num_rows:
            yield Work(relevant)


def _partners(inputs: Slice, size: int) -> Iterator[Work]:
    """Positives of not-irrelevant sessions with not-events of irrelevant ones, cycling the shorter list."""
    with queries.session({"sampled_inputs": inputs}) as con:
        partners = queries.stream(queries.query(con, "assets/pair_features_partners"), size)
        for beside in rebatched(partners, size):
            sides = [pa.RecordBatch.from_struct_array(beside[side]) for side in ("relevant", "irrelevant")]
            relevant, irrelevant = (pa.Table.from_batches([side]).cast(inputs.table.schema) for side in sides)
            yield Work(*(side.combine_chunks().to_batches()[0] for side in (relevant, irrelevant)))


@dataclass(frozen=True)
class PairMaker:
    """Makes the pairs of batches of sessions: of each by itself, the day's vectors and the settings."""

    query_vectors: DayVectors
    item_vectors: DayVectors
    settings: PairSettings

    def rows(self, works: Iterable[Work], counts: dict[str, int]) -> Iterator[pa.RecordBatch]:
        """Rows of pair_features, in order, counted by their pairing; on a GPU the next batches are packed while it is at work.

        A batch that does not fit into its memory is made in halves, and so are those after it: a batch's pairs are those of
        its parts, joined.
        """
        fitting = Fitting()
        launched = (fitting.run(self._launched, work, len, Work.halves) for work in works)
        for parts in held_back(launched, 0 if self.settings.device == "cpu" else IN_FLIGHT):
            for part in parts:
                yield part.rows(counts)

    def _launched(self, work: Work) -> _Launched:
        """Let the device score a batch."""
        import torch

        from ft_assets.kernels import Landing, extract_pairs, moved

        batch, partners = work.both()
        packed = pack_sessions(batch, self.query_vectors, self.item_vectors)
        kernels, dtype = self.settings.kernels(), self.settings.dtype

        def on_device(vectors: DayVectors, rows: np.ndarray[Any, Any]) -> tuple[torch.Tensor, np.ndarray[Any, Any]]:
            wanted, places = vectors.take(rows, may_share=self.settings.device == "cpu")
            return moved(torch.from_numpy(wanted).to(dtype), self.settings.device), places

        with torch.inference_mode(), _one_thread():
            query_vectors, queries_ = on_device(self.query_vectors, packed.query_rows)
            item_vectors, items_ = on_device(self.item_vectors, packed.item_rows)
            pairs = extract_pairs(
                packed.to_session_batch(queries_, items_),
                query_vectors,
                item_vectors,
                ranker=kernels.ranker,
                ranks_aggregator=kernels.ranks_aggregator,
                confidence_calculator=kernels.confidence_calculator,
                session_pairs=partners is None,
                partners=None if partners is None else torch.from_numpy(partners),
            )
            numbers = (pairs.positive_ranks, pairs.negative_ranks, pairs.positive_confidences, pairs.negative_confidences)
            landing = Landing(torch.stack([number.float() for number in numbers]))
        return _Launched(batch, packed, pairs, landing, kernels.ranker.target, "session" if partners is None else "irrelevant")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute on the calling thread alone.

    The tensors of a batch are small: threads that share one wait for each other, spinning, longer than they work, and keep
    the writer from the core that it needs. (A day of 143,000 sessions took 5.5 CPU seconds on one thread and 13 on two.)
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Work:
    """Sessions to make pairs of: each by itself, or each beside an irrelevant one."""

    sessions: pa.RecordBatch
    irrelevant: pa.RecordBatch | None = None

    def __len__(self) -> int:
        return int(self.sessions.num_rows)

    def halves(self) -> tuple[Work, ...]:
        """The first half of the sessions, and the others."""
        middle = len(self) // 2
        if middle == 0:
            return (self,)
        cuts = ((0, middle), (middle, len(self) - middle))
        beside = self.irrelevant
        return tuple(Work(self.sessions.slice(*cut), None if beside is None else beside.slice(*cut)) for cut in cuts)

    def both(self) -> tuple[pa.RecordBatch, np.ndarray[Any, Any] | None]:
        """All its sessions, and which of them are partners: int64 [n, 2]."""
        if self.irrelevant is None:
            return self.sessions, None
        rows = np.arange(len(self))
        both = pa.Table.from_batches([self.sessions, self.irrelevant]).combine_chunks().to_batches()[0]
        return both, np.stack([rows, rows + len(rows)], axis=1)


@dataclass(frozen=True)
class _Launched:
    """A batch whose pairs are known, and whose numbers are on their way from the device."""

    batch: pa.RecordBatch
    packed: PackedSessions
    pairs: SessionPairs
    numbers: Landing
    target: int
    pairing: str

    def rows(self, counts: dict[str, int]) -> pa.RecordBatch:
        """Rows of pair_features, counted; waits for the numbers."""
        _add(counts, **{f"pairs_{self.pairing}": len(self.pairs)})
        return _pair_rows(self.batch, self.packed, self.pairs, self.numbers.wait().numpy(), self.target)


def held_back(items: Iterable[T], count: int) -> Iterator[T]:
    """The same items, each given only when ``count`` more have been made.

    Example:
        >>> list(held_back(iter("abc"), 2))
        ['a', 'b', 'c']
    """
    waiting: deque[T] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting


def _pair_rows(
    batch: pa.RecordBatch, packed: PackedSessions, pairs: SessionPairs, numbers: np.ndarray[Any, Any], target: int
) -> pa.RecordBatch:
    """Rows of pair_features; the numbers are ranks and confidences of positives and negatives, float32 [4, P]."""
    count, session = len(pairs), pairs.session.numpy()
    names = pa.DictionaryArray.from_arrays(packed.object_name_index.astype(np.int32), packed.object_names)
    columns = {
        "session_id": _coded(batch["session_id"], session),
        "session_date": batch["session_date"].take(pa.array(session)),
        "query_hash": _coded(batch["query_hash"], session),
        "positive_id": _coded(names, pairs.positive_object.numpy()),
        "negative_id": _coded(names, pairs.negative_object.numpy()),
        "positive_rank": numbers[0],
        "negative_rank": numbers[1],
        "target": np.full(count, target, dtype=np.int8),
        "positive_confidence": numbers[2],
        "negative_confidence": numbers[3],
        "pairing": _coded(pa.array(PAIRINGS), pairs.irrelevant.numpy().astype(np.int8)),
    }
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[name]) for name in PAIR_FEATURES.column_names], PAIR_FEATURES.column_names
    )


def _coded(words: pa.Array, rows: np.ndarray[Any, Any]) -> pa.DictionaryArray:
    """Words by their rows, as codes: a pair's words all come again and again."""
    coded = words.dictionary_encode()
    return pa.DictionaryArray.from_arrays(coded.indices.take(pa.array(rows)), coded.dictionary)


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
        yield from counted(_inside(pairs, minimum, maximum), counts)
        counts["pairs_clamped"] = counts["pairs_read"] - counts["rows_out"]

    return DayRows(batches, counts, versions(pairs))


def _inside(pairs: Slice, minimum: float, maximum: float) -> Iterator[pa.RecordBatch]:
    """Only the ranks are put into DuckDB, where the rule is; words stay codes from file to file."""
    names = FINE_TUNING_FEATURES.column_names
    words = [field.name for field in FINE_TUNING_FEATURES.schema if pa.types.is_string(field.type)]
    with queries.session() as con:
        for group in row_groups(pairs, names, words):
            with queries.seen(con, {"pairs": group.select(["positive_rank", "negative_rank"])}):
                asked = queries.query(con, "assets/fine_tuning_features", {"min": minimum, "max": maximum})
                is_inside = asked.to_arrow_table()["is_inside"]
            yield from group.filter(is_inside).combine_chunks().to_batches()


def _session_batches(
    inputs: Slice, size: int, counts: dict[str, int], columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Sessions in order of time, ``size`` at a time, each batch contiguous."""
    for batch in in_order(inputs, size, columns or inputs.table.column_names, WORDS):
        _add(counts, sessions_read=batch.num_rows)
        yield batch


def counted(batches: Iterable[pa.RecordBatch], counts: dict[str, int]) -> Iterator[pa.RecordBatch]:
    """The same batches, their rows counted as ``rows_out``."""
    counts.setdefault("rows_out", 0)
    for batch in batches:
        counts["rows_out"] += batch.num_rows
        yield batch


def _add(counts: dict[str, int], **amounts: int) -> None:
    for name, amount in amounts.items():
        counts[name] = counts.get(name, 0) + amount
