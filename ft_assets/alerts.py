"""What people and their pagers are told: that a run failed, a check failed, or one that had failed passes again.

An alert holds names, days, counts and the text of a rule; never a row, never the message of an exception. Both may quote
what a user typed, and what has been sent is out of the reach of ``ft-assets forget``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Kind = Literal["run_failure", "failed_check", "recovered", "test"]
Severity = Literal["WARN", "ERROR"]
SEVERITIES: tuple[Severity, ...] = ("WARN", "ERROR")
SCHEMA_VERSION = 1


class NotDeliveredError(Exception):
    """A target did not take an alert; the message says why and holds no secret.

    Attributes:
        retry_after: seconds for which the target asked to be left alone; None if it did not.
        is_of_this_one: whether this alert was refused for what it is: those behind it may be taken.
    """

    def __init__(self, reason: str, retry_after: float | None = None, is_of_this_one: bool = False) -> None:
        super().__init__(reason)
        self.retry_after, self.is_of_this_one = retry_after, is_of_this_one


@dataclass(frozen=True)
class Alert:
    """One message.

    Attributes:
        kind: run_failure, failed_check, recovered (a failed check passes again) or test.
        severity: ERROR, or WARN: a check that only warns, a run that Dagster tries again. Of ``recovered``: what it was before.
        title: what happened, in a line.
        message: what it means and what to do; several lines.
        when: the newest event that is told of; UTC.
        events: ids in Dagster's event log of what is told of.
        table, check: of a check.
        job, steps: of a run, and those of its steps that failed.
        days: the days concerned, YYYY-MM-DD, in order; none for what is not of a day.
        rows: rows that broke the rule, over all days; None where they were not counted.
        run_ids: the runs concerned.
        link: to Dagster's UI; None without ``base_url``.
    """

    kind: Kind
    severity: Severity
    title: str
    message: str
    when: dt.datetime
    events: tuple[int, ...] = ()
    table: str | None = None
    check: str | None = None
    job: str | None = None
    steps: tuple[str, ...] = ()
    days: tuple[str, ...] = ()
    rows: int | None = None
    run_ids: tuple[str, ...] = ()
    link: str | None = None

    def __post_init__(self) -> None:
        if self.when.tzinfo is None:
            raise ValueError(f"when must have a time zone, got {self.when.isoformat()}")

    @property
    def key(self) -> str:
        """Equal for two alerts that tell of the same events, and for no others: by it a receiver drops doubles."""
        told = "\n".join(map(str, (self.kind, self.table, self.check, self.job, self.when.isoformat(), *self.events)))
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    def as_dict(self) -> dict[str, Any]:
        """Plain values: the body of a webhook of format json."""
        return {
            "schema": SCHEMA_VERSION,
            "key": self.key,
            "kind": self.kind,
            "severity": self.severity,
            "title": self.title,
            "message": self.message,
            "when": self.when.astimezone(dt.UTC).isoformat(timespec="seconds"),
            "table": self.table,
            "check": self.check,
            "job": self.job,
            "steps": list(self.steps),
            "days": list(self.days),
            "rows": self.rows,
            "run_ids": list(self.run_ids),
            "link": self.link,
        }

    def as_text(self) -> str:
        """For people: title, message and link."""
        return "\n".join(part for part in (f"{self.severity}: {self.title}", self.message, self.link) if part)


class Target(Protocol):
    """Where alerts go."""

    def send(self, alert: Alert) -> None:
        """Deliver an alert.

        Raises:
            NotDeliveredError: it was not taken. It is sent again later; any other exception means the same.
        """


class LogTarget:
    """Writes to the logger ``ft_assets.alerts``, an ERROR as an error, all else as a warning."""

    def send(self, alert: Alert) -> None:
        """See the class."""
        is_error = alert.severity == "ERROR" and alert.kind != "recovered"
        logging.getLogger(__name__).log(logging.ERROR if is_error else logging.WARNING, "%s", alert.as_text())


class FunctionTarget:
    """Calls a function of yours with the alert.

    Args:
        function: ``module:function``; the module must be importable where Dagster's code runs.
    """

    def __init__(self, function: str) -> None:
        self.function = function

    def send(self, alert: Alert) -> None:
        """See the class.

        Raises:
            NotDeliveredError: there is no such function.
        """
        module, _, name = self.function.partition(":")
        try:
            send: Callable[[Alert], None] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise NotDeliveredError(f"{self.function} cannot be imported ({type(error).__name__})") from None
        send(alert)


def trial(now: dt.datetime) -> Alert:
    """What ``ft-assets alert-test`` sends."""
    words = "Somebody called ft-assets alert-test: alerts reach you here. Nothing has failed."
    return Alert(kind="test", severity="WARN", title="a test alert of ft_assets", message=words, when=now)
