"""Join the many small files of text_vectors: every commit makes one, and a reader opens them all.

It happens at the end of a day of text_vectors, once a model has ``SMALL_FILES`` small ones. It commits no rows and takes
none away, so whoever appends meanwhile is not disturbed; where another writer took rows away meanwhile, the table stays as
it is until the next day. What the joined files replace is deleted a week later, so whoever still reads it can.
"""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import CommitProperties
from deltalake.exceptions import CommitFailedError

from ft_assets.lake import Lake, writer_of
from ft_assets.schemas import TEXT_VECTORS

SMALL_FILES = 32
TARGET_BYTES = 256 * 1024 * 1024
KEPT = dt.timedelta(days=7)


def small_files(lake: Lake, model: str) -> int:
    """How many files of less than half the size that is aimed at a model has, from the table's log alone."""
    files = pa.table(lake.open(TEXT_VECTORS.name).get_add_actions(flatten=True))
    sizes = zip(files["partition.model"].to_pylist(), files["size_bytes"].to_pylist(), strict=True)
    return sum(size < TARGET_BYTES // 2 for name, size in sizes if name == model)


def compact_vectors(lake: Lake, model: str, at_least: int | None = None) -> int:
    """Join the small files of a model's vectors where there are many; delete what was replaced a week ago.

    Args:
        lake: the tables.
        model: fingerprint of the model; the files of others stay as they are.
        at_least: so many small files are worth it; by default ``SMALL_FILES``.

    Returns:
        How many files were joined; 0 where there are few, or where another writer came first.
    """
    if small_files(lake, model) < (SMALL_FILES if at_least is None else at_least):
        return 0
    delta = lake.open(TEXT_VECTORS.name)
    try:
        done = delta.optimize.compact(
            partition_filters=[("model", "=", model)],
            target_size=TARGET_BYTES,
            max_concurrent_tasks=1,
            writer_properties=writer_of(TEXT_VECTORS.name),
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except CommitFailedError:  # its files are nobody's, and go with the others
        return 0
    remove_replaced(lake, KEPT)
    return int(done["numFilesRemoved"])


def remove_replaced(lake: Lake, kept: dt.timedelta) -> int:
    """Delete the files that have belonged to no version for some time; how many there were.

    Not by Delta's own vacuum, which would commit: the log stays as it is.
    """
    delta = lake.open(TEXT_VECTORS.name)
    hours = int(kept.total_seconds() // 3_600)
    old = delta.vacuum(retention_hours=hours, enforce_retention_duration=False, dry_run=True)
    store, removed = lake.filesystem(), 0
    for path in (f"{TEXT_VECTORS.name}/{name.rsplit(f'/{TEXT_VECTORS.name}/', 1)[-1]}" for name in old):
        if store.get_file_info(path).type == pafs.FileType.File:
            store.delete_file(path)
            removed += 1
    return removed
