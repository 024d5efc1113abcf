"""Every alert reaches every target at least once, in order, whatever another target does.

Each target has a place of its own in the event log, which moves only behind what the target has taken. A target that is
away is tried again at every tick and falls behind alone. A tick that dies after it sent, and before Dagster kept its
cursor, sends again: the same events, so under the same ``Alert.key``.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from ft_assets.alert_events import Failing
from ft_assets.alert_settings import Channel
from ft_assets.alerts import Alert, NotDeliveredError

EVENTS_AT_ONCE = 1000
GIVE_UP = dt.timedelta(hours=72)
# A tick that takes a minute is ended by Dagster and its cursor lost: no sending begins after the one, none is waited for
# after the other.
SENDING_SECONDS, TICK_SECONDS = 25.0, 50.0


class Event(Protocol):
    """Something that was logged."""

    @property
    def id(self) -> int:
        """Its place in the log."""


E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Feed(Generic[E]):
    """A part of the event log.

    Attributes:
        newest: the id of its newest event, 0 where there is none.
        read: so many events behind an id, in order.
        alerts: what is to be told of them, as ``alert_events.check_alerts``.
    """

    newest: Callable[[], int]
    read: Callable[[int, int], Sequence[E]]
    alerts: Callable[[Sequence[E], Failing, frozenset[int]], tuple[list[Alert], Failing]]


@dataclass(frozen=True)
class Place:
    """How far a target has been told.

    Attributes:
        after: every event up to this one is done with.
        sent: ids behind it that have been told all the same.
        failing: the checks that stood failed at ``after``.
        wait_until: seconds since 1970 until when the target asked to be left alone.
    """

    after: int
    sent: list[int] = field(default_factory=list)
    failing: Failing = field(default_factory=dict)
    wait_until: float | None = None


@dataclass(frozen=True)
class Delivery:
    """What came of a tick.

    Attributes:
        cursor: the targets' places now.
        told: what was sent, a line for each target.
        problems: why something was not.
        alerts: titles of what was to be told to any target.
    """

    cursor: str
    told: list[str]
    problems: list[str]
    alerts: list[str]


def deliver(feed: Feed[E], channels: Sequence[Channel], cursor: str | None, now: dt.datetime) -> Delivery:
    """Tell every target what it has not been told.

    A target that is new is told only of what is logged from now on.

    Args:
        feed: what there is to tell.
        channels: the targets.
        cursor: that of the tick before; None at the first.
        now: the time.

    Raises:
        ValueError: the cursor is none that this function made.
    """
    places, newest = _places(cursor), feed.newest()
    attempts: list[tuple[_Attempt, Sequence[E], Failing]] = []
    read: dict[int, Sequence[E]] = {}
    for channel in channels:
        place = places.get(channel.name, Place(newest))
        if place.after > newest:  # runs were deleted; sqlite gives their ids to new events
            place = replace(place, after=newest, sent=[])
        if place.after not in read:
            read[place.after] = feed.read(place.after, EVENTS_AT_ONCE)
        alerts, failing = feed.alerts(read[place.after], place.failing, frozenset(place.sent))
        attempts.append((_Attempt(channel, place, alerts, now), read[place.after], failing))
    _all_at_once([attempt for attempt, _, _ in attempts])
    after = {attempt.channel.name: asdict(attempt.place_after(events, failing)) for attempt, events, failing in attempts}
    return Delivery(
        cursor=json.dumps({"targets": after}, sort_keys=True),
        told=[f"{attempt.channel.name} took {attempt.taken}" for attempt, _, _ in attempts if attempt.taken],
        problems=[f"{attempt.channel.name}: {problem}" for attempt, _, _ in attempts for problem in attempt.problems],
        alerts=list(dict.fromkeys(alert.title for attempt, _, _ in attempts for alert in attempt.alerts)),
    )


def _places(cursor: str | None) -> dict[str, Place]:
    if not cursor:
        return {}
    try:
        return {name: Place(**place) for name, place in json.loads(cursor)["targets"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError("the cursor is none of this sensor's; empty it in the UI, then what is new is told") from None


class _Attempt:
    """One target's turn in a tick."""

    def __init__(self, channel: Channel, place: Place, alerts: list[Alert], now: dt.datetime) -> None:
        self.channel, self.place, self.now = channel, place, now
        self.alerts = [alert for alert in alerts if channel.wants(alert)]
        self.left = list(self.alerts)
        self.refused: list[Alert] = []
        self.problems: list[str] = []
        self.wait_until = place.wait_until
        self.taken, self.closed = 0, threading.Event()

    def send(self) -> None:
        """Send in order until the time is over or one is not taken; one that is refused for what it is holds up no other."""
        ends = time.monotonic() + SENDING_SECONDS
        if self.wait_until is not None and self.now.timestamp() < self.wait_until:
            return
        self.wait_until = None
        while self.left and not self.closed.is_set() and time.monotonic() < ends:
            try:
                self.channel.target.send(self.left[0])
            except NotDeliveredError as error:
                if not error.is_of_this_one or self.closed.is_set():
                    return self._failed(str(error), error.retry_after)
                self.refused.append(self.left.pop(0))
                self.problems.append(f"refused, and sent again at the next tick: {error}")
                continue
            except Exception as error:  # somebody else's code: whatever it raises, the other targets are told
                return self._failed(f"{type(error).__name__} was raised", None)
            if self.closed.is_set():
                return
            self.left, self.taken = self.left[1:], self.taken + 1
        self._leave(self.refused)

    def _failed(self, reason: str, retry_after: float | None) -> None:
        if self.closed.is_set():
            return
        self.problems.append(f"{len(self.left)} not delivered yet: {reason}")
        if retry_after:
            self.wait_until = self.now.timestamp() + retry_after
        self._leave([*self.refused, *self.left])

    def _leave(self, not_taken: Sequence[Alert]) -> None:
        """Leave what was not taken, or not come to, for the next tick; less what was not taken and is too old."""
        if self.closed.is_set():
            return
        given_up = [alert for alert in not_taken if self.now - alert.when > GIVE_UP]
        for alert in given_up:
            self.problems.append(f"given up, {GIVE_UP.total_seconds() / 3600:.0f} hours old: {alert.title}")
        self.left = [alert for alert in (*self.refused, *self.left) if alert not in given_up]

    def close(self) -> None:
        """What is not over by now counts as not delivered."""
        self.closed.set()
        self.problems.append(f"{len(self.left)} not delivered yet: it did not end within {TICK_SECONDS:.0f} s")

    def place_after(self, events: Sequence[Event], failing: Failing) -> Place:
        """Behind all events if nothing is left; else where it was, with what has been told."""
        if not self.left:
            return Place(events[-1].id if events else self.place.after, [], failing, None)
        left = {id_ for alert in self.left for id_ in alert.events}
        told = {id_ for alert in self.alerts for id_ in alert.events} - left
        return replace(self.place, sent=sorted({*self.place.sent, *told}), wait_until=self.wait_until)


def _all_at_once(attempts: Sequence[_Attempt]) -> None:
    """Each target in a thread of its own: one that hangs delays no other, and no process that wants to end."""
    ends = time.monotonic() + TICK_SECONDS
    threads = [(attempt, threading.Thread(target=attempt.send, daemon=True)) for attempt in attempts if attempt.left]
    for _, thread in threads:
        thread.start()
    for attempt, thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
        if thread.is_alive():
            attempt.close()
