"""Take a person's lines out of the landing place: they become empty, so every other record keeps its number.

A file that changes is replaced whole, and a compressed one stays compressed. What is damaged or refused in a file stays as
it is, but a compressed file that ended early ends soundly after its replacement.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from ft_assets import landing
from ft_assets.landing import LandedFile
from ft_assets.lines import GZIP, UTF16_BOMS, byte_blocks
from ft_assets.places import Folder, ObjectStore, Place, State, place_at
from ft_assets.traces import Person, Trace

OVERLAP = 1 << 16
LEFTOVER = re.compile(r"^\.(?:[0-9a-f]{16}|.+\.[0-9a-f]{8})\.tmp$")  # what a killed landing, or a killed replacement, leaves
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
class Plan:
    """What is to be taken out of a file.

    Attributes:
        lines: what lines become, by number; lines that are not named stay.
        blanked: the same, counted.
    """

    lines: dict[int, str] = field(default_factory=dict)
    blanked: Blanked = field(default_factory=Blanked)


class Delivery(NamedTuple):
    """As what the lake knows a landed file.

    Attributes:
        source_file: what rows say that they come from.
        formats: as which the same content was delivered: all its copies are rewritten alike.
    """

    source_file: str
    formats: tuple[str, ...]


@dataclass
class Shown:
    """What landed lines that name the person tell.

    Attributes:
        is_any: whether there are any.
        sessions: those that they show to be the person's.
        places: source_file and number of lines that are nobody else's.
    """

    is_any: bool = False
    sessions: set[str] = field(default_factory=set)
    places: set[tuple[str, int]] = field(default_factory=set)


@dataclass(frozen=True)
class Landed:
    """The landed files that are looked at.

    Attributes:
        files: as ``landing.landed_files`` gives them.
        deliveries: by name, of those that have been ingested as they are.
    """

    files: list[LandedFile]
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)

    def traces(self, file: LandedFile, person: Person) -> Iterator[tuple[int, int, Trace]]:
        """The lines that are the person's: their number, that of the bulk header before them or 0, and why.

        A line that is too long comes in pieces, perhaps more than once; each is looked at with the end of the one before.
        """
        formats = self.deliveries[file.name].formats if file.name in self.deliveries else (file.format,)
        before, tail = b"", b""
        for first, block in _blocks(file):
            if person.may_be_in(tail + block):
                previous = before
                for number, line in enumerate((tail + block).removesuffix(b"\n").split(b"\n"), first):
                    if trace := next((found for format_ in formats if (found := person.trace_in(line, format_))), None):
                        yield number, (number - 1 if _HEADER.match(previous) else 0), trace
                    previous = line
            if block.endswith(b"\n"):
                before, tail = block[:-1].rpartition(b"\n")[2][:OVERLAP], b""
            else:
                tail = (tail + block)[-OVERLAP:]

    def shown(self, person: Person) -> Shown:
        """What the files tell of the person."""
        shown = Shown()
        for file in self.files:
            delivery = self.deliveries.get(file.name)
            for number, _, trace in self.traces(file, person):
                shown.is_any = True
                shown.sessions |= trace.sessions
                if delivery and not trace.rest:
                    shown.places.add((delivery.source_file, number))
        return shown

    def plan(self, file: LandedFile, person: Person, *, named: bool) -> Plan:
        """What is to be taken out of a file.

        Args:
            file: where they may be.
            person: with all sessions.
            named: also the lines that name the person, or may do so. They go last of all files: until then they tell which
                sessions and refused records are the person's, so that whatever is killed can be taken up again.
        """
        plan = Plan()
        for number, header, trace in self.traces(file, person):
            if number in plan.lines or (trace.kind != "session" and not named):
                continue
            plan.lines[number] = trace.rest
            plan.blanked.add(Blanked(not trace.rest and trace.kind != "text", trace.kind == "text", bool(trace.rest)))
            if header and header not in plan.lines and not trace.rest:
                plan.lines[header] = ""
                plan.blanked.records += 1
        return plan


def content_after(file: LandedFile, plan: Plan) -> str:
    """The digest of what the file will hold, as the ledger of ingested files has it."""
    digest = hashlib.sha256()
    for block in _replaced(file, plan.lines):
        digest.update(block)
    return digest.hexdigest()


def rewrite(file: LandedFile, plan: Plan) -> bool:
    """Put the file without what is to go in its place; False where others changed it meanwhile, or it is gone."""
    if file.state() != (file.bytes, file.modified_at):
        return False
    chunks = _replaced(file, plan.lines)
    try:
        landing.replace(file, _compressed(chunks) if _begins(file, GZIP) else chunks)
    except FileNotFoundError:
        return False
    return True


def in_utf16(files: Iterable[LandedFile]) -> list[str]:
    """The files that are refused as a whole, and that no person is looked for in."""
    return [file.name for file in files if _begins(file, *UTF16_BOMS)]


def _begins(file: LandedFile, *marks: bytes) -> bool:
    try:
        with file.open() as stream:
            return stream.read(2) in marks
    except FileNotFoundError:
        return False


def _blocks(file: LandedFile) -> Iterator[tuple[int, bytes]]:
    try:
        with file.open() as stream:
            yield from byte_blocks(stream)
    except FileNotFoundError:  # it is gone, and what it held with it
        return


def _replaced(file: LandedFile, lines: dict[int, str]) -> Iterator[bytes]:
    """The bytes of a file, decompressed, some of its lines replaced; every line end stays where it was."""
    with file.open() as stream:
        for first, block in byte_blocks(stream):
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


def remove_leftovers(place: Path | str, before: float) -> list[str]:
    """Delete what killed landings and replacements left: half-written copies that nobody will ever read.

    Args:
        place: the landing place.
        before: seconds since 1970; younger ones may be at work.
    """
    at = place_at(place)
    removed = []
    for path in _leftovers(at):
        (state,) = at.look([path])
        if isinstance(state, State) and state.modified_at.timestamp() < before:
            if isinstance(at, ObjectStore):
                name = str(path).rsplit("/", 1)[-1]
                at.file_system.delete_file(f"{at.root}/{name}")
            else:
                name = os.path.relpath(path, Path(place).resolve())
                Path(path).unlink(missing_ok=True)
            removed.append(name)
    return removed


def _leftovers(place: Place) -> list[Path | str]:
    """A folder has them beside their targets, which may be behind links; an object store at its root."""
    if not isinstance(place, Folder):
        return [place.path(Path(name)) for name in place.entries() if LEFTOVER.match(name)]
    found: set[Path] = set()
    for root, _, names in os.walk(place.root, followlinks=True):
        found.update(Path(root).resolve() / name for name in names if LEFTOVER.match(name))
        beside = {path.resolve().parent for path in (Path(root, name) for name in names) if path.is_symlink()}
        found.update(path for folder in beside if folder.is_dir() for path in folder.iterdir() if LEFTOVER.match(path.name))
    return [*sorted(found)]


def stale_before(alone: bool) -> float:
    """Before when an unfinished file is no longer anybody's: now if nobody else is at work, else an hour ago."""
    return time.time() + (STALE_SECONDS if alone else -STALE_SECONDS)  # an object store has a clock of its own
