"""The days. Dynamic partitions: the UI lists the days that exist, whether last week's or a dump of 2024."""

from __future__ import annotations

import datetime as dt

import dagster as dg

SESSION_DATE = dg.DynamicPartitionsDefinition(name="session_date")


def key(day: dt.date) -> str:
    """Partition key of a day: its ISO form, so keys sort as days do."""
    return day.isoformat()


def day(key: str) -> dt.date:
    """The day of a partition key.

    Raises:
        ValueError: it is not an ISO date.
    """
    return dt.date.fromisoformat(key)
