"""See to it that every text of a day has a vector: read what is missing, encode it, keep it as it comes.

Three things go on at once: texts are read and tokenized, the device encodes, and vectors are committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets import queries
from ft_assets.compaction import compact_vectors
from ft_assets.day_texts import texts_of_the_day
from ft_assets.encoder_contract import Encoder, Role
from ft_assets.half_encoder import streamed
from ft_assets.lake import Lake, Slice
from ft_assets.new_vectors import NewVectors
from ft_assets.schemas import TEXT_VECTORS
from ft_assets.stored_vectors import have_vectors

if TYPE_CHECKING:
    import duckdb

    from ft_assets.claims import Claims

ROLES: tuple[Role, ...] = ("item", "query")
TEXTS_PER_COMMIT = 8_192
SECONDS_PER_COMMIT = 60.0
SECONDS_BETWEEN_WORDS = 10.0
_TEXTS_AT_ONCE = 1_024  # of an encoder that does not stream


@dataclass(frozen=True)
class Encoding:
    """Who encodes.

    Attributes:
        vectors: gives for texts of one role (role, text_hash, text) places of some of them and their vectors, as
            ``Streaming.encode_batches`` does.
        batches: commits' worth of texts that it is given at once.
    """

    vectors: Callable[[pa.RecordBatch], Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]]
    batches: int = 1


@dataclass(frozen=True)
class Encoded:
    """What encoding a day's texts did: texts that had a vector already need nothing."""

    texts: dict[str, int]
    encoded: dict[Role, int]
    seconds: float
    version: int


@dataclass(frozen=True)
class Progress:
    """How far an encoding is.

    Attributes:
        encoded: texts that have a vector now, by role.
        missing: texts that had none at the beginning, by role.
        share: of the characters of all of them that have been encoded, in [0, 1].
        seconds: since the beginning.
    """

    encoded: Mapping[Role, int]
    missing: Mapping[Role, int]
    share: float
    seconds: float

    @property
    def texts_per_second(self) -> float:
        """Texts a second so far."""
        return sum(self.encoded.values()) / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """An estimate by the characters that are left; None before there is anything to go by."""
        return self.seconds / self.share * (1 - self.share) if self.share else None

    def __str__(self) -> str:
        done, of = sum(self.encoded.values()), sum(self.missing.values())
        left = "" if self.seconds_left is None else f", {duration(self.seconds_left)} left"
        return f"encoded {done:,} of {of:,} texts ({self.share:.0%}), {self.texts_per_second:,.0f} a second{left}"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    Example:
        >>> [duration(seconds) for seconds in (4.2, 75, 7_500)]
        ['4 s', '1 min 15 s', '2 h 5 min']
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3_600 else f"{whole // 3_600} h {whole % 3_600 // 60} min"


def text_vectors(
    lake: Lake,
    inputs: Slice,
    items: Slice,
    encoder: Encoder,
    metadata: dict[str, Any],
    progress: Callable[[Progress], None] | None = None,
    texts_per_commit: int = TEXTS_PER_COMMIT,
    seconds_per_commit: float = SECONDS_PER_COMMIT,
    claims: Claims | None = None,
    encoding: Encoding | None = None,
) -> Encoded:
    """See to it that every text of a day has a vector under the encoder's model; encode those that have none.

    A text is encoded once in its life: what is there, from whatever session, day or run, is used again, and what a process
    with the same ``claims`` is about to encode is left to it. What has been encoded is committed as it comes: a run that
    fails keeps all of it, a killed one loses no more than the last commit's worth.

    Args:
        lake: the tables.
        inputs: a day of sampled_inputs.
        items: the catalogue.
        encoder: the model; ``Streaming`` ones read, compute and commit at the same time.
        metadata: what the log keeps of the day.
        progress: told every ten seconds, and at the end where anything was encoded.
        texts_per_commit: vectors are committed when there are so many,
        seconds_per_commit: or when the oldest has waited so long.
        claims: shared by the processes that may need the same texts; what is encoded at once is claimed at once.
        encoding: who encodes in the place of the encoder.

    Raises:
        ValueError: the encoder gives something else than one finite vector for each text.
    """
    here = Encoding(partial(vectors_of, encoder, at_once=min(texts_per_commit, _TEXTS_AT_ONCE)))
    encoding = encoding or here
    known = lake.slice(TEXT_VECTORS.name)
    needed = texts_of_the_day(inputs, items)
    wanted = needed.hashes(~have_vectors(known, encoder.fingerprint, needed.names))
    with queries.session({"sampled_inputs": inputs, "items": items, "wanted": wanted}) as con:
        queries.query(con, "assets/text_vectors").create("missing")
        work = _Work.of(con, progress)
        new = NewVectors(lake, known, encoder.fingerprint, claims)
        with _Vectors(new, encoder, texts_per_commit, seconds_per_commit) as vectors:
            for texts in new.shares(_missing(con, work, texts_per_commit * encoding.batches)):
                _encode(texts, encoding, vectors, work)
                if claims is not None:
                    vectors.flush()  # before the claims on them are let go
        work.end()
    compact_vectors(lake, encoder.fingerprint)
    # The day's own entry in the log: all its texts have vectors from this version on.
    version = lake.append(TEXT_VECTORS.name, TEXT_VECTORS.empty(), metadata).version
    return Encoded(needed.counts, dict(work.encoded), work.seconds, version)


