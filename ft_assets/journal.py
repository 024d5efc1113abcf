"""What an ingestion changes, decided once and applied once.

An ingestion changes several tables, and a commit of Delta is one table's. So the change is written down first: the rows
are staged beside the tables, and one commit of ``ingested_files``, with the books of the files, makes it count. Then each
table gets its part, in a commit that carries the ingestion's name. A process that dies before the one commit has changed
nothing; after it, whoever comes next applies what is left, without reading a landed file again.

An ingestion decides on tables to which every earlier one is applied, and its commit is refused where another came first:
ingestions happen one after the other, however many processes try.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
from pyarrow import ipc

from ft_assets.lake import AlreadyDone, Commit, Lake, Overtaken
from ft_assets.schemas import INGESTED_FILES, table_named

STAGING = "_ingestions"  # Delta keeps its hands off names that begin with _
LOOK_BACK = (8, 128, None)  # commits of the ledger among which the newest ingestion is looked for; at last among all
BUFFER_BYTES = 1 << 20
ABANDONED = dt.timedelta(days=1)
BEGAN = "%Y%m%dT%H%M%S"
NAME = re.compile(r"(?P<began>\d{8}T\d{6})-(?P<version>\d+)-[0-9a-f]{8}")  # of an ingestion


@dataclass(frozen=True)
class Change:
    """What an ingestion does to one table.

    Attributes:
        table: its name.
        rows: how many rows it puts there.
        removed: how many it takes away.
        days: days that it touches.
        replaces: whether rows may take the place of others with their key.
    """

    table: str
    rows: int = 0
    removed: int = 0
    days: tuple[str, ...] = ()
    replaces: bool = False


@dataclass
class Applied:
    """What has been applied: the commits made here, and the days that they touched."""

    commits: dict[str, Commit] = field(default_factory=dict)
    days: set[dt.date] = field(default_factory=set)


class Staging:
    """Where the rows of one ingestion wait for their tables.

    Args:
        lake: the tables.
        read_version: the version of the ledger that the rows were decided on.

    Attributes:
        ingestion: its name, which says when it began and on what version of the ledger: an object store tells no times.
        changes: what has been staged.
    """

    def __init__(self, lake: Lake, read_version: int) -> None:
        self.ingestion = f"{dt.datetime.now(dt.UTC):{BEGAN}}-{read_version}-{secrets.token_hex(4)}"
        self.changes: list[Change] = []
        self._lake, self._files, self._read_version = lake, lake.filesystem(), read_version
        self._files.create_dir(f"{STAGING}/{self.ingestion}", recursive=True)

    def put(
        self,
        table: str,
        rows: Iterable[pa.RecordBatch],
        days: Iterable[dt.date] = (),
        replaces: bool = False,
        remove: pa.Table | None = None,
        schema: pa.Schema | None = None,
    ) -> int:
        """Stage rows of a table, and keys of rows that go; how many rows it were. What changes nothing is left out.

        Words may be staged as codes of a dictionary that all rows share; ``schema`` says so.
        """
        schema = schema or table_named(table).schema
        count = 0
        # The stream is closed here: a writer leaves it open, and in an object store a file is not there before.
        with self._writer(table, schema) as writer:
            for batch in rows:
                writer.write_batch(batch.cast(schema))
                count += batch.num_rows
        removed = 0 if remove is None else remove.num_rows
        if remove is not None and removed:
            with self._writer(table, remove.schema, "removed") as writer:
                writer.write_table(remove)
        if count or removed:
            self.changes.append(Change(table, count, removed, tuple(day.isoformat() for day in days), replaces))
        return count

    @contextlib.contextmanager
    def _writer(self, table: str, schema: pa.Schema, kind: str = "rows") -> Iterator[ipc.RecordBatchFileWriter]:
        """A file of Arrow as it is: it is read once, soon. The store takes bytes, which the buffer makes of Arrow's own."""
        with (
            self._files.open_output_stream(_path(self.ingestion, table, kind)) as stream,
            pa.BufferedOutputStream(stream, BUFFER_BYTES) as buffered,
            ipc.new_file(buffered, schema) as writer,
        ):
            yield writer

    def commit(self, files: pa.Table, metadata: Mapping[str, Any]) -> None:
        """Make it count: one commit of the ledger, with a row for each file.

        An error other than ``Overtaken`` does not say whether it counts (a broken connection, an interrupt): what was staged
        stays, and whoever comes next asks the ledger.

        Raises:
            Overtaken: another ingestion came first; nothing has been changed, and nothing stays staged.
        """
        stated = {
            **metadata,
            "ingestion": self.ingestion,
            "changes": [asdict(change) for change in self.changes],
            "files": files["source_file"].to_pylist(),
        }
        try:
            self._lake.append_once(
                INGESTED_FILES.name, files.to_batches, [_transaction(self.ingestion)], stated, self._read_version
            )
        except AlreadyDone:  # by ourselves: the store took the commit, and said otherwise
            pass
        except Overtaken:
            self.discard()
            raise

    def discard(self) -> None:
        """Forget what was staged."""
        _discard(self._files, self.ingestion)


