"""Every rule against plain Python over random logs, in shadow mode and enforced, and what a rule's file must say."""

from __future__ import annotations

import datetime as dt
import json
import random
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ft_assets import flags, queries
from ft_assets.engine import DayRows
from ft_assets.identity import pseudonym
from ft_assets.lake import Lake
from ft_assets.rules import CRAWLERS, Rulebook, pseudonyms, rulebook, rules
from ft_assets_tests.builders import DAY, NEXT_DAY, at_noon, event, make_lake, put_day, session, table_of

Row = dict[str, Any]
CLICKS = ["click", "add_to_cart", "purchase"]
AGENTS = [
    None,
    "",
    "Mozilla/5.0 (X11; Linux)",
    "GoogleBot/2.1",
    "curl/8.5.0",
    "python-requests/2.32",
    "CUBOT_X30 {} %s",
    "robotics",
]
KEY = b"a key"
# Limits under which a small log has sessions on either side of each rule.
LOW = {
    "too_many_events_a_minute": {"limit": 4},
    "too_many_sessions_a_day": {"limit": 6},
    "every_result_clicked": {"results": 2, "event_types": ["click", "purchase"]},
}
USERS = ["u1", "u6", "nobody"]


def some_log(seed: int) -> tuple[list[Row], list[Row]]:
    """Sessions of two days and their events: users and visits or none, bursts, lists of which all was clicked, repeats."""
    chance, sessions, events = random.Random(seed), [], []
    for number in range(120):
        name, day = f"s{number:03}", chance.choice([DAY, DAY, NEXT_DAY])
        user = chance.choice([None, "u1", "u2", "u3", "v1", f"u{chance.randrange(30)}"])
        user_id = user and pseudonym(user, KEY)
        visit = chance.choice([None, "v1", f"v{chance.randrange(9)}"])
        shown = chance.choices("abcdef", k=chance.choice([0, 1, 2, 3, 5]))
        sessions.append(session(name, shown, day=day, user_id=user_id, visit_id=visit, user_agent=chance.choice(AGENTS)))
        drew = shown if chance.random() < 0.4 else chance.choices("abcdefg", k=chance.choice([0, 1, 4]))
        for place, item in enumerate(drew):
            kind = chance.choice([*CLICKS, "click", "impression"])
            second = chance.choice([0, 15, 30, 60, 60 * chance.randrange(50), chance.uniform(0, 3_600)])
            when = at_noon(day) + dt.timedelta(seconds=second)
            events.append(event(name, item, kind, event_id=f"{name}/{place}", occurred_at=when))
    events.append(event("unknown", "a"))
    return sessions, events


def flagged(lake: Lake, book: Rulebook) -> DayRows:
    return flags.flagged_sessions(lake.slice("search_sessions", DAY), lake.slice("session_events"), book)


def rows_of(day: DayRows) -> list[Row]:
    return [row for batch in day.batches() for row in batch.to_pylist()]


def lake_of(tmp_path: Path, sessions: list[Row], events: list[Row]) -> Lake:
    lake = make_lake(tmp_path, session_events=table_of("session_events", events))
    for day in (DAY, NEXT_DAY):
        put_day(lake, "search_sessions", table_of("search_sessions", [s for s in sessions if s["session_date"] == day]), day)
    return lake


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FT_ASSETS_USER_KEY", KEY.decode())


def actor(row: Row) -> tuple[str, str]:
    return next((kind, row[f"{kind}_id"]) for kind in ("user", "visit", "session") if row[f"{kind}_id"] is not None)


def fullest_minutes(sessions: list[Row], events: list[Row]) -> dict[tuple[str, str], int]:
    of_session = {row["session_id"]: actor(row) for row in sessions}
    times = defaultdict(list)
    for row in events:
        if row["session_id"] in of_session:
            times[of_session[row["session_id"]]].append(row["occurred_at"])
    minute = dt.timedelta(minutes=1)
    return {who: max(sum(start <= t < start + minute for t in all_) for start in all_) for who, all_ in times.items()}


def by_minutes(sessions: list[Row], events: list[Row]) -> dict[str, str]:
    most = fullest_minutes(sessions, events)
    return {
        row["session_id"]: f"{most[actor(row)]} events of its {actor(row)[0]} within a minute, above the limit of 4"
        for row in sessions
        if most.get(actor(row), 0) > 4
    }


