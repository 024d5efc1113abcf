"""Cut a day's sessions into shards that any machine can read by itself, in the order of the loop.

A shard is a run of whole batches, cut where the loop over the day cuts them, so each batch has the sessions that it has there:
sums within a batch are rounded alike, and the rows are the same to the last bit.

A shard names its sessions by their keys (time and id), not by their rows: what reads it opens only what lies between.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from ft_assets import queries
from ft_assets.engine import PairMaker, Work, own_pairs
from ft_assets.lake import Slice

Key = tuple[dt.datetime, str]
PAST_ALL: Key = (dt.datetime(9999, 12, 31, tzinfo=dt.UTC), "")
BATCHES_PER_SHARD = 8
SHARDS_PER_WORKER = 4


@dataclass(frozen=True)
class Run:
    """Sessions of one kind in their order: those from one key to before another, less the first few, so many of them."""

    kind: str
    first: Key
    past: Key
    skip: int
    sessions: int

    def read(self, inputs: Slice) -> pa.Table:
        """The sessions, as stored."""
        parameters = {
            "kind": self.kind,
            **dict(zip(("from_at", "from_id"), self.first, strict=True)),
            **dict(zip(("to_at", "to_id"), self.past, strict=True)),
        }
        with queries.session({"sessions": inputs}) as con:
            found = queries.query(con, "assets/sessions_between", parameters).to_arrow_table()
        rows = found.cast(inputs.table.schema).slice(self.skip, self.sessions)
        if rows.num_rows != self.sessions:
            raise ValueError(
                f"a shard must find its {self.sessions} {self.kind} sessions from {self.first}, got {rows.num_rows}"
            )
        return rows


@dataclass(frozen=True)
class Side:
    """One side of partnerships: the sessions of runs, started over at their end, from one of them on."""

    runs: tuple[Run, ...]
    start: int

    def read(self, inputs: Slice, partnerships: int) -> pa.Table:
        """A session for each partnership."""
        sessions = pa.concat_tables([run.read(inputs) for run in self.runs])
        return sessions.take((self.start + np.arange(partnerships)) % sessions.num_rows)


@dataclass(frozen=True)
class Shard:
    """A part of a day: a run of its sessions, or so many partnerships of not-irrelevant sessions with irrelevant ones."""

    sessions: int
    sides: tuple[Side, ...]

    def pairs(self, inputs: Slice, maker: PairMaker) -> Iterator[pa.RecordBatch]:
        """The pairs of the shard, batch by batch as the loop over the day makes them."""
        batches = self._batches(inputs, maker.settings.sessions_per_batch)
        works = own_pairs(own for (own,) in batches) if len(self.sides) == 1 else (Work(*beside) for beside in batches)
        return maker.rows(works, {})

    def _batches(self, inputs: Slice, size: int) -> Iterator[list[pa.RecordBatch]]:
        """A batch of each side, beside one another."""
        sides = [side.read(inputs, self.sessions) for side in self.sides]
        for start in range(0, self.sessions, size):
            yield [side.slice(start, size).combine_chunks().to_batches()[0] for side in sides]


@dataclass(frozen=True)
class Plan:
    """A day as shards in the order of its rows, and what is known of it before any is made."""

    shards: list[Shard]
    sessions: int
    results: int


@dataclass(frozen=True)
class _Sessions:
    """The ordered sessions of a kind: how many there are, and the key of each whose place is a multiple of ``every``."""

    kind: str
    sessions: int
    cuts: list[Key]
    every: int

    def run(self, start: int, end: int) -> Run:
        """The sessions at places from start to before end."""
        bounds = [*self.cuts, PAST_ALL]
        first, past = start // self.every, -(-end // self.every)
        return Run(self.kind, bounds[first], bounds[past], start - first * self.every, end - start)

    def side(self, start: int, end: int) -> Side:
        """The sessions of partnerships from start to before end; where the list ends, it starts over."""
        begin, count = start % self.sessions, end - start
        if count >= self.sessions:
            return Side((self.run(0, self.sessions),), begin)
        over = begin + count - self.sessions
        runs = [self.run(begin, min(begin + count, self.sessions)), *([self.run(0, over)] if over > 0 else [])]
        return Side(tuple(runs), 0)


def plan(inputs: Slice, sessions_per_batch: int, sides: bool, workers: int = 1) -> Plan:
    """Cut a day into shards: enough for the workers, none larger than a machine likes.

    Args:
        inputs: a day of sampled_inputs.
        sessions_per_batch: as the loop has it.
        sides: whether irrelevant sessions are paired, too.
        workers: how many share the day.
    """
    batches = -(-inputs.row_count // sessions_per_batch)
    wanted = -(-batches // (workers * SHARDS_PER_WORKER))
    every = sessions_per_batch * min(max(wanted, 1), BATCHES_PER_SHARD)
    with queries.session({"sessions": inputs}) as con:
        rows = queries.rows(queries.query(con, "assets/session_cuts", {"every": every, "sides": sides}))
    found = {row["kind"]: row for row in rows}
    lists = {
        kind: _Sessions(kind, row["sessions"], [(cut["at"], cut["id"]) for cut in row["cuts"]], every)
        for kind, row in found.items()
    }
    if "all" not in lists:
        return Plan([], 0, 0)
    day = lists["all"]
    shards = [Shard(end - start, (Side((day.run(start, end),), 0),)) for start, end in _parts(day.sessions, every)]
    if {"relevant", "irrelevant"} <= set(lists):
        both = lists["relevant"], lists["irrelevant"]
        for start, end in _parts(max(side.sessions for side in both), every):
            shards.append(Shard(end - start, tuple(side.side(start, end) for side in both)))
    return Plan(shards, day.sessions, found["all"]["results"])


def _parts(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Starts and ends of parts of this size; the last may be smaller."""
    return pairwise([*range(0, count, size), count])
