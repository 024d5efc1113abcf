"""What is told of what was logged, and to whom, tick after tick; Dagster is not in it."""

import datetime as dt
import json
import logging
import sys
import threading
from dataclasses import replace

import pytest

from ft_assets import alert_delivery
from ft_assets.alert_delivery import Feed, deliver
from ft_assets.alert_events import CheckSeen, RunFailed, check_alerts, run_alerts
from ft_assets.alert_settings import Channel
from ft_assets.alerts import FunctionTarget, LogTarget, NotDeliveredError
from ft_assets.report_words import days_text
from ft_assets_tests.alert_receiver import NOW, alert

DAYS = [f"2026-11-{day:02}" for day in range(1, 31)]


def seen(id_, day=DAYS[0], rows=2, check="lists_are_aligned", severity="ERROR", **fields):
    said = {"table": "fine_tuning_inputs", "passed": rows == 0, "run_id": f"run-{id_}", **fields}
    return CheckSeen(id=id_, when=NOW, day=day, rows=rows, check=check, severity=severity, **said)


def failed(id_, **fields):
    said = {"run_id": f"run-{id_}", "job": "features_job", "steps": (("pair_features", "RuntimeError"),), **fields}
    return RunFailed(id=id_, when=NOW, **said)


def told_of_checks(*events, failing=None, told=()):
    alerts, stand = check_alerts(events, failing or {}, frozenset(told), "https://dagster.example")
    return [(a.kind, a.severity, a.days, a.rows) for a in alerts], stand


class Log:
    """An event log, and what is told of it."""

    def __init__(self, *events):
        self.events = list(events)
        self.feed = Feed(
            newest=lambda: self.events[-1].id if self.events else 0,
            read=lambda after, limit: [event for event in self.events if event.id > after][:limit],
            alerts=lambda events, failing, told: check_alerts(events, failing, told, None),
        )


class Target:
    """Takes alerts, unless it is away."""

    def __init__(self):
        self.taken, self.away = [], None

    def send(self, alert):
        if self.away:
            raise self.away
        self.taken.append(alert)

    @property
    def days(self):
        return [alert.days for alert in self.taken]


@pytest.fixture
def one():
    return Target()


@pytest.fixture
def other():
    return Target()


def ticks(log, *channels):
    """A tick after the other, each with the cursor of the one before."""
    state = {"cursor": deliver(log.feed, channels, None, NOW).cursor}

    def tick(now=NOW, keeps_cursor=True):
        done = deliver(log.feed, channels, state["cursor"], now)
        if keeps_cursor:
            state["cursor"] = done.cursor
        return done

    return tick


def test_a_failure_is_told_once_until_it_changes_and_when_it_is_over():
    told, stand = told_of_checks(seen(1))
    assert told == [("failed_check", "ERROR", (DAYS[0],), 2)]
    assert told_of_checks(seen(2), failing=stand) == ([], stand)
    told, stand = told_of_checks(seen(3, rows=5), failing=stand)
    assert told == [("failed_check", "ERROR", (DAYS[0],), 5)]
    told, stand = told_of_checks(seen(4, rows=0), failing=stand)
    assert told == [("recovered", "ERROR", (DAYS[0],), None)]
    assert stand == {}
    assert told_of_checks(seen(5, rows=0)) == ([], {})


def test_within_a_tick_what_is_over_is_told_with_its_end_and_what_came_back_is_told_as_it_is():
    assert [kind for kind, *_ in told_of_checks(seen(1), seen(2, rows=0))[0]] == ["failed_check", "recovered"]
    told, stand = told_of_checks(seen(1), seen(2, rows=0), seen(3, rows=7))
    assert told == [("failed_check", "ERROR", (DAYS[0],), 7)]
    assert stand == {"fine_tuning_inputs.lists_are_aligned": {DAYS[0]: ["ERROR", 7]}}


