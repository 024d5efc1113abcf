"""Days and numbers as a reader wants them, the same in every report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any


def days_text(days: Iterable[str], most: int = 6) -> str:
    """Days as a reader wants them: runs of days from-to, the first few of many.

    Example:
        >>> days_text(["2026-11-01", "2026-11-02", "2026-11-03", "2026-11-05"])
        '2026-11-01 to 2026-11-03, 2026-11-05'
    """
    runs: list[list[dt.date]] = []
    for day in sorted({dt.date.fromisoformat(each) for each in days}):
        if runs and (day - runs[-1][-1]).days == 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    said = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs[:most]]
    left = sum(len(run) for run in runs[most:])
    return ", ".join(said) + (f" and {left} more" if left else "")


def missing_days(days: Sequence[str]) -> list[str]:
    """The days of the calendar between the first and the last of these that are not among them.

    Example:
        >>> missing_days(["2026-11-01", "2026-11-02", "2026-11-05"])
        ['2026-11-03', '2026-11-04']
    """
    known = sorted({dt.date.fromisoformat(each) for each in days})
    between = range((known[-1] - known[0]).days) if known else ()
    there = set(known)
    calendar = (known[0] + dt.timedelta(days=number) for number in between)
    return [str(day) for day in calendar if day not in there]


def value_text(name: str, value: Any) -> str:
    """A number as a reader wants it: thousands apart, shares in per cent, three digits that matter of what is small.

    Example:
        >>> value_text("pairs", 48518), value_text("share_clamped", 0.1234), value_text("mean_rank", 0.123456)
        ('48,518', '12.3%', '0.123')
    """
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if "share" in name or name.endswith("_rate"):
        return f"{value:.1%}"
    if isinstance(value, int) or abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")
