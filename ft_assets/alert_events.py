"""What is told of what was logged: outcomes of checks that changed, runs that failed, many of a kind as one alert."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ft_assets.alerts import Alert, Kind, Severity
from ft_assets.checks import Check, checks
from ft_assets.report_words import days_text

# table.check -> day, or "" where it has none -> severity and count of the failure that stands.
Failing = dict[str, dict[str, list[Any]]]
NO_STEP = "its process ended, or it could not be started"


@dataclass(frozen=True)
class CheckSeen:
    """An outcome of a check, as Dagster logged it.

    Attributes:
        id: its place in the event log.
        when: when.
        table, check: the check.
        day: the day checked; None for a table without days.
        passed: whether no row broke the rule.
        severity: what it means if one did.
        rows: how many did; None if that is not known.
        run_id: the run; None for a check that was made outside of one.
    """

    id: int
    when: dt.datetime
    table: str
    check: str
    day: str | None
    passed: bool
    severity: Severity
    rows: int | None
    run_id: str | None


@dataclass(frozen=True)
class RunFailed:
    """A failed run, as Dagster logged it.

    Attributes:
        id: the failure's place in the event log.
        when: when.
        run_id, job: the run.
        day: the day that it was to make; None if of none.
        steps: the steps that failed, each with the class of its error.
        is_retried: whether Dagster itself starts it again (``run_retries``).
        attempt: which of how many attempts of a sensor's request this was; None if no sensor asked for it.
        is_told: False for a run that is another's to tell; only the place in the log moves behind it.
    """

    id: int
    when: dt.datetime
    run_id: str
    job: str
    day: str | None = None
    steps: tuple[tuple[str, str], ...] = ()
    is_retried: bool = False
    attempt: tuple[int, int] | None = None
    is_told: bool = True


def check_alerts(
    events: Sequence[CheckSeen], failing: Failing, told: frozenset[int], base_url: str | None
) -> tuple[list[Alert], Failing]:
    """What outcomes are worth telling: a check that fails, fails otherwise than before, or passes again.

    Args:
        events: in the order in which they were logged.
        failing: the failures that stood before them.
        told: ids of events that have been told.
        base_url: where Dagster's UI is.

    Returns:
        An alert for each check, severity and kind, and the failures that stand now. A check that failed, and passed again on
        the same day, is in both; one that passed, and failed again, only in the latter.
    """
    stand = {name: dict(days) for name, days in failing.items()}
    found: dict[tuple[str, str, Kind], tuple[Severity, CheckSeen]] = {}
    for event in events:
        name, day = f"{event.table}.{event.check}", event.day or ""
        before, now = stand.get(name, {}).get(day), [event.severity, event.rows]
        if event.passed and before is not None:
            found[name, day, "recovered"] = (before[0], event)
            del stand[name][day]
        elif not event.passed and before != now:
            found.pop((name, day, "recovered"), None)
            found[name, day, "failed_check"] = (event.severity, event)
            stand.setdefault(name, {})[day] = now
    groups: dict[tuple[str, Kind, Severity], list[CheckSeen]] = {}
    for (name, _, kind), (severity, event) in found.items():
        if event.id not in told:
            groups.setdefault((name, kind, severity), []).append(event)
    alerts = [_check_alert(kind, severity, group, base_url) for (_, kind, severity), group in groups.items()]
    return _in_order(alerts), {name: days for name, days in stand.items() if days}


def _check_alert(kind: Kind, severity: Severity, events: list[CheckSeen], base_url: str | None) -> Alert:
    table, check = events[0].table, events[0].check
    days = tuple(sorted({event.day for event in events if event.day}))
    counts = [event.rows for event in events if event.rows is not None] if kind == "failed_check" else []
    rows = sum(counts) if counts else None
    of_days = f" for {days_text(days)}" if days else ""
    happened = "passes again" if kind == "recovered" else "failed" if severity == "ERROR" else "warns"
    rule = next((each for each in checks() if (each.table, each.name) == (table, check)), None)
    return Alert(
        kind=kind,
        severity=severity,
        title=f"{table}.{check} {happened}{of_days}",
        message="\n".join(_words(kind, severity, rule, rows)),
        when=max(event.when for event in events),
        events=tuple(sorted(event.id for event in events)),
        table=table,
        check=check,
        days=days,
        rows=rows,
        run_ids=tuple(sorted({event.run_id for event in events if event.run_id})),
        link=f"{base_url}/assets/{quote(table)}?view=checks&checkDetail={quote(check)}" if base_url else None,
    )


def _words(kind: Kind, severity: Severity, rule: Check | None, rows: int | None) -> Iterable[str]:
    """The rule and what follows; all of it stands in the file of the check, nothing comes from a row."""
    if rule is None:
        return
    counted = f"{rows:,} {'row breaks' if rows == 1 else 'rows break'} the rule: " if rows is not None else "The rule: "
    yield counted + rule.description
    if kind == "failed_check":
        if severity == "ERROR" and rule.blocking:
            yield f"Nothing is made of {rule.table} until it passes."
        if remedy := rule.remedy:
            yield f"What to do: {remedy}"


def run_alerts(
    events: Sequence[RunFailed], failing: Failing, told: frozenset[int], base_url: str | None
) -> tuple[list[Alert], Failing]:
    """An alert for each job, way of failing and attempt.

    Args:
        events: in the order in which they were logged.
        failing: handed back as it came; every failed run is told.
        told: ids of events that have been told.
        base_url: where Dagster's UI is.
    """
    groups: dict[tuple[Any, ...], list[RunFailed]] = {}
    for event in events:
        if event.is_told and event.id not in told:
            groups.setdefault((event.job, event.steps, event.is_retried, event.attempt), []).append(event)
    return _in_order([_run_alert(group, base_url) for group in groups.values()]), failing


def _run_alert(events: list[RunFailed], base_url: str | None) -> Alert:
    first = events[0]
    days = tuple(sorted({event.day for event in events if event.day}))
    run_ids = tuple(dict.fromkeys(event.run_id for event in events))
    runs = f"{len(run_ids)} runs of {first.job}" if len(run_ids) > 1 else first.job
    cause = ", ".join(f"{error} in {step}" for step, error in first.steps) or NO_STEP
    message = [f"run {run_ids[0]}" if len(run_ids) == 1 else f"runs {', '.join(run_ids[:5])}{', ...' * (len(run_ids) > 5)}"]
    if first.is_retried:
        message.append("Dagster tries it again.")
    elif first.attempt:
        number, of = first.attempt
        again = "the sensor asks for it again" if number < of else "it is not asked for again: mend it, then launch it by hand"
        message.append(f"Attempt {number} of {of}: {again}.")
    return Alert(
        kind="run_failure",
        severity="WARN" if first.is_retried else "ERROR",
        title=f"{runs} failed{f' for {days_text(days)}' if days else ''}: {cause}",
        message="\n".join(message),
        when=max(event.when for event in events),
        events=tuple(sorted(event.id for event in events)),
        job=first.job,
        steps=tuple(step for step, _ in first.steps),
        days=days,
        run_ids=run_ids,
        link=f"{base_url}/runs{f'/{run_ids[0]}' if len(run_ids) == 1 else ''}" if base_url else None,
    )


def _in_order(alerts: list[Alert]) -> list[Alert]:
    return sorted(alerts, key=lambda alert: alert.events)
