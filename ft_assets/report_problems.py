"""What did not pass, as a reader takes it up: a check with its days, or the checks of a table of which nothing is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ft_assets.check_outcomes import STATES, UNKNOWN, CheckOutcome, State, group_outcomes, worst_state


@dataclass(frozen=True)
class Problem:
    """A check that did not pass, on some days, or the checks of a table that were not run, or not as it is now.

    Attributes:
        table: name of the table.
        checks: its names: one, where it was run.
        outcomes: what was found, day by day.
    """

    table: str
    checks: tuple[str, ...]
    outcomes: tuple[CheckOutcome, ...]

    @property
    def state(self) -> State:
        """Failed, not run, outdated or warned."""
        return worst_state(self.outcomes)

    @property
    def is_known(self) -> bool:
        """False where the checks were not run, or not on the rows as they are now."""
        return self.state not in UNKNOWN

    @property
    def days(self) -> tuple[str, ...]:
        """The days on which it did not pass; none for a table without days."""
        return tuple(sorted({outcome.session_date for outcome in self.outcomes if outcome.session_date}))

    @property
    def rule(self) -> str:
        """The rule that was broken, or why nothing is known."""
        if self.is_known:
            return self.outcomes[0].description
        checks = "1 check" if len(self.checks) == 1 else f"{len(self.checks)} checks"
        if self.state == "outdated":
            return f"{checks} looked at other rows: {self.table} was changed since."
        were = "was" if len(self.checks) == 1 else "were"
        if self._runs:
            return f"{checks} {were} planned and not run: their run ended before."
        return f"{checks} {were} not run."

    @property
    def remedy(self) -> str:
        """What to do."""
        if self.is_known:
            return self.outcomes[0].remedy
        if self.state == "not_run" and self._runs:
            look = f" (run {self._runs[0]}{' and others' if self._runs[1:] else ''})"
            return (
                f"Mend what failed before {self.table}, or look why its run failed{look}; then `ft-assets run` checks it anew."
            )
        return f"Execute the checks of {self.table} in Dagster's UI; if nobody knows what changed it, materialize it anew."

    @property
    def _runs(self) -> list[str]:
        return list(dict.fromkeys(outcome.run_id for outcome in self.outcomes if outcome.run_id))


def problems_of(outcomes: Iterable[CheckOutcome]) -> list[Problem]:
    """What did not pass: failures, then what was not run or not on the rows as they are now, then warnings."""
    return sorted(_problems(outcomes), key=lambda each: STATES.index(each.state))


def _problems(outcomes: Iterable[CheckOutcome]) -> Iterator[Problem]:
    for table, checks in group_outcomes(outcomes):
        unknown: dict[tuple[str, bool], list[CheckOutcome]] = {}
        for check, days in checks:
            for state in ("failed", "warned"):
                if found := tuple(outcome for outcome in days if outcome.state == state):
                    yield Problem(table, (check,), found)
            for outcome in days:
                if outcome.state in UNKNOWN:
                    unknown.setdefault((outcome.state, outcome.run_id is None), []).append(outcome)
        for alike in unknown.values():
            yield Problem(table, tuple(dict.fromkeys(outcome.check for outcome in alike)), tuple(alike))
