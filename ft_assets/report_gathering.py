"""Gather what a report says of some days: from the tables, their logs, and the outcomes of the checks."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ft_assets
from ft_assets import lineage, pictures, queries, schemas, statistics
from ft_assets.check_outcomes import CheckOutcome
from ft_assets.lake import Lake
from ft_assets.lineage import DayCommit
from ft_assets.report_contents import MadeWith, Provenance, Report

SAMPLE_PAIRS = 10


def gather(
    lake: Lake, outcomes: Sequence[CheckOutcome], days: Sequence[dt.date], *, home: str = "", with_texts: bool = False
) -> Report:
    """Everything that a report of these days says.

    Args:
        lake: where the tables are; nothing is written.
        outcomes: of the checks, on these days and of the tables without days.
        days: to report on; a day without features has no numbers.
        home: what the reader knows the data by.
        with_texts: sample pairs with the words of their queries and items, which may be personal.
    """
    report = Report(
        outcomes=outcomes, days=[day.isoformat() for day in days], home=home, made_at=dt.datetime.now(dt.UTC),
        provenance=provenance(lake, days),
    )  # fmt: skip
    if lake.exists(schemas.INGESTED_FILES.name):
        report = replace(report, arrivals=statistics.arrivals(lake))
    if not days or not all(lake.exists(name) for name in schemas.TABLES):
        return report  # no day has been made yet
    return replace(
        report,
        stages=statistics.funnel(lake, days),
        day_numbers=statistics.day_numbers(lake, days),
        pictures=pictures.pictures_of_days(lake, days),
        texts=sample_texts(lake, days) if with_texts else None,
    )


def provenance(lake: Lake, days: Sequence[dt.date]) -> Provenance:
    """What the days were made from, from the tables' own logs; days of a table that were made alike are one entry."""
    versions = {name: lake.slice(name).version for name in schemas.TABLES if lake.exists(name)}
    made = []
    for table in lineage.DAILY:
        commits = lineage.day_commits(lake, table) if table in versions else {}
        alike: dict[str, dict[dt.date, DayCommit]] = {}
        for day in days:
            if commit := commits.get(day):
                same = json.dumps([commit.configuration, commit.model, commit.code_version], sort_keys=True)
                alike.setdefault(same, {})[day] = commit
        made += [_made_with(table, group) for group in alike.values()]
    return Provenance(ft_assets.__version__, versions, made)


def sample_texts(lake: Lake, days: Sequence[dt.date], count: int = SAMPLE_PAIRS) -> list[dict[str, Any]]:
    """Pairs with the words of their query and items, at most one a session: the hardest, and typical ones.

    Args:
        lake: where the tables are.
        days: of these days.
        count: how many of each.

    Returns:
        Of each ``sample`` (hardest: the positive scores furthest below its negative; typical: about half of the pairs
        score better), ``session_date``, ``query_text``, ``positive_text``, ``negative_text``, ``positive_rank``,
        ``negative_rank``, ``margin`` (below 0: in the wrong order).
    """
    tables = {name: lake.slice(name).of_days(days) for name in ("pair_features", "fine_tuning_inputs")}
    with queries.session({**tables, "items": lake.slice("items")}) as con:
        return queries.rows(queries.query(con, "reports/pair_texts", {"count": count}))


def _made_with(table: str, commits: dict[dt.date, DayCommit]) -> MadeWith:
    first = next(iter(commits.values()))
    times = [commit.made_at for commit in commits.values() if commit.made_at]
    return MadeWith(
        table=table,
        days=tuple(day.isoformat() for day in commits),
        configuration=first.configuration,
        model=first.model,
        code_version=first.code_version,
        versions={day.isoformat(): commit.version for day, commit in commits.items()},
        made_from={day.isoformat(): commit.made_from for day, commit in commits.items()},
        last_made=max(times, default=None),
    )