def _missing(con: duckdb.DuckDBPyConnection, work: _Work, texts: int) -> Iterator[pa.RecordBatch]:
    """The texts to encode, some thousands at a time, each batch of one role."""
    for role in (role for role in ROLES if work.missing.get(role)):
        relation = queries.query(con, "assets/text_vectors_in_order", {"role": role})
        yield from queries.rebatched(queries.stream(relation, texts), texts)


def vectors_of(
    encoder: Encoder, texts: pa.RecordBatch, at_once: int = _TEXTS_AT_ONCE
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Places of texts, all of one role, and their vectors: by the model and these texts alone, whatever else is encoded."""
    return streamed(encoder, (text.as_py() for text in texts["text"]), texts["role"][0].as_py(), at_once)


def _encode(texts: pa.RecordBatch, encoding: Encoding, vectors: _Vectors, work: _Work) -> None:
    """Encode texts, all of one role."""
    role: Role = texts["role"][0].as_py()
    hashes, characters = texts["text_hash"], pc.utf8_length(texts["text"]).to_numpy() + 1
    seen = 0
    for rows, matrix in encoding.vectors(texts):
        vectors.add(role, hashes.take(pa.array(rows)).to_pylist(), matrix)
        seen += len(rows)
        work.done(role, len(rows), int(characters[rows].sum()))
    if seen != texts.num_rows:
        raise ValueError(f"{vectors.model} must give {texts.num_rows} vectors of role {role}, gave {seen}")


@dataclass
class _Work:
    """What there is to do and what has been done, told now and then."""

    missing: dict[Role, int]
    characters: int
    tell: Callable[[Progress], None] | None
    encoded: dict[Role, int] = field(default_factory=lambda: {"query": 0, "item": 0})
    read: int = 0
    began: float = field(default_factory=time.perf_counter)
    told: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0

    @classmethod
    def of(cls, con: duckdb.DuckDBPyConnection, tell: Callable[[Progress], None] | None) -> _Work:
        books = queries.rows(queries.query(con, "reports/missing_texts_books"))
        return cls({row["role"]: row["texts"] for row in books}, sum(row["characters"] for row in books), tell)

    def done(self, role: Role, texts: int, characters: int) -> None:
        """Count texts that have been encoded."""
        self.encoded[role] += texts
        self.read += characters
        if time.perf_counter() - self.told >= SECONDS_BETWEEN_WORDS:
            self._say()

    def end(self) -> None:
        """All has been encoded and committed."""
        self.seconds = time.perf_counter() - self.began
        if self.missing:
            self._say()

    def _say(self) -> None:
        self.told = time.perf_counter()
        if self.tell is not None:
            self.tell(Progress(dict(self.encoded), self.missing, self.read / self.characters, self.told - self.began))


class _Vectors:
    """Vectors on their way into the table, committed by a thread: the device need not wait for the storage.

    What waits is bounded: by one commit under way and the next one's worth.
    """

    def __init__(self, new: NewVectors, encoder: Encoder, texts: int, seconds: float) -> None:
        self.new, self.model, self.texts, self.seconds = new, encoder.fingerprint, texts, seconds
        self._waiting: list[pa.Table] = []
        self._rows, self._since = 0, 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ft_assets-commit")
        self._under_way: Future[Any] | None = None

    def __enter__(self) -> _Vectors:
        return self

    def add(self, role: Role, hashes: list[str], matrix: np.ndarray[Any, Any]) -> None:
        """Take vectors, and commit those that wait when they are many or have waited long."""
        if not self._waiting:
            self._since = time.perf_counter()
        self._waiting.append(_vector_rows(self.model, role, hashes, matrix))
        self._rows += len(hashes)
        if self._rows >= self.texts or time.perf_counter() - self._since >= self.seconds:
            self._commit()

    def _commit(self) -> None:
        # By role and hash: a reader that looks for few texts can pass over what cannot hold them.
        rows = pa.concat_tables(self._waiting).sort_by([("role", "ascending"), ("text_hash", "ascending")])
        self._waiting, self._rows = [], 0
        self._settle()
        self._under_way = self._thread.submit(self.new.append, rows, {"model": self.model})

    def _settle(self) -> None:
        """Wait for the commit under way, and raise what went wrong with it."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def __exit__(self, kind: object, *raised: object) -> None:
        """Commit what waits, also after a failure: it has been encoded."""
        try:
            self.flush()
        finally:
            self._thread.shutdown()

    def flush(self) -> None:
        """Commit what waits, and wait for it."""
        self._settle()
        if self._waiting:
            self._commit()
            self._settle()


def _vector_rows(model: str, role: Role, hashes: list[str], matrix: np.ndarray[Any, Any]) -> pa.Table:
    rows = len(hashes)
    if matrix.shape[0] != rows or not np.isfinite(matrix).all():
        raise ValueError(
            f"{model} must give {rows} finite vectors, got shape {matrix.shape} with "
            f"{int((~np.isfinite(matrix)).any(axis=-1).sum())} not finite"
        )
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * matrix.shape[1])
    vector = pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(matrix, dtype=np.float32).ravel()))
    columns = [pa.array([model] * rows), pa.array([role] * rows), pa.array(hashes), vector]
    return pa.table(columns, schema=TEXT_VECTORS.schema)
