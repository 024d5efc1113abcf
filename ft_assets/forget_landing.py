"""Take a person's lines out of the landing place: they become empty, so every other record keeps its number.

A file that changes is replaced whole, and a compressed one stays compressed. What is damaged or refused in a file stays as
it is, but a compressed file that ended early ends soundly after its replacement.
"""

from __future__ import annotations

import datetime as dt
import gzip
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from ft_assets.lines import byte_blocks, is_gzip
from ft_assets.readers import LandedFile
from ft_assets.traces import Person, Trace

# Told of each file that was replaced: its name, and its bytes and time of change from now on.
OnRewritten = Callable[[str, int, dt.datetime], None]
OVERLAP = 1 << 16
LEFTOVER = re.compile(r"^\..+\.[0-9a-f]{8}\.tmp$")  # what a killed landing, or a killed replacement, leaves
STALE_SECONDS = 3_600
_HEADER = re.compile(rb'^\s*\{\s*"(?:index|create|update|delete)"\s*:')


@dataclass
class Blanked:
    """What was taken out of a file.

    Attributes:
        records: lines that were a record of the person or of one of the person's sessions; headers of theirs with them.
        unreadable: lines that were no JSON and held the id.
        shared: lines that were shortened, since others have a part in them.
    """

    records: int = 0
    unreadable: int = 0
    shared: int = 0

    def add(self, other: Blanked) -> None:
        """Count another pass over the file with this one."""
        self.records += other.records
        self.unreadable += other.unreadable
        self.shared += other.shared


@dataclass
class _Plan:
    """What each line of a file becomes, by number; lines that are not named stay."""

    lines: dict[int, str] = field(default_factory=dict)
    blanked: Blanked = field(default_factory=Blanked)


def sessions_shown(files: Iterable[LandedFile], person: Person) -> tuple[set[str], bool]:
    """The sessions that landed files show to be the person's, and whether any line is."""
    found, is_any = set[str](), False
    for file in files:
        for _, _, trace in _found(file, person):
            found |= trace.sessions
            is_any = True
    return found, is_any


def blank(file: LandedFile, person: Person, *, named: bool, on_rewritten: OnRewritten | None = None) -> Blanked:
    """Empty the person's lines of a file.

    Args:
        file: where they may be.
        person: with all sessions.
        named: also the lines that name the person. They go last of all files: until then they tell which sessions are
            the person's, so that whatever is killed can be taken up again.
        on_rewritten: told when the file was replaced.
    """
    plan = _plan(file, person, named)
    if plan.lines:
        size, modified_at = replace(file.path, _without(file.path, plan.lines))
        if on_rewritten:
            on_rewritten(file.name, size, modified_at)
    return plan.blanked


def _plan(file: LandedFile, person: Person, named: bool) -> _Plan:
    plan = _Plan()
    for number, header, trace in _found(file, person):
        if number in plan.lines or (trace.kind == "named" and not named):
            continue
        plan.lines[number] = trace.rest
        plan.blanked.add(Blanked(not trace.rest and trace.kind != "text", trace.kind == "text", bool(trace.rest)))
        if header and header not in plan.lines and not trace.rest:
            plan.lines[header] = ""
            plan.blanked.records += 1
    return plan


def _found(file: LandedFile, person: Person) -> Iterator[tuple[int, int, Trace]]:
    """The lines that are the person's: their number, that of the bulk header before them or 0, and why.

    A line that is too long comes in pieces, perhaps more than once; each is looked at with the end of the one before.
    """
    before, tail = b"", b""
    for first, block in byte_blocks(file.path):
        if person.may_be_in(tail + block):
            previous = before
            for number, line in enumerate((tail + block).removesuffix(b"\n").split(b"\n"), first):
                if trace := person.trace_in(line, file.format):
                    yield number, (number - 1 if _HEADER.match(previous) else 0), trace
                previous = line
        if block.endswith(b"\n"):
            before, tail = block[:-1].rpartition(b"\n")[2][:OVERLAP], b""
        else:
            tail = (tail + block)[-OVERLAP:]


def _without(path: Path, lines: dict[int, str]) -> Iterator[bytes]:
    """The bytes of a file, some of its lines replaced; every line end stays where it was."""
    chunks = _replaced(path, lines)
    return _compressed(chunks) if is_gzip(path) else chunks


def _replaced(path: Path, lines: dict[int, str]) -> Iterator[bytes]:
    for first, block in byte_blocks(path):
        pieces = block.split(b"\n")  # what stands behind the last line end is a line of its own, or nothing
        for number in lines.keys() & set(range(first, first + len(pieces))):
            pieces[number - first] = lines[number].encode() if number - first < len(pieces) - 1 or pieces[-1] else b""
        yield b"\n".join(pieces)


class _Collected:
    """What a writer wrote since it was asked last."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        parts, self.parts = self.parts, []
        return b"".join(parts)


def _compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    out = _Collected()
    with gzip.GzipFile(filename="", mode="wb", fileobj=cast("BinaryIO", out), mtime=0) as writer:
        for chunk in chunks:
            writer.write(chunk)
            yield out.taken()
    yield out.taken()


def replace(path: Path, data_chunks: Iterable[bytes]) -> tuple[int, dt.datetime]:
    """Put other bytes in the place of a landed file: readers see the old file or the new one.

    Returns:
        Its bytes and its time of change.
    """
    target = path.resolve()  # a link in the landing place stays one
    pending = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with pending.open("wb") as writer:
            for chunk in data_chunks:
                writer.write(chunk)
            writer.flush()
            os.fsync(writer.fileno())
        pending.chmod(target.stat().st_mode & 0o7777)
        pending.replace(target)
    finally:
        pending.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    stat = target.stat()
    return stat.st_size, dt.datetime.fromtimestamp(stat.st_mtime, dt.UTC)


def remove_leftovers(landing: Path, before: float) -> list[str]:
    """Delete what killed landings and replacements left: half-written copies that nobody will ever read.

    Args:
        landing: the landing place.
        before: seconds since 1970; younger ones may be at work.
    """
    removed = []
    for path in sorted(landing.rglob(".*.tmp")) if landing.is_dir() else ():
        if LEFTOVER.match(path.name) and path.is_file() and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            removed.append(path.relative_to(landing).as_posix())
    return removed


def stale_before(alone: bool) -> float:
    """Before when an unfinished file is no longer anybody's: now if nobody else is at work, else an hour ago."""
    return time.time() - (0 if alone else STALE_SECONDS)
