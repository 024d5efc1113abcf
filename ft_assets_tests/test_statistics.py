"""The numbers of days: what plain loops count, that every stage reconciles, and that nothing is made up."""

import datetime as dt
import itertools
import random
import struct
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets import queries, statistics
from ft_assets.statistics import FUNNEL, NUMBERS, Stage, arrivals, day_numbers, funnel, funnel_of, of_days, pair_numbers
from ft_assets_tests.builders import (
    DAY,
    NEXT_DAY,
    flag,
    ingested_file,
    inputs,
    item,
    make_lake,
    pair,
    rejected,
    sampled,
    session,
    table_of,
    waiting,
)
from ft_assets_tests.days import TEXTS, WINDOW, lake_of, made, random_days

DAYS = [DAY, NEXT_DAY]


def float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def stage(stages, name):
    return next(each for each in stages if each.name == name)


def check_reconciles(stages):
    for _, of_unit in itertools.groupby(stages, key=lambda each: each.unit):
        first, *later = of_unit
        assert first.left_out == {}
        for before, after in itertools.pairwise([first, *later]):
            assert before.rows == after.rows + sum(after.left_out.values()), after
            assert all(after.left_out.values()), "a reason that left nothing out is no reason"


def expected_sessions(tables):
    """How many sessions reach each stage, by plain loops; no day pairs irrelevant ones."""
    reached = Counter()
    enforced = {row["session_id"] for row in tables["flagged_sessions"] if row["is_enforced"]}
    ready = {row["session_id"]: row for row in tables["fine_tuning_inputs"]}
    paired = {row["session_id"] for row in tables["pair_features"]}
    for row in tables["search_sessions"]:
        name = row["session_id"]
        gates = [True, name not in enforced, name in ready, name in ready and not ready[name]["is_irrelevant"], name in paired]
        reached[len(list(itertools.takewhile(bool, gates)))] += 1
    return [sum(count for stages, count in reached.items() if stages > place) for place in range(5)]


def expected_results(tables):
    enforced = {row["session_id"] for row in tables["flagged_sessions"] if row["is_enforced"]}
    ready = {(row["session_id"], name) for row in tables["fine_tuning_inputs"] for name in row["item_ids"]}
    left, kept = Counter(), 0
    for row in tables["search_sessions"]:
        seen = set()
        for result in row["results"]:
            entry = (row["session_id"], result["item_id"])
            if row["session_id"] in enforced:
                left["of flagged sessions"] += 1
            elif entry in seen:
                left["shown twice in one list"] += 1
            elif entry in ready:
                kept += 1
            else:
                left["not made yet" if result["item_id"] in TEXTS else "no text in the catalogue"] += 1
            seen.add(entry)
    return kept, left


def expected_pairs(tables):
    low, high = (float32(end) for end in WINDOW.values())
    left = Counter()
    for row in tables["pair_features"]:
        difference = abs(float32(float32(row["positive_rank"]) - float32(row["negative_rank"])))
        left["too close" if difference <= low else "too far apart" if difference >= high else ""] += 1
    stored = len(tables["fine_tuning_features"])
    left["unexplained"] = left.pop("", 0) - stored
    return len(tables["pair_features"]), stored, +left if left["unexplained"] >= 0 else left


def expected_objects(tables):
    objects = defaultdict(list)
    for row in tables["sampled_inputs"]:
        for name, clicked, kept in zip(row["object_ids"], row["clicked"], row["kept"], strict=True):
            objects[row["session_id"], name].append((clicked, kept))
    untouched = [parts for parts in objects.values() if not any(clicked for clicked, _ in parts)]
    return len(untouched), sum(any(kept for _, kept in parts) for parts in untouched)


