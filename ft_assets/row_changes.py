"""Which commits changed rows, by the tables' own logs: whether a check looked at what there is now.

A day of a table stays as it is while other days are committed, so the newest version of the table does not tell. What tells
is which files each commit added and removed. A commit that only arranges rows anew (``optimize``) says so itself, one that
deletes unused files (``vacuum``) touches none that count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ft_assets.lake import Lake
from ft_assets.schemas import Table, table_named

READERS = 16  # threads: each file is small, and in an object store far
NEVER = -1
# What commits of ours say that add texts of other days to a table which days share, or take away what nobody asks for.
SHARED = ("model", "forgotten")


@dataclass(frozen=True)
class RowChanges:
    """The newest versions that changed rows.

    Attributes:
        newest: version of the table.
        anywhere: the newest that changed rows of every day, or of nobody knows which.
        by_day: the newest that changed rows of a day, or made the day anew.
    """

    newest: int
    anywhere: int = NEVER
    by_day: Mapping[str, int] = field(default_factory=dict)

    def since(self, version: int, day: str | None = None) -> bool:
        """Whether rows of a day, or any rows, were changed behind a version.

        Args:
            version: that was looked at. One that the table has not reached is of another table that stood there.
            day: YYYY-MM-DD; None for all of the table.
        """
        of_day = max(self.by_day.values(), default=NEVER) if day is None else self.by_day.get(day, NEVER)
        return version > self.newest or max(self.anywhere, of_day) > version


def row_changes(lake: Lake, name: str, after: int = NEVER) -> RowChanges:
    """Read the log of a table.

    Args:
        lake: where the tables are.
        name: a table that is there.
        after: the version behind which to look.
    """
    table, newest = table_named(name), int(lake.open(name).version())
    files, folder = lake.filesystem(), f"{name}/_delta_log"

    def actions(version: int) -> list[dict[str, Any]] | None:
        try:
            with files.open_input_stream(f"{folder}/{version:020}.json") as log:
                return [json.loads(line) for line in log.read().decode().splitlines() if line]
        except FileNotFoundError:
            return None  # the log was cut off: what that commit did is not known

    anywhere, by_day = NEVER, dict[str, int]()
    versions = range(max(after, NEVER) + 1, newest + 1)
    with ThreadPoolExecutor(READERS) as readers:
        for version, found in zip(versions, readers.map(actions, versions), strict=True):
            for day in [None] if found is None else _touched(table, found):
                if day is None:
                    anywhere = version
                else:
                    by_day[day] = version
    return RowChanges(newest, anywhere, by_day)


def _touched(table: Table, actions: list[dict[str, Any]]) -> Iterator[str | None]:
    """The days whose rows a commit changed; None for all of them."""
    info: dict[str, Any] = {}
    for action in actions:
        info |= action.get("commitInfo") or {}
    made = "made_from" in info and "session_date" in info
    if made:
        yield str(info["session_date"])  # also where it has the same rows as before, or none
    is_shared = table.daily and "session_date" not in table.partition_by
    if is_shared and (made or any(name in info for name in SHARED)):
        return
    for action in actions:
        file = action.get("add") or action.get("remove")
        if file and file.get("dataChange", True):
            yield (file.get("partitionValues") or {}).get("session_date")