def test_thirty_days_of_one_check_are_one_alert_and_another_check_is_another():
    events = [seen(number, day) for number, day in enumerate(DAYS, 1)]
    events.append(seen(31, check="results_have_texts", severity="WARN"))
    events.append(seen(32, None, table="items", check="items_are_unique"))
    many, warning, log = check_alerts(events, {}, frozenset(), None)[0]
    assert (many.days, many.rows, len(many.run_ids)) == (tuple(DAYS), 60, 30)
    assert many.title == "fine_tuning_inputs.lists_are_aligned failed for 2026-11-01 to 2026-11-30"
    assert many.message.startswith("60 rows break the rule: ")
    assert (warning.severity, warning.title) == ("WARN", "fine_tuning_inputs.results_have_texts warns for 2026-11-01")
    assert (log.days, log.title) == ((), "items.items_are_unique failed")


def test_an_alert_has_the_rule_what_follows_and_a_link_to_the_check():
    ((told,), _) = check_alerts([seen(1, rows=1)], {}, frozenset(), "https://dagster.example")
    assert told.message.startswith("1 row breaks the rule: ")
    assert "Nothing is made of fine_tuning_inputs until it passes." in told.message
    assert told.link == "https://dagster.example/assets/fine_tuning_inputs?view=checks&checkDetail=lists_are_aligned"
    ((unknown,), _) = check_alerts([seen(1, check="gone_by_now")], {}, frozenset(), None)
    assert (unknown.message, unknown.link) == ("", None)


def test_runs_that_failed_alike_are_one_alert_and_those_that_dagster_retries_are_warnings():
    events = [failed(number, day=day, attempt=(1, 3)) for number, day in enumerate(DAYS[:3], 1)]
    events += [failed(4, day=DAYS[3], attempt=(3, 3)), failed(5, steps=(), is_retried=True), failed(6, is_told=False)]
    many, last, died = run_alerts(events, {}, frozenset(), "https://dagster.example")[0]
    assert many.title == ("3 runs of features_job failed for 2026-11-01 to 2026-11-03: RuntimeError in pair_features")
    assert many.message == "runs run-1, run-2, run-3\nAttempt 1 of 3: the sensor asks for it again."
    assert (many.severity, many.link) == ("ERROR", "https://dagster.example/runs")
    assert last.message == "run run-4\nAttempt 3 of 3: it is not asked for again: mend it, then launch it by hand."
    assert last.link == "https://dagster.example/runs/run-4"
    assert (died.severity, died.title) == ("WARN", "features_job failed: its process ended, or it could not be started")
    assert died.message == "run run-5\nDagster tries it again."


def test_days_are_told_as_ranges_and_not_without_end():
    assert days_text([DAYS[0]]) == "2026-11-01"
    assert days_text([DAYS[1], DAYS[0], DAYS[1]]) == "2026-11-01 to 2026-11-02"
    assert days_text([f"2026-{month:02}-05" for month in range(1, 13)]).endswith("2026-06-05 and 6 more")


def test_the_key_is_of_what_is_told_and_of_nothing_else():
    assert alert().key == alert(title="other words").key
    different = [alert(events=(7, 8)), alert(kind="recovered"), alert(check="hash_is_of_text"), alert(events=())]
    assert len({each.key for each in (alert(), *different)}) == 5
    with pytest.raises(ValueError, match="must have a time zone"):
        alert(when=NOW.replace(tzinfo=None))


def test_the_first_tick_tells_nothing_of_what_was_and_the_second_nothing_twice(one):
    log = Log(seen(1), seen(2, DAYS[1]))
    tick = ticks(log, Channel("one", one))
    assert tick().alerts == []
    log.events.append(seen(3, DAYS[2]))
    assert tick().told == ["one took 1"]
    assert tick().told == []
    assert one.days == [(DAYS[2],)]


def test_a_target_that_is_away_gets_all_when_it_is_back_and_the_others_nothing_twice(one, other):
    log, other.away = Log(), NotDeliveredError("no connection")
    tick = ticks(log, Channel("one", one), Channel("other", other))
    for number, day in enumerate(DAYS[:3], 1):
        log.events.append(seen(number, day))
        done = tick()
        assert done.problems == ["other: 1 not delivered yet: no connection"]
    assert one.days == [(DAYS[0],), (DAYS[1],), (DAYS[2],)]
    other.away = None
    assert tick().told == ["other took 1"]
    assert other.days == [tuple(DAYS[:3])]
    assert tick().told == []
    assert len(one.taken) == 3


