"""What a day's commit states is what its rows say; checks of later days go by it until somebody changes the rows."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any

import pytest

from ft_assets import engine, queries
from ft_assets.check_files import Read
from ft_assets.checks import StoredTable, checks
from ft_assets.lake import Lake
from ft_assets.stated import PLACES, clicks_by_place, stated_by_day
from ft_assets_tests.builders import DAY, event, item, make_lake, put_day, sampled, session, table_of

Row = dict[str, Any]
BEFORE = DAY - dt.timedelta(days=1)
PAIRS = "pairs_of_sessions"


def logged(seed: int) -> tuple[list[Row], list[Row]]:
    """Sessions that show items twice, without a text or parts of one object, and clicks on them."""
    chance = random.Random(seed)
    names = [f"{name}{part}" for name in "abcdef" for part in (1, 2)]
    sessions, events = [], []
    for number in range(60):
        shown = [chance.choice([*names, "no text", "nor this"]) for _ in range(chance.randrange(9))]
        sessions.append(session(f"s{number}", shown, marked_irrelevant=chance.random() < 0.1))
        events += [event(f"s{number}", name) for name in shown if chance.random() < 0.3]
    return sessions, events


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("factor", [1.0, 0.5, 0.0])
def test_a_day_states_what_is_made_of_its_rows_as_stored(tmp_path: Path, seed: int, factor: float) -> None:
    sessions, events = logged(seed)
    items = [item(f"{name}{part}", None, name) for name in "abcdef" for part in (1, 2)]
    tables = {"search_sessions": sessions, "session_events": events, "items": items, "flagged_sessions": []}
    lake = make_lake(tmp_path, **{name: table_of(name, rows) for name, rows in tables.items()})
    log = (lake.slice("search_sessions", DAY), lake.slice("session_events"), lake.slice("items"))
    made = engine.fine_tuning_inputs(*log, lake.slice("flagged_sessions", DAY), ["click"])
    for _ in range(2):  # rows that are made anew are not added to those before
        lake.replace_day("fine_tuning_inputs", DAY, made.batches, {})
    thinned = engine.sampled_inputs(lake.slice("fine_tuning_inputs", DAY), factor, 7)
    lake.replace_day("sampled_inputs", DAY, thinned.batches, {})
    stored = {name: lake.slice(name, DAY) for name in ("search_sessions", "fine_tuning_inputs", "sampled_inputs")}
    with queries.session(stored) as con:
        for name, rows in {**made.stated, **thinned.stated}.items():
            found = queries.query(con, f"prepared/{name}").to_arrow_table().to_pylist()
            assert sorted(rows, key=str) == sorted(found, key=str) != []
    assert {*made.stated, *thinned.stated} == {"clicks_by_place", PAIRS}


def test_pages_that_are_longer_than_a_log_should_hold_are_not_stated() -> None:
    import numpy as np

    assert clicks_by_place([np.ones((2, PLACES + 1), dtype=np.int64)]) == {}
    assert len(clicks_by_place([np.ones((2, PLACES), dtype=np.int64)])["clicks_by_place"]) == PLACES


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two days of one session each: a pair on the day before, where 7 are stated."""
    lake = make_lake(tmp_path)
    for day in (BEFORE, DAY):
        put_day(lake, "sampled_inputs", table_of("sampled_inputs", [sampled(f"{day}", ["a", "b"], ["a"], day=day)]), day, **(
            {"session_date": str(day), "made_from": {}, "configuration": {},
             "stated": {PAIRS: [{"sessions": 1, "pairs": 7, "squares": 49}]}}
        ))  # fmt: skip
    return lake


def pairs_before(lake: Lake) -> float:
    (check,) = (check for check in checks() if check.name == "pairs_a_session_are_as_before")
    assert Read(PAIRS, days_before=7) in check.through
    with StoredTable(lake, "sampled_inputs", DAY) as stored:
        return stored.run(check).numbers["pairs_a_session_before"]


def test_what_earlier_days_state_is_taken_for_their_rows_and_never_for_the_days_own(lake: Lake) -> None:
    assert pairs_before(lake) == 7
    with StoredTable(lake, "sampled_inputs", DAY) as stored:
        found = stored.run(next(check for check in checks() if check.name == "pairs_a_session_are_as_before"))
    assert found.numbers["pairs_a_session"] == 1


def test_rows_that_somebody_changed_since_are_read_and_other_days_commits_change_nothing(lake: Lake) -> None:
    later = DAY + dt.timedelta(days=1)
    put_day(lake, "sampled_inputs", table_of("sampled_inputs", [sampled("later", ["a"], day=later)]), later)
    assert pairs_before(lake) == 7
    more = [sampled("s", ["a", "b", "c", "d"], ["a"], day=BEFORE)]
    put_day(lake, "sampled_inputs", table_of("sampled_inputs", more), BEFORE)  # by hand: it states nothing
    assert stated_by_day(lake, "sampled_inputs", [BEFORE, DAY], PAIRS).keys() == {DAY}
    assert pairs_before(lake) == 3


def test_days_that_state_nothing_are_read_beside_those_that_do(lake: Lake) -> None:
    earlier = BEFORE - dt.timedelta(days=1)
    put_day(lake, "sampled_inputs", table_of("sampled_inputs", [sampled("s", ["a", "b"], ["a"], day=earlier)]), earlier)
    assert pairs_before(lake) == 4  # the mean of 7 and 1
