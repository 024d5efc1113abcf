"""Checks of shares and drifts: they alarm on a true change, and neither on the noise of small days nor without history."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from ft_assets import queries, schemas
from ft_assets.checks import Check, Found, StoredTable, checks, run_check
from ft_assets.lake import Lake
from ft_assets.prepared import ARE_OBJECTS, LISTS_OF, prepared
from ft_assets_tests.builders import DAY, make_lake, pair, put_day, sampled, session, table_of

Array = np.ndarray[Any, Any]
CONNECTIONS: list[duckdb.DuckDBPyConnection] = []
PLACES = 10
RATES = np.array([0.3, 0.2, 0.15, 0.1, 0.08, 0.06, 0.05, 0.04, 0.03, 0.02])
WEEK = [DAY - dt.timedelta(days=days) for days in range(1, 8)]
# Those that planted populations make fail, here.
STATISTICAL = {
    "fine_tuning_inputs/click_rates_are_as_before",
    "fine_tuning_inputs/days_have_clicks",
    "sampled_inputs/sessions_give_pairs",
    "sampled_inputs/pairs_a_session_are_as_before",
    "pair_features/share_ordered_right",
    "pair_features/constant_confidences_are_one",
    "fine_tuning_features/few_pairs_are_clamped",
}


def named(check: str) -> Check:
    return next(found for found in checks() if f"{found.table}/{found.name}" == check)


@pytest.fixture(scope="module", autouse=True)
def connection() -> Iterator[None]:
    with queries.session() as con:
        CONNECTIONS.append(con)
        yield
        CONNECTIONS.clear()


def violations(check: str, tables: dict[str, pa.Table], **parameters: Any) -> list[dict[str, Any]]:
    """Run the queries of a check on tables in memory, all in one session: noise is drawn many times."""
    values, con = {**named(check).parameters, **parameters}, CONNECTIONS[0]
    for through in sorted(named(check).through, key=lambda read: -read.days_before):
        for table in prepared()[through.table]:  # under the name that the query knows; the day's own at last
            con.register(table, tables[replace(through, table=table).view])
        told = {ARE_OBJECTS: False} if through.table in LISTS_OF else {}
        con.register(through.view, queries.query(con, f"prepared/{through.table}", told).to_arrow_table())
    for name, table in tables.items():
        con.register(name, table)
    *numbers, last = con.extract_statements(queries.read_sql(f"checks/{check}"))
    con.execute("drop table if exists numbers")
    for statement in numbers:
        con.sql(statement, params={name: values[name] for name in statement.named_parameters}).create("numbers")
    return queries.rows(con.sql(last, params={name: values[name] for name in last.named_parameters}))


def clicks_of(rng: np.random.Generator, sessions: int, rates: Array = RATES) -> pa.Table:
    """Sessions of ten results, each clicked by chance."""
    offsets, total = pa.array(np.arange(sessions + 1, dtype=np.int32) * PLACES), sessions * PLACES
    clicks = pa.array((rng.random((sessions, PLACES)) < rates).ravel())
    items = pa.array([f"i{place}" for place in range(PLACES)]).take(pa.array(np.arange(total) % PLACES))
    results = pa.StructArray.from_arrays([items, pa.nulls(total, pa.float32())], fields=list(schemas.RESULT))
    lists = {"item_ids": items, "clicked": clicks, "results": results}
    columns = {name: pa.ListArray.from_arrays(offsets, values) for name, values in lists.items()}
    return pa.table({"session_id": pa.array([f"s{n}" for n in range(sessions)]), **columns})


def without_places(sessions: pa.Table, gone: int) -> pa.Table:
    """The same, but the first ``gone`` results of each page have no text: they are in no list that was made."""

    def cut(name: str) -> pa.Array:
        return pa.array([row[gone:] for row in sessions[name].to_pylist()], sessions.schema.field(name).type)

    return sessions.set_column(1, "item_ids", cut("item_ids")).set_column(2, "clicked", cut("clicked"))


def clicks_drift(today: pa.Table, before: pa.Table) -> list[dict[str, Any]]:
    made = ["session_id", "item_ids", "clicked"]
    tables = {"fine_tuning_inputs": today.select(made), "fine_tuning_inputs_before": before.select(made)}
    tables |= {
        name: table.select(["session_id", "results"])
        for name, table in {"search_sessions": today, "search_sessions_before": before}.items()
    }
    return violations("fine_tuning_inputs/click_rates_are_as_before", tables)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_place_whose_click_rate_changed_is_the_one_that_alarms(direction: str) -> None:
    rng, changed = np.random.default_rng(1), RATES.copy()
    changed[2] = 0.35 if direction == "up" else 0.02
    found = clicks_drift(clicks_of(rng, 600, changed), clicks_of(rng, 4_200))
    assert [row["position"] for row in found] == [3]
    assert (found[0]["effect"] > 0) == (found[0]["deviations"] > 0) == (direction == "up")


def test_click_rates_that_are_the_same_hardly_ever_alarm() -> None:
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 1_500, size=50)
    alarms = [clicks_drift(clicks_of(rng, int(n)), clicks_of(rng, int(7 * n))) for n in sizes]
    assert sum(map(len, alarms)) == 0


def test_texts_that_are_missing_move_no_click_to_another_place() -> None:
    rng = np.random.default_rng(12)
    today, before = clicks_of(rng, 1_000), clicks_of(rng, 1_000)
    assert clicks_drift(without_places(today, 1), before) == clicks_drift(today, without_places(before, 2)) == []
    changed = clicks_of(rng, 1_000, RATES + np.array([0, 0.3, 0, 0, 0, 0, 0, 0, 0, 0]))
    assert [row["position"] for row in clicks_drift(without_places(changed, 1), before)] == [2]


def test_a_small_day_never_alarms_however_far_it_is_off() -> None:
    rng = np.random.default_rng(3)
    assert clicks_drift(clicks_of(rng, 399, np.full(PLACES, 0.9)), clicks_of(rng, 5_000)) == []
    assert clicks_drift(clicks_of(rng, 5_000, np.full(PLACES, 0.9)), clicks_of(rng, 399)) == []


def test_a_change_that_is_certain_and_too_small_to_matter_does_not_alarm() -> None:
    rng = np.random.default_rng(4)
    assert clicks_drift(clicks_of(rng, 40_000, RATES * 1.15), clicks_of(rng, 40_000)) == []


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_places_that_all_or_none_click_are_no_error(rate: float) -> None:
    rng = np.random.default_rng(5)
    assert clicks_drift(*(clicks_of(rng, 500, np.full(PLACES, rate)) for _ in range(2))) == []
    assert len(clicks_drift(clicks_of(rng, 500, np.full(PLACES, rate)), clicks_of(rng, 500, RATES + 0.1))) == PLACES


def test_a_day_of_many_sessions_without_any_click_alarms() -> None:
    def found(sessions: int, clicked: int) -> list[dict[str, Any]]:
        rows = [sampled(f"s{n}", ["a", "b"], ["a"] if n < clicked else []) for n in range(sessions)]
        tables = {"fine_tuning_inputs": table_of("sampled_inputs", rows)}
        return violations("fine_tuning_inputs/days_have_clicks", tables, event_types=["click"])

    (row,) = found(50, 0)
    assert (row["sessions"], row["sessions_with_clicks"], row["positive_types"]) == (50, 0, ["click"])
    assert found(50, 1) == found(49, 0) == []


@pytest.mark.parametrize("side", ["positive_confidence", "negative_confidence"])
def test_a_constant_confidence_that_is_not_one_is_seen_and_a_windowed_one_may_be_anything(side: str) -> None:
    ones = {"positive_confidence": 1.0, "negative_confidence": 1.0}
    pairs = table_of("pair_features", [pair("s1", **ones), pair("s2", **(ones | {side: 0.75}))])
    check, tables = "pair_features/constant_confidences_are_one", {"pair_features": pairs}
    assert [row["session_id"] for row in violations(check, tables, confidence="constant")] == ["s2"]
    assert violations(check, tables, confidence="windowed") == []


def lists_of(rng: np.random.Generator, sessions: int, longest: int) -> pa.Table:
    """Sessions of one click and up to ``longest`` not-events, all kept."""
    lengths = rng.integers(2, longest + 2, size=sessions)
    rows = [
        {
            "session_id": f"s{number}",
            "item_ids": [f"o{n}" for n in range(length)],
            "object_ids": [f"o{n}" for n in range(length)],
            "clicked": [True] + [False] * (length - 1),
            "kept": [True] * length,
            "is_irrelevant": False,
        }
        for number, length in enumerate(lengths.tolist())
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema({
        "session_id": pa.string(), "item_ids": pa.list_(pa.string()),
        "object_ids": pa.list_(pa.string()), "clicked": pa.list_(pa.bool_()),
        "kept": pa.list_(pa.bool_()), "is_irrelevant": pa.bool_()}))  # fmt: skip


def pairs_drift(today: pa.Table, before: pa.Table) -> list[dict[str, Any]]:
    tables = {"sampled_inputs": today, "sampled_inputs_before": before}
    return violations("sampled_inputs/pairs_a_session_are_as_before", tables)


def test_sessions_that_give_twice_or_half_the_pairs_alarm() -> None:
    rng = np.random.default_rng(6)
    for longest in (20, 5):
        (row,) = pairs_drift(lists_of(rng, 150, longest), lists_of(rng, 700, 10))
        assert (row["pairs_a_session"] > row["pairs_a_session_before"]) == (longest == 20)
    (row,) = pairs_drift(lists_of(rng, 150, 1), lists_of(rng, 150, 1).slice(0, 0)) or [None]
    assert row is None  # no history
    constant, other = lists_of(rng, 100, 1), pa.concat_tables([lists_of(rng, 1, 1)] * 100)
    assert pairs_drift(constant, other) == []


def test_pairs_a_session_of_the_same_shop_do_not_alarm() -> None:
    rng = np.random.default_rng(7)
    sizes = rng.integers(1, 300, size=40)
    assert [row for n in sizes for row in pairs_drift(lists_of(rng, int(n), 12), lists_of(rng, int(3 * n), 12))] == []
    assert pairs_drift(lists_of(rng, 99, 30), lists_of(rng, 700, 5)) == []  # a small day


def test_sessions_that_give_less_than_a_pair_alarm_where_they_are_many() -> None:
    def found(sessions: int, **parameters: Any) -> list[dict[str, Any]]:
        rows = [sampled(f"s{n}", ["a", "b"] if n % 2 else ["a"], ["a"]) for n in range(sessions)]
        rows += [sampled(f"i{n}", ["a"]) for n in range(300)]  # irrelevant ones do not count
        return violations(
            "sampled_inputs/sessions_give_pairs", {"sampled_inputs": table_of("sampled_inputs", rows)}, **parameters
        )

    (row,) = found(100)
    assert (row["sessions_with_clicks"], row["pairs"], row["pairs_a_session"]) == (100, 50, 0.5)
    assert found(99) == found(100, least=0.5) == []


def scored(rng: np.random.Generator, sessions: int, shift: float, target: int = 1) -> pa.Table:
    """Pairs of sessions that hang together: each session has a bias of its own."""
    count = rng.integers(1, 30, size=sessions)
    bias = np.repeat(rng.normal(shift, 1.0, size=sessions), count)
    return pa.table(
        {
            "session_id": np.repeat([f"s{n}" for n in range(sessions)], count),
            "target": np.full(len(bias), target, dtype=np.int8),
            "positive_rank": (target * (bias + rng.normal(size=len(bias)))).astype(np.float32),
            "negative_rank": np.zeros(len(bias), dtype=np.float32),
        }
    )


def order(pairs: pa.Table, **parameters: Any) -> list[dict[str, Any]]:
    return violations("pair_features/share_ordered_right", {"pair_features": pairs}, **parameters)


@pytest.mark.parametrize("target", [1, -1])
def test_positives_that_score_below_their_negatives_alarm_whatever_the_sign_of_the_ranker(target: int) -> None:
    rng = np.random.default_rng(8)
    (row,) = order(scored(rng, 300, -0.6, target))
    assert row["share_ordered_right"] < 0.4
    assert order(scored(rng, 300, 0.6, target)) == order(scored(rng, 49, -3.0, target)) == []


def test_ranks_of_no_order_at_all_do_not_alarm_though_pairs_of_a_session_hang_together() -> None:
    rng = np.random.default_rng(9)
    assert [row for _ in range(60) for row in order(scored(rng, int(rng.integers(2, 400)), 0.0))] == []


def test_ranks_that_tie_count_half() -> None:
    tied = table_of("pair_features", [pair(f"s{n}", positive_rank=0.0, negative_rank=0.0) for n in range(100)])
    assert order(tied) == []
    assert order(tied, least=0.6)[0]["share_ordered_right"] == 0.5


def clamped(lake: Lake, inside: int, outside: int, **parameters: Any) -> Found:
    rows = [pair(f"s{n}", positive_rank=0.5 if n < inside else 5.0, negative_rank=0.0) for n in range(inside + outside)]
    put_day(lake, "pair_features", table_of("pair_features", rows))
    with StoredTable(lake, "fine_tuning_features", DAY) as stored:
        return stored.run(named("fine_tuning_features/few_pairs_are_clamped"), {"min": 0.0, "max": 1.0, **parameters})


def test_a_day_most_of_whose_pairs_are_clamped_alarms_and_every_day_states_the_share(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    found = clamped(lake, inside=40, outside=60)
    assert (found.outcome.passed, found.outcome.state, found.outcome.rows) == (False, "warned", 1)
    assert found.numbers == {"pairs_extracted": 100, "pairs_clamped": 60, "share_clamped": 0.6}
    assert found.outcome.examples[0]["most"] == 0.5
    passing = clamped(lake, inside=60, outside=40)
    assert passing.outcome.passed
    assert passing.numbers["share_clamped"] == 0.4
    assert clamped(lake, inside=0, outside=99).outcome.passed  # too few to say
    assert not clamped(lake, inside=60, outside=40, most=0.3).outcome.passed
    assert clamped(lake, inside=40, outside=60, most=0.7).outcome.passed


def stored_clicks(lake: Lake, day: dt.date, sessions: int, rate: float) -> None:
    clicks = np.arange(sessions) < rate * sessions
    rows = [sampled(f"{day}/{n}", ["a", "b"], ["a"] if clicks[n] else [], day=day) for n in range(sessions)]
    put_day(
        lake, "fine_tuning_inputs", table_of("fine_tuning_inputs", [{k: r[k] for k in r if k != "kept"} for r in rows]), day
    )
    shown = [session(row["session_id"], ["a", "b"], day=day) for row in rows]
    lake.append("search_sessions", table_of("search_sessions", shown), {})


def test_the_days_before_are_the_seven_before_and_no_others(tmp_path: Path) -> None:
    lake, check = make_lake(tmp_path), named("fine_tuning_inputs/click_rates_are_as_before")
    stored_clicks(lake, DAY, 500, 0.6)
    assert run_check(lake, check, DAY).passed  # no history
    stored_clicks(lake, DAY - dt.timedelta(days=8), 500, 0.1)
    stored_clicks(lake, DAY + dt.timedelta(days=1), 500, 0.1)
    assert run_check(lake, check, DAY).passed  # neither what is too old nor what comes after
    for day in (WEEK[0], WEEK[-1]):
        stored_clicks(lake, day, 250, 0.1)
    outcome = run_check(lake, check, DAY)
    assert (outcome.passed, outcome.state) == (False, "warned")
    assert [(row["position"], row["shown"], row["shown_before"]) for row in outcome.examples] == [(1, 500, 500)]
    assert run_check(lake, check, DAY, {"effect": 1.5}).passed
    assert run_check(lake, check, DAY, {"least_shown": 501}).passed
