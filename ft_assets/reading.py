"""The lines of a group of landed files, and those of the next group read and parsed while a group is decided and applied."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType

import pyarrow as pa

from ft_assets import lines
from ft_assets.landing import LandedFile
from ft_assets.parsing import PARSED_FORMAT, ParsedLines, parsed_alone

HELD_BYTES = 512 << 20  # of one file: a larger one is spilled
GZIP_RATIO = 8  # what a compressed log grows to, about
VANISHED = "it vanished while it was read"

Spill = Callable[[list[pa.RecordBatch]], None]


class _TooLargeError(Exception):
    """It cannot be held in memory, and nobody takes it."""


@dataclass
class GroupLines:
    """What the files of a group hold; files are numbered as they stand in it.

    Attributes:
        batches: the lines that are held, of ``lines.LINE_SCHEMA``.
        contents: of each file that was read its digest.
        problems: of each other file what stood in the way; lines of it may have been spilled.
        parsed: the lines that are held, where they were parsed ahead.
    """

    batches: list[pa.RecordBatch] = field(default_factory=list)
    contents: dict[int, str] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    parsed: ParsedLines | None = None


def likely_bytes(file: LandedFile) -> int:
    """How much text a file holds, about."""
    return file.bytes * (GZIP_RATIO if file.name.endswith(".gz") else 1)


def read_group(group: Sequence[LandedFile], spill: Spill) -> GroupLines:
    """Read files to their ends; one that cannot be read as it was listed leaves a problem.

    Args:
        group: the files.
        spill: takes lines that are more than memory should hold.
    """
    found = GroupLines()
    for number, file in enumerate(group):
        batches: list[pa.RecordBatch] = []
        outcome = _read_file(file, number, batches, spill)
        if isinstance(outcome, _Problem):
            found.problems[number] = outcome.words
        else:
            found.contents[number] = outcome
            found.batches += batches
    return found


@dataclass(frozen=True)
class _Problem:
    words: str


def _read_file(file: LandedFile, number: int, batches: list[pa.RecordBatch], spill: Spill) -> str | _Problem:
    """The digest of a file, its lines put into ``batches``; or what stands in the way."""
    digest, size = hashlib.sha256(), 0
    try:
        with file.open() as stream:
            for batch in lines.read_batches(stream, number, digest):
                batches.append(batch)
                size += batch.nbytes
                if size > HELD_BYTES:
                    spill(batches)
                    batches.clear()
                    size = 0
        problem = _change_of(file)
    except FileNotFoundError:
        return _Problem(VANISHED)
    except OSError as error:
        return _Problem(f"it cannot be read: {error}")
    return digest.hexdigest() if problem is None else _Problem(problem)


def _change_of(file: LandedFile) -> str | None:
    """How a file has changed since it was listed, if it has."""
    after = file.state()
    if after is None:
        return VANISHED
    if after == (file.bytes, file.modified_at):
        return None
    was, is_now = (f"{size} bytes of {at:%H:%M:%S}" for size, at in ((file.bytes, file.modified_at), after))
    return f"it was still being written: {was} became {is_now}"


class ReadAhead:
    """Reads and parses a group on a thread of its own. Nothing is decided there: who takes the lines does so on newer tables.

    Leaving the ``with`` waits for the thread.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ft_assets-reading")
        self._begun: tuple[list[LandedFile], Future[GroupLines]] | None = None

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._pool.shutdown()

    def begin(self, group: Sequence[LandedFile]) -> None:
        """Read these files, if there are any and memory holds them."""
        if group and sum(map(likely_bytes, group)) <= HELD_BYTES:
            self._begun = list(group), self._pool.submit(_read_and_parse, list(group))

    def take(self, group: Sequence[LandedFile]) -> GroupLines | None:
        """The lines of these files, if they are what was begun and all went well; they are handed over once."""
        begun, self._begun = self._begun, None
        if begun is None:
            return None
        files, read = begun
        error = read.exception()  # waits: two readings at a time are two groups in memory
        if error is not None and not isinstance(error, Exception):
            raise error
        return read.result() if error is None and files == list(group) else None


def _read_and_parse(group: Sequence[LandedFile]) -> GroupLines:
    found = read_group(group, _too_large)
    if group[0].format == PARSED_FORMAT and found.batches:
        found.parsed = parsed_alone(found.batches)
    return found


def _too_large(batches: list[pa.RecordBatch]) -> None:
    raise _TooLargeError(f"{batches[0]['file_number'][0]} held more than {HELD_BYTES} bytes")
