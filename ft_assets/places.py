"""Where files land: a local folder, or an object store by URL; both answer the same questions about paths in them.

A path in a folder is a ``Path``, one in an object store a URL as text; a name is a path relative to the place.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, Protocol, cast
from urllib.parse import unquote, urlsplit

COPY_BYTES = 1 << 20
READ_BYTES = 8 << 20  # of an object store at a time: each is a request
SECOND = 1_000_000_000


class State(NamedTuple):
    """What a file was when it was looked at; a file that was written to since has another one, almost always."""

    bytes: int
    modified_at: dt.datetime


class Found(NamedTuple):
    """A file in a place."""

    name: str
    path: Path | str
    state: State


class Place(Protocol):
    """A folder of folders of files."""

    def path(self, name: PurePosixPath | Path) -> Path | str:
        """Where a file of this name lies."""

    def entries(self) -> list[str]:
        """The names of files and folders at the top; none where the place is not there yet."""

    def files(self, folder: str) -> Iterator[Found]:
        """The files in a folder, at any depth, without pending ones."""

    def look(self, paths: Sequence[Path | str]) -> list[State | str | None]:
        """What lies there now: the state of a file, ``"folder"``, or None."""

    def open(self, path: Path | str) -> BinaryIO:
        """The bytes of a file; FileNotFoundError where it is gone."""

    def put(self, path: Path | str, data: Iterable[bytes], *, replace: bool) -> bool:
        """Write a file that appears whole or not at all; False where the name is taken and must not be replaced."""


def place_at(landing: Path | str) -> Place:
    """The place at a local path, or at a URL such as ``s3://bucket/prefix``.

    Raises:
        ValueError: no such kind of object store, or its settings do not go together.
    """
    if isinstance(landing, str) and landing.startswith("file://"):
        return Folder(Path(unquote(urlsplit(landing).path)))
    is_url = isinstance(landing, str) and "://" in landing
    return ObjectStore(str(landing)) if is_url else Folder(Path(landing))


def is_pending(name: str) -> bool:
    """Whether a file or folder of this name is not there yet."""
    return name.startswith(".") or name.endswith(".tmp")


def pieces(stream: BinaryIO) -> Iterator[bytes]:
    """What a stream holds, piece by piece."""
    while piece := stream.read(COPY_BYTES):
        yield piece


class Folder:
    """A local folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: PurePosixPath | Path) -> Path:
        """See ``Place``."""
        return self.root / name

    def entries(self) -> list[str]:
        """See ``Place``."""
        return [entry.name for entry in self.root.iterdir()] if self.root.is_dir() else []

    def files(self, folder: str) -> Iterator[Found]:
        """See ``Place``; links are followed."""
        for path in walk(self.root / folder):
            state = _state(path)
            if isinstance(state, State):  # else it vanished meanwhile
                name = os.fsencode(path.relative_to(self.root).as_posix()).decode("utf-8", "backslashreplace")
                yield Found(name, path, state)

    def look(self, paths: Sequence[Path | str]) -> list[State | str | None]:
        """See ``Place``."""
        return [_state(Path(path)) for path in paths]

    def open(self, path: Path | str) -> BinaryIO:
        """See ``Place``."""
        return Path(path).open("rb")

    def put(self, path: Path | str, data: Iterable[bytes], *, replace: bool) -> bool:
        """Write beside the target under a pending name, then give it its name; a link's target is replaced, not the link."""
        target = Path(path).resolve() if replace else Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        pending = target.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            with pending.open("wb") as writer:
                writer.writelines(data)
                writer.flush()
                os.fsync(writer.fileno())
            if replace:
                shutil.copymode(target, pending)
                pending.replace(target)
            elif not _give_name(pending, target):
                return False
        finally:
            pending.unlink(missing_ok=True)
        _sync_folder(target.parent)
        return True


def walk(folder: Path) -> list[Path]:
    """The files in a local folder, at any depth, sorted, without pending ones."""
    found: list[Path] = []
    for root, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not is_pending(name)]
        found.extend(Path(root, name) for name in names if not is_pending(name))
    return sorted(path for path in found if path.is_file())


def _state(path: Path) -> State | str | None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return "folder" if stat.S_ISDIR(found.st_mode) else State(found.st_size, _utc(found.st_mtime_ns))


