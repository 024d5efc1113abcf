"""What a report of some days holds, and what follows from it: the verdict, what is blocked, what broke and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ft_assets.check_outcomes import UNKNOWN, CheckOutcome, Summary, summarize
from ft_assets.lineage import DAILY, LOG, MADE_FROM
from ft_assets.picture import Picture
from ft_assets.report_problems import Problem, problems_of
from ft_assets.report_words import days_text, missing_days
from ft_assets.schemas import FINE_TUNING_FEATURES
from ft_assets.statistics import Stage

NOTHING_CHECKED = "Nothing has been checked yet."


@dataclass(frozen=True)
class MadeWith:
    """Days of a table that were made alike.

    Attributes:
        table: name of the table.
        days: these days, YYYY-MM-DD.
        configuration: what they were made with.
        model: fingerprint of the model, where one was used.
        code_version: of the code that made them.
        versions: of each day, the table's version that holds it.
        made_from: of each day, the versions of the tables that were read.
        last_made: when the newest of them was committed.
    """

    table: str
    days: tuple[str, ...]
    configuration: Mapping[str, Any]
    model: str | None = None
    code_version: str | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    made_from: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    last_made: dt.datetime | None = None


@dataclass(frozen=True)
class Provenance:
    """What the reported numbers come from.

    Attributes:
        program: version of ft_assets that wrote the report.
        table_versions: the newest version of every table.
        made: how the days of the daily tables were made.
    """

    program: str = ""
    table_versions: Mapping[str, int] = field(default_factory=dict)
    made: Sequence[MadeWith] = ()


@dataclass(frozen=True)
class Report:
    """What is reported of some days.

    Attributes:
        outcomes: of every check; of daily tables one a day.
        days: the days reported on, YYYY-MM-DD, in order.
        home: what the reader knows the data by.
        stages: what became of the sessions and pairs, from stage to stage.
        arrivals: what came in, of all days; see ``statistics.arrivals``.
        day_numbers: numbers, a row a day; see ``statistics.day_numbers``.
        pictures: of the days together.
        provenance: what all this comes from.
        out_of_date: of days, the tables that are older than what they are made from.
        other_settings: of days, the tables that were made with other settings than the home now has.
        texts: sample pairs with their words, or None where they were not asked for; see ``report_gathering``.
        made_at: when the report was made.
    """

    outcomes: Sequence[CheckOutcome]
    days: Sequence[str] = ()
    home: str = ""
    stages: Sequence[Stage] = ()
    arrivals: Mapping[str, Any] = field(default_factory=dict)
    day_numbers: Sequence[Mapping[str, Any]] = ()
    pictures: Sequence[Picture] = ()
    provenance: Provenance = field(default_factory=Provenance)
    out_of_date: Mapping[str, Collection[str]] = field(default_factory=dict)
    other_settings: Mapping[str, Collection[str]] = field(default_factory=dict)
    texts: Sequence[Mapping[str, Any]] | None = None
    made_at: dt.datetime | None = None

    @cached_property
    def summary(self) -> Summary:
        """Outcomes counted."""
        return summarize(self.outcomes)

    @cached_property
    def failed_days(self) -> tuple[str, ...]:
        """Days that failed an ERROR check; all of them where a table without days did."""
        failed = {outcome.session_date for outcome in self.outcomes if outcome.state == "failed"}
        return tuple(day for day in self.days if None in failed or day in failed)

    @cached_property
    def unfinished_days(self) -> tuple[str, ...]:
        """Days whose features no check has ever looked at: they have not been made yet, or not been checked."""
        looked_at = {o.session_date for o in self.outcomes if o.table == FINE_TUNING_FEATURES.name and o.was_run}
        return tuple(day for day in self.days if day not in looked_at)

    @cached_property
    def unchecked_days(self) -> tuple[str, ...]:
        """Unfinished days, and those of which a blocking check was not run, or not on the rows as they are now."""
        unknown = {outcome.session_date for outcome in self._unknown}
        return tuple(day for day in self.days if None in unknown or day in unknown or day in self.unfinished_days)

    @cached_property
    def out_of_date_days(self) -> tuple[str, ...]:
        """Days with a table that is older than what it is made from."""
        return tuple(day for day in self.days if self.out_of_date.get(day))

    @cached_property
    def missing_days(self) -> tuple[str, ...]:
        """Days of the calendar between the first and the last on which there is no session."""
        return tuple(missing_days(self.days))

    @cached_property
    def empty_days(self) -> tuple[str, ...]:
        """Days that were made and have no features."""
        return tuple(str(row["session_date"]) for row in self.day_numbers if row.get("features") == 0)

    @cached_property
    def has_features(self) -> bool:
        """Whether there is a feature on any of the days; where it is not known how many, that is not held against them."""
        counts = [row["features"] for row in self.day_numbers if "features" in row]
        return any(counts) or not counts

    def is_sound(self, *, strict: bool = False) -> bool:
        """Whether to train on the days.

        There are days, and features; each day was checked as it is now and is up to date, and no ERROR check failed.

        Args:
            strict: warnings count as failures, and so do checks of severity WARN that were not run, and missing days.
        """
        counts = self.summary
        broken = counts.failed or self.unchecked_days or self.out_of_date_days or not self.has_features
        doubts = counts.warned or counts.not_run or counts.outdated or self.missing_days
        return bool(self.outcomes and self.days) and not broken and not (strict and doubts)

    @cached_property
    def verdict(self) -> str:
        """One sentence that says whether to train on these days."""
        if not self.outcomes:
            return NOTHING_CHECKED
        counts = _counted(self.outcomes)
        if not self.days:
            return f"There is no day to train on yet: {counts}."
        bad = [day for day in self.days if day in {*self.failed_days, *self.unchecked_days, *self.out_of_date_days}]
        if not bad:
            if not self.has_features:
                return f"There is nothing to train on, {_named(self.days)} without any features: {counts}."
            return f"Train on {_named(self.days)}: {counts}." if self.is_sound() else f"Look before you train: {counts}."
        rest = len(self.days) - len(bad)
        others = f" (the other {rest} {'day is' if rest == 1 else 'days are'} sound)" if rest else ""
        which = f"any of these {len(bad)} days" if len(bad) > 1 and not rest else _named(bad)
        return f"Do not train on {which}{others}: {'; '.join([counts, *self._reasons])}."

    @property
    def _reasons(self) -> Iterator[str]:
        """Why days are not sound, but for checks that failed."""
        known = {*self.failed_days, *self.unfinished_days}
        unknown = {outcome.session_date for outcome in self._unknown}
        whole = sorted({outcome.table for outcome in self._unknown if not outcome.session_date})
        groups = {
            "no checked features yet": [day for day in self.unfinished_days if day not in self.failed_days],
            "out of date": [day for day in self.out_of_date_days if day not in self.unfinished_days],
            "not checked as it is now": [day for day in self.days if day in unknown and day not in known],
        }
        yield from (f"{days_text(days)}: {reason}" for reason, days in groups.items() if days)
        if whole:
            yield f"{', '.join(whole)}: not checked as it is now"

    @cached_property
    def _unknown(self) -> list[CheckOutcome]:
        return [outcome for outcome in self.outcomes if outcome.blocking and outcome.state in UNKNOWN]

    @cached_property
    def remarks(self) -> list[str]:
        """What else to know before training, a line each."""
        said = [f"out of date on {days_text(days)}: {', '.join(tables)}; ft-assets run makes them anew"
                for days, tables in _by_tables(self.days, self.out_of_date)]  # fmt: skip
        if self.missing_days:
            said.append(f"no session on {days_text(self.missing_days)}, between the first day and the last")
        if self.empty_days:
            said.append(f"no features on {days_text(self.empty_days)}")
        return said + [
            f"made with other settings than config.yaml now has on {days_text(days)}: {', '.join(tables)}"
            for days, tables in _by_tables(self.days, self.other_settings)
        ]

    @cached_property
    def blocked(self) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Tables that were not made, or not made anew, since something before them failed: (days, tables), by days."""
        tables: dict[str | None, set[str]] = {}
        for outcome in self.outcomes:
            # What no run has planned may have been made all the same.
            if outcome.state == "failed" or (outcome.state == "not_run" and outcome.run_id):
                behind = _behind(outcome.table) if outcome.blocking else set()
                own = set() if outcome.was_run else {outcome.table}
                tables.setdefault(outcome.session_date, set()).update(behind | own)
        return _by_tables(self.days, {day: tables.get(None, set()) | tables.get(day, set()) for day in self.days})

    @cached_property
    def problems(self) -> list[Problem]:
        """What did not pass; see ``report_problems``."""
        return problems_of(self.outcomes)


