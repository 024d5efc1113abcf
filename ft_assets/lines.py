"""Split a stream into numbered lines, by bytes: whatever is in them, every line is there and keeps its number.

A block is split as a whole: numpy finds the line ends, and Arrow takes the text as it stands. Only a block that holds what
no plain log has (bytes that are not UTF-8, a line that is too long) is looked at line by line.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

BLOCK_BYTES = 1 << 19  # so much is read, decompressed and split at a time; it fits the cache of a core
LINE_BYTES = 16 << 20  # a longer line is refused: it is a file without line ends, not a record
KEPT_BYTES = 64 << 10  # how much of a refused long line is kept
SLICE_ROWS = 1_000

BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
DAMAGED = b"\0damaged"  # what the digest of a damaged file ends with: it is not the file that holds just what could be had

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


class Digest(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes, /) -> None:
        """Take more of the content."""


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a file as ``read_batches`` gives them, one by one."""
    with path.open("rb") as stream:
        for batch in read_batches(stream, 0):
            for start in range(0, batch.num_rows, SLICE_ROWS):
                columns = batch.slice(start, SLICE_ROWS).to_pydict()
                yield from map(Line, columns["record_number"], columns["raw"], columns["problem"], columns["detail"])


def read_batches(stream: BinaryIO, file_number: int, digest: Digest | None = None) -> Iterator[pa.RecordBatch]:
    """The lines of a plain or gzip stream (told by its first bytes), numbered from 1.

    A line that is not UTF-8, or too long, is a line with a problem. A compressed file that ends early or is damaged
    keeps what could be read; what stood in the unfinished line comes last, with the problem ``file_truncated``. A file
    in UTF-16 is one line with a problem. Memory is bounded by ``LINE_BYTES`` and some blocks, whatever comes.

    Args:
        stream: gives raw bytes; it is read to its end and not closed.
        file_number: the first column of every row.
        digest: fed with the content, decompressed: a file and its compressed twin have the same digest. A damaged file
            has another than the file that holds just what could be had of it.

    Yields:
        Batches of ``LINE_SCHEMA``, of about ``BLOCK_BYTES`` of text each.
    """
    content = _Content(stream, digest)
    blocks = iter(content)
    first = next(blocks, b"")
    if first.startswith(UTF16_BOMS):
        for _ in blocks:  # only the digest wants it
            pass
        yield _batch(file_number, [_utf16_line(first)])
        return
    lines = _Lines(file_number)
    block: bytes | None = first
    while block is not None:
        end = block.rfind(b"\n") + 1
        if end:
            yield lines.split(block, end)
        lines.keep(block[end:])
        block = next(blocks, None)
    last = lines.last(content.damage)
    if last is not None:
        yield _batch(file_number, [last])


class _Lines:
    """Splits blocks; holds the number of the last line and the beginning of the next one."""

    def __init__(self, file_number: int) -> None:
        self.file_number = file_number
        self.number = 0
        self.rest: list[bytes] = []
        self.size = 0
        self.dropped = 0

    def keep(self, tail: bytes) -> None:
        """Hold what stands behind the last line end; of a line that is too long its beginning, the others are counted."""
        if self.dropped:
            self.dropped += len(tail)
            return
        self.rest.append(tail)
        self.size += len(tail)
        if self.size > LINE_BYTES:
            self.dropped = self.size - KEPT_BYTES
            self.rest = [b"".join(self.rest)[:KEPT_BYTES]]

    def split(self, block: bytes, end: int) -> pa.RecordBatch:
        """The lines of a block whose last line end stands before ``end``, the first one with what was held of it."""
        whole = b"".join((*self.rest, memoryview(block)[:end]))
        dropped, self.rest, self.size, self.dropped = self.dropped, [], 0, 0
        batch = None if dropped else self._split_as_a_whole(whole)
        if batch is None:
            lines: list[Line] = []
            for raw in whole[:-1].split(b"\n"):
                lines.append(_line(self.number + len(lines) + 1, raw, dropped))
                dropped = 0
            batch = _batch(self.file_number, lines)
        self.number += batch.num_rows
        return batch

    def _split_as_a_whole(self, whole: bytes) -> pa.RecordBatch | None:
        """The lines of text that ends with a line end; None where they must be looked at one by one."""
        ends = _line_ends(whole)
        if len(whole) > LINE_BYTES and np.diff(ends, prepend=-1).max() > LINE_BYTES + 1:
            return None
        if self.number == 0 and whole.startswith(BOM):
            whole, ends = whole[len(BOM) :], ends - len(BOM)
        text = np.frombuffer(whole, np.uint8)
        if (text[ends - 1] == ord("\r")).any():  # at 0 this looks at the last byte, a line end
            # one \r of each line end goes, as one goes from each line
            whole = whole.replace(b"\r\n", b"\n")
            ends = _line_ends(whole)
        count = len(ends)
        offsets = np.zeros(count + 1, np.int32)
        np.subtract(ends, np.arange(count), out=offsets[1:], casting="same_kind")
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(whole.replace(b"\n", b""))]
        raw = pa.Array.from_buffers(pa.string(), count, buffers)
        try:
            raw.validate(full=True)
        except pa.ArrowInvalid:
            return None
        numbers = np.arange(self.number + 1, self.number + count + 1)
        nothing = pa.nulls(count, pa.string())
        file_numbers = pa.array(np.full(count, self.file_number, np.int32))
        return pa.RecordBatch.from_arrays([file_numbers, pa.array(numbers), raw, nothing, nothing], schema=LINE_SCHEMA)

    def last(self, damage: str | None) -> Line | None:
        """What stood behind the last line end."""
        rest = b"".join(self.rest)
        if damage is not None:
            return Line(self.number + 1, rest.decode("utf-8", "replace"), "file_truncated", damage)
        return _line(self.number + 1, rest, self.dropped) if rest else None


