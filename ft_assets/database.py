"""PostgreSQL tables of items, sessions and events as another landing: new rows become landed files, the rest is ingestion.

A table is read from a watermark on, a column that grows with every new or changed row, less an overlap: rows of a
transaction that was slow to commit appear below rows that were read already. What was landed of the overlap before is
known by its hash (see ``pulls``) and is not landed again; a row that changed, or came late, is.

Nothing is decided here: values are landed as they are, and what they are worth, the ingestion says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ft_assets import landing, pulls
from ft_assets.connections import SourceFailed, snapshot
from ft_assets.lake import ATTEMPTS, Lake, Overtaken
from ft_assets.pulled_files import PulledFile, line_of, row_hash
from ft_assets.relations import Relation, described
from ft_assets.sources import FORMATS, Source

if TYPE_CHECKING:
    import psycopg

__all__ = ["Pulled", "PulledTable", "SourceFailed", "has_news", "pull", "pull_all"]


@dataclass
class PulledTable:
    """What was pulled of one table.

    Attributes:
        relation, watermark_column: the table or view, and its column that grows.
        rows_read, rows_new: rows of the window, and those of them that landed.
        files: the landed files, relative to the landing place.
        watermark: the highest one read: the number, or microseconds since 1970; None where there never was one.
        rows_unreadable: rows that no pull can read: their watermark is null or infinite.
        rows_waiting: rows whose watermark lies in the future; they are read when its time has come.
        has_more: ``max_rows`` ended the pull before the table did.
    """

    relation: str
    watermark_column: str
    rows_read: int = 0
    rows_new: int = 0
    files: list[str] = field(default_factory=list)
    watermark: int | None = None
    rows_unreadable: int = 0
    rows_waiting: int = 0
    has_more: bool = False

    def problems(self) -> Iterator[str]:
        """What the owner of the table must know."""
        if self.rows_unreadable:
            yield (
                f"{self.rows_unreadable:,} rows of {self.relation} cannot be pulled: {self.watermark_column} must be a finite "
                "value in every row, theirs is null or infinite; set it, or pull a view in which it is"
            )
        if self.rows_waiting:
            yield (
                f"{self.rows_waiting:,} rows of {self.relation} have a {self.watermark_column} in the future; "
                "they are pulled when its time has come"
            )


@dataclass
class Pulled:
    """What was pulled of a source, by feed."""

    source: str
    tables: dict[str, PulledTable] = field(default_factory=dict)

    @property
    def rows_new(self) -> int:
        """Rows that landed."""
        return sum(table.rows_new for table in self.tables.values())

    @property
    def has_more(self) -> bool:
        """Whether ``max_rows`` ended the pull of a table."""
        return any(table.has_more for table in self.tables.values())

    @property
    def problems(self) -> list[str]:
        """What the owner of the tables must know."""
        return [f"{self.source}: {problem}" for table in self.tables.values() for problem in table.problems()]

    @property
    def summary(self) -> str:
        """The pull in a line."""
        parts = (f"{feed} +{table.rows_new:,} of {table.rows_read:,} read" for feed, table in self.tables.items())
        return f"{self.source}: {', '.join(parts)}"


def pull(source: Source, lake: Lake, landing: Path | str, say: Callable[[str], None], max_rows: int | None = None) -> Pulled:
    """Land the rows of a source that have not landed yet.

    All tables are read as they are at one moment (a read-only transaction of its own snapshot), in batches. Progress is
    kept file by file. Where another pull is at work on the same table, this one goes on from where that one has come to.

    Args:
        source: what to read.
        lake: keeps what has been pulled.
        landing: the landing place.
        say: told of every landed file.
        max_rows: rows of each table to land at most; the next pull goes on behind them.

    Raises:
        SourceFailed: the database, a table or a column cannot be read; what landed before stays, and is not pulled again.
        Overtaken: other pulls of the same table kept coming first, ``ATTEMPTS`` times in a row.
    """
    done = Pulled(source.name)
    with snapshot(source) as con:
        for relation in [_described(con, source, feed) for feed in source.tables]:  # all of them, before anything lands
            table = PulledTable(relation.name, relation.watermark)
            done.tables[relation.feed.feed] = table
            for attempt in range(ATTEMPTS):
                try:
                    _pull_table(_Reading(con, source, relation, lake, landing, say), table, max_rows)
                    break
                except Overtaken:
                    if attempt == ATTEMPTS - 1:
                        raise
                    say(f"{source.name}: another pull was faster with {relation.feed.feed}; going on from where it is")
            table.rows_unreadable, table.rows_waiting = relation.unread(con)
    return done


def pull_all(sources: Iterable[Source], lake: Lake, landing: Path | str, say: Callable[[str], None]) -> list[str]:
    """Pull several sources, one after the other; one that fails stops no other.

    Returns:
        What went wrong, and what the owners of the tables must know.
    """
    problems = []
    for source in sources:
        try:
            done = pull(source, lake, landing, say)
        except (SourceFailed, Overtaken) as error:
            problems.append(f"pull failed: {error}")
            say(f"pull of {source.name} FAILED: {error}")
        else:
            problems += done.problems
            say(f"pulled {done.summary}")
    return problems


def has_news(source: Source, lake: Lake) -> tuple[bool, list[str]]:
    """Whether a pull would land anything, and what the owner of the tables must know; lands nothing.

    Reads the overlap of each table, and of what lies behind it no more than the first row.

    Raises:
        SourceFailed: the database, a table or a column cannot be read.
    """
    looked = Pulled(source.name)
    is_new = False
    with snapshot(source) as con:
        for relation in [_described(con, source, feed) for feed in source.tables]:
            table = PulledTable(relation.name, relation.watermark)
            table.rows_unreadable, table.rows_waiting = relation.unread(con)
            looked.tables[relation.feed.feed] = table
            state = pulls.read_state(lake, relation.feed, relation.overlap)
            with closing(relation.rows(con, state.start, source.batch_rows)) as rows:
                is_new = is_new or any(row_hash(mark, row) not in state.seen for mark, row in rows)
    return is_new, looked.problems


@dataclass(frozen=True)
class _Reading:
    """A table on its way into the landing place."""

    con: psycopg.Connection[tuple[Any, ...]]
    source: Source
    relation: Relation
    lake: Lake
    landing: Path | str
    say: Callable[[str], None]


def _pull_table(reading: _Reading, total: PulledTable, max_rows: int | None) -> None:
    """Land the unseen rows of a table, a file at a time, each noted once it has landed."""
    relation, source = reading.relation, reading.source
    state = pulls.read_state(reading.lake, relation.feed, relation.overlap)
    number, total.watermark = state.number, state.watermark
    with closing(relation.rows(reading.con, state.start, source.batch_rows)) as rows:
        while not total.has_more:
            wanted = source.rows_per_file if max_rows is None else min(source.rows_per_file, max_rows - total.rows_new)
            number += 1
            one = _landed(reading, state, rows, total, number, wanted)
            total.rows_read += one.rows_read
            if not one.rows_new:
                return
            pulls.note(reading.lake, relation.feed, number, one)
            total.rows_new += one.rows_new
            total.watermark = one.watermark
            total.files.append(one.file)
            reading.say(f"{source.name}: {one.rows_new:,} rows of {relation.name} landed as {one.file}")
            total.has_more = max_rows is not None and total.rows_new >= max_rows


def _landed(
    reading: _Reading, state: pulls.State, rows: Iterator[tuple[int, str]], total: PulledTable, number: int, wanted: int
) -> pulls.Pull:
    """Land the next unseen rows as one file; none where no row is unseen."""
    feed = reading.relation.feed.feed
    with TemporaryDirectory(prefix="ft_assets_pull_") as folder, PulledFile(Path(folder, reading.source.name)) as file:
        one = _read(rows, reading.relation, state.seen, file, wanted, total.watermark)
        if one.rows_new:
            name = file.close(f"{feed}-{number:09d}")
            landing.land(reading.landing, FORMATS[feed], [Path(folder)])
            one.file = f"{FORMATS[feed]}/{reading.source.name}/{name}"
    return one


def _read(
    rows: Iterator[tuple[int, str]],
    relation: Relation,
    seen: frozenset[str],
    file: PulledFile,
    wanted: int,
    watermark: int | None,
) -> pulls.Pull:
    """Write the unseen ones of the next rows into a file, until it has as many as are wanted."""
    one = pulls.Pull(watermark if watermark is not None else -(2**63))
    again: deque[tuple[int, str]] = deque()
    for mark, row in rows:
        one.rows_read += 1
        one.watermark = max(one.watermark, mark)
        hash_ = row_hash(mark, row)
        if hash_ in seen:
            continue
        file.write(line_of(relation, row), hash_)
        one.rows_new += 1
        again.append((mark, hash_))
        while again[0][0] < one.watermark - relation.overlap:  # rows come in order: what the next pull starts behind is left
            again.popleft()
        if one.rows_new == wanted:
            break
    one.hashes = list(again)
    return one


def _described(con: psycopg.Connection[tuple[Any, ...]], source: Source, feed: str) -> Relation:
    try:
        return described(con, source, feed)
    except ValueError as error:
        raise SourceFailed(f"{source.name}: {error}") from None
