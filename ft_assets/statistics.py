"""The numbers of some days, added up in SQL: what came in, what was left out and why, what the features look like.

Memory is bounded by bins and days, not by rows. A day that was never made has no rows; nothing is made up for it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ft_assets.lake import Lake


@dataclass(frozen=True)
class Stage:
    """A stage on the way from what was logged to what is trained on.

    Attributes:
        name: ``sessions not flagged``.
        rows: how many reached it.
        unit: what is counted: sessions, results, not-event objects, pairs. The first stage of a unit is where it begins.
        left_out: by reason, what the stage before (of the same unit) had and this one has not:
            ``before.rows == rows + sum(left_out.values())``. Empty at the first stage of a unit.
    """

    name: str
    rows: int
    unit: str
    left_out: dict[str, int] = field(default_factory=dict)


def funnel(lake: Lake, days: Sequence[dt.date]) -> list[Stage]:
    """Sessions, results, not-events and pairs on their way through the tables, so that they reconcile."""
    raise NotImplementedError


def arrivals(lake: Lake) -> dict[str, Any]:
    """What has come in, by the books of every file: files, records, and what became of them.

    Returns:
        ``files, copies, bytes, records, accepted, duplicate, no_interest, rejected, waiting`` as integers, and
        ``rejected_by_reason``, ``accepted_by_kind`` as ``{name: records}``, most first.
    """
    raise NotImplementedError


def day_numbers(lake: Lake, days: Sequence[dt.date]) -> list[dict[str, float | int | None | str]]:
    """The numbers that matter, a row a day in the order given; None where there is nothing to take a mean of.

    Returns:
        Of each day ``session_date`` (ISO) and the keys of ``NUMBERS``.
    """
    raise NotImplementedError
