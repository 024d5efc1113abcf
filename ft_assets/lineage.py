"""What the tables' own logs say: which days an ingestion touched, what a day was made from, and what is out of date.

No state of ours stands beside the lake, so nothing can disagree with it: a crash at any point is mended by asking again.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ft_assets.lake import Lake
from ft_assets.schemas import (
    FINE_TUNING_FEATURES,
    FINE_TUNING_INPUTS,
    FLAGGED_SESSIONS,
    ITEMS,
    PAIR_FEATURES,
    SAMPLED_INPUTS,
    SEARCH_SESSIONS,
    SESSION_EVENTS,
    TABLES,
    TEXT_VECTORS,
)

# Raise it when the same inputs and configuration would give other rows: days made by older code are then out of date.
CODE_VERSION = "2"
RECENT = 16  # versions at the end of a log that are looked at before the rest
LOG = tuple(table.name for table in TABLES.values() if not table.daily)
# Those of them whose commits say which days they touch.
INGESTED = (SEARCH_SESSIONS.name, SESSION_EVENTS.name, ITEMS.name)
DAILY = (
    FLAGGED_SESSIONS.name,
    FINE_TUNING_INPUTS.name,
    SAMPLED_INPUTS.name,
    TEXT_VECTORS.name,
    PAIR_FEATURES.name,
    FINE_TUNING_FEATURES.name,
)
# Which daily tables a daily table is made from.
MADE_FROM: dict[str, tuple[str, ...]] = {
    FLAGGED_SESSIONS.name: (),
    FINE_TUNING_INPUTS.name: (FLAGGED_SESSIONS.name,),
    SAMPLED_INPUTS.name: (FINE_TUNING_INPUTS.name,),
    TEXT_VECTORS.name: (SAMPLED_INPUTS.name,),
    PAIR_FEATURES.name: (SAMPLED_INPUTS.name, TEXT_VECTORS.name),
    FINE_TUNING_FEATURES.name: (PAIR_FEATURES.name,),
}
# Which daily tables an ingestion re-opens, by the ingested tables that it touched a day through. (A late text re-opens
# fine_tuning_inputs, and what stands behind it reads the catalogue anew; no rule looks at a text.)
REOPENED_BY: dict[str, tuple[str, ...]] = {
    FLAGGED_SESSIONS.name: (SEARCH_SESSIONS.name, SESSION_EVENTS.name),
    FINE_TUNING_INPUTS.name: INGESTED,
}


@dataclass(frozen=True)
class DayCommit:
    """The newest commit of a day in a daily table.

    Attributes:
        version: its Delta version.
        made_from: versions of the tables read.
        configuration: what it was made with.
        model: fingerprint of the model, where one was used.
        code_version: ``CODE_VERSION`` of the code that made it.
        made_at: when it was committed.
        stated: numbers of its rows, in rows, by the name of what would make them of the rows as stored.
    """

    version: int
    made_from: dict[str, int]
    configuration: dict[str, Any]
    model: str | None
    code_version: str | None
    made_at: dt.datetime | None = None
    stated: Mapping[str, list[dict[str, int]]] = field(default_factory=dict)


def affected_days(lake: Lake, after: Mapping[str, int] | None = None) -> dict[dt.date, dict[str, int]]:
    """The days that ingestions touched, each with the newest version of each table that touched it.

    Args:
        lake: where the tables are.
        after: per ingested table, the version behind which to look; all of its log where it is missing.
    """
    days: dict[dt.date, dict[str, int]] = {}
    for name in INGESTED:
        for entry in lake.history(name, (after or {}).get(name, -1)):
            for day in json.loads(entry.get("affected_days", "[]")):
                days.setdefault(dt.date.fromisoformat(day), {})[name] = int(entry["version"])
    return dict(sorted(days.items()))


def ingested_versions(lake: Lake) -> dict[str, int]:
    """Newest version of every ingested table: a cursor for ``affected_days``."""
    return {name: int(lake.open(name).version()) for name in INGESTED}


def day_commits(lake: Lake, name: str) -> dict[dt.date, DayCommit]:
    """The newest commit of every day of a daily table."""
    return _newest_by_day(lake.history(name))


def day_commit(lake: Lake, name: str, day: dt.date) -> DayCommit | None:
    """The newest commit of a day of a daily table: the end of the log is read first, where it most often stands."""
    return commits_of_days(lake, name, {day}).get(day)


def commits_of_days(lake: Lake, name: str, days: Collection[dt.date]) -> dict[dt.date, DayCommit]:
    """The newest commits of some days of a daily table, as ``day_commit`` finds one."""
    newest, found = int(lake.open(name).version()), dict[dt.date, DayCommit]()
    for after in (newest - RECENT, -1):
        found = _newest_by_day(lake.history(name, max(after, -1)))
        if newest <= RECENT or found.keys() >= set(days):
            break
    return {day: found[day] for day in days if day in found}


def _newest_by_day(entries: list[dict[str, Any]]) -> dict[dt.date, DayCommit]:
    commits = {}
    for entry in entries:
        if "made_from" in entry and "session_date" in entry:
            day = dt.date.fromisoformat(entry["session_date"])
            commits[day] = DayCommit(
                int(entry["version"]),
                json.loads(entry["made_from"]),
                json.loads(entry["configuration"]),
                entry.get("model"),
                entry.get("code_version"),
                dt.datetime.fromtimestamp(entry["timestamp"] / 1_000, dt.UTC) if "timestamp" in entry else None,
                json.loads(entry.get("stated", "{}")),
            )
    return commits


def out_of_date(
    lake: Lake,
    configurations: Mapping[str, Mapping[str, Any]] | None,
    touched: Mapping[dt.date, Mapping[str, int]] | None = None,
    unproven: Mapping[dt.date, set[str]] | None = None,
) -> dict[dt.date, list[str]]:
    """The daily tables to make anew, per day, in the order of making; days that are up to date are left out.

    A table of a day is out of date when it was never made, when it was made with another configuration or by code of
    another ``CODE_VERSION``, when an ingestion touched the day since, when it is unproven, or when a table that it is
    made from is out of date or was made anew since. Before pair_features is made anew, text_vectors is, if the catalogue
    was changed since.

    Args:
        lake: where the tables are.
        configurations: per daily table, the configuration that it should have been made with; None if any will do.
        touched: look at these days only, with the versions that touched them, as ``affected_days`` gives them; by default
            at all of them.
        unproven: per day, tables that have not passed their blocking checks.
    """
    touched = affected_days(lake) if touched is None else touched
    commits = {name: day_commits(lake, name) for name in DAILY}
    catalogue = int(lake.open(ITEMS.name).version())
    stale: dict[dt.date, list[str]] = {}
    for day, versions in touched.items():
        names: list[str] = []
        for name in DAILY:
            commit = commits[name].get(day)
            if (
                commit is None
                or name in (unproven or {}).get(day, ())
                or commit.code_version != CODE_VERSION
                or (configurations is not None and commit.configuration != json.loads(json.dumps(configurations[name])))
                or any(parent in names or _newer(commits[parent].get(day), commit, parent) for parent in MADE_FROM[name])
                or any(versions.get(table, -1) > commit.made_from.get(table, -1) for table in REOPENED_BY.get(name, ()))
            ):
                names.append(name)
        vectors = commits[TEXT_VECTORS.name].get(day)
        if PAIR_FEATURES.name in names and vectors and vectors.made_from.get(ITEMS.name, -1) < catalogue:
            # Pairs are scored with the texts of today, which have a vector each once text_vectors has looked at them.
            names = [name for name in DAILY if name in {*names, TEXT_VECTORS.name}]
        if names:
            stale[day] = names
    return stale


def _newer(parent: DayCommit | None, commit: DayCommit, name: str) -> bool:
    """Whether the parent's day was made anew after the version that the commit read."""
    return parent is None or parent.version > commit.made_from.get(name, -1)
