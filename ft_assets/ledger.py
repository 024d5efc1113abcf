"""Which landed files have been ingested, by name and by content, as the table ``ingested_files`` says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc

from ft_assets.books import Books
from ft_assets.lake import Lake
from ft_assets.landing import LandedFile
from ft_assets.schemas import INGESTED_FILES

SHOWN_DIGITS = 8


class Ledger:
    """The table of ingested files at one version.

    A file is known by its name, its size and the time of its last change: then it is not read again. What it holds is
    known by its digest: the same content under another name, or packed otherwise, adds nothing; under another
    format it says something else.

    Attributes:
        version: of the table.
    """

    def __init__(self, lake: Lake) -> None:
        self._slice = lake.slice(INGESTED_FILES.name)
        self.version = self._slice.version
        names = ["source_file", "landed_as", "format", "content", "bytes", "modified_at", "copy_of"]
        table = self._slice.to_table(names)
        sources, landed, formats, contents, sizes, times, copies = (table[name].to_pylist() for name in names)
        self._deliveries: set[tuple[str, int, dt.datetime]] = set(zip(landed, sizes, times, strict=True))
        self._names: set[str] = set(landed)
        self._sources: dict[tuple[str, str], str] = {
            (format_, content): source
            for source, format_, content, copy in zip(sources, formats, contents, copies, strict=True)
            if copy is None
        }

    def holds(self, file: LandedFile) -> bool:
        """Whether the file has been ingested as it is now."""
        return (file.name, file.bytes, file.modified_at) in self._deliveries

    def source_of(self, format: str, content: str) -> str | None:  # noqa: A002 (the table's word)
        """The file that brought this content first, to be read in this format."""
        return self._sources.get((format, content))

    def is_again(self, name: str) -> bool:
        """Whether a file of this name has been ingested, whatever it held."""
        return name in self._names

    def source_file(self, name: str, content: str) -> str:
        """What rows say of where they come from: the name; with a mark of the content where the name had another before."""
        return f"{name}#{content[:SHOWN_DIGITS]}" if self.is_again(name) else name

    def books_of(self, format: str, contents: Sequence[str]) -> dict[str, Books]:  # noqa: A002 (the table's word)
        """The books of the files that brought these contents first, in this format."""
        if not contents:
            return {}
        table = self._slice.to_table()
        mask = pc.and_(pc.is_in(table["content"], value_set=_strings(contents)), pc.is_null(table["copy_of"]))
        mask = pc.and_(mask, pc.equal(table["format"], format))
        return {row["content"]: Books.of_row(row) for row in table.filter(mask).to_pylist()}


def _strings(values: Sequence[str]) -> Any:
    import pyarrow as pa

    return pa.array(values, pa.string())
