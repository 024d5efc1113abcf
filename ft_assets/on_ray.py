"""A day's encoding and extraction on a Ray cluster: Ray Data maps shards over actors, one process writes what comes back.

Nothing is computed here that the loop does not compute: an actor holds what a loop would hold (the model, or the day's vectors)
and calls the same functions on the same batches. Results come back in order, so that the day is committed by its one writer as
ever. An actor or a node that dies loses nothing: Ray redoes its shard elsewhere, and what had come of it is not taken twice.

Ray is imported when used; it comes with the extra ``ft_assets[ray]``.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets import engine
from ft_assets.engine import DayRows, Encoding, PairSettings
from ft_assets.lake import Lake, Slice
from ft_assets.shards import Shard, plan
from ft_assets.text_encoding import TEXTS_PER_COMMIT, vectors_of

# Parts of texts that are claimed and handed to the cluster at once: 262,144 texts, of which one batch of Arrow can hold 2 GB.
BATCHES_PER_ROUND = 32


@dataclass(frozen=True)
class RayCluster:
    """Where the work goes and how it is spread.

    Attributes:
        address: as ``ray.init`` takes it: ``auto`` (the cluster that this machine is part of), ``local`` (one on this machine,
            for as long as it is needed), or host and port of the head.
        workers: actors that share a day.
        cpus_per_worker: CPUs that Ray sets aside for each.
        gpus_per_worker: GPUs likewise; may be a fraction.
    """

    address: str = "auto"
    workers: int = 2
    cpus_per_worker: float = 1.0
    gpus_per_worker: float = 0.0

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Be connected to the cluster; a process that is connected already stays so.

        Raises:
            ModuleNotFoundError: Ray is not installed.
            ConnectionError: there is no such cluster.
        """
        ray = _ray()
        if ray.is_initialized():
            yield
            return
        try:
            _check_answers(self.address)
            ray.init(address=self.address, log_to_driver=False, configure_logging=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise ConnectionError(
                f"compute.address must be that of a Ray cluster which can be reached from here, got {self.address}: {error}"
            ) from error
        try:
            yield
        finally:
            ray.shutdown()

    def mapped(self, worker: type, settings: Any, parts: Iterable[Any]) -> Iterator[pa.Table]:
        """What actors make of each part, in the order of the parts, each exactly once.

        Args:
            worker: a class made of the settings; called with a part, it makes tables.
            settings: what every actor is made of.
            parts: the parts, small: they all go to the cluster at once.
        """
        import ray.data
        import torch

        rows = [{"part": pickle.dumps(part)} for part in parts]
        if not rows:
            return
        parts_of_it = ray.data.from_items(rows, override_num_blocks=len(rows))
        context = parts_of_it.context
        context.execution_options.preserve_order = True
        context.max_errored_blocks = 0  # a part that cannot be made fails the day
        context.enable_progress_bars = False
        # Ray Data starts an actor that died again, and redoes what it had in hand, as often as it takes.
        done = parts_of_it.map_batches(
            _OnActor,
            # With other numbers of threads a model's products are rounded otherwise: as many as the loop would have here.
            fn_constructor_args=(worker, settings, torch.get_num_threads()),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=self.workers, initial_size=self.workers),
            num_cpus=self.cpus_per_worker,
            num_gpus=self.gpus_per_worker,
        )
        for rows in done.iter_batches(batch_size=None, batch_format="pyarrow"):
            if rows.num_rows:  # a part of which nothing comes is an empty block, without columns
                yield rows

    def device(self, named: str) -> str:
        """The device that a worker computes on: ``auto`` is the CPU for workers without a GPU of their own."""
        return "cpu" if named == "auto" and not self.gpus_per_worker else named