def pending(lake: Lake) -> str | None:
    """The ingestion that counts and is not applied to every table yet; its name, or None."""
    entry = _newest(lake)
    if entry is None:
        return None
    name = str(entry["ingestion"])
    waits = any(not lake.holds(change.table, _transaction(name)) for change in _changes(entry))
    return name if waits else None


def apply_pending(lake: Lake) -> Applied:
    """Apply the newest ingestion to the tables that do not have it yet; others may do so at the same time.

    Raises:
        RuntimeError: its rows are gone before they were applied.
    """
    applied, entry = Applied(), _newest(lake)
    if entry is None:
        return applied
    name = str(entry["ingestion"])
    for change in _changes(entry):
        if lake.holds(change.table, _transaction(name)):
            continue
        try:
            applied.commits[change.table] = _apply(lake, name, change)
            applied.days.update(dt.date.fromisoformat(day) for day in change.days)
        except Exception as error:  # another process may have been faster, and have removed the rows while they were read
            if lake.holds(change.table, _transaction(name)):
                continue
            if isinstance(error, FileNotFoundError):
                raise RuntimeError(
                    f"ingestion {name} counts, but its rows for {change.table} are gone from {lake.root}/{STAGING}: {error}. "
                    "Move the lake away and run again: the landing place holds what it was made of"
                ) from error
            raise
    _discard(lake.filesystem(), name)
    return applied


def clear_abandoned(lake: Lake) -> None:
    """Remove what killed ingestions staged and never made count, once it is a day old."""
    clear_staged(lake, ABANDONED)


def clear_staged(lake: Lake, older: dt.timedelta | None) -> int:
    """Remove what ingestions staged and never made count, once it is that old; of how many some is left.

    Only what was decided on an older version of the ledger goes: its commit would be refused, however long its process
    has slept. What counts, and may wait to be applied, is the newest ingestion's.

    Args:
        lake: the tables.
        older: what is younger stays, it may be that of an ingestion at work; None where nobody else is at work: all goes.
    """
    left = 0
    files, version = lake.filesystem(), int(lake.open(INGESTED_FILES.name).version())
    entry = _newest(lake)  # behind the version: what that has refused can never become the newest
    found = files.get_file_info(pafs.FileSelector(STAGING, allow_not_found=True, recursive=True))
    for name in sorted({info.path.removeprefix(f"{STAGING}/").split("/")[0] for info in found}):
        named = NAME.fullmatch(name)
        if named is None or (entry is not None and name == entry["ingestion"]):
            continue
        began = dt.datetime.strptime(named["began"], BEGAN).replace(tzinfo=dt.UTC)
        if older is None or (int(named["version"]) < version and began < dt.datetime.now(dt.UTC) - older):
            _discard(files, name)
        else:
            left += 1
    return left


def _apply(lake: Lake, ingestion: str, change: Change) -> Commit:
    files = lake.filesystem()
    metadata = {"ingestion": ingestion, "affected_days": list(change.days)}
    names = [_transaction(ingestion)]
    if not (change.removed or change.replaces):
        return lake.append_once(change.table, lambda: _staged(files, ingestion, change.table), names, metadata)
    schema = table_named(change.table).schema
    put = pa.Table.from_batches((batch.cast(schema) for batch in _staged(files, ingestion, change.table)), schema)
    remove = pa.Table.from_batches(list(_staged(files, ingestion, change.table, "removed"))) if change.removed else None
    days = [dt.date.fromisoformat(day) for day in change.days]
    return lake.merge_once(change.table, put, names, metadata, remove=remove, days=days)


def _staged(files: pafs.FileSystem, ingestion: str, table: str, kind: str = "rows") -> Iterator[pa.RecordBatch]:
    with files.open_input_file(_path(ingestion, table, kind)) as stream, ipc.open_file(stream) as staged:
        for number in range(staged.num_record_batches):
            yield staged.get_batch(number)


def _newest(lake: Lake) -> dict[str, Any] | None:
    """The ledger's log entry of the newest ingestion; commits of other kinds come when all is applied."""
    delta = lake.open(INGESTED_FILES.name)
    for commits in LOOK_BACK:
        entry = next((entry for entry in delta.history(commits) if "ingestion" in entry), None)
        if entry is not None:
            return entry
    return None


def _changes(entry: Mapping[str, Any]) -> list[Change]:
    return [Change(**{**change, "days": tuple(change["days"])}) for change in json.loads(entry["changes"])]


def _transaction(ingestion: str) -> str:
    return f"ingestion:{ingestion}"


def _path(ingestion: str, table: str, kind: str = "rows") -> str:
    return f"{STAGING}/{ingestion}/{table}.{kind}.arrow"


def _discard(files: pafs.FileSystem, ingestion: str) -> None:
    """Remove an ingestion's staged rows, one by one: an object store knows no folders."""
    found = files.get_file_info(pafs.FileSelector(f"{STAGING}/{ingestion}", allow_not_found=True))
    for info in found:
        with contextlib.suppress(FileNotFoundError):  # another process clears up as well
            files.delete_file(info.path)
    if isinstance(getattr(files, "base_fs", None), pafs.LocalFileSystem):
        with contextlib.suppress(FileNotFoundError):
            files.delete_dir(f"{STAGING}/{ingestion}")
