"""The landing place: files come to it whole or not at all, and the pipeline reads them there.

A landed file is ``<landing>/<format>/**``; its name is that path, and stands for it in the lake for ever.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import filecmp
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ft_assets.places import Place, State, is_pending, pieces, place_at, walk
from ft_assets.readers import FORMATS, guess_format

NAMED_FILES = 5  # how many files an error names


@dataclasses.dataclass(frozen=True)
class LandedFile:
    """A file in the landing place, as it was when it was looked at.

    Attributes:
        name: POSIX path relative to the landing place, such as ``ubi/2025/log.ndjson.gz``.
        format: the first folder of that path, one of ``FORMATS``.
        bytes: its size.
        modified_at: UTC, cut to microseconds; in an object store to seconds.
        path: where it lies: a local path, or a URL as text.
        place: the landing place, which opens it.
    """

    name: str
    format: str
    bytes: int
    modified_at: dt.datetime
    path: Path | str
    place: Place = dataclasses.field(compare=False, repr=False)

    def open(self) -> BinaryIO:
        """Its bytes as they stand.

        Raises:
            FileNotFoundError: it is gone.
        """
        return self.place.open(self.path)

    def state(self) -> tuple[int, dt.datetime] | None:
        """Its size and time as they are now; None where it is gone."""
        (state,) = self.place.look([self.path])
        return state if isinstance(state, State) else None


def landed_files(landing: Path | str) -> list[LandedFile]:
    """The files in the landing place, sorted by name.

    Names that begin with ``.`` or end in ``.tmp``, at any level, are not there yet.

    Args:
        landing: a local folder, there or not, or the URL of an object store such as ``s3://bucket/prefix``.

    Raises:
        FileNotFoundError: the bucket of the URL does not exist.
    """
    place = place_at(landing)
    found = [
        LandedFile(name, format_, *state, path, place) for format_ in FORMATS for name, path, state in place.files(format_)
    ]
    return sorted(found, key=lambda file: file.name)


def unknown_folders(landing: Path | str) -> list[str]:
    """Names at the top of the landing place that are no known format: nothing below them is ever read."""
    return sorted(name for name in place_at(landing).entries() if name not in FORMATS and not is_pending(name))


def replace(file: LandedFile, data: Iterable[bytes]) -> LandedFile:
    """Give a landed file other bytes under its name, all of them at once: a reader finds the old ones or the new ones.

    What is written to the file by others meanwhile is lost.

    Args:
        file: as ``landed_files`` gives it.
        data: the new bytes, piece by piece; where they break off nothing is changed. They may be read from the file.

    Returns:
        The file as it is now.

    Raises:
        FileNotFoundError: it is gone; it does not come back.
    """
    if file.state() is None:
        raise FileNotFoundError(f"there is no file {file.path} to replace")
    file.place.put(file.path, data, replace=True)
    (state,) = file.place.look([file.path])
    if not isinstance(state, State):
        raise FileNotFoundError(f"{file.path} was replaced and is gone again")
    return dataclasses.replace(file, bytes=state.bytes, modified_at=state.modified_at)


def land(landing: Path | str, format: str, paths: Iterable[Path]) -> list[Path | str]:  # noqa: A002 (the command line's word)
    """Copy files into the landing place; each appears whole or not at all.

    Folders are walked, and their files keep their path below the folder. Everything is looked at before anything is
    copied. A file that is there already with the same content is left as it is.

    Two processes that land other contents under one name at once: in a local folder one of them is refused. In an object
    store the name is looked at again after the upload, just before the store's own copy gives the file its name; who comes
    between those two is overwritten, since pyarrow offers no copy under a condition. A reader finds one of the two, whole.

    Args:
        landing: the landing place; made if it is not there (a bucket is not).
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
    return _land(place_at(landing), [(source, PurePosixPath(format, below)) for source, below in sources])


def land_by_guess(landing: Path | str, paths: Iterable[Path]) -> list[Path | str]:
    """As ``land``, each file under the format that its first records show.

    Args:
        landing: the landing place; made if it is not there (a bucket is not).
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
    return _land(
        place_at(landing), [(source, PurePosixPath(format_, below)) for (source, below), format_ in guessed if format_]
    )


def _sources(path: Path) -> list[tuple[Path, Path]]:
    """The files behind a path, each with the name that it keeps."""
    if path.is_dir():
        return [(file, file.relative_to(path)) for file in walk(path)]
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path}; nothing was landed")
    if is_pending(path.name):
        raise ValueError(f"{path.name}: a name that begins with '.' or ends in '.tmp' is never read; rename it")
    return [(path, Path(path.name))]


def _land(place: Place, plan: list[tuple[Path, PurePosixPath]]) -> list[Path | str]:
    """Copy each file to its name in the landing place, once all of them are known to fit."""
    targets: dict[Path | str, Path] = {}
    for source, name in plan:
        first = targets.setdefault(place.path(name), source)
        if first != source and not filecmp.cmp(source, first, shallow=False):
            raise _taken(first, source)
    there = place.look(list(targets))
    for (target, source), state in zip(targets.items(), there, strict=True):
        _refuse_other(place, target, state, source)
    _refuse_files_as_folders(place, plan, targets)
    for (target, source), state in zip(targets.items(), there, strict=True):
        if state is None:
            with source.open("rb") as stream:
                is_there = place.put(target, pieces(stream), replace=False)
            if not is_there:  # another was faster
                _refuse_other(place, target, place.look([target])[0], source)
    return [place.path(name) for _, name in plan]


def _refuse_files_as_folders(place: Place, plan: list[tuple[Path, PurePosixPath]], targets: dict[Path | str, Path]) -> None:
    folders = {place.path(parent): place.path(name) for _, name in plan for parent in name.parents if parent.name}
    for (folder, below), state in zip(folders.items(), place.look(list(folders)), strict=True):
        if folder in targets or isinstance(state, State):
            raise FileExistsError(f"{folder} must be a folder to hold {below}, it is a file. Nothing was landed")


def _refuse_other(place: Place, target: Path | str, there: State | str | None, source: Path) -> None:
    if there is None:
        return
    is_same = isinstance(there, State) and there.bytes == source.stat().st_size
    if is_same:
        with place.open(target) as old, source.open("rb") as new:
            is_same = _is_same(old, new)
    if not is_same:
        raise _taken(target, source)


def _is_same(old: BinaryIO, new: BinaryIO) -> bool:
    """Whether two streams hold the same; the new one is a local file, which gives as much as is asked."""
    return all(new.read(len(piece)) == piece for piece in pieces(old)) and not new.read(1)


def _taken(target: Path | str, source: Path) -> FileExistsError:
    return FileExistsError(
        f"{target} is there with other content than {source}; land it under another name. Nothing was landed"
    )
