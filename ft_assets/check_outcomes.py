"""What a check found in a day of a table, and how outcomes are counted, grouped and ordered in every report."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, get_args

State = Literal["failed", "not_run", "outdated", "warned", "passed"]
STATES: tuple[State, ...] = get_args(State)  # the order of a report: what broke comes first
UNKNOWN = ("not_run", "outdated")  # nobody knows what the check would find now


@dataclass(frozen=True)
class CheckOutcome:
    """What one check found in one day of a table.

    Attributes:
        table: name of the table.
        check: name of the check.
        session_date: the day, YYYY-MM-DD; None for a table without days.
        passed: whether no row broke the rule; not where the check was not run.
        severity: what it means if one did.
        blocking: whether a failure stops the tables behind this one.
        description: the rule, in a sentence.
        rows: how many rows broke it; None if that was not counted.
        examples: some of these rows.
        checked_at: when, with its time zone.
        run_id: the Dagster run.
        remedy: what to do when it fails.
        table_version: version of the table that it looked at.
        was_run: false for a check that its newest run planned and did not come to, or that no run has looked at.
        is_current: false if rows were changed since it looked at them, or nobody knows which it looked at.

    Raises:
        ValueError: the severity is neither ERROR nor WARN, or a check that was not run has passed.
    """

    table: str
    check: str
    session_date: str | None
    passed: bool
    severity: Literal["ERROR", "WARN"] | str = "ERROR"
    blocking: bool = False
    description: str = ""
    rows: int | None = None
    examples: list[dict[str, Any]] = field(default_factory=list)
    checked_at: datetime | None = None
    run_id: str | None = None
    remedy: str = ""
    table_version: int | None = None
    was_run: bool = True
    is_current: bool = True

    def __post_init__(self) -> None:
        if self.severity not in ("ERROR", "WARN"):
            raise ValueError(f"severity must be ERROR or WARN, got {self.severity!r}")
        if self.passed and not self.was_run:
            raise ValueError(f"a check that was not run has not passed, got {self.table}.{self.check} as passed")

    @property
    def state(self) -> State:
        """What is known now. A failure stays one until the check passes; of changed rows a pass says nothing."""
        if not self.was_run:
            return "not_run"
        if not self.passed and self.severity == "ERROR":
            return "failed"
        if not self.is_current:
            return "outdated"
        return "passed" if self.passed else "warned"

    @property
    def message(self) -> str:
        """One line that says what broke: the count of rows and the rule; or why that is not known."""
        rule = self.description or self.check
        if self.state == "not_run":
            return f"not run{f': run {self.run_id} ended before it' if self.run_id else ''}. {rule}"
        if self.state == "outdated":
            return f"not checked as it is now: rows were changed since. {rule}"
        if self.rows is None:
            return rule
        return f"{self.rows:,} {'row breaks' if self.rows == 1 else 'rows break'} the rule: {rule}"


@dataclass(frozen=True)
class Summary:
    """Outcomes counted by state; ``str()`` is the closing line of a report."""

    passed: int
    failed: int
    warned: int
    not_run: int = 0
    outdated: int = 0

    def __str__(self) -> str:
        checks, warnings = ("check", "checks")[self.passed != 1], ("warning", "warnings")[self.warned != 1]
        unknown = {"not run": self.not_run, "outdated": self.outdated}
        more = "".join(f", {count} {word}" for word, count in unknown.items() if count)
        return f"{self.passed} {checks} passed, {self.failed} failed, {self.warned} {warnings}{more}"


def summarize(outcomes: Iterable[CheckOutcome]) -> Summary:
    """Count outcomes by state."""
    states = [outcome.state for outcome in outcomes]
    counted = {str(state): states.count(state) for state in STATES}
    return Summary(**counted)


def group_outcomes(
    outcomes: Iterable[CheckOutcome],
) -> list[tuple[str, list[tuple[str, list[CheckOutcome]]]]]:
    """Group outcomes by table and check, what broke first; otherwise in the order in which they first came."""
    tables: dict[str, dict[str, list[CheckOutcome]]] = {}
    for outcome in outcomes:
        tables.setdefault(outcome.table, {}).setdefault(outcome.check, []).append(outcome)
    grouped = [
        (table, [(check, sorted(days, key=lambda each: each.session_date or "")) for check, days in checks.items()])
        for table, checks in tables.items()
    ]
    for _, checks in grouped:
        checks.sort(key=lambda pair: STATES.index(worst_state(pair[1])))
    return sorted(grouped, key=lambda pair: STATES.index(worst_state(pair[1][0][1])))


def worst_state(outcomes: Iterable[CheckOutcome]) -> State:
    """The state to show for several outcomes: the first of ``STATES`` that one of them has."""
    return min((outcome.state for outcome in outcomes), key=STATES.index)


def plain(value: Any) -> Any:
    """Turn a value of a row (numpy, dates, bytes, ...) into one that JSON has."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return plain(value.tolist())
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return value.isoformat() if isinstance(value, datetime | date) else writable(str(value))


def writable(text: str) -> str:
    """Replace halves of surrogate pairs: JSON may hold them, but no file can."""
    return text.encode("utf-8", "replace").decode("utf-8")


def json_line(row: dict[str, Any]) -> str:
    """One row as one line of JSON."""
    return json.dumps(plain(row), ensure_ascii=False)
