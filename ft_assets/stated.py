"""Numbers of a day that its commit states, so that checks of later days need not read it again.

A check that compares a day with those before it wants a few sums of each. What made the rows knows them, and the commit states
them by the name of what would make them of the rows as stored (``sql/prepared/``). They are taken for true as long as nobody
has changed the day's rows since; else, and where a commit states none, the rows are read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ft_assets.lake import Lake
from ft_assets.lineage import commits_of_days
from ft_assets.row_changes import row_changes

Array = np.ndarray[Any, Any]
Rows = list[dict[str, int]]

PLACES = 200  # longer pages are not stated: the log keeps every commit


def clicks_by_place(batches: Sequence[Array]) -> dict[str, Rows]:
    """What ``sql/prepared/clicks_by_place.sql`` makes of a day.

    Args:
        batches: int64 [2, P] each, how often each place was shown and clicked; P of each as it comes.
    """
    sums = np.zeros((2, max((batch.shape[1] for batch in batches), default=0)), dtype=np.int64)
    for batch in batches:
        sums[:, : batch.shape[1]] += batch
    if sums.shape[1] > PLACES:
        return {}
    places = enumerate(sums.T.tolist(), start=1)
    rows = [{"position": place, "shown": shown, "clicks": clicks} for place, (shown, clicks) in places if shown]
    return {"clicks_by_place": rows}


def pairs_of_batch(clicked: Array, kept: Array, offsets: Array, is_irrelevant: Array) -> Array:
    """Of S sessions: how many have a click and are not irrelevant, their pairs, and the squares of these: int64 [3].

    Args:
        clicked: bool [O], of objects.
        kept: bool [O], of objects.
        offsets: int64 [S + 1], of each session's objects.
        is_irrelevant: bool [S].
    """
    until = np.stack([np.concatenate([[0], np.cumsum(marks)]) for marks in (clicked, kept & ~clicked)])
    positives, negatives = np.diff(until[:, offsets], axis=1)
    counts = (~is_irrelevant.astype(bool)) & (positives > 0)
    pairs = (positives * negatives)[counts]
    return np.array([len(pairs), pairs.sum(), (pairs * pairs).sum()], dtype=np.int64)


def pairs_of_sessions(batches: Sequence[Array]) -> dict[str, Rows]:
    """What ``sql/prepared/pairs_of_sessions.sql`` makes of a day.

    Args:
        batches: int64 [3] each, as ``pairs_of_batch`` gives them.
    """
    sessions, pairs, squares = (int(number) for number in sum(batches, np.zeros(3, dtype=np.int64)))
    return {"pairs_of_sessions": [{"sessions": sessions, "pairs": pairs, "squares": squares}]}


def stated_by_day(lake: Lake, table: str, days: Collection[dt.date], name: str) -> dict[dt.date, Rows]:
    """What the commits of a table's days state, of the days whose rows nobody has changed since.

    Args:
        lake: where the tables are.
        table: a daily table.
        days: of them.
        name: of what is stated.
    """
    commits = {day: one for day, one in commits_of_days(lake, table, days).items() if name in one.stated}
    if not commits:
        return {}
    changes = row_changes(lake, table, min(commit.version for commit in commits.values()))
    return {day: one.stated[name] for day, one in commits.items() if not changes.since(one.version, day.isoformat())}
