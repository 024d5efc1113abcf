"""Days that are made at the same time see the days before them as if these had been made first.

A check may compare a day with those before it, as they are stored. Where several days are made at once, it must not matter
which of them is ahead: before such a check looks, the tables that it looks at are made in every earlier day that waits for
them. A day waits for earlier ones only, so the earliest never waits, and none waits for ever.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Made:
    """A table of a day has been made; without a table, all of the day that there will be."""

    day: dt.date
    table: str | None = None


class DayOrder:
    """What other processes are still to make.

    Args:
        tell: told of every table that this process has made.
    """

    def __init__(self, tell: Callable[[Made], None]) -> None:
        self._tell = tell
        self._to_come: dict[dt.date, set[str]] = {}
        self._heard: set[Made] = set()
        self._changed = threading.Condition()

    def expect(self, to_come: Mapping[dt.date, Collection[str]]) -> None:
        """Tables that are to be made, by day, less what has been heard of: news may overtake a task that waits to be begun."""
        with self._changed:
            self._to_come = {
                day: {table for table in tables if Made(day, table) not in self._heard}
                for day, tables in to_come.items()
                if Made(day) not in self._heard
            }

    def hear(self, made: Made) -> None:
        """Wait for it no longer."""
        with self._changed:
            self._heard.add(made)
            if made.table is None:
                self._to_come.pop(made.day, None)
            else:
                self._to_come.get(made.day, set()).discard(made.table)
            self._changed.notify_all()

    def reached(self, table: str, day: dt.date, before: Mapping[str, int]) -> None:
        """The table of the day has been made, and what follows looks at days before it: wait until they are there.

        Args:
            table: the table.
            day: the day.
            before: how many days before the day are looked at, by table.
        """
        made = Made(day, table)
        self.hear(made)
        self._tell(made)
        wanted = [(day - dt.timedelta(days=back), name) for name, days in before.items() for back in range(1, days + 1)]
        with self._changed:
            self._changed.wait_for(lambda: not any(name in self._to_come.get(earlier, ()) for earlier, name in wanted))


_orders: list[DayOrder] = []


@contextmanager
def kept(order: DayOrder) -> Iterator[None]:
    """Have the steps of this process keep an order."""
    _orders.append(order)
    try:
        yield
    finally:
        _orders.remove(order)


def reached(table: str, day: dt.date, before: Mapping[str, int]) -> None:
    """As ``DayOrder.reached``; where days are made one by one there is nothing to wait for."""
    for order in _orders:
        order.reached(table, day, before)