@settings(deadline=None, derandomize=True, max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_every_stage_reconciles_and_is_what_plain_loops_count(tmp_path_factory, seed):
    days = random_days(seed)
    stages = funnel(lake_of(tmp_path_factory.mktemp("lake"), days), DAYS)
    check_reconciles(stages)
    both = {name: [row for tables in days.values() for row in tables[name]] for name in days[DAY]}
    assert [each.rows for each in stages[:5]] == expected_sessions(both)
    kept, left = expected_results(both)
    assert (stages[5].rows, stages[6].rows, stages[6].left_out) == (kept + left.total(), kept, dict(left))
    assert (stages[7].rows, stages[8].rows) == expected_objects(both)
    extracted, stored, outside = expected_pairs(both)
    assert (stages[9].rows, stages[10].rows) == (extracted, stored)
    assert stages[10].left_out == {reason: count for reason, count in outside.items() if count}


def test_each_reason_for_which_a_session_goes_no_further_is_told_by_name(tmp_path):
    texts = table_of("items", [item("a"), item("b")])
    logged = {
        "flagged": ["a"], "bare": [], "unknown": ["x"], "late": ["a"], "idle": ["a", "b"], "marked": ["a", "b"],
        "lost": ["a", "x"], "greedy": ["a", "b"], "thinned": ["a", "b"], "good": ["a", "b"],
    }  # fmt: skip
    lake = make_lake(tmp_path, items=texts)
    lake.append("search_sessions", table_of("search_sessions", [
        session(name, shown, marked_irrelevant=name == "marked") for name, shown in logged.items()
    ]), {})  # fmt: skip
    ready = [
        inputs("idle", ["a", "b"]),
        inputs("marked", ["a", "b"], "a", is_irrelevant=True),
        inputs("lost", ["a"], is_irrelevant=False),  # its event was on x, which has no text
        inputs("greedy", ["a", "b"], "ab"),
        inputs("thinned", ["a", "b"], "a"),
        inputs("good", ["a", "b"], "a"),
    ]
    kept = [{**row, "kept": [True, row["session_id"] != "thinned"][: len(row["item_ids"])]} for row in ready]
    made(lake, "flagged_sessions", [flag("flagged", is_enforced=True), flag("idle")])
    made(lake, "fine_tuning_inputs", ready)
    made(lake, "sampled_inputs", kept)
    made(lake, "pair_features", [pair("good", "a", "b")])
    made(lake, "fine_tuning_features", [pair("good", "a", "b")], **WINDOW)
    stages = funnel(lake, [DAY])
    check_reconciles(stages)
    assert stages[0] == Stage("sessions logged", 10, "sessions")
    assert stages[1].left_out == {"flagged: listed_user": 1}
    assert stages[2].left_out == {"no results shown": 1, "no result with a text": 1, "not made yet": 1}
    assert stages[3].left_out == {"no event": 1, "marked irrelevant": 1}
    assert stages[4].left_out == {
        "events on what has no text": 1, "every object drew an event": 1, "not-events all thinned out": 1,
    }  # fmt: skip
    assert (stages[4].name, stages[4].rows) == ("sessions with pairs", 1)


def test_an_irrelevant_session_that_is_paired_goes_on_and_has_pairs_if_a_not_event_of_it_was_kept(tmp_path):
    lake = make_lake(tmp_path, items=table_of("items", [item("a"), item("b")]))
    names = ("good", "idle", "thinned")
    lake.append("search_sessions", table_of("search_sessions", [session(name, ["a", "b"]) for name in names]), {})
    rows = [sampled("good", ["a", "b"], "a"), sampled("idle", ["a", "b"]), sampled("thinned", ["a", "b"], kept=[False] * 2)]
    made(lake, "sampled_inputs", rows)
    made(lake, "fine_tuning_inputs", [{k: v for k, v in row.items() if k != "kept"} for row in rows])
    made(lake, "pair_features", [pair("good", "a", "b"), pair("good", "a", "b", pairing="irrelevant")])
    stages = funnel(lake, [DAY])
    check_reconciles(stages)
    assert [each.rows for each in stages[:5]] == [3, 3, 3, 3, 2]
    assert stages[4].left_out == {"not-events all thinned out": 1}
    assert stage(stages, "pairs inside the clamp window").left_out == {"not made yet": 2}


@pytest.mark.parametrize(
    ("ranks", "reason"),
    [((0.1, 0.0), "too close"), ((0.0, 0.6), "too far apart"), ((float("nan"), 0), "ranks that are no number")],
)
def test_the_ends_of_the_window_are_outside_as_the_clamp_has_it_in_float32(tmp_path, ranks, reason):
    lake = make_lake(tmp_path)
    rows = [pair("s", positive_rank=ranks[0], negative_rank=ranks[1]), pair("t", positive_rank=0.5, negative_rank=0.2)]
    made(lake, "pair_features", rows)
    made(lake, "fine_tuning_features", rows[1:], **WINDOW)
    assert stage(funnel(lake, [DAY]), "pairs inside the clamp window").left_out == {reason: 1}


def test_a_pair_that_is_stored_against_the_window_is_unexplained(tmp_path):
    lake = make_lake(tmp_path)
    rows = [pair("s", positive_rank=0.9, negative_rank=0.1), pair("t", positive_rank=0.5, negative_rank=0.2)]
    made(lake, "pair_features", rows)
    made(lake, "fine_tuning_features", rows, **WINDOW)
    assert funnel(lake, [DAY])[-1].left_out == {"too far apart": 1, "unexplained": -1}


def test_days_that_are_not_asked_for_do_not_count(tmp_path):
    days = random_days(5)
    lake = lake_of(tmp_path, days)
    alone = [stage.rows for stage in funnel(lake, [NEXT_DAY])]
    assert alone[0] == len(days[NEXT_DAY]["search_sessions"]) < funnel(lake, DAYS)[0].rows
    assert [each["session_date"] for each in day_numbers(lake, [NEXT_DAY])] == ["2026-11-03"]
    assert {stage.rows for stage in funnel(lake, [])} == {0}
    assert day_numbers(lake, []) == []


@settings(deadline=None, derandomize=True, max_examples=6)
@given(seed=st.integers(0, 10**6))
def test_the_numbers_of_a_day_are_what_plain_loops_count(tmp_path_factory, seed):
    days = random_days(seed)
    for row, tables in zip(day_numbers(lake_of(tmp_path_factory.mktemp("lake"), days), DAYS), days.values(), strict=True):
        assert set(row) == {"session_date", *NUMBERS}
        assert {name: value for name, value in row.items() if name != "session_date"} == pytest.approx(expected_numbers(tables))


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else None


def expected_numbers(tables):
    enforced = {row["session_id"] for row in tables["flagged_sessions"] if row["is_enforced"]}
    ready, pairs, kept = (tables[name] for name in ("fine_tuning_inputs", "pair_features", "fine_tuning_features"))
    shown = sum(
        len({result["item_id"] for result in row["results"]})
        for row in tables["search_sessions"]
        if row["session_id"] not in enforced
    )
    with_text = sum(len(row["item_ids"]) for row in ready)
    without_text = sum(
        result not in TEXTS  # one with a text that is not ready is not made yet
        for row in tables["search_sessions"]
        if row["session_id"] not in enforced
        for result in {each["item_id"] for each in row["results"]}
    )
    events = sum(sum(row["clicked"]) for row in ready)
    return {
        "sessions": len(tables["search_sessions"]),
        "sessions_flagged": len(enforced),
        "sessions_ready": len(ready),
        "share_irrelevant": mean(row["is_irrelevant"] for row in ready),
        "share_results_without_text": without_text / shown if shown else None,
        "results_a_session": with_text / len(ready) if ready else None,
        "events": events,
        "click_rate": events / with_text if with_text else None,
        "distinct_queries": len({row["query_text"] for row in ready}),
        "distinct_items": len({name for row in ready for name in row["item_ids"]}),
        "pairs": len(pairs),
        "pairs_a_session": len(pairs) / len({row["session_id"] for row in pairs}) if pairs else None,
        "mean_positive_rank": mean(row["positive_rank"] for row in pairs),
        "mean_negative_rank": mean(row["negative_rank"] for row in pairs),
        "share_ordered_right": mean(row["positive_rank"] > row["negative_rank"] for row in pairs),
        "mean_positive_confidence": mean(row["positive_confidence"] for row in pairs),
        "mean_negative_confidence": mean(row["negative_confidence"] for row in pairs),
        "features": len(kept),
        "share_clamped": (len(pairs) - len(kept)) / len(pairs) if pairs else None,
    }


@settings(deadline=None, derandomize=True, max_examples=6)
@given(seed=st.integers(0, 10**6), share=st.sampled_from([0.5, 1.0]))
def test_objects_in_pairs_count_once_a_session_whichever_of_their_pairs_are_left(seed, share):
    rng = random.Random(seed)
    rows = [row for row in random_days(seed)[DAY]["pair_features"] if rng.random() < share]
    with queries.session({"pairs": table_of("pair_features", rows)}) as con:
        numbers = pair_numbers(con)
    assert (numbers["sessions"], numbers["positives"], numbers["negatives"]) == (
        len({row["session_id"] for row in rows}),
        *(len({(row["session_id"], row[f"{side}_id"]) for row in rows}) for side in ("positive", "negative")),
    )
    assert numbers.get("mean_negative_rank") == pytest.approx(mean(row["negative_rank"] for row in rows))


def test_negatives_that_differ_from_positive_to_positive_are_told_apart():
    # As many of each positive of s, and not the same; more of one than of the other of t; all the same of u.
    met = {"s": ["pa", "qb"], "t": ["pa", "pb", "qa"], "u": ["pa", "pb", "qa", "qb"]}
    rows = [pair(name, positive, negative) for name, both in met.items() for positive, negative in both]
    with queries.session({"pairs": table_of("pair_features", rows)}) as con:
        numbers = pair_numbers(con)
    assert (numbers["sessions"], numbers["positives"], numbers["negatives"]) == (3, 6, 6)


def test_a_day_that_was_not_made_has_no_numbers_but_what_was_logged(tmp_path):
    lake = make_lake(tmp_path, search_sessions=table_of("search_sessions", [session("s", ["a"])]))
    logged, nothing = day_numbers(lake, [DAY, dt.date(2030, 1, 1)])
    assert logged == {"session_date": "2026-11-02", **dict.fromkeys(NUMBERS), "sessions": 1}
    assert nothing == {"session_date": "2030-01-01", **dict.fromkeys(NUMBERS), "sessions": 0}


def test_the_results_of_a_session_that_came_late_are_not_without_a_text(tmp_path):
    lake = make_lake(tmp_path, items=table_of("items", [item("a")]))
    lake.append(
        "search_sessions", table_of("search_sessions", [session("s", ["a", "x"]), session("late", ["a", "a", "x"])]), {}
    )
    made(lake, "fine_tuning_inputs", [inputs("s", ["a"])])
    assert stage(funnel(lake, [DAY]), "results with a text").left_out == {
        "no text in the catalogue": 2, "not made yet": 1, "shown twice in one list": 1,
    }  # fmt: skip
    assert day_numbers(lake, [DAY])[0]["share_results_without_text"] == pytest.approx(2 / 4)


def test_what_arrived_is_the_books_of_all_files_added_up(tmp_path):
    lake = make_lake(
        tmp_path,
        ingested_files=table_of("ingested_files", [
            ingested_file(fates={"accepted": {"sessions": 5, "events": 2}, "rejected": {"not_json": 1, "bad_time": 3}}),
            ingested_file("ubi/b.ndjson", fates={"accepted": {"events": 4}, "duplicate": {"copies": 2}}, copy_of="x"),
        ]),
        rejected_records=table_of("rejected_records", [rejected(k) for k in range(4)]),
        waiting_records=table_of("waiting_records", [waiting("s", "a")]),
    )  # fmt: skip
    assert arrivals(lake) == {
        "files": 2, "copies": 1, "bytes": 200, "records": 17, "accepted": 11, "duplicate": 2, "no_interest": 0, "rejected": 4,
        "waiting": 1, "accepted_by_kind": {"events": 6, "sessions": 5}, "duplicate_by_kind": {"copies": 2},
        "no_interest_by_kind": {}, "rejected_by_reason": {"bad_time": 3, "not_json": 1},
    }  # fmt: skip
    assert arrivals(make_lake(tmp_path / "empty"))["records"] == 0


@pytest.mark.parametrize("without", [[], ["b"]], ids=["every list is whole", "a result has no text"])
@pytest.mark.parametrize("objects", ["ab", "aa"], ids=["no parts", "parts"])
def test_what_the_files_say_themselves_spares_a_look_and_changes_no_number(tmp_path, monkeypatch, without, objects):
    lake = make_lake(tmp_path, items=table_of("items", [item(name) for name in "ab" if name not in without]))
    lake.append("search_sessions", table_of("search_sessions", [session(name, ["a", "b"]) for name in "st"]), {})
    shown = [name for name in "ab" if name not in without]
    rows = [
        sampled(name, shown, clicked, object_ids=list(objects)[: len(shown)], kept=[True, False][: len(shown)])
        for name, clicked in (("s", "a"), ("t", ""))
    ]
    made(lake, "fine_tuning_inputs", [{k: v for k, v in row.items() if k != "kept"} for row in rows])
    made(lake, "sampled_inputs", rows)
    made(lake, "pair_features", [pair("s", "a", "b")])

    def said():
        with of_days(lake, [DAY], *FUNNEL) as con:
            stages = funnel_of(con, lake, [DAY])
            return stages, con.view("whole_lists").order("session_id").fetchall()

    from_files = said()
    monkeypatch.setattr(statistics, "same_bytes", lambda *_: False)
    monkeypatch.setattr(statistics, "values_in", lambda slice_, _: slice_.table.name)
    assert said() == from_files
    check_reconciles(from_files[0])