def _line_ends(text: bytes) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))


def _line(number: int, raw: bytes, dropped: int) -> Line:
    if dropped or len(raw) > LINE_BYTES:
        text = raw[:KEPT_BYTES].decode("utf-8", "replace")
        size = f"a line must be at most {LINE_BYTES} bytes, got {len(raw) + dropped}; its beginning is kept"
        return Line(number, text, "line_too_long", size)
    raw = raw.removesuffix(b"\r")
    if number == 1:
        raw = raw.removeprefix(BOM)
    try:
        return Line(number, raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        detail = f"a line must be UTF-8, got byte {raw[error.start]:#04x} at offset {error.start}"
        return Line(number, raw.decode("utf-8", "replace"), "not_utf8", detail)


def _utf16_line(first: bytes) -> Line:
    detail = "a file must be UTF-8, it begins with the byte order mark of UTF-16; convert it. Its beginning is kept"
    return Line(1, first[:KEPT_BYTES].decode("utf-16", "replace"), "not_utf8", detail)


def _batch(file_number: int, lines: list[Line]) -> pa.RecordBatch:
    columns = [[file_number] * len(lines), *zip(*lines, strict=True)]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, LINE_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=LINE_SCHEMA)


class _Content:
    """The content of a stream in blocks of at least ``BLOCK_BYTES``, but for the last; decompressed where it is gzip.

    Attributes:
        damage: why no more could be had of a compressed stream; known behind its last block.
    """

    def __init__(self, stream: BinaryIO, digest: Digest | None) -> None:
        self.stream = stream
        self.digest = digest
        self.damage: str | None = None

    def __iter__(self) -> Iterator[bytes]:
        chunks = _gathered(iter(lambda: self.stream.read(BLOCK_BYTES), b""))
        first = next(chunks, b"")
        is_gzip = first.startswith(b"\x1f\x8b")
        chunks = _chain(first, chunks)
        for block in _gathered(self._inflate(chunks)) if is_gzip else chunks:
            if self.digest is not None:
                self.digest.update(block)
            yield block
        if self.damage is not None and self.digest is not None:
            self.digest.update(DAMAGED)

    def _inflate(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
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
                    yield member.decompress(left, BLOCK_BYTES)
                except zlib.error as error:
                    yield _salvage(before, left)
                    self.damage = f"the compressed file is damaged: {error}"
                    return
                left = member.unused_data if member.eof else member.unconsumed_tail
                if member.eof:
                    member = None
        if member is not None:
            yield from self._flush(member)

    def _flush(self, member: Any) -> Iterator[bytes]:
        try:
            yield member.flush()
        except zlib.error as error:
            self.damage = f"the compressed file is damaged: {error}"
        else:
            if not member.eof:
                self.damage = "the compressed file must end with its checksum, it ends before"


def _gathered(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Join chunks until they make a block: a file of many small members must not become as many batches."""
    pieces: list[bytes] = []
    size = 0
    for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size >= BLOCK_BYTES:
            yield b"".join(pieces)
            pieces, size = [], 0
    if size:
        yield b"".join(pieces)


def _chain(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
        yield from others


def _salvage(member: Any, chunk: bytes) -> bytes:
    """What a damaged chunk still gives, byte by byte."""
    found = []
    try:
        for at in range(len(chunk)):
            found.append(member.decompress(chunk[at : at + 1]))
    except zlib.error:
        pass
    return b"".join(found)
