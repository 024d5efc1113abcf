"""Split a file into numbered lines, by bytes: whatever is in them, every line is there and keeps its number."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

BLOCK_BYTES = 1 << 20
BATCH_BYTES = 16 << 20
LINE_BYTES = 16 << 20  # a longer line is refused: it is a file without line ends, not a record
GZIP = b"\x1f\x8b"
KEPT_BYTES = 64 << 10  # how much of a refused long line is kept

LINE_SCHEMA = pa.schema(
    [
        ("file_number", pa.int32()),
        ("record_number", pa.int64()),
        ("raw", pa.string()),
        ("problem", pa.string()),
        ("detail", pa.string()),
    ]
)


class Line(NamedTuple):
    """A line as it stood, without its end; ``problem`` is a reason code where it could not be read as text."""

    number: int
    raw: str
    problem: str | None = None
    detail: str | None = None


class _DamagedError(Exception):
    """A compressed file ends early or cannot be decompressed any further."""


def line_batches(files: Iterable[tuple[int, Path]]) -> Iterator[pa.RecordBatch]:
    """Stream the lines of numbered files as batches of ``LINE_SCHEMA``, some 16 MB of text each."""
    rows: list[tuple[int, int, str, str | None, str | None]] = []
    size = 0
    for number, path in files:
        for line in read_lines(path):
            rows.append((number, *line))
            size += len(line.raw) + 64
            if size >= BATCH_BYTES:
                yield _batch(rows)
                rows, size = [], 0
    if rows:
        yield _batch(rows)


def _batch(rows: list[tuple[int, int, str, str | None, str | None]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, LINE_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=LINE_SCHEMA)


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a plain or gzip file (told by its first bytes), numbered from 1.

    A line that is not UTF-8, or too long, is a line with a problem. A compressed file that ends early or is damaged
    keeps what could be read; what stood in the unfinished line comes last, with the problem ``file_truncated``.
    """
    number, rest, dropped = 0, b"", 0
    damage = None
    blocks = _blocks(path)
    while True:
        try:
            block = next(blocks, None)
        except _DamagedError as error:
            damage, block = str(error), None
        if block is None:
            break
        *whole, last = block.split(b"\n")
        if whole:
            whole[0], rest = rest + whole[0], b""
        for raw in whole:
            number += 1
            yield _line(number, raw, dropped)
            dropped = 0
        rest += last
        if len(rest) > LINE_BYTES:  # keep its beginning, count the others
            dropped += len(rest) - KEPT_BYTES
            rest = rest[:KEPT_BYTES]
    if damage is not None:
        yield Line(number + 1, rest.decode("utf-8", "replace"), "file_truncated", damage)
    elif rest or dropped:
        yield _line(number + 1, rest, dropped)


def _line(number: int, raw: bytes, dropped: int) -> Line:
    if dropped or len(raw) > LINE_BYTES:
        text = raw[:KEPT_BYTES].decode("utf-8", "replace")
        size = f"a line must be at most {LINE_BYTES} bytes, got {len(raw) + dropped}; its beginning is kept"
        return Line(number, text, "line_too_long", size)
    raw = raw.removesuffix(b"\r")
    if number == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return Line(number, raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        detail = f"a line must be UTF-8, got byte {raw[error.start]:#04x} at offset {error.start}"
        return Line(number, raw.decode("utf-8", "replace"), "not_utf8", detail)


def is_gzip(path: Path) -> bool:
    """Whether the file is compressed, told by its first bytes."""
    with path.open("rb") as stream:
        return stream.read(2) == GZIP


def byte_blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Whole lines as they stand, some 1 MB together, with the number of the first as ``read_lines`` counts.

    A line longer than ``LINE_BYTES`` comes in pieces of one number; only its last piece has a line end, and others may
    follow it. The last line of a file may have none. Of a damaged compressed file, what can be read.
    """
    number, rest = 1, b""
    try:
        for block in _blocks(path):
            whole, end, last = block.rpartition(b"\n")
            if end:
                yield number, rest + whole + end
                number, rest = number + whole.count(b"\n") + 1, last
            else:
                rest += last
            if len(rest) > LINE_BYTES:
                yield number, rest
                rest = b""
    except _DamagedError:
        pass
    if rest:
        yield number, rest


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        first = stream.read(BLOCK_BYTES)
        is_compressed = first.startswith(GZIP)
        chunks = _chain(first, iter(lambda: stream.read(BLOCK_BYTES), b""))
        yield from _inflate(chunks) if is_compressed else chunks


def _chain(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
        yield from others


def _inflate(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip members one after the other; give all that can be had before a damage."""
    member: Any = None
    for chunk in chunks:
        left = chunk
        while left:
            if member is None:
                left = left.lstrip(b"\0")  # padding between members
                if not left:
                    break
                member = zlib.decompressobj(wbits=31)
            before = member.copy()
            try:
                block = member.decompress(left, BLOCK_BYTES)
            except zlib.error as error:
                yield _salvage(before, left)
                raise _DamagedError(f"the compressed file is damaged: {error}") from error
            if block:
                yield block
            left = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member = None
    if member is not None:
        try:
            yield member.flush()
        except zlib.error as error:
            raise _DamagedError(f"the compressed file is damaged: {error}") from error
        if not member.eof:
            raise _DamagedError("the compressed file must end with its checksum, it ends before")


def _salvage(member: Any, chunk: bytes) -> bytes:
    """What a damaged chunk still gives, byte by byte."""
    found = []
    try:
        for at in range(len(chunk)):
            found.append(member.decompress(chunk[at : at + 1]))
    except zlib.error:
        pass
    return b"".join(found)
