"""Gather what a report says of some days: from the tables, their logs, and the outcomes of the checks."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import ft_assets
from ft_assets import lineage, pictures, queries, schemas, statistics
from ft_assets.check_files import checks
from ft_assets.check_outcomes import CheckOutcome
from ft_assets.lake import Lake
from ft_assets.lineage import DayCommit
from ft_assets.report_contents import MadeWith, Provenance, Report
from ft_assets.row_changes import row_changes

SAMPLE_PAIRS = 10


def gather(
    lake: Lake,
    outcomes: Sequence[CheckOutcome],
    days: Sequence[dt.date],
    *,
    home: str = "",
    with_texts: bool = False,
    configurations: Mapping[str, Mapping[str, Any]] | None = None,
) -> Report:
    """Everything that a report of these days says.

    Args:
        lake: where the tables are; nothing is written.
        outcomes: of the checks, on these days and of the tables without days.
        days: to report on; a day without features has no numbers.
        home: what the reader knows the data by.
        with_texts: sample pairs with the words of their queries and items, which may be personal.
        configurations: per daily table, what it would be made with now; days that were made otherwise are named.
    """
    names = [day.isoformat() for day in days]
    made_from = provenance(lake, days)
    report = Report(
        outcomes=as_of_now(lake, [*outcomes, *never_recorded(outcomes, names)]), days=names, home=home,
        made_at=dt.datetime.now(dt.UTC), provenance=made_from,
        other_settings={} if configurations is None else _other_settings(made_from, configurations),
    )  # fmt: skip
    if lake.exists(schemas.INGESTED_FILES.name):
        report = replace(report, arrivals=statistics.arrivals(lake))
    if not days or not all(lake.exists(name) for name in schemas.TABLES):
        return report  # no day has been made yet
    stages, numbers = statistics.funnel(lake, days), statistics.day_numbers(lake, days)
    return replace(
        report,
        out_of_date=_out_of_date(lake, days, made_from),
        stages=stages,
        day_numbers=numbers,
        pictures=pictures.pictures_of_days(lake, days, report.arrivals, stages, numbers),
        texts=sample_texts(lake, days) if with_texts else None,
    )


def as_of_now(lake: Lake, outcomes: Sequence[CheckOutcome]) -> list[CheckOutcome]:
    """The same outcomes; those say so that looked at rows which were changed since, or at nobody knows which.

    Args:
        lake: where the tables are.
        outcomes: as they were recorded.
    """
    looked_at: dict[str, list[int]] = {}
    for outcome in outcomes:
        if outcome.table_version is not None:
            looked_at.setdefault(outcome.table, []).append(outcome.table_version)
    changes = {table: row_changes(lake, table, min(versions)) for table, versions in looked_at.items() if lake.exists(table)}
    return [
        replace(
            each,
            is_current=each.table_version is not None
            and each.table in changes
            and not changes[each.table].since(each.table_version, each.session_date),
        )
        for each in outcomes
    ]


def never_recorded(outcomes: Sequence[CheckOutcome], days: Sequence[str]) -> Iterator[CheckOutcome]:
    """The blocking checks of which nothing is recorded, of days whose features were checked, and of the log's tables.

    Args:
        outcomes: what is recorded.
        days: YYYY-MM-DD.
    """
    recorded = {(each.table, each.check, each.session_date) for each in outcomes}
    finished = {each.session_date for each in outcomes if each.table == schemas.FINE_TUNING_FEATURES.name and each.was_run}
    for check in checks():
        daily = schemas.table_named(check.table).daily
        for day in [each for each in days if each in finished] if daily else [None] if recorded else []:
            if check.blocking and (check.table, check.name, day) not in recorded:
                yield CheckOutcome(
                    check.table, check.name, day, False, check.severity, True, check.description, remedy=check.remedy,
                    was_run=False,
                )  # fmt: skip


def _out_of_date(lake: Lake, days: Sequence[dt.date], made_from: Provenance) -> dict[str, tuple[str, ...]]:
    """Of days, the tables that were made and are older than what they are made from, as `ft-assets run` finds them.

    What they were made with does not count: `ft-assets run --config` may have been given another configuration.
    """
    made = {(made.table, day) for made in made_from.made for day in made.days}
    touched = lineage.affected_days(lake)
    stale = lineage.out_of_date(lake, None, {day: touched[day] for day in days if day in touched})
    by_day = {str(day): tuple(name for name in names if (name, str(day)) in made) for day, names in stale.items()}
    return {day: names for day, names in by_day.items() if names}


def _other_settings(made_from: Provenance, configurations: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for made in made_from.made:
        if made.configuration != json.loads(json.dumps(configurations[made.table])):
            for day in made.days:
                found[day] = (*found.get(day, ()), made.table)
    return found


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
