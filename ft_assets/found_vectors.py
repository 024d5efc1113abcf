"""The stored vectors of a day's texts, every one as it is stored, in files without a name.

They are read once for all who ask in one process: the checks of text_vectors, the extraction of pairs, and what is computed
anew. The files are mapped, so the kernel's page cache holds what is in use; they go when nobody holds them, at the latest with
the process.

Letters: V vectors, T texts of the day, D width.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_assets import day_texts
from ft_assets.day_texts import ROLES, DayTexts, texts_of_the_day
from ft_assets.lake import Slice
from ft_assets.newest import Newest, files_of
from ft_assets.stored_vectors import stored_vectors

Array = np.ndarray[Any, Any]
Kind = tuple[str, int]  # the role, and how many numbers a vector has


@dataclass(frozen=True, eq=False)
class FoundVectors:
    """The vectors of a day's texts, in the order in which they were read. A text may have none, or several.

    Attributes:
        texts: of the day.
        model: fingerprint of the model.
        places: int64 [V], the text of each vector.
        widths: int32 [V], its numbers with those that are null; -1 where the vector itself is null.
        nulls: int32 [V], how many of the numbers are null.
        rows: int64 [V], its row in the matrix of its role and width, which grow with V; -1 where it is null.
        matrices: of each role and width, float32 [count, D], memory-mapped, not to be written to; NaN where a number is null.
    """

    texts: DayTexts
    model: str
    places: Array
    widths: Array
    nulls: Array
    rows: Array
    matrices: Mapping[Kind, Array]

    @classmethod
    def read(cls, texts: DayTexts, vectors: Slice, model: str) -> FoundVectors:
        """Find them.

        Args:
            texts: of the day.
            vectors: text_vectors.
            model: fingerprint of the model.
        """
        none = np.zeros(0, np.int32)
        places, columns = [np.zeros(0, np.int64)], [(none, none, none.astype(np.int64))]
        with ExitStack() as opened:
            files = _Files(opened)
            for at, found in stored_vectors(vectors, model, texts.names):
                places.append(at)
                columns.append(files.add(texts.are_of_items(at), found))
            matrices = files.mapped()
        widths, nulls, rows = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        return cls(texts, model, np.concatenate(places), widths, nulls, rows, matrices)

    def kinds(self) -> Iterator[tuple[Kind, Array]]:
        """Each role and width that there is, and which vectors are of it, int64: row after row of its matrix."""
        return _by_kind(self.texts.are_of_items(self.places), self.widths)

    def first(self) -> Array:
        """The first vector of each text, int64 [T]; -1 where it has none."""
        first = np.full(self.texts.count, -1)
        first[self.places[::-1]] = np.arange(len(self.places))[::-1]  # of several the last one assigned stays
        return first

    def has(self, names: pa.Array) -> bool:
        """Whether all of these are texts of the day."""
        return bool(pc.all(pc.is_in(names, value_set=self.texts.names, skip_nulls=True), min_count=0).as_py())

    def vectors_of(self, names: pa.Array) -> Iterator[tuple[Array, pa.ListArray]]:
        """Vectors of some texts of the day, as ``stored_vectors`` gives them, but for those that are null."""
        wanted = pc.fill_null(pc.index_in(self.texts.names, value_set=names, skip_nulls=True), -1).to_numpy()
        at = wanted[self.places].astype(np.int64)
        for kind, of_kind in self.kinds():
            chosen = of_kind[at[of_kind] >= 0]
            values = self.matrices[kind][self.rows[chosen]]
            offsets = np.arange(len(chosen) + 1, dtype=np.int32) * kind[1]
            yield at[chosen], pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))


class _Files:
    """The matrices, while they are written.

    Args:
        opened: closes the files.
    """

    def __init__(self, opened: ExitStack) -> None:
        self._opened, self._files, self._counts = opened, dict[Kind, IO[bytes]](), Counter[Kind]()

    def add(self, are_of_items: Array, vectors: pa.ListArray) -> tuple[Array, Array, Array]:
        """Append vectors; their widths, nulls and rows."""
        widths = pc.fill_null(pc.list_value_length(vectors), -1).to_numpy(zero_copy_only=False)
        nulls, rows = np.zeros(len(widths), np.int32), np.full(len(widths), -1)
        for kind, chosen in _by_kind(are_of_items, widths):
            values = (vectors if len(chosen) == len(vectors) else vectors.take(pa.array(chosen))).flatten()
            if values.null_count:
                nulls[chosen] = pc.is_null(values).to_numpy(zero_copy_only=False).reshape(len(chosen), -1).sum(axis=1)
            rows[chosen] = np.arange(self._counts[kind], self._counts[kind] + len(chosen))
            self._counts[kind] += len(chosen)
            if kind not in self._files:
                file = tempfile.TemporaryFile(prefix="ft_assets_vectors_")  # noqa: SIM115 (closed with the others)
                self._files[kind] = self._opened.enter_context(file)
            self._files[kind].write(np.ascontiguousarray(values.to_numpy(zero_copy_only=False), dtype=np.float32).data)
        return widths, nulls, rows

    def mapped(self) -> dict[Kind, Array]:
        """The matrices as they are now; they outlive their files."""
        matrices: dict[Kind, Array] = {}
        for kind, file in self._files.items():
            file.flush()
            shape = (self._counts[kind], kind[1])
            # Copied on writing: torch warns of what it could not write to. (The subclass costs time for every row.)
            matrices[kind] = np.asarray(
                np.memmap(file, np.float32, "c", shape=shape) if kind[1] else np.zeros(shape, np.float32)
            )
        return matrices


def _by_kind(of_items: Array, widths: Array) -> Iterator[tuple[Kind, Array]]:
    codes = np.where(widths < 0, -1, widths * 2 + of_items)
    for code in sorted(set(codes.tolist()) - {-1}):  # mostly there is one width
        yield (ROLES[code % 2], code // 2), np.flatnonzero(codes == code)


_newest = Newest[FoundVectors]()


def found_vectors(inputs: Slice, items: Slice, vectors: Slice, model: str) -> FoundVectors:
    """The vectors of a day's texts.

    Args:
        inputs: a day of sampled_inputs.
        items: the catalogue.
        vectors: text_vectors.
        model: fingerprint of the model.
    """
    question = (model, *files_of(vectors, inputs, items))
    return _newest.answer(question, lambda: FoundVectors.read(texts_of_the_day(inputs, items), vectors, model))


def let_go() -> None:
    """Keep nothing: the files go when nobody else holds them."""
    _newest.kept = None
    day_texts.let_go()


def vectors_of_some(vectors: Slice, model: str, names: pa.Array) -> Iterator[tuple[Array, pa.ListArray]]:
    """As ``stored_vectors``, from what was found for the day where that is of these files and has all of the texts."""
    if _newest.kept is not None:
        question, found = _newest.kept
        if question[:2] == (model, *files_of(vectors)) and found.has(names):
            return found.vectors_of(names)
    return stored_vectors(vectors, model, names)
