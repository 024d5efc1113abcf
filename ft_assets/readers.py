"""Which format is which, and putting files into the landing place.

A landed file is ``landing/<format>/**``; its name is that path, and stands for it in the lake for ever.
"""

from __future__ import annotations

import filecmp
import json
import os
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ft_assets.lines import read_lines

FORMATS = ("embedding_studio", "items", "ubi")

COPY_BYTES = 1 << 20
GUESSED_LINES = 50
NAMED_FILES = 5  # how many files an error names


@dataclass(frozen=True)
class LandedFile:
    """A file in the landing place.

    Attributes:
        name: POSIX path relative to the landing place, such as ``ubi/2025/log.ndjson.gz``.
        format: the first folder of that path, one of ``FORMATS``.
        path: where it lies.
    """

    name: str
    format: str
    path: Path


def landed_files(landing: Path) -> list[LandedFile]:
    """The files in the landing place, sorted by name.

    Names that begin with ``.`` or end in ``.tmp``, at any level, are not there yet.
    """
    found = [LandedFile(_name(path, landing), format_, path) for format_ in FORMATS for path in _walk(landing / format_)]
    return sorted(found, key=lambda file: file.name)


def unknown_folders(landing: Path) -> list[str]:
    """Names at the top of the landing place that are no known format: nothing below them is ever read."""
    if not landing.is_dir():
        return []
    return sorted(entry.name for entry in landing.iterdir() if entry.name not in FORMATS and not _is_pending(entry.name))


def land(landing: Path, format: str, paths: Iterable[Path]) -> list[Path]:  # noqa: A002 (the command line's word)
    """Copy files into the landing place; each appears whole or not at all.

    Folders are walked, and their files keep their path below the folder. Everything is looked at before anything is
    copied. A file that is there already with the same content is left as it is.

    Args:
        landing: the landing place; made if it is not there.
        format: one of ``FORMATS``.
        paths: files and folders.

    Returns:
        Where each file lies now, in the order given.

    Raises:
        ValueError: no such format, or a name that the landing place would ignore.
        FileNotFoundError: a path is not there.
        FileExistsError: the name is taken by other content; it stays.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    sources = (found for path in paths for found in _sources(Path(path)))
    return _land(landing, [(source, Path(format, below)) for source, below in sources])


def land_by_guess(landing: Path, paths: Iterable[Path]) -> list[Path]:
    """As ``land``, each file under the format that its first records show.

    Args:
        landing: the landing place; made if it is not there.
        paths: files and folders, of several formats.

    Returns:
        Where each file lies now, in the order given.

    Raises:
        ValueError: the format of a file cannot be told, or the landing place would ignore its name.
        FileNotFoundError: a path is not there.
        FileExistsError: the name is taken by other content; it stays.
    """
    sources = [found for path in paths for found in _sources(Path(path))]
    formats = [guess_format(source) for source, _ in sources]
    unknown = [str(source) for (source, _), format_ in zip(sources, formats, strict=True) if format_ is None]
    if unknown:
        others = ", ..." if len(unknown) > NAMED_FILES else ""
        raise ValueError(
            f"the first records do not tell the format of {len(unknown)} of {len(sources)} files: "
            f"{', '.join(unknown[:NAMED_FILES])}{others}; land them with --format. Nothing was landed"
        )
    guessed = zip(sources, formats, strict=True)
    return _land(landing, [(source, Path(format_, below)) for (source, below), format_ in guessed if format_])


def _land(landing: Path, plan: list[tuple[Path, Path]]) -> list[Path]:
    """Copy each file to its name in the landing place, once all of them are known to fit."""
    targets: dict[Path, Path] = {}
    for source, name in plan:
        _refuse_other(source, targets.setdefault(landing / name, source))
        _refuse_other(source, landing / name)
    for _, name in plan:
        for folder in (landing / parent for parent in name.parents):
            if folder in targets or (folder.exists() and not folder.is_dir()):
                raise FileExistsError(f"{folder} must be a folder to hold {landing / name}, it is a file. Nothing was landed")
    for target, source in targets.items():
        if not target.exists():
            _copy(source, target)
    return [landing / name for _, name in plan]


def _sources(path: Path) -> list[tuple[Path, Path]]:
    """The files behind a path, each with the name that it keeps."""
    if path.is_dir():
        return [(file, file.relative_to(path)) for file in _walk(path)]
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path}; nothing was landed")
    if _is_pending(path.name):
        raise ValueError(f"{path.name}: a name that begins with '.' or ends in '.tmp' is never read; rename it")
    return [(path, Path(path.name))]


def _refuse_other(source: Path, target: Path) -> None:
    if source != target and target.exists() and not filecmp.cmp(source, target, shallow=False):
        raise FileExistsError(
            f"{target} is there with other content than {source}; land it under another name. Nothing was landed"
        )


def _copy(source: Path, target: Path) -> None:
    """Write beside the target under a pending name, then give it its name unless another was faster."""
    target.parent.mkdir(parents=True, exist_ok=True)
    pending = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with source.open("rb") as reader, pending.open("wb") as writer:
            shutil.copyfileobj(reader, writer, COPY_BYTES)
            writer.flush()
            os.fsync(writer.fileno())
        try:
            os.link(pending, target)  # unlike a rename it never replaces what another process put there
        except FileExistsError:
            _refuse_other(source, target)
        except OSError:  # a file system without links
            pending.rename(target)
    finally:
        pending.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _walk(folder: Path) -> list[Path]:
    found: list[Path] = []
    for root, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not _is_pending(name)]
        found.extend(Path(root, name) for name in names if not _is_pending(name))
    return sorted(path for path in found if path.is_file())


def _is_pending(name: str) -> bool:
    return name.startswith(".") or name.endswith(".tmp")


def _name(path: Path, landing: Path) -> str:
    return os.fsencode(path.relative_to(landing).as_posix()).decode("utf-8", "backslashreplace")


def guess_format(path: Path) -> str | None:
    """The format of a file by its first records, or None where they say nothing."""
    for line in read_lines(path):
        found = _format_of(line.raw)
        if found or line.number >= GUESSED_LINES:
            return found
    return None


def _format_of(raw: str) -> str | None:
    head, tab, body = raw.partition("\t")
    is_prefixed = bool(tab) and not head.lstrip().startswith(("{", "["))
    try:
        record = json.loads(body if is_prefixed else raw)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    fields = record.keys()
    if is_prefixed or "_source" in fields or (len(fields) == 1 and fields <= {"index", "create"}):
        return "ubi"
    if "search_results" in fields or "search_query" in fields or "events" in fields or "event_type" in fields:
        return "embedding_studio"
    if "action_name" in fields or "query_id" in fields or "query_response_id" in fields:
        return "ubi"
    return "items" if {"item_id", "text"} <= fields else None
