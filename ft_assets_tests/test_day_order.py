"""Days that are made at once wait for the earlier days that they look at, and for nothing else."""

import datetime as dt
import threading

import pytest

from ft_assets import day_order
from ft_assets.day_order import DayOrder, Made

DAYS = [dt.date(2026, 10, day) for day in range(1, 12)]


def waits(to_come, day, before, then=()):
    """Whether a step waits, and whether it still does after some news."""
    order = DayOrder(lambda made: None)
    order.expect(to_come)
    step = threading.Thread(target=order.reached, args=("inputs", day, before), daemon=True)
    step.start()
    step.join(0.2)
    first = step.is_alive()
    for news in then:
        order.hear(news)
    step.join(0.2 if first else 0)
    still = step.is_alive()
    for other in DAYS:
        order.hear(Made(other))
    step.join(5)
    assert not step.is_alive()
    return first, still


@pytest.mark.parametrize(
    ("to_come", "expected"),
    [
        ({DAYS[8]: {"inputs"}}, True),
        ({DAYS[2]: {"inputs"}}, True),
        ({DAYS[1]: {"inputs"}}, False),  # eight days before
        ({DAYS[9]: {"inputs"}}, False),  # the day itself
        ({DAYS[10]: {"inputs"}}, False),  # a later day
        ({DAYS[8]: {"pairs"}}, False),  # another table
        ({}, False),
    ],
)
def test_a_step_waits_for_the_tables_that_it_looks_at_in_the_days_before(to_come, expected):
    assert waits(to_come, DAYS[9], {"inputs": 7})[0] == expected


def test_it_goes_on_when_the_table_is_made_or_the_day_has_ended():
    to_come = {DAYS[7]: {"inputs", "pairs"}, DAYS[8]: {"inputs"}}
    assert waits(to_come, DAYS[9], {"inputs": 7}, [Made(DAYS[7], "inputs")]) == (True, True)
    assert waits(to_come, DAYS[9], {"inputs": 7}, [Made(DAYS[7], "inputs"), Made(DAYS[8])]) == (True, False)


def test_what_looks_at_no_day_before_waits_for_none_and_is_told_of():
    told: list[Made] = []
    order = DayOrder(told.append)
    order.expect({DAYS[8]: {"inputs"}, DAYS[9]: {"inputs", "pairs"}})
    with day_order.kept(order):
        day_order.reached("pairs", DAYS[9], {})
    day_order.reached("inputs", DAYS[9], {"inputs": 7})  # nobody keeps an order
    assert told == [Made(DAYS[9], "pairs")]


@pytest.mark.parametrize("news", [Made(DAYS[8], "inputs"), Made(DAYS[8])])
def test_news_that_overtakes_the_task_is_not_forgotten(news):
    """A task waits in a worker while others go on: what they make meanwhile is heard before the task is begun."""
    order = DayOrder(lambda made: None)
    order.hear(news)
    order.expect({DAYS[8]: {"inputs"}, DAYS[9]: {"inputs"}})
    step = threading.Thread(target=order.reached, args=("inputs", DAYS[9], {"inputs": 7}), daemon=True)
    step.start()
    step.join(5)
    assert not step.is_alive()