def by_sessions(sessions: list[Row], events: list[Row]) -> dict[str, str]:
    counts = Counter(row["user_id"] for row in sessions if row["user_id"] is not None)
    return {
        row["session_id"]: f"{counts[row['user_id']]} sessions of its user on this day, above the limit of 6"
        for row in sessions
        if counts[row["user_id"]] > 6
    }


def by_results(sessions: list[Row], events: list[Row]) -> dict[str, str]:
    drew = {(row["session_id"], row["item_id"]) for row in events if row["event_type"] in ("click", "purchase")}
    shown = {row["session_id"]: {result["item_id"] for result in row["results"]} for row in sessions}
    return {
        name: f"all {len(items)} results drew an event, in a list of 2 or more"
        for name, items in shown.items()
        if len(items) >= 2 and all((name, item) in drew for item in items)
    }


def by_users(sessions: list[Row], events: list[Row]) -> dict[str, str]:
    listed = {pseudonym(user, KEY) for user in USERS}
    return {row["session_id"]: "its user is one of the 3 in the list" for row in sessions if row["user_id"] in listed}


def by_agents(sessions: list[Row], events: list[Row]) -> dict[str, str]:
    found = {}
    for row in sessions:
        matches = [p for p in CRAWLERS if re.search(p, row["user_agent"] or "", re.I)]
        if matches:
            found[row["session_id"]] = f'its agent "{row["user_agent"]}" matches "{matches[0]}"'
    return found


ORACLES: dict[str, Callable[[list[Row], list[Row]], dict[str, str]]] = {
    "too_many_events_a_minute": by_minutes,
    "too_many_sessions_a_day": by_sessions,
    "every_result_clicked": by_results,
    "listed_user": by_users,
    "listed_agent": by_agents,
}


def by_loops(sessions: list[Row], events: list[Row], enforced: set[str]) -> list[Row]:
    of_day = [row for row in sessions if row["session_date"] == DAY]
    found = [
        {"session_id": name, "session_date": DAY, "rule": rule, "is_enforced": rule in enforced, "detail": detail}
        for rule, oracle in ORACLES.items()
        for name, detail in oracle(of_day, events).items()
    ]
    return sorted(found, key=lambda row: (row["rule"], row["session_id"]))


def test_every_rule_has_its_oracle() -> None:
    assert set(rules()) == set(ORACLES)


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("seed", range(6))
def test_rules_flag_what_plain_python_does(tmp_path: Path, seed: int) -> None:
    sessions, events = some_log(seed)
    day = flagged(lake_of(tmp_path, sessions, events), rulebook(["listed_agent"], LOW, USERS))
    expected = by_loops(sessions, events, {"listed_agent"})
    assert rows_of(day) == expected
    flagged_by = Counter(row["rule"] for row in expected)
    of_day = sum(row["session_date"] == DAY for row in sessions)
    assert set(flagged_by) == set(ORACLES), "a rule that flags nothing is not tested"
    assert max(flagged_by.values()) < of_day
    assert day.counts == {
        "sessions_read": of_day,
        "sessions_flagged": len({row["session_id"] for row in expected}),
        "sessions_enforced": flagged_by["listed_agent"],
        "rows_out": len(expected),
        **{f"{rule}_shadow": count if rule != "listed_agent" else 0 for rule, count in flagged_by.items()},
        **{f"{rule}_enforced": count if rule == "listed_agent" else 0 for rule, count in flagged_by.items()},
    }


@pytest.mark.usefixtures("key")
def test_flags_depend_on_no_order_of_arrival(tmp_path: Path) -> None:
    sessions, events = some_log(1)
    whole = rows_of(flagged(lake_of(tmp_path / "whole", sessions, events), rulebook((), LOW, USERS)))
    chance = random.Random(2)
    for number in range(3):
        chance.shuffle(sessions)
        chance.shuffle(events)
        lake = lake_of(tmp_path / str(number), sessions, events[:40])
        early = rows_of(flagged(lake, rulebook((), LOW, USERS)))
        lake.append("session_events", table_of("session_events", events[40:]), {})
        assert rows_of(flagged(lake, rulebook((), LOW, USERS))) == whole != early


@pytest.mark.parametrize(("seconds", "found"), [([0, 20, 59.999999], True), ([0, 20, 60], False), ([30, 60, 89], True)])
def test_a_minute_may_begin_anywhere_and_ends_before_sixty_seconds(tmp_path: Path, seconds: list[float], found: bool) -> None:
    times = [at_noon(DAY) + dt.timedelta(seconds=second) for second in seconds]
    events = [event("s", "a", event_id=str(n), occurred_at=time) for n, time in enumerate(times)]
    lake = lake_of(tmp_path, [session("s", ["a"])], events)
    assert bool(rows_of(flagged(lake, rulebook((), {"too_many_events_a_minute": {"limit": 2}})))) is found