def _by_tables(days: Sequence[str], tables: Mapping[str, Collection[str]]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Days that have the same tables, with these in the order of making."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for day in days:
        if names := tuple(name for name in (*LOG, *DAILY) if name in tables.get(day, ())):
            alike.setdefault(names, []).append(day)
    return [(tuple(of), names) for names, of in alike.items()]


def _named(days: Sequence[str]) -> str:
    if len(days) <= 2:
        return " and ".join(days)
    return f"these {len(days)} days" if len(days_text(days)) > 60 else days_text(days)


def _counted(outcomes: Sequence[CheckOutcome]) -> str:
    summary = summarize(outcomes)
    not_run = f" and {summary.not_run} {'was' if summary.not_run == 1 else 'were'} not run" if summary.not_run else ""
    outdated = f" and {summary.outdated} {'is' if summary.outdated == 1 else 'are'} outdated" if summary.outdated else ""
    warnings = f"{summary.warned} {'warning' if summary.warned == 1 else 'warnings'}"
    checks = "check" if len(outcomes) == 1 else "checks"
    return f"{summary.failed} of {len(outcomes)} {checks} failed{not_run}{outdated}; {warnings}"


def _behind(table: str) -> set[str]:
    """The tables that are not made when a blocking check of this one fails."""
    if table in LOG:
        return set(DAILY)
    behind = {name for name, parents in MADE_FROM.items() if table in parents}
    return behind.union(*map(_behind, behind))
