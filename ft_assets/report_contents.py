"""What a report of some days holds, and what follows from it: the verdict, what is blocked, what broke and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ft_assets.check_outcomes import CheckOutcome, Summary, group_outcomes, summarize
from ft_assets.lineage import DAILY, LOG, MADE_FROM
from ft_assets.picture import Picture
from ft_assets.report_words import days_text
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
class Problem:
    """A check that did not pass, on some days, or the checks of a table that were not run.

    Attributes:
        table: name of the table.
        checks: its names: one, unless they were not run.
        outcomes: what was found, day by day.
    """

    table: str
    checks: tuple[str, ...]
    outcomes: tuple[CheckOutcome, ...]

    @property
    def state(self) -> str:
        """Failed or warned."""
        return "failed" if any(outcome.state == "failed" for outcome in self.outcomes) else "warned"

    @property
    def was_run(self) -> bool:
        """False where the run ended before these checks."""
        return self.outcomes[0].was_run

    @property
    def days(self) -> tuple[str, ...]:
        """The days on which it did not pass; none for a table without days."""
        return tuple(sorted({outcome.session_date for outcome in self.outcomes if outcome.session_date}))

    @property
    def rule(self) -> str:
        """The rule that was broken."""
        if self.was_run:
            return self.outcomes[0].description
        return f"{len(self.checks)} checks were planned and not run: their run ended before them."

    @property
    def remedy(self) -> str:
        """What to do."""
        if self.was_run:
            return self.outcomes[0].remedy
        runs = list(dict.fromkeys(outcome.run_id for outcome in self.outcomes if outcome.run_id))
        look = f" (run {runs[0]}{' and others' if runs[1:] else ''})" if runs else ""
        return f"Mend what failed before {self.table}, or look why its run failed{look}; then ft-assets run checks it anew."


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
    def unchecked_days(self) -> tuple[str, ...]:
        """Days whose features no check has looked at: they have not been made yet, or not been checked."""
        checked = {outcome.session_date for outcome in self.outcomes if outcome.table == FINE_TUNING_FEATURES.name}
        return tuple(day for day in self.days if day not in checked)

    def is_sound(self, *, strict: bool = False) -> bool:
        """Whether to train on the days: there are some, each was checked, and no ERROR check failed.

        Args:
            strict: warnings count as failures.
        """
        broken = self.summary.failed or self.unchecked_days or (strict and self.summary.warned)
        return bool(self.outcomes and self.days) and not broken

    @cached_property
    def verdict(self) -> str:
        """One sentence that says whether to train on these days."""
        if not self.outcomes:
            return NOTHING_CHECKED
        counts = _counted(self.outcomes)
        if not self.days:
            return f"There is no day to train on yet: {counts}."
        bad = [day for day in self.days if day in {*self.failed_days, *self.unchecked_days}]
        if not bad:
            return f"Train on {_named(self.days)}: {counts}." if self.is_sound() else f"Look before you train: {counts}."
        rest = len(self.days) - len(bad)
        others = f" (the other {rest} {'day is' if rest == 1 else 'days are'} sound)" if rest else ""
        which = f"any of these {len(bad)} days" if len(bad) > 1 and not rest else _named(bad)
        unchecked = f"; {days_text(self.unchecked_days)}: no checked features yet" if self.unchecked_days else ""
        return f"Do not train on {which}{others}: {counts}{unchecked}."

    @cached_property
    def blocked(self) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Tables that were not made, or not made anew, since something before them failed: (days, tables), by days."""
        tables: dict[str | None, set[str]] = {}
        for outcome in self.outcomes:
            if outcome.state == "failed":
                behind = _behind(outcome.table) if outcome.blocking else set()
                own = set() if outcome.was_run else {outcome.table}
                tables.setdefault(outcome.session_date, set()).update(behind | own)
        by_tables: dict[tuple[str, ...], list[str]] = {}
        for day in self.days:
            names = tables.get(None, set()) | tables.get(day, set())
            if names:
                by_tables.setdefault(tuple(name for name in (*LOG, *DAILY) if name in names), []).append(day)
        return [(tuple(days), names) for names, days in by_tables.items()]

    @cached_property
    def problems(self) -> list[Problem]:
        """What did not pass: failures, then what was not run, then warnings."""
        return sorted(_problems(self.outcomes), key=lambda each: (each.state != "failed", not each.was_run))


def _named(days: Sequence[str]) -> str:
    if len(days) <= 2:
        return " and ".join(days)
    return f"these {len(days)} days" if len(days_text(days)) > 60 else days_text(days)


def _counted(outcomes: Sequence[CheckOutcome]) -> str:
    summary = summarize(outcomes)
    unrun = sum(not outcome.was_run for outcome in outcomes if outcome.state == "failed")
    not_run = f" and {unrun} {'was' if unrun == 1 else 'were'} not run" if unrun else ""
    warnings = f"{summary.warned} {'warning' if summary.warned == 1 else 'warnings'}"
    checks = "check" if len(outcomes) == 1 else "checks"
    return f"{summary.failed - unrun} of {len(outcomes)} {checks} failed{not_run}; {warnings}"


def _behind(table: str) -> set[str]:
    """The tables that are not made when a blocking check of this one fails."""
    if table in LOG:
        return set(DAILY)
    behind = {name for name, parents in MADE_FROM.items() if table in parents}
    return behind.union(*map(_behind, behind))


def _problems(outcomes: Iterable[CheckOutcome]) -> Iterator[Problem]:
    for table, checks in group_outcomes(outcomes):
        unrun: list[CheckOutcome] = []
        for check, days in checks:
            broken = [outcome for outcome in days if not outcome.passed]
            unrun += [outcome for outcome in broken if not outcome.was_run]
            if found := tuple(outcome for outcome in broken if outcome.was_run):
                yield Problem(table, (check,), found)
        if unrun:
            yield Problem(table, tuple(dict.fromkeys(outcome.check for outcome in unrun)), tuple(unrun))