def test_a_target_that_goes_away_halfway_gets_the_rest_and_no_more(one):
    class Breaks(Target):
        def send(self, alert):
            super().send(alert)
            self.away = NotDeliveredError("HTTP 500")

    log, breaks = Log(), Breaks()
    tick = ticks(log, Channel("breaks", breaks))
    log.events += [seen(1), seen(2, check="results_are_unique"), seen(3, DAYS[1])]
    assert tick().problems == ["breaks: 1 not delivered yet: HTTP 500"]
    breaks.away = None
    log.events.append(seen(4, DAYS[2]))
    tick()
    breaks.away = None
    tick()
    assert [(a.check, a.days) for a in breaks.taken] == [
        ("lists_are_aligned", (DAYS[0], DAYS[1])), ("results_are_unique", (DAYS[0],)), ("lists_are_aligned", (DAYS[2],)),
    ]  # fmt: skip
    assert tick().alerts == []


def test_a_tick_that_dies_after_it_sent_sends_the_same_again_under_the_same_key(one):
    log = Log()
    tick = ticks(log, Channel("one", one))
    log.events += [seen(1), seen(2, DAYS[1])]
    tick(keeps_cursor=False)
    tick()
    first, again = one.taken
    assert first == again
    assert first.key == again.key
    assert tick().told == []


def test_an_alert_that_is_refused_for_three_days_is_given_up_and_those_behind_it_are_not(one):
    log, one.away = Log(), NotDeliveredError("HTTP 400")
    tick = ticks(log, Channel("one", one))
    log.events += [seen(1), replace(seen(2, check="results_are_unique"), when=NOW + dt.timedelta(hours=2))]
    assert tick(NOW + dt.timedelta(hours=72)).problems == ["one: 2 not delivered yet: HTTP 400"]
    problems = tick(NOW + dt.timedelta(hours=73)).problems
    assert problems[1] == "one: given up, 72 hours old: fine_tuning_inputs.lists_are_aligned failed for 2026-11-01"
    one.away = None
    assert tick(NOW + dt.timedelta(hours=73)).told == ["one took 1"]
    assert [told.check for told in one.taken] == ["results_are_unique"]


def test_an_alert_that_is_refused_for_what_it_is_holds_up_no_other_and_is_given_up_in_the_end(one):
    class Picky(Target):
        def send(self, alert):
            if alert.check == "lists_are_aligned":
                raise NotDeliveredError("HTTP 422", is_of_this_one=True)
            super().send(alert)

    picky, log = Picky(), Log()
    tick = ticks(log, Channel("picky", picky))
    log.events += [seen(1), seen(2, check="results_are_unique")]
    assert tick(NOW).problems == ["picky: refused, and sent again at the next tick: HTTP 422"]
    assert [told.check for told in picky.taken] == ["results_are_unique"]
    log.events.append(seen(3, check="values_are_in_range"))
    tick(NOW)
    assert [told.check for told in picky.taken] == ["results_are_unique", "values_are_in_range"]
    problems = tick(NOW + dt.timedelta(hours=73)).problems
    assert problems[1] == "picky: given up, 72 hours old: fine_tuning_inputs.lists_are_aligned failed for 2026-11-01"
    assert tick(NOW + dt.timedelta(hours=73)).problems == []
    assert len(picky.taken) == 2


def test_a_target_that_asks_to_be_left_alone_is_left_alone(one):
    log, one.away = Log(), NotDeliveredError("HTTP 429", 600.0)
    tick = ticks(log, Channel("one", one))
    log.events.append(seen(1))
    assert tick().problems
    one.away = None
    assert tick(NOW + dt.timedelta(seconds=599)).told == []
    assert tick(NOW + dt.timedelta(seconds=601)).told == ["one took 1"]