def _utc(nanoseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(nanoseconds // SECOND, dt.UTC) + dt.timedelta(microseconds=nanoseconds % SECOND // 1_000)


def _give_name(pending: Path, target: Path) -> bool:
    try:
        os.link(pending, target)  # unlike a rename it never replaces what another process put there
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if target.exists():
            return False
        pending.rename(target)
    return True


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class ObjectStore:
    """A prefix in an object store, through pyarrow.

    Times are cut to seconds: a listing of S3 may be finer than what it says of one object, and they must compare. Names
    with an empty part, ``.`` or ``..`` cannot be read and are left out.

    Args:
        url: such as ``s3://bucket/prefix``, ``gs://...`` or ``abfs://...``.
        environment: the variables that say how to reach S3, those that the lake's storage layer reads too.

    Raises:
        ValueError: no such kind of object store, or its settings do not go together.
    """

    def __init__(self, url: str, environment: Mapping[str, str] = os.environ) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        if parts.scheme in ("s3", "s3a"):
            if not parts.netloc or parts.query or parts.fragment:
                raise ValueError(f"a landing place in S3 must be s3://bucket or s3://bucket/prefix, got {url}")
            self.file_system = _s3(environment)
            self.root = unquote(parts.netloc + parts.path)
        else:
            from pyarrow.fs import FileSystem

            self.file_system, self.root = FileSystem.from_uri(self.url)
        self.root = self.root.rstrip("/")

    def path(self, name: PurePosixPath | Path) -> str:
        """See ``Place``."""
        return f"{self.url}/{os.fsencode(name.as_posix()).decode('utf-8', 'backslashreplace')}"

    def entries(self) -> list[str]:
        """See ``Place``."""
        return [info.base_name for info in self._list(self.root, recursive=False)]

    def files(self, folder: str) -> Iterator[Found]:
        """See ``Place``."""
        for info in self._list(f"{self.root}/{folder}", recursive=True):
            name = info.path[len(self.root) + 1 :]
            parts = name.split("/")
            if info.is_file and not any(is_pending(part) or not part for part in parts):  # "." and ".." are pending too
                yield Found(name, f"{self.url}/{name}", _object_state(info))

    def _list(self, key: str, *, recursive: bool) -> list[Any]:
        from pyarrow.fs import FileSelector, FileType

        found = list(self.file_system.get_file_info(FileSelector(key, recursive=recursive, allow_not_found=True)))
        bucket = self.root.split("/")[0]
        if not found and self._kind(bucket) == FileType.NotFound:
            raise FileNotFoundError(f"there is no bucket {bucket} for the landing place {self.url}")
        return found

    def _kind(self, key: str) -> Any:
        try:
            return self.file_system.get_file_info(key).type
        except OSError:  # who may list a prefix may be forbidden to ask for its bucket
            return None

    def look(self, paths: Sequence[Path | str]) -> list[State | str | None]:
        """See ``Place``."""
        from pyarrow.fs import FileType

        infos = self.file_system.get_file_info([self._key(path) for path in paths])
        folders = {FileType.Directory: "folder"}
        return [_object_state(info) if info.is_file else folders.get(info.type) for info in infos]

    def open(self, path: Path | str) -> BinaryIO:
        """See ``Place``."""
        # None: pyarrow would decompress what is named .gz
        return cast(BinaryIO, self.file_system.open_input_stream(self._key(path), None, READ_BYTES))

    def put(self, path: Path | str, data: Iterable[bytes], *, replace: bool) -> bool:
        """Upload under a pending name, then let the store copy it to its name.

        An upload that is broken off must not be ended under the name itself: pyarrow completes it with what it has got.
        S3 copies files of up to 5 GB.
        """
        key, pending = self._key(path), f"{self.root}/.{secrets.token_hex(8)}.tmp"
        try:
            with self.file_system.open_output_stream(pending, None) as writer:
                for piece in data:
                    writer.write(piece)
            if not replace and self.look([path]) != [None]:
                return False
            self.file_system.copy_file(pending, key)
        finally:
            if self.file_system.get_file_info(pending).is_file:
                self.file_system.delete_file(pending)
        return True

    def _key(self, path: Path | str) -> str:
        return f"{self.root}/{str(path)[len(self.url) + 1 :]}"


def _object_state(info: Any) -> State:
    return State(info.size, _utc(info.mtime_ns // SECOND * SECOND))


def _s3(environment: Mapping[str, str]) -> Any:
    from pyarrow.fs import S3FileSystem

    settings: dict[str, Any] = {"background_writes": False}  # else a whole upload waits in memory
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if endpoint:
        if endpoint.startswith("http://") and environment.get("AWS_ALLOW_HTTP", "").lower() not in ("true", "1"):
            raise ValueError(f"AWS_ALLOW_HTTP must be true for an endpoint without encryption, {endpoint}")
        settings["endpoint_override"] = endpoint
    if region:
        settings["region"] = region
    return S3FileSystem(**settings)
