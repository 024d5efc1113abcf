"""Vectors of texts that have none: each text encoded by one process, its vector stored once, whoever else needs it.

Days are made at the same time, and one text is needed by many. Two things keep it from being encoded for each:

* before it is encoded it is claimed (``claims.py``): the others leave it to the claimer, go on with the rest, and at the end
  wait for it; what it did not do, since it died, they do;
* before vectors are committed they are compared with the newest version of the table, and what has a vector by then is dropped.
  So it is stored once also where claims do not reach, such as two machines at one object store.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ft_assets.claims import Claims
from ft_assets.lake import ATTEMPTS, Lake, Overtaken, Slice, wait
from ft_assets.schemas import TEXT_VECTORS

POSTPONED_ROWS = 65_536  # of texts that others encode, kept in memory before they are waited for
Rows = TypeVar("Rows", pa.RecordBatch, pa.Table)


class NewVectors:
    """What a process adds to text_vectors.

    Args:
        lake: the tables.
        known: the version of text_vectors that its texts were compared with.
        model: fingerprint of the model.
        claims: shared by the processes that may need the same texts; None if there is no such place.
    """

    def __init__(self, lake: Lake, known: Slice, model: str, claims: Claims | None = None) -> None:
        self._lake, self._model, self._claims = lake, model, claims
        self._version, self._files = known.version, set(_files(known))
        self._looking = threading.Lock()
        self._since = [pa.array([], pa.string())]  # names of texts whose vectors came since

    def shares(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The texts that are this process's to encode and to append, before it asks for more; at the end, all have one.

        Args:
            batches: texts without a vector at the known version, each once: role, text_hash, text.
        """
        if self._claims is None:
            yield from batches
            return
        postponed: list[pa.RecordBatch] = []
        for batch in batches:
            theirs, _ = yield from self._share(self._claims, batch)
            postponed.append(theirs)
            if sum(texts.num_rows for texts in postponed) > POSTPONED_ROWS:
                yield from self._taken_over(self._claims, postponed)
                postponed = []
        yield from self._taken_over(self._claims, postponed)

    def _share(
        self, claims: Claims, texts: pa.RecordBatch
    ) -> Generator[pa.RecordBatch, None, tuple[pa.RecordBatch, list[Any]]]:
        """Do what nobody else does; what others do, and their claims."""
        left = texts

        def wanted() -> pa.StringArray:
            nonlocal left
            left, _ = self._without_vector(texts)
            return self._names(left)

        with claims.claimed(wanted) as share:
            mine = left.filter(share.is_mine)
            if mine.num_rows:
                yield mine
        return left.filter(pc.invert(share.is_mine)), share.owners

    def _taken_over(self, claims: Claims, postponed: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Wait for what others encode; what they did not is encoded here."""
        for texts in postponed:
            left = texts
            while left.num_rows:
                left, owners = yield from self._share(claims, left)
                claims.wait_for(owners)

    def append(self, rows: pa.Table, metadata: Mapping[str, Any]) -> int:
        """Commit vectors, but for those of texts that have one by now; how many were committed."""
        for attempt in range(ATTEMPTS):
            rows, version = self._without_vector(rows)
            if not rows.num_rows:
                return 0
            try:
                return self._lake.append_once(TEXT_VECTORS.name, rows.to_batches, [], metadata, version).rows
            except Overtaken:
                wait(attempt)
        raise RuntimeError(f"{TEXT_VECTORS.name} was committed to while rows were compared with it, {ATTEMPTS} times in a row")

    def _without_vector(self, texts: Rows) -> tuple[Rows, int]:
        """Those that have no vector in the newest version either, and that version."""
        with self._looking:  # a thread may commit what another encodes
            newest = self._lake.slice(TEXT_VECTORS.name)
            if newest.version != self._version:
                self._read(newest)
            since = pa.chunked_array(self._since).combine_chunks()
        return texts.filter(pc.invert(pc.is_in(self._names(texts), value_set=since))), newest.version

    def _read(self, newest: Slice) -> None:
        """Note the texts of the files that came since; what is known already is not read again."""
        files = set(_files(newest))
        if new := files - self._files:
            dataset = newest.dataset()
            is_model = pc.field("model") == self._model
            for fragment in dataset.get_fragments():
                if fragment.path.lstrip("/") in new:
                    columns = ["role", "text_hash"]
                    self._since.append(self._names(fragment.to_table(dataset.schema, columns, filter=is_model)))
        self._version, self._files = newest.version, files

    def _names(self, texts: pa.RecordBatch | pa.Table) -> pa.StringArray:
        """What a text is called in a claim."""
        names = pc.binary_join_element_wise(pa.scalar(self._model), texts["role"], texts["text_hash"], " ")
        return names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names


def _files(vectors: Slice) -> Iterator[str]:
    """The files of a version of the table, below its folder."""
    return (uri.rsplit(f"/{TEXT_VECTORS.name}/", 1)[1] for uri in vectors.file_uris())