class _OnActor:
    """Unpacks parts for a worker: a row of Ray Data is a part."""

    def __init__(self, worker: type, settings: Any, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.worker = worker(settings)

    def __call__(self, batch: dict[str, Any]) -> Iterator[pa.Table]:
        for part in batch["part"]:
            yield from self.worker(pickle.loads(part))


@dataclass(frozen=True)
class DayOfPairs:
    """What an extractor is made of: a day, named so that another machine finds the same versions of its tables."""

    lake: Lake
    inputs: Slice = field(repr=False)
    items: Slice = field(repr=False)
    vectors: Slice = field(repr=False)
    model: str = ""
    settings: PairSettings = field(default_factory=PairSettings)

    def __reduce__(self) -> tuple[Any, ...]:
        named = [(s.table.name, s.session_date, s.version) for s in (self.inputs, self.items, self.vectors)]
        return _day_of_pairs, (self.lake, named, self.model, self.settings)


def _day_of_pairs(lake: Lake, named: list[tuple[Any, ...]], model: str, settings: PairSettings) -> DayOfPairs:
    """The day as a worker opens it.

    Raises:
        FileNotFoundError: the lake is not where this machine looks.
    """
    gone = [name for name, _, _ in named if not lake.exists(name)]
    if gone:
        raise FileNotFoundError(
            f"every node of the Ray cluster must reach the lake at {lake.root}, this one finds no {', '.join(gone)} there: "
            "keep the lake in an object store (FT_ASSETS_LAKE) or in a folder that all nodes share"
        )
    inputs, items, vectors = (lake.slice(*one) for one in named)
    return DayOfPairs(lake, inputs, items, vectors, model, settings)


class Extractor:
    """Makes the pairs of shards, with the day's vectors in a memory-mapped file of its own."""

    def __init__(self, day: DayOfPairs) -> None:
        from ft_assets.encoders import resolve_device

        settings = replace(day.settings, device=resolve_device(day.settings.device))
        self.inputs = day.inputs
        self.maker = engine.pair_maker(day.inputs, day.items, day.vectors, day.model, settings)

    def __call__(self, shard: Shard) -> Iterator[pa.Table]:
        """The pairs of a shard, batch by batch."""
        for rows in shard.pairs(self.inputs, self.maker):
            yield pa.Table.from_batches([rows])


def pair_features(cluster: RayCluster, day: DayOfPairs) -> DayRows:
    """The pairs of a day as ``engine.pair_features`` makes them, made on a cluster."""
    counts: dict[str, int] = {}
    settings = replace(day.settings, device=cluster.device(day.settings.device))

    def batches() -> Iterator[pa.RecordBatch]:
        settings.kernels()  # a name that is none is told here, not by an actor
        cut = plan(day.inputs, settings.sessions_per_batch, not settings.not_irrelevant_only, cluster.workers)
        counts.clear()
        counts.update(sessions_read=cut.sessions, results_shown=cut.results, pairs_session=0, pairs_irrelevant=0, rows_out=0)
        with cluster.connected():
            for rows in cluster.mapped(Extractor, replace(day, settings=settings), cut.shards):
                for kind in ("session", "irrelevant"):
                    counts[f"pairs_{kind}"] += pc.sum(pc.equal(rows["pairing"], kind)).as_py() or 0
                counts["rows_out"] += rows.num_rows
                yield from rows.to_batches()

    return DayRows(batches, counts, engine.versions(day.inputs, day.items, day.vectors), model=day.model)


@dataclass(frozen=True)
class Model:
    """What an encoder is made of: the arguments of ``load_encoder``, and the fingerprint that must come of them."""

    arguments: dict[str, Any]
    fingerprint: str


class TextEncoder:
    """Encodes parts of texts."""

    def __init__(self, model: Model) -> None:
        from ft_assets.encoders import load_encoder

        self.encoder = load_encoder(**model.arguments)
        if self.encoder.fingerprint != model.fingerprint:
            raise ValueError(
                f"every node of the Ray cluster must have the model {model.fingerprint}, this one has "
                f"{self.encoder.fingerprint}"
            )

    def __call__(self, part: tuple[int, pa.RecordBatch]) -> Iterator[pa.Table]:
        """Places of the texts, less the first's, and their vectors."""
        first, texts = part
        for rows, vectors in vectors_of(self.encoder, texts):
            offsets = np.arange(len(rows) + 1, dtype=np.int32) * vectors.shape[1]
            values = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
            yield pa.table({"place": rows + first, "vector": pa.ListArray.from_arrays(pa.array(offsets), values)})


def encoding(cluster: RayCluster, model: Model, texts_per_part: int = TEXTS_PER_COMMIT) -> Encoding:
    """Encode texts on a cluster: for ``engine.text_vectors``, in the place of an encoder in this process.

    Args:
        cluster: where.
        model: what encodes.
        texts_per_part: what an actor takes at a time: as many as the loop does, so that batches have the texts that they
            have there.
    """
    device = cluster.device(model.arguments.get("device", "auto"))
    model = replace(model, arguments={**model.arguments, "device": device})

    def vectors(texts: pa.RecordBatch) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        # Taken and not sliced: a slice is sent along with all that it is cut from.
        places = (np.arange(at, min(at + texts_per_part, len(texts))) for at in range(0, len(texts), texts_per_part))
        parts = ((int(rows[0]), texts.take(pa.array(rows))) for rows in places)
        with cluster.connected():  # where there is nothing to encode, no cluster is asked
            for rows in cluster.mapped(TextEncoder, model, parts):
                matrix = rows["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
                yield rows["place"].to_numpy(), matrix.reshape(rows.num_rows, -1)

    return Encoding(vectors, BATCHES_PER_ROUND)


def _check_answers(address: str) -> None:
    """Ray itself waits for minutes for a head that is not there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10.0).close()


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "compute.engine ray needs Ray, which is not installed: pip install 'ft_assets[ray]', or set compute.engine to local"
        ) from error
    return ray
