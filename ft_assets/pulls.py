"""What has been pulled, kept in the lake: a row of ``pulled_ranges`` per finished pull.

A pull lands its file first and is noted after. A kill between the two lands the same rows again: under the same name
where they are the same rows, and else as lines that the ingestion knows already. Of two pulls at once one is noted.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from ft_assets import schemas
from ft_assets.lake import ATTEMPTS, Lake, Overtaken, wait

NAME = schemas.PULLED_RANGES.name
COMPACTED_FILES = 100


@dataclass(frozen=True)
class Feed:
    """What a pull goes on with: change one of these, and all rows are read anew.

    Attributes:
        source: the source's name.
        feed: items, sessions or events.
        relation: the table or view.
        watermark_column: the column that grows.
    """

    source: str
    feed: str
    relation: str
    watermark_column: str

    @property
    def series(self) -> str:
        """Numbers the pulls of a source's feed: the Delta transaction that only one of two pulls can commit."""
        return f"pull:{self.source}:{self.feed}"


@dataclass(frozen=True)
class State:
    """What has been pulled of a feed.

    Attributes:
        number: pulls so far.
        watermark: the highest one read; None before the first pull.
        start: where to read from: the overlap below the watermark; None: from the beginning.
        seen: hashes of the rows from there on that have landed.
    """

    number: int = 0
    watermark: int | None = None
    start: int | None = None
    seen: frozenset[str] = frozenset()


@dataclass
class Pull:
    """One pull on its way into the books: what it read since the one before.

    Attributes:
        watermark: the highest one read.
        rows_read, rows_new: rows of the window, and those of them that landed.
        hashes: of the new rows that the next pull will read again, each with its watermark.
        file: where they landed, relative to the landing place.
    """

    watermark: int
    rows_read: int = 0
    rows_new: int = 0
    hashes: list[tuple[int, str]] = field(default_factory=list)
    file: str = ""


def read_state(lake: Lake, feed: Feed, overlap: int) -> State:
    """What has been pulled of a feed, as the lake has it now."""
    import pyarrow.compute as pc

    state = lake.slice(NAME)
    number = _number(state.delta, feed)
    mine = pc.field("source") == feed.source
    for column in ("feed", "relation", "watermark_column"):
        mine &= pc.field(column) == getattr(feed, column)
    dataset = state.dataset()
    watermark = pc.max(dataset.to_table(columns=["watermark"], filter=mine)["watermark"]).as_py()
    if watermark is None:
        return State(number)
    start = watermark - overlap
    # A pull that ended below the window has no row in it.
    recent = dataset.to_table(columns=["hashes"], filter=mine & (pc.field("watermark") >= start))
    return State(number, watermark, start, frozenset(h for hashes in recent["hashes"].to_pylist() for h in hashes))


def note(lake: Lake, feed: Feed, number: int, pull: Pull) -> None:
    """Note a finished pull, whose rows have landed, as the feed's ``number``-th.

    Raises:
        Overtaken: another pull has that number; nothing was noted.
    """
    row: dict[str, Any] = {
        **{column: getattr(feed, column) for column in ("source", "feed", "relation", "watermark_column")},
        "number": number,
        "watermark": pull.watermark,
        "rows_read": pull.rows_read,
        "rows_new": pull.rows_new,
        "file": pull.file,
        "hashes": [hash_ for _, hash_ in pull.hashes],
        "pulled_at": dt.datetime.now(dt.UTC),
    }
    rows = pa.Table.from_pylist([row], schema=schemas.PULLED_RANGES.schema)
    for attempt in range(ATTEMPTS):
        delta = lake.open(NAME)
        if _number(delta, feed) >= number:
            raise Overtaken(f"pull {number} of {feed.feed} of {feed.source} was noted by another")
        try:
            _append(delta, feed, number, rows)
        except CommitFailedError:  # another pull, of this feed or another, was faster: look again which
            wait(attempt)
        else:
            _compact(delta)
            return
    raise Overtaken(f"other pulls were noted first, {ATTEMPTS} times in a row")


def _number(delta: DeltaTable, feed: Feed) -> int:
    return int(delta.transaction_version(feed.series) or 0)


def _append(delta: DeltaTable, feed: Feed, number: int, rows: pa.Table) -> None:
    properties = CommitProperties(app_transactions=[Transaction(feed.series, number)], max_commit_retries=0)
    write_deltalake(delta, rows, mode="append", commit_properties=properties)


def _compact(delta: DeltaTable) -> None:
    """A file per pull would make every look at the state slower; where another writer comes between, the next one does it."""
    if len(delta.file_uris()) < COMPACTED_FILES:
        return
    try:
        delta.optimize.compact()
    except CommitFailedError:
        return
