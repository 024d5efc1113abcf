"""What an ingestion changes, decided once and applied once.

An ingestion changes several tables, and a commit of Delta is one table's. So the change is written down first: the rows
are staged beside the tables, and one commit of ``ingested_files``, with the books of the files, makes it count. Then each
table gets its part, in a commit that carries the ingestion's name. A process that dies before the one commit has changed
nothing; after it, whoever comes next applies what is left, without reading a landed file again.

An ingestion decides on tables to which every earlier one is applied, and its commit is refused where another came first:
ingestions happen one after the other, however many processes try.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from ft_assets.lake import AlreadyDone, Commit, Lake
from ft_assets.schemas import INGESTED_FILES, table_named

STAGING = "_ingestions"  # Delta keeps its hands off names that begin with _
ROWS = 65_536
LOOK_BACK = 50  # commits of the ledger among which the newest ingestion is looked for
ABANDONED = dt.timedelta(days=1)


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

    Attributes:
        ingestion: its name.
        changes: what has been staged.
    """

    def __init__(self, lake: Lake) -> None:
        self.ingestion = secrets.token_hex(8)
        self.changes: list[Change] = []
        self._lake, self._files = lake, lake.filesystem()
        self._files.create_dir(f"{STAGING}/{self.ingestion}", recursive=True)

    def put(
        self,
        table: str,
        rows: Iterable[pa.RecordBatch],
        days: Iterable[dt.date] = (),
        replaces: bool = False,
        remove: pa.Table | None = None,
    ) -> int:
        """Stage rows of a table, and keys of rows that go; how many rows it were. What changes nothing is left out."""
        schema = table_named(table).schema
        count = 0
        with pq.ParquetWriter(
            self._files.open_output_stream(_path(self.ingestion, table)), schema, compression="lz4", use_dictionary=False
        ) as writer:
            for batch in rows:
                writer.write_batch(batch.cast(schema), row_group_size=ROWS)
                count += batch.num_rows
        removed = 0 if remove is None else remove.num_rows
        if removed:
            pq.write_table(remove, _path(self.ingestion, table, "removed"), filesystem=self._files)
        if count or removed:
            self.changes.append(Change(table, count, removed, tuple(day.isoformat() for day in days), replaces))
        return count

    def commit(self, files: pa.Table, metadata: Mapping[str, Any], read_version: int) -> Commit:
        """Make it count: one commit of the ledger, with a row for each file.

        Raises:
            Overtaken: another ingestion came first; nothing has been changed.
        """
        stated = {
            **metadata,
            "ingestion": self.ingestion,
            "changes": [asdict(change) for change in self.changes],
            "files": files["source_file"].to_pylist(),
        }
        return self._lake.append_once(
            INGESTED_FILES.name, files.to_batches, [_transaction(self.ingestion)], stated, read_version
        )

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
        except (AlreadyDone, FileNotFoundError) as error:  # another process was faster, and may have cleared the table
            if not lake.holds(change.table, _transaction(name)):
                raise RuntimeError(f"ingestion {name} counts, but its rows for {change.table} are gone: {error}") from error
    _discard(lake.filesystem(), name)
    return applied


def clear_abandoned(lake: Lake) -> None:
    """Remove what killed ingestions staged and never made count, once it is a day old."""
    files, entry = lake.filesystem(), _newest(lake)
    found = files.get_file_info(pafs.FileSelector(STAGING, allow_not_found=True, recursive=True))
    newest: dict[str, dt.datetime] = {}
    for info in found:
        name = info.path.removeprefix(f"{STAGING}/").split("/")[0]
        if info.mtime is not None:
            newest[name] = max(newest.get(name, info.mtime), info.mtime)
    for name, at in newest.items():
        if at < dt.datetime.now(dt.UTC) - ABANDONED and (entry is None or name != entry["ingestion"]):
            _discard(files, name)


def _apply(lake: Lake, ingestion: str, change: Change) -> Commit:
    files = lake.filesystem()
    metadata = {"ingestion": ingestion, "affected_days": list(change.days)}
    names = [_transaction(ingestion)]
    if not (change.removed or change.replaces):
        return lake.append_once(change.table, lambda: _staged(files, ingestion, change.table), names, metadata)
    put = pa.Table.from_batches(_staged(files, ingestion, change.table), table_named(change.table).schema)
    remove = pq.read_table(_path(ingestion, change.table, "removed"), filesystem=files) if change.removed else None
    return lake.merge_once(change.table, put, names, metadata, remove=remove)


def _staged(files: pafs.FileSystem, ingestion: str, table: str) -> Iterator[pa.RecordBatch]:
    with files.open_input_file(_path(ingestion, table)) as stream:
        yield from pq.ParquetFile(stream).iter_batches(ROWS)


def _newest(lake: Lake) -> dict[str, Any] | None:
    """The ledger's log entry of the newest ingestion; commits of other kinds come when all is applied."""
    entries = lake.open(INGESTED_FILES.name).history(LOOK_BACK)
    return next((entry for entry in entries if "ingestion" in entry), None)


def _changes(entry: Mapping[str, Any]) -> list[Change]:
    return [Change(**{**change, "days": tuple(change["days"])}) for change in json.loads(entry["changes"])]


def _transaction(ingestion: str) -> str:
    return f"ingestion:{ingestion}"


def _path(ingestion: str, table: str, kind: str = "rows") -> str:
    return f"{STAGING}/{ingestion}/{table}.{kind}.parquet"


def _discard(files: pafs.FileSystem, ingestion: str) -> None:
    """Remove an ingestion's staged rows, one by one: an object store knows no folders."""
    found = files.get_file_info(pafs.FileSelector(f"{STAGING}/{ingestion}", allow_not_found=True))
    for info in found:
        try:
            files.delete_file(info.path)
        except FileNotFoundError:  # another process cleared up as well
            continue
    if isinstance(getattr(files, "base_fs", None), pafs.LocalFileSystem) and found:
        files.delete_dir(f"{STAGING}/{ingestion}")