def test_nothing_is_flagged_on_a_day_without_sessions(tmp_path: Path) -> None:
    day = flagged(make_lake(tmp_path), rulebook())
    assert rows_of(day) == []
    assert set(day.counts.values()) == {0}


@pytest.mark.usefixtures("key")
def test_no_raw_id_of_a_user_is_in_the_configuration_and_either_form_of_it_is_the_same() -> None:
    book = rulebook(users=["ann@example.org", "bob", "bob"])
    assert "ann" not in json.dumps(book.configuration)
    assert "bob" not in json.dumps(book.configuration)
    assert book.configuration["users"] == sorted([pseudonym("ann@example.org", KEY), pseudonym("bob", KEY)])
    assert rulebook(users=[f"pseudonym:{pseudonym('bob', KEY)}", "ann@example.org"]) == book


def test_raw_ids_of_users_need_the_key_and_pseudonyms_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FT_ASSETS_USER_KEY", raising=False)
    with pytest.raises(ValueError, match="FT_ASSETS_USER_KEY, the key, is not set"):
        rulebook(users=["bob"])
    hidden = f"pseudonym:{'0' * 32}"
    assert pseudonyms([hidden]) == [hidden]
    assert rulebook(users=[hidden]).users == ("0" * 32,)


@pytest.fixture
def own_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of rules of a copy of sql/ that is in use."""
    shutil.copytree(queries.sql_root(), tmp_path / "sql")
    monkeypatch.setattr(queries, "sql_root", lambda: tmp_path / "sql")
    queries.read_sql.cache_clear()
    yield tmp_path / "sql" / "rules"
    queries.read_sql.cache_clear()


def test_adding_a_rule_is_adding_a_file(own_rules: Path, tmp_path: Path) -> None:
    before = rulebook().configuration
    (own_rules / "long_query.sql").write_text(
        "-- The query is longer than anyone types.\n-- parameters: letters=9, shares=[0.5]\n"
        "select session_id, len(query_text) || ' letters' as detail from search_sessions -- $comments are not read\n"
        "where len(query_text) > $letters and len($shares) = 1\n"
    )
    assert rules()["long_query"].description == "The query is longer than anyone types."
    book = rulebook(["long_query"], {"long_query": {"letters": 10, "shares": [1]}})
    assert {**book.configuration["rules"], "long_query": None} == {**before["rules"], "long_query": None}
    assert book.configuration["rules"]["long_query"]["parameters"] == {"letters": 10, "shares": [1]}
    day = flagged(lake_of(tmp_path, [session("s", []), session("longer", [])], []), book)
    assert [(row["session_id"], row["rule"], row["is_enforced"], row["detail"]) for row in rows_of(day)] == [
        ("longer", "long_query", True, "15 letters")
    ]
    assert day.counts["long_query_enforced"] == 1


def test_another_query_of_a_rule_is_another_configuration(own_rules: Path) -> None:
    before, path = rulebook().configuration, own_rules / "listed_user.sql"
    path.write_text(path.read_text() + "limit 10\n")
    queries.read_sql.cache_clear()
    assert rulebook().configuration != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("select 1", "x.sql must begin with a comment that says what it flags"),
        ("-- parameters: a=1\nselect $a", "x.sql must begin with a comment that says what it flags"),
        ("-- Bots.\n-- parameters: a=\nselect $a", "x.sql must give its defaults as '-- parameters: limit=60"),
        ("-- Bots.\n-- parameters: a=1, b=2\nselect $a", "it uses a, and gives a default to a, b"),
        ("-- Bots.\nselect $a, $users", "it uses a, users, and gives a default to none"),
    ],
)
def test_a_rule_that_does_not_say_what_it_must_is_refused_by_name(own_rules: Path, text: str, said: str) -> None:
    (own_rules / "x.sql").write_text(text)
    with pytest.raises(ValueError, match=re.escape(said)):
        rules()


def test_a_rule_that_selects_something_else_is_refused_by_name(own_rules: Path, tmp_path: Path) -> None:
    (own_rules / "x.sql").write_text("-- Bots.\nselect session_id, 1 as why from search_sessions")
    with pytest.raises(ValueError, match=r"x\.sql must select session_id and detail, got session_id, why"):
        rows_of(flagged(make_lake(tmp_path), rulebook()))