def test_a_target_that_hangs_keeps_the_others_and_the_tick_from_nothing(one, monkeypatch):
    monkeypatch.setattr(alert_delivery, "TICK_SECONDS", 0.2)
    released, log = threading.Event(), Log()

    class Hangs:
        def send(self, alert):
            released.wait(10)

    tick = ticks(log, Channel("hangs", Hangs()), Channel("one", one))
    log.events.append(seen(1))
    done = tick()
    released.set()
    assert done.told == ["one took 1"]
    assert done.problems == ["hangs: 1 not delivered yet: it did not end within 0 s"]
    assert tick().told == ["hangs took 1"]
    assert len(one.taken) == 1


def test_a_function_of_somebody_else_that_raises_is_told_without_what_it_said(one, other):
    log, other.away = Log(), KeyError("red shoes")
    tick = ticks(log, Channel("one", one), Channel("other", other))
    log.events.append(seen(1))
    assert tick().problems == ["other: 1 not delivered yet: KeyError was raised"]
    assert len(one.taken) == 1


def test_a_target_that_wants_no_warnings_is_not_held_up_by_them(one):
    log = Log()
    tick = ticks(log, Channel("one", one, at_least="ERROR"))
    log.events += [seen(1, severity="WARN"), seen(2, DAYS[1])]
    tick()
    assert one.days == [(DAYS[1],)]
    assert json.loads(tick().cursor)["targets"]["one"]["after"] == 2


def test_more_than_one_tick_can_read_is_told_over_several(one, monkeypatch):
    monkeypatch.setattr(alert_delivery, "EVENTS_AT_ONCE", 10)
    log = Log()
    tick = ticks(log, Channel("one", one))
    log.events += [seen(number, day) for number, day in enumerate(DAYS, 1)]
    for _ in range(4):
        tick()
    assert [len(days) for days in one.days] == [10, 10, 10]
    assert sum(one.days, ()) == tuple(DAYS)


def test_a_new_target_hears_of_what_is_new_and_ids_that_are_given_again_are_read(one, other):
    log = Log()
    cursor = deliver(log.feed, [Channel("one", one)], None, NOW).cursor
    log.events += [seen(number, day) for number, day in enumerate(DAYS[:5], 1)]
    both = [Channel("one", one), Channel("other", other)]
    cursor = deliver(log.feed, both, cursor, NOW).cursor
    assert (len(one.taken), len(other.taken)) == (1, 0)
    del log.events[2:]  # somebody deleted runs
    cursor = deliver(log.feed, both, cursor, NOW).cursor
    log.events.append(seen(3, DAYS[9]))
    deliver(log.feed, both, cursor, NOW)
    assert (one.days[1:], other.days) == ([(DAYS[9],)], [(DAYS[9],)])


@pytest.mark.parametrize("cursor", ["12", "{}", "not json", '{"targets": {"one": {"before": 3}}}'])
def test_a_cursor_of_somebody_else_is_refused(one, cursor):
    with pytest.raises(ValueError, match="the cursor is none of this sensor's"):
        deliver(Log().feed, [Channel("one", one)], cursor, NOW)


def test_the_log_target_writes_errors_as_errors_and_all_else_as_warnings(caplog):
    for told in (alert(link="https://dagster.example"), alert(severity="WARN"), alert(kind="recovered")):
        LogTarget().send(told)
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING, logging.WARNING]
    assert {record.name for record in caplog.records} == {"ft_assets.alerts"}
    assert caplog.records[0].getMessage() == (
        "ERROR: items.items_are_unique failed\n2 rows break the rule: min < max & more\nhttps://dagster.example"
    )


def test_a_function_is_called_with_the_alert_and_one_that_is_not_there_is_told(tmp_path, monkeypatch):
    (tmp_path / "alerts_of_a_test.py").write_text("taken = []\ndef send(alert):\n    taken.append(alert)\n")
    monkeypatch.syspath_prepend(tmp_path)
    FunctionTarget("alerts_of_a_test:send").send(alert())
    assert sys.modules.pop("alerts_of_a_test").taken == [alert()]
    for name in ("alerts_of_a_test:post", "no_such_module:send"):
        with pytest.raises(NotDeliveredError, match=f"{name} cannot be imported"):
            FunctionTarget(name).send(alert())
