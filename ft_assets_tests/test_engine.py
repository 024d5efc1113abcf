"""A day streamed through the kernels, against plain loops over hand-made sessions."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets import day_reading, engine
from ft_assets.encoders import Encoder, load_encoder
from ft_assets.engine import DayRows, PairSettings, rebatched
from ft_assets.kernels import aggregate_mean, cosine_similarity, windowed_confidences
from ft_assets.lake import Lake
from ft_assets.records import FineTuningInput
from ft_assets.schemas import PAIR_FEATURES
from ft_assets_tests import reference
from ft_assets_tests.builders import (
    DAY,
    event,
    flag,
    inputs,
    item,
    make_lake,
    pair,
    put_day,
    sampled,
    session,
    slice_of,
    table_of,
    text_hash,
    vector,
    words_of,
)

Row = dict[str, Any]
CLICKS = ["click", "add_to_cart", "purchase"]
GOLDEN = json.loads((Path(__file__).parent / "golden" / "extractor.json").read_text(encoding="utf-8"))
GENERAL = settings(deadline=None, derandomize=True, max_examples=100)


def rows_of(day: DayRows) -> list[Row]:
    """The rows, in order."""
    return [row for batch in day.batches() for row in batch.to_pylist()]


# fine_tuning_inputs

KNOWN = [item(name) for name in "abcd"]


def made_inputs(
    lake: Lake, sessions: list[Row], events: Iterable[Row] = (), items: Iterable[Row] = (), flags: Iterable[Row] = ()
) -> DayRows:
    put_day(lake, "search_sessions", table_of("search_sessions", sessions))
    lake.append("session_events", table_of("session_events", events), {})
    lake.append("items", table_of("items", items), {})
    slices = lake.slice("search_sessions", DAY), lake.slice("session_events"), lake.slice("items")
    return engine.fine_tuning_inputs(*slices, slice_of(lake, "flagged_sessions", flags), CLICKS)


def inputs_by_loops(sessions: list[Row], events: list[Row], items: list[Row]) -> list[Row]:
    object_of = {row["item_id"]: row["object_id"] for row in items}
    made = []
    for row in sorted(sessions, key=lambda row: (row["started_at"], row["session_id"])):
        ranks: dict[str, float | None] = {}
        for result in row["results"]:
            ranks.setdefault(result["item_id"], result["rank"])
        drew = {e["item_id"] for e in events if e["session_id"] == row["session_id"] and e["event_type"] in CLICKS}
        irrelevant = row["marked_irrelevant"] or not drew & set(ranks)
        ranks = {name: rank for name, rank in ranks.items() if name in object_of}
        if not ranks:
            continue
        clicked = [name in drew for name in ranks]
        made.append(
            {
                **{name: row[name] for name in ("session_id", "session_date", "query_text", "started_at")},
                "query_hash": text_hash(row["query_text"]),
                "item_ids": list(ranks),
                "object_ids": [object_of[name] for name in ranks],
                "ranks": [None if rank is None else float(np.float32(rank)) for rank in ranks.values()],
                "clicked": clicked,
                "event_weight": [float(click) for click in clicked],
                "is_irrelevant": irrelevant,
            }
        )
    return made


def some_sessions(seed: int) -> tuple[list[Row], list[Row], list[Row]]:
    """Sessions of every kind: repeated results, none, several parts of an object, missing ranks and texts, marked ones."""
    chance, names = random.Random(seed), [f"i{n}" for n in range(12)]
    items = [item(name, f"words {n % 5} of {name}", chance.choice([None, "o1", "o2"])) for n, name in enumerate(names[:10])]
    sessions, events = [], []
    for number in range(120):
        shown = chance.choices(names, k=chance.choice([0, 1, 3, 6, 9]))
        ranks = [chance.choice([0.5, 0.25, round(chance.random(), 3)]) for _ in shown]
        if chance.random() < 0.3:
            ranks = [rank if chance.random() < 0.7 else None for rank in ranks]
        sessions.append(session(f"s{number}", list(zip(shown, ranks, strict=True)), marked_irrelevant=chance.random() < 0.1))
        for name in chance.sample(names, k=chance.choice([0, 1, 2])):
            kind = chance.choice([*CLICKS, "impression"])
            events.append(event(f"s{number}", name, kind, event_id=f"{number}/{name}/{kind}"))
    return sessions, events, items


def test_inputs_of_a_day_that_is_read_in_parts_are_those_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, events, items = some_sessions(4)
    chance = random.Random(4)
    for row in sessions:
        row["started_at"] += dt.timedelta(seconds=chance.randrange(30))
    flags = [flag(f"s{number}", is_enforced=number % 2 == 0) for number in range(0, 120, 7)]
    lake = make_lake(tmp_path)
    day = made_inputs(lake, sessions, events, items, flags)
    whole, counts = rows_of(day), dict(day.counts)
    enforced = {row["session_id"] for row in flags if row["is_enforced"]}
    assert whole == inputs_by_loops([row for row in sessions if row["session_id"] not in enforced], events, items)
    assert counts["sessions_flagged"] == len(enforced)
    monkeypatch.setattr(day_reading, "HELD_BYTES", 1)
    assert (rows_of(day), day.counts) == (whole, counts)
    assert len(list(day_reading.parts_in_order(lake.slice("search_sessions", DAY), day_reading.ORDER))) > 10


@pytest.mark.parametrize("seed", range(3))
def test_inputs_are_what_plain_loops_make(tmp_path: Path, seed: int) -> None:
    tables = some_sessions(seed)
    day = made_inputs(make_lake(tmp_path), *tables)
    expected = inputs_by_loops(*tables)
    assert rows_of(day) == expected
    assert any(not row["is_irrelevant"] and not any(row["clicked"]) for row in expected), "a click on what is removed"
    counts = day.counts
    left_out = (counts[f"sessions_{why}"] for why in ("flagged", "without_results", "without_texts"))
    assert counts["sessions_read"] == counts["rows_out"] + sum(left_out)
    shown = {(row["session_id"], result["item_id"]) for row in tables[0] for result in row["results"]}
    assert counts["results_without_text"] == sum(name in ("i10", "i11") for _, name in shown) > 0
    assert counts["results_shown"] - counts["results_repeated"] - counts["results_without_text"] == sum(
        len(row["item_ids"]) for row in expected
    )
    drew = [(e["session_id"], e["item_id"]) for e in tables[1] if e["event_type"] in CLICKS]
    assert counts["positive_events_outside_their_list"] == sum(pair not in shown for pair in drew)
    assert counts["positive_events_without_text"] == sum(pair in shown and pair[1] in ("i10", "i11") for pair in drew) > 0


@pytest.mark.parametrize("seed", range(3))
def test_results_without_a_text_are_removed_as_the_class_removes_them(tmp_path: Path, seed: int) -> None:
    sessions, events, items = some_sessions(seed)
    made = {row["session_id"]: row for row in rows_of(made_inputs(make_lake(tmp_path), sessions, events, items))}
    texts = {row["item_id"]: row["object_id"] for row in items}
    for row in sessions:
        ranks = {result["item_id"]: result["rank"] for result in reversed(row["results"])}
        shown = list(dict.fromkeys(result["item_id"] for result in row["results"]))
        drew = [e["item_id"] for e in events if e["session_id"] == row["session_id"] and e["event_type"] in CLICKS]
        whole = FineTuningInput(
            query=row["query_text"],
            results=shown,
            events=[name for name in drew if name in shown],
            ranks=ranks,
            part_to_object_dict={name: texts[name] for name in shown if name in texts},
        )
        whole.remove_results(set(shown) - set(texts))
        found = made.get(row["session_id"])
        if found is None:
            assert len(whole) == 0
            continue
        assert found["item_ids"] == whole.results
        assert [i for i, click in zip(found["item_ids"], found["clicked"], strict=True) if click] == [
            name for name in whole.results if name in whole.events
        ]
        assert found["object_ids"] == [whole.get_object_id(name) for name in whole.results]
        assert found["ranks"] == [None if r is None else float(np.float32(r)) for r in whole.ranks.values()]


def test_an_item_shown_twice_stands_where_it_was_first_with_its_first_rank(tmp_path: Path) -> None:
    shown = [("a", 0.5), ("b", 0.25), ("a", 0.75), ("c", None), ("c", 0.5)]
    day = made_inputs(make_lake(tmp_path), [session("s", shown)], items=KNOWN)
    (row,) = rows_of(day)
    assert (row["item_ids"], row["ranks"]) == (["a", "b", "c"], [0.5, 0.25, None])
    assert (day.counts["results_shown"], day.counts["results_repeated"]) == (5, 2)


def test_sessions_without_results_are_left_out_and_counted(tmp_path: Path) -> None:
    day = made_inputs(make_lake(tmp_path), [session("s", ["a"]), session("none", [])], items=KNOWN)
    assert [row["session_id"] for row in rows_of(day)] == ["s"]
    assert (day.counts["sessions_read"], day.counts["sessions_without_results"], day.counts["rows_out"]) == (2, 1, 1)


def test_what_an_enforced_rule_flags_is_left_out_and_counted_and_what_a_shadow_one_flags_stays(tmp_path: Path) -> None:
    sessions = [session(name, ["a", "b"] if name != "empty" else []) for name in ("plain", "shadow", "out", "both", "empty")]
    events = [event(row["session_id"], "a") for row in sessions] + [event("out", "z")]
    flags = [
        flag("shadow"), flag("out", is_enforced=True), flag("both"), flag("both", "listed_agent", True), flag("empty"),
    ]  # fmt: skip
    day = made_inputs(make_lake(tmp_path), sessions, events, KNOWN, flags)
    assert [row["session_id"] for row in rows_of(day)] == ["plain", "shadow"]
    assert day.counts == {
        "sessions_read": 5, "sessions_flagged": 2, "sessions_without_results": 1, "rows_out": 2, "results_shown": 4,
        "events_read": 3, "positive_events": 3, "positive_events_outside_their_list": 1, "positive_events_without_text": 0,
        "results_repeated": 0, "results_without_text": 0, "sessions_without_texts": 0,
    }  # fmt: skip


def test_a_session_without_a_text_is_left_out_and_counted(tmp_path: Path) -> None:
    sessions = [session("s", ["x", "a", "y"]), session("gone", ["x", "y", "x"])]
    day = made_inputs(make_lake(tmp_path), sessions, [event("gone", "x")], KNOWN)
    assert [(row["session_id"], row["item_ids"]) for row in rows_of(day)] == [("s", ["a"])]
    found = {name: day.counts[name] for name in day.counts if "without" in name}
    assert found == {
        "sessions_without_results": 0,
        "sessions_without_texts": 1,
        "results_without_text": 4,
        "positive_events_without_text": 1,
    }


def test_a_session_whose_only_click_was_on_a_removed_result_is_not_irrelevant_and_makes_no_pair_of_any_kind(
    tmp_path: Path,
) -> None:
    sessions = [session("clicked", ["a", "b"]), session("removed", ["x", "c"]), session("irrelevant", ["d", "x"])]
    lake, encoder = make_lake(tmp_path), load_encoder("hashing:32")
    day = made_inputs(lake, sessions, [event("clicked", "a"), event("removed", "x")], KNOWN)
    rows = rows_of(day)
    assert {row["session_id"]: (row["item_ids"], row["clicked"], row["is_irrelevant"]) for row in rows} == {
        "clicked": (["a", "b"], [True, False], False),
        "removed": (["c"], [False], False),
        "irrelevant": (["d"], [False], True),
    }
    thinned = engine.sampled_inputs(slice_of(lake, "fine_tuning_inputs", rows), 1.0, 0)
    made = rows_of(made_pairs(lake, rows_of(thinned), encoder, PairSettings(not_irrelevant_only=False)))
    assert [(row["positive_id"], row["negative_id"], row["pairing"]) for row in made] == [
        ("a", "b", "session"), ("a", "d", "irrelevant"),
    ]  # fmt: skip


def test_events_outside_the_list_and_of_other_types_are_no_clicks_but_counted(tmp_path: Path) -> None:
    events = [event("s", "b"), event("s", "z"), event("s", "a", "impression"), event("other", "a")]
    day = made_inputs(make_lake(tmp_path), [session("s", ["a", "b"])], events, KNOWN)
    assert rows_of(day)[0]["clicked"] == [False, True]
    assert {name: day.counts[name] for name in day.counts if "event" in name} == {
        "events_read": 3, "positive_events": 2, "positive_events_outside_their_list": 1, "positive_events_without_text": 0,
    }  # fmt: skip


def test_a_session_is_irrelevant_without_an_event_or_if_marked(tmp_path: Path) -> None:
    sessions = [session("drew", ["a"]), session("marked", ["a"], marked_irrelevant=True), session("none", ["a"])]
    day = made_inputs(make_lake(tmp_path), sessions, [event("drew", "a"), event("marked", "a")], KNOWN)
    assert {row["session_id"]: row["is_irrelevant"] for row in rows_of(day)} == {
        "drew": False, "marked": True, "none": True,
    }  # fmt: skip


def test_parts_carry_their_object_and_other_items_are_their_own(tmp_path: Path) -> None:
    items = [item("p1", None, "o"), item("x"), item("p2", None, "o")]
    day = made_inputs(make_lake(tmp_path), [session("s", ["p1", "x", "p2"])], [], items)
    assert rows_of(day)[0]["object_ids"] == ["o", "x", "o"]


def test_rows_state_the_versions_that_they_were_made_from(tmp_path: Path) -> None:
    day = made_inputs(make_lake(tmp_path), [session("s", ["a"])])
    assert day.made_from == {"search_sessions": 1, "session_events": 1, "items": 1, "flagged_sessions": 1}
    assert day.made_with({"event_types": CLICKS}).configuration == {"event_types": CLICKS}


def test_rows_may_be_made_anew_and_are_counted_anew(tmp_path: Path) -> None:
    day = made_inputs(make_lake(tmp_path), [session("s", ["a"])], items=KNOWN)
    assert rows_of(day) == rows_of(day)
    assert day.counts["rows_out"] == 1


# sampled_inputs


def wide_sessions(count: int = 60) -> list[Row]:
    """Sessions of up to 20 results, of which up to three are clicked; some objects have two parts."""
    chance, rows = random.Random(7), []
    for number in range(count):
        names = [f"i{n}" for n in chance.sample(range(40), k=chance.randint(1, 20))]
        objects = [f"o{name}" if int(name[1:]) < 30 else f"o{int(name[1:]) % 3}" for name in names]
        clicked = chance.sample(names, k=min(len(names), chance.randint(0, 3)))
        rows.append(inputs(f"s{number}", names, clicked, object_ids=objects))
    return rows


def kept_by_session(lake: Lake, rows: list[Row], factor: float, seed: int = 0) -> dict[str, list[bool]]:
    day = engine.sampled_inputs(slice_of(lake, "fine_tuning_inputs", rows), factor, seed)
    return {row["session_id"]: row["kept"] for row in rows_of(day)}


def kept_by_loops(row: Row, factor: float, seed: int) -> list[bool]:
    clicked = {o for o, click in zip(row["object_ids"], row["clicked"], strict=True) if click}
    candidates = [o for o in dict.fromkeys(row["object_ids"]) if o not in clicked]
    name = reference.id_hash(row["session_id"])
    hashes = [reference.sample_hash(seed, name, reference.id_hash(o)) for o in candidates]
    stay = {o for o, keep in zip(candidates, reference.keep(hashes, factor), strict=True) if keep}
    return [o in clicked or o in stay for o in row["object_ids"]]


@pytest.mark.parametrize("factor", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("seed", [0, 12345])
def test_thinning_is_what_plain_loops_make(tmp_path: Path, factor: float, seed: int) -> None:
    rows = wide_sessions()
    found = kept_by_session(make_lake(tmp_path), rows, factor, seed)
    assert found == {row["session_id"]: kept_by_loops(row, factor, seed) for row in rows}


def test_thinning_changes_nothing_but_what_is_kept(tmp_path: Path) -> None:
    rows = wide_sessions(20)
    day = engine.sampled_inputs(slice_of(make_lake(tmp_path), "fine_tuning_inputs", rows), 0.5, 0)
    found = table_of("sampled_inputs", rows_of(day)).drop_columns(["kept"]).to_pylist()
    assert found == sorted(table_of("fine_tuning_inputs", rows).to_pylist(), key=lambda row: row["session_id"])


def test_a_smaller_factor_keeps_a_subset_and_the_count_follows_the_rule(tmp_path: Path) -> None:
    rows, lake = wide_sessions(), make_lake(tmp_path)
    larger = None
    for factor in (1.0, 0.8, 0.5, 0.29, 0.05, 0.0):
        found = kept_by_session(lake, rows, factor)
        for row in rows:
            kept = found[row["session_id"]]
            clicked = {o for o, c in zip(row["object_ids"], row["clicked"], strict=True) if c}
            stay = {o for o, k in zip(row["object_ids"], kept, strict=True) if k} - clicked
            assert len(stay) == reference.keep_count(factor, len(set(row["object_ids"]) - clicked))
            if larger is not None:
                assert all(big or not small for small, big in zip(kept, larger[row["session_id"]], strict=True))
        larger = found


def test_thinning_depends_on_neither_row_order_nor_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, lake = wide_sessions(), make_lake(tmp_path)
    whole = kept_by_session(lake, rows, 0.4)
    assert kept_by_session(lake, rows[::-1], 0.4) == whole
    monkeypatch.setattr(engine, "SESSIONS_PER_JOIN", 7)
    assert kept_by_session(lake, rows, 0.4) == whole
    assert kept_by_session(lake, rows[:5], 0.4) == {
        name: whole[name] for name in list(whole) if name in {f"s{n}" for n in range(5)}
    }
    assert kept_by_session(lake, rows, 0.4, seed=1) != whole


# text_vectors


class Counting:
    """An encoder that notes what it was asked for."""

    def __init__(self, inner: Encoder) -> None:
        self.inner, self.fingerprint, self.asked = inner, inner.fingerprint, []

    def encode(self, texts: list[str], role: Any) -> np.ndarray:
        self.asked += [(role, text) for text in texts]
        return self.inner.encode(texts, role)


ITEMS = [item("a", "red shoes"), item("b", "blue hat"), item("c", "red shoes"), item("d", "query of s"), item("unseen", "x")]


def encode(lake: Lake, rows: list[Row], encoder: Any, **more: Any) -> engine.Encoded:
    day = slice_of(lake, "sampled_inputs", rows)
    return engine.text_vectors(lake, day, lake.slice("items"), encoder, {"session_date": str(DAY)}, **more)


def test_each_text_of_a_day_is_encoded_once_in_its_role_and_never_again(tmp_path: Path) -> None:
    lake, encoder = make_lake(tmp_path, items=table_of("items", ITEMS)), Counting(load_encoder("hashing:32"))
    rows = [sampled("s", ["a", "b", "c", "d", "no text"]), sampled("t", ["a"], query_text="query of s")]
    done = encode(lake, rows, encoder)
    expected = [("query", "query of s"), ("item", "blue hat"), ("item", "red shoes"), ("item", "query of s")]
    assert sorted(encoder.asked) == sorted(expected)
    assert (done.texts, done.encoded) == ({"query": 1, "item": 3}, {"query": 1, "item": 3})
    again = encode(lake, [*rows, sampled("u", ["b"], query_text="new")], encoder)
    assert (again.texts, again.encoded) == ({"query": 2, "item": 3}, {"query": 1, "item": 0})
    assert encode(lake, rows, encoder).encoded == {"query": 0, "item": 0}
    assert len(encoder.asked) == 5
    found = lake.slice("text_vectors").to_table().to_pylist()
    assert {(row["role"], row["text_hash"]) for row in found} == {(role, text_hash(text)) for role, text in encoder.asked}
    for row in found:
        text = next(text for role, text in encoder.asked if (role, text_hash(text)) == (row["role"], row["text_hash"]))
        np.testing.assert_array_equal(row["vector"], encoder.inner.encode([text], row["role"])[0])


def test_another_model_encodes_anew_and_takes_no_vector_away(tmp_path: Path) -> None:
    lake = make_lake(tmp_path, items=table_of("items", ITEMS))
    for model, total in (("hashing:32", 2), ("hashing:16", 4)):
        assert encode(lake, [sampled("s", ["a"])], load_encoder(model)).encoded == {"query": 1, "item": 1}
        assert lake.slice("text_vectors").row_count == total


def test_vectors_are_committed_as_they_come_so_a_dead_run_loses_little(tmp_path: Path) -> None:
    class Dying(Counting):
        def encode(self, texts: list[str], role: Any) -> np.ndarray:
            if len(self.asked) >= 3:
                raise MemoryError
            return super().encode(texts, role)

    lake = make_lake(tmp_path, items=table_of("items", ITEMS))
    rows, dying = [sampled("s", ["a", "b", "d"])], Dying(load_encoder("hashing:32"))
    with pytest.raises(MemoryError):
        encode(lake, rows, dying, texts_per_commit=1)
    assert lake.slice("text_vectors").row_count == 3
    assert not any("session_date" in entry for entry in lake.history("text_vectors")), "the day is not made yet"
    done = encode(lake, rows, load_encoder("hashing:32"), texts_per_commit=1)
    assert done.encoded == {"query": 1, "item": 0}
    last = lake.history("text_vectors")[-1]
    assert (last["version"], last["session_date"]) == (done.version, str(DAY))


def test_vectors_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    class Broken(Counting):
        def encode(self, texts: list[str], role: Any) -> np.ndarray:
            return np.full((len(texts), 4), np.nan, np.float32)

    lake = make_lake(tmp_path, items=table_of("items", ITEMS))
    with pytest.raises(ValueError, match=r"must give 1 finite vectors, got shape \(1, 4\) with 1 not finite"):
        encode(lake, [sampled("s", ["a"])], Broken(load_encoder("hashing:32")))
    assert lake.slice("text_vectors").row_count == 0


# pair_features

RANKERS = {"cosine": (reference.cosine, 1), "dot": (reference.dot, 1), "euclidean": (reference.euclidean, -1)}
AGGREGATES: dict[str, Callable[[list[float]], float]] = {"mean": reference.mean, "max": max, "min": min}
CONFIDENCES = {"constant": lambda ranks, clicks, window_size: [1.0] * len(ranks), "windowed": reference.windowed}
Object = dict[str, Any]


def mixed_day() -> tuple[list[Row], list[Row]]:
    """(sampled_inputs, items): parts, thinned objects, missing ranks, irrelevant sessions."""
    chance, names = random.Random(3), [f"i{n}" for n in range(30)]
    words = ["red", "blue", "shoe", "hat", "coat", "wool", "summer", "warm"]
    object_of = {name: f"o{n % 4}" if n % 3 == 0 else name for n, name in enumerate(names)}
    items = [item(name, " ".join(chance.choices(words, k=3)), object_of[name]) for name in names]
    rows = []
    for number in range(60):
        shown = chance.sample(names, k=chance.choice([1, 2, 5, 12]))
        objects = [object_of[name] for name in shown]
        clicked = [] if number % 4 == 0 else chance.sample(shown, k=min(len(shown), chance.choice([1, 1, 3])))
        gone = set(chance.sample(sorted(set(objects)), k=len(set(objects)) // 4)) - {object_of[name] for name in clicked}
        ranks = [float(np.float32(chance.random())) for _ in shown]
        if number % 5 == 0:
            ranks[chance.randrange(len(ranks))] = None  # type: ignore[call-overload]
        columns = {"object_ids": objects, "ranks": ranks, "kept": [o not in gone for o in objects]}
        rows.append(sampled(f"s{number:02}", shown, clicked, query_text=" ".join(chance.choices(words, k=2)), **columns))
    return rows, items


def objects_by_loops(row: Row, texts: dict[str, str], encoder: Encoder, choice: PairSettings) -> list[Object]:
    """The objects of a session: id, click, kept, the model's score and the confidence."""
    ranker, _ = RANKERS[choice.ranker]
    aggregate = AGGREGATES[choice.ranks_aggregator]
    query = encoder.encode([row["query_text"]], "query")[0].tolist()
    lists = (row[name] for name in ("item_ids", "object_ids", "ranks", "clicked", "kept"))
    parts = list(zip(*lists, strict=True))
    complete = all(rank is not None for rank in row["ranks"])
    parts_of: dict[str, list[Any]] = {}
    for name, owner, rank, click, kept in parts:
        score = ranker(query, encoder.encode([texts[name]], "item")[0].tolist())
        parts_of.setdefault(owner, []).append((rank, click, kept, score))
    objects = []
    for owner, own in parts_of.items():
        objects.append(
            {
                "id": owner,
                "clicked": any(click for _, click, _, _ in own),
                "kept": own[0][2],
                "score": aggregate([score for *_, score in own]),
                "rank": aggregate([rank for rank, *_ in own]) if complete else None,
            }
        )
    listed = [o["rank"] if complete else o["score"] for o in objects]
    calculator = CONFIDENCES[choice.confidence]
    for o, confidence in zip(objects, calculator(listed, [o["clicked"] for o in objects], choice.window_size), strict=True):
        o["confidence"] = confidence
    return objects


def pair_row(row: Row, positive: Object, negative: Object, target: int, pairing: str) -> Row:
    return {
        **{name: row[name] for name in ("session_id", "session_date", "query_hash")},
        **{"positive_id": positive["id"], "negative_id": negative["id"], "target": target, "pairing": pairing},
        **{"positive_rank": positive["score"], "negative_rank": negative["score"]},
        **{"positive_confidence": positive["confidence"], "negative_confidence": negative["confidence"]},
    }


def pairs_by_loops(rows: list[Row], items: list[Row], encoder: Encoder, choice: PairSettings) -> list[Row]:
    texts, target = {row["item_id"]: row["text"] for row in items}, RANKERS[choice.ranker][1]
    sides: dict[bool, list[tuple[Row, list[Object], list[Object]]]] = {False: [], True: []}
    for row in sorted(rows, key=lambda row: (row["started_at"], row["session_id"])):
        objects = objects_by_loops(row, texts, encoder, choice)
        negatives = [o for o in objects if not o["clicked"] and o["kept"]]
        sides[row["is_irrelevant"]].append((row, [o for o in objects if o["clicked"]], negatives))
    made = [pair_row(row, p, n, target, "session") for row, ps, ns in sides[False] for p in ps for n in ns]
    if choice.not_irrelevant_only or not sides[True] or not sides[False]:
        return made
    for k in range(max(map(len, sides.values()))):
        row, positives, _ = sides[False][k % len(sides[False])]
        *_, negatives = sides[True][k % len(sides[True])]
        made += [pair_row(row, p, n, target, "irrelevant") for p, n in zip(positives, negatives, strict=False)]
    return made


def made_pairs(lake: Lake, rows: list[Row], encoder: Encoder, choice: PairSettings) -> DayRows:
    encode(lake, rows, encoder)
    return pairs_of(lake, choice)


def pairs_of(lake: Lake, choice: PairSettings) -> DayRows:
    day, items, vectors = lake.slice("sampled_inputs", DAY), lake.slice("items"), lake.slice("text_vectors")
    return engine.pair_features(day, items, vectors, load_encoder("hashing:32").fingerprint, choice)


def assert_same_pairs(found: list[Row], expected: list[Row]) -> None:
    numbers = ["positive_rank", "negative_rank", "positive_confidence", "negative_confidence"]
    exact = [name for name in expected[0] if name not in numbers]
    assert [[row[name] for name in exact] for row in found] == [[row[name] for name in exact] for row in expected]
    for name in numbers:
        np.testing.assert_allclose([row[name] for row in found], [row[name] for row in expected], atol=2e-5, err_msg=name)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, list[Row], list[Row]]:
    """A lake that holds the mixed day and its vectors, with the rows of sampled_inputs and items."""
    rows, items = mixed_day()
    lake = make_lake(tmp_path_factory.mktemp("mixed"), items=table_of("items", items))
    encode(lake, rows, load_encoder("hashing:32"))
    return lake, rows, items


@pytest.mark.parametrize("confidence", CONFIDENCES)
@pytest.mark.parametrize("aggregator", AGGREGATES)
@pytest.mark.parametrize("ranker", RANKERS)
def test_pairs_are_what_plain_loops_make(
    mixed: tuple[Lake, list[Row], list[Row]], ranker: str, aggregator: str, confidence: str
) -> None:
    lake, rows, items = mixed
    choice = PairSettings(ranker, aggregator, confidence, 3, not_irrelevant_only=False, sessions_per_batch=10)
    expected = pairs_by_loops(rows, items, load_encoder("hashing:32"), choice)
    assert len(expected) > 100
    assert {row["pairing"] for row in expected} == {"session", "irrelevant"}
    day = pairs_of(lake, choice)
    assert_same_pairs(rows_of(day), expected)
    assert day.counts["pairs_session"] + day.counts["pairs_irrelevant"] == day.counts["rows_out"] == len(expected)
    assert day.counts["sessions_read"] == len(rows)
    assert day.counts["results_shown"] == sum(len(row["item_ids"]) for row in rows)


def test_irrelevant_sessions_are_left_out_by_default(mixed: tuple[Lake, list[Row], list[Row]]) -> None:
    lake, rows, items = mixed
    choice = PairSettings(confidence="windowed", window_size=5)
    expected = pairs_by_loops(rows, items, load_encoder("hashing:32"), choice)
    assert {row["pairing"] for row in expected} == {"session"}
    assert_same_pairs(rows_of(pairs_of(lake, choice)), expected)


@pytest.mark.parametrize("relevant", [1, 3, 11])
def test_the_shorter_side_of_irrelevant_pairing_starts_over_across_batches(tmp_path: Path, relevant: int) -> None:
    rows = [sampled(f"r{n:02}", [f"a{n}", "b"], [f"a{n}"]) for n in range(relevant)]
    rows += [sampled(f"x{n:02}", [f"c{n}", "d"]) for n in range(7)]
    items = [item(name) for name in {name for row in rows for name in row["item_ids"]}]
    lake, encoder = make_lake(tmp_path, items=table_of("items", items)), load_encoder("hashing:32")
    choice = PairSettings(not_irrelevant_only=False, sessions_per_batch=2)
    found = [row for row in rows_of(made_pairs(lake, rows, encoder, choice)) if row["pairing"] == "irrelevant"]
    wanted = [(f"a{k % relevant}", f"c{k % 7}") for k in range(max(relevant, 7))]
    assert [(row["positive_id"], row["negative_id"]) for row in found] == wanted


@pytest.mark.parametrize("flags", [(False, False), (True, True)])
def test_without_both_sides_there_are_no_irrelevant_pairs(tmp_path: Path, flags: tuple[bool, bool]) -> None:
    rows = [sampled(f"s{n}", ["a", "b"], ["a"], is_irrelevant=flag) for n, flag in enumerate(flags)]
    lake, encoder = make_lake(tmp_path, items=table_of("items", [item("a"), item("b")])), load_encoder("hashing:32")
    found = rows_of(made_pairs(lake, rows, encoder, PairSettings(not_irrelevant_only=False)))
    assert [row["pairing"] for row in found] == ["session"] * flags.count(False)


def test_pairs_depend_on_neither_the_batch_nor_the_order_stored(tmp_path: Path) -> None:
    rows, items = mixed_day()
    lake, encoder = make_lake(tmp_path, items=table_of("items", items)), load_encoder("hashing:32")
    whole = None
    for size, order in ((4_096, rows), (1, rows), (7, rows[::-1]), (4_096, random.Random(1).sample(rows, len(rows)))):
        choice = PairSettings("cosine", "mean", "windowed", 3, not_irrelevant_only=False, sessions_per_batch=size)
        found = rows_of(made_pairs(lake, order, encoder, choice))
        if whole is None:
            whole = found
        assert_same_pairs(found, whole)


def test_where_the_engine_gave_no_rank_the_scores_of_the_model_stand_in(tmp_path: Path) -> None:
    rows = [sampled("s", ["a", "b", "d"], ["a"], ranks=[0.9, None, 0.7])]
    lake, encoder = make_lake(tmp_path, items=table_of("items", ITEMS)), load_encoder("hashing:32")
    found = rows_of(made_pairs(lake, rows, encoder, PairSettings(confidence="windowed")))
    scores = [found[0]["positive_rank"], found[0]["negative_rank"], found[1]["negative_rank"]]
    trust = reference.windowed(scores, [True, False, False])
    seen = [found[0]["positive_confidence"], found[0]["negative_confidence"], found[1]["negative_confidence"]]
    assert seen == pytest.approx(trust, abs=1e-5)


def test_a_query_without_a_vector_is_an_error_that_names_the_session(tmp_path: Path) -> None:
    lake = make_lake(tmp_path, items=table_of("items", ITEMS))
    day = slice_of(lake, "sampled_inputs", [sampled("lonely", ["a", "b"], ["a"])])
    made = engine.pair_features(day, lake.slice("items"), lake.slice("text_vectors"), "m", PairSettings())
    with pytest.raises(ValueError, match="session lonely has no vector for its query; run text_vectors first"):
        rows_of(made)


def test_an_item_without_a_vector_is_an_error_that_names_it(tmp_path: Path) -> None:
    lake, encoder = make_lake(tmp_path, items=table_of("items", ITEMS)), load_encoder("hashing:32")
    made = made_pairs(lake, [sampled("s", ["a", "unknown"], ["a"])], encoder, PairSettings())
    with pytest.raises(ValueError, match="item unknown has no vector; run text_vectors first"):
        rows_of(made)


class Crowded:
    """A ranker on a device that has room for so many rows at once."""

    target = 1

    def __init__(self, room: int) -> None:
        self.room, self.failed, self.rows = room, 0, list[int]()

    def __call__(self, query_vectors: torch.Tensor, item_vectors: torch.Tensor) -> torch.Tensor:
        if len(item_vectors) > self.room:
            self.failed += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.rows.append(len(item_vectors))
        return cosine_similarity(query_vectors, item_vectors)


@pytest.mark.parametrize("irrelevant", [False, True])
def test_a_batch_that_does_not_fit_is_made_in_halves_with_the_same_rows(
    mixed: tuple[Lake, list[Row], list[Row]], monkeypatch: pytest.MonkeyPatch, irrelevant: bool
) -> None:
    made = {}
    for room in (10**9, 60):
        crowded = Crowded(room)
        kernels = engine.PairKernels(crowded, aggregate_mean, windowed_confidences)
        monkeypatch.setattr(PairSettings, "kernels", lambda settings, kernels=kernels: kernels)
        rows = pairs_of(mixed[0], PairSettings(not_irrelevant_only=not irrelevant))
        made[room] = words_of(rows.batches(), PAIR_FEATURES.schema), dict(rows.counts)
        assert (crowded.failed > 0) == (room == 60)
        assert max(crowded.rows) <= room
    assert made[60][0].equals(made[10**9][0])
    assert made[60][1] == made[10**9][1]


def test_a_session_that_does_not_fit_by_itself_is_an_error(
    mixed: tuple[Lake, list[Row], list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = engine.PairKernels(Crowded(0), aggregate_mean, windowed_confidences)
    monkeypatch.setattr(PairSettings, "kernels", lambda settings: kernels)
    with pytest.raises(torch.OutOfMemoryError):
        list(pairs_of(mixed[0], PairSettings()).batches())


def test_bfloat16_moves_ranks_by_its_rounding_and_nothing_else(mixed: tuple[Lake, list[Row], list[Row]]) -> None:
    whole, half = (
        pa.Table.from_batches(pairs_of(mixed[0], PairSettings(precision=name)).batches()) for name in ("float32", "bfloat16")
    )
    ranks = ["positive_rank", "negative_rank"]
    assert whole.drop_columns(ranks).equals(half.drop_columns(ranks))
    for name in ranks:
        difference = np.abs(whole[name].to_numpy() - half[name].to_numpy())
        assert 0 < difference.max() < 2**-7  # each of two vectors by 2**-9 of itself at most, and both norms with them
    with pytest.raises(ValueError, match="precision must be one of float32, bfloat16, got 'int8'"):
        list(pairs_of(mixed[0], PairSettings(precision="int8")).batches())


def test_what_is_held_back_comes_in_order_when_the_next_has_been_made() -> None:
    said: list[str] = []

    def make() -> Iterator[int]:
        for number in range(4):
            said.append(f"made {number}")
            yield number

    for number in engine.held_back(make(), 1):
        said.append(f"used {number}")
    assert said == ["made 0", "made 1", "used 0", "made 2", "used 1", "made 3", "used 2", "used 3"]
    assert list(engine.held_back(iter([]), 1)) == []


def test_a_text_that_two_runs_encoded_is_scored_with_the_first_vector(tmp_path: Path) -> None:
    lake = make_lake(tmp_path, items=table_of("items", ITEMS))
    rows = [sampled("s", ["a", "b"], ["a"], query_text="q")]
    put_day(lake, "sampled_inputs", table_of("sampled_inputs", rows))
    once = [vector("q", "query", [1.0, 0.0]), vector("red shoes", values=[1.0, 0.0]), vector("blue hat", values=[0.0, 1.0])]
    lake.append("text_vectors", table_of("text_vectors", [*once, *reversed(once)]), {})

    def made() -> pa.Table:
        tables = (lake.slice("sampled_inputs", DAY), lake.slice("items"), lake.slice("text_vectors"))
        return pa.Table.from_batches(engine.pair_features(*tables, "model-a", PairSettings()).batches())

    assert made().num_rows == 1
    assert made().select(["positive_rank", "negative_rank"]).to_pylist() == [{"positive_rank": 1.0, "negative_rank": 0.0}]


def test_vectors_of_two_widths_under_one_model_are_an_error(tmp_path: Path) -> None:
    texts = [("query", "query of s", [1.0, 0.0]), ("item", "red shoes", [1.0, 0.0]), ("item", "blue hat", [1.0])]
    vectors = [{"model": "m", "role": r, "text_hash": text_hash(t), "vector": v} for r, t, v in texts]
    lake = make_lake(tmp_path, items=table_of("items", ITEMS), text_vectors=table_of("text_vectors", vectors))
    day = slice_of(lake, "sampled_inputs", [sampled("s", ["a", "b"], ["a"])])
    made = engine.pair_features(day, lake.slice("items"), lake.slice("text_vectors"), "m", PairSettings())
    with pytest.raises(ValueError, match=r"vectors of model m must all be [12] wide, got"):
        rows_of(made)


def test_a_choice_that_is_none_is_refused_and_the_choices_are_named() -> None:
    for wrong, message in (
        (PairSettings(ranker="manhattan"), "ranker must be one of cosine, dot, euclidean, got 'manhattan'"),
        (PairSettings(ranks_aggregator="sum"), "ranks_aggregator must be one of mean, max, min, got 'sum'"),
        (PairSettings(confidence="none"), "confidence must be one of constant, windowed, got 'none'"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong.kernels()


def test_an_empty_day_makes_empty_tables(tmp_path: Path) -> None:
    lake, encoder = make_lake(tmp_path), load_encoder("hashing:32")
    assert rows_of(made_inputs(lake, [])) == []
    assert rows_of(engine.sampled_inputs(lake.slice("fine_tuning_inputs", DAY), 0.5, 0)) == []
    assert rows_of(made_pairs(lake, [], encoder, PairSettings(not_irrelevant_only=False))) == []
    assert rows_of(engine.fine_tuning_features(lake.slice("pair_features", DAY), 0.0, 1.0)) == []


# fine_tuning_features


def test_the_clamp_keeps_the_golden_pairs(tmp_path: Path) -> None:
    lake, names = make_lake(tmp_path), ["positive_rank", "negative_rank", "positive_confidence", "negative_confidence"]
    windows = sorted({(case["min"], case["max"]) for case in GOLDEN["clamp"]})
    for window in windows:
        cases = [case for case in GOLDEN["clamp"] if (case["min"], case["max"]) == window]
        values = [v for case in cases for v in zip(*(case[f"{name}s"] for name in names), strict=True)]
        kept = [v for case in cases for v in zip(*(case[f"kept_{name}s"] for name in names), strict=True)]
        rows = [pair(f"s{n:04}", **dict(zip(names, value, strict=True))) for n, value in enumerate(values)]
        day = engine.fine_tuning_features(slice_of(lake, "pair_features", rows), *window)
        found = sorted(rows_of(day), key=lambda row: row["session_id"])
        assert len(found) == len(kept)
        np.testing.assert_allclose([[row[name] for name in names] for row in found], np.reshape(kept, (-1, 4)), atol=1e-6)
        assert day.counts["pairs_read"] == len(rows) == day.counts["rows_out"] + day.counts["pairs_clamped"]


def test_the_clamp_is_strict_compares_in_float32_and_changes_no_value(tmp_path: Path) -> None:
    differences = [0.0, 0.1, 0.25, 0.5, 1.0, -0.25, -0.5]
    rows = [pair(f"s{n}", positive_rank=d, negative_rank=0.0) for n, d in enumerate(differences)]
    pairs = slice_of(make_lake(tmp_path), "pair_features", rows)
    found = rows_of(engine.fine_tuning_features(pairs, 0.1, 0.5))
    assert sorted(row["positive_rank"] for row in found) == [-0.25, 0.25]
    assert all(row in pairs.to_table().to_pylist() for row in found)


def test_a_rank_that_is_no_number_keeps_no_pair(tmp_path: Path) -> None:
    rows = [pair("s1"), pair("s2", positive_rank=float("nan")), pair("s3", negative_rank=float("inf"))]
    day = engine.fine_tuning_features(slice_of(make_lake(tmp_path), "pair_features", rows), 0.0, 10.0)
    assert [row["session_id"] for row in rows_of(day)] == ["s1"]


@pytest.mark.parametrize("window", [(0.5, 0.5), (1.0, 0.0)])
def test_an_empty_window_is_refused(tmp_path: Path, window: tuple[float, float]) -> None:
    pairs = slice_of(make_lake(tmp_path), "pair_features", [])
    with pytest.raises(ValueError, match=f"needs min < max, got min {window[0]} and max {window[1]}"):
        engine.fine_tuning_features(pairs, *window)


# batches


@GENERAL
@given(sizes=st.lists(st.integers(0, 9), max_size=8), size=st.integers(1, 10))
def test_rebatched_keeps_every_row_in_order_in_full_batches(sizes: list[int], size: int) -> None:
    starts = [sum(sizes[:n]) for n in range(len(sizes))]
    batches = [pa.record_batch({"n": pa.array(range(s, s + n), pa.int64())}) for s, n in zip(starts, sizes, strict=True)]
    found = list(rebatched(batches, size))
    assert [n for batch in found for n in batch["n"].to_pylist()] == list(range(sum(sizes)))
    assert all(batch.num_rows == size for batch in found[:-1])
    assert not found or 1 <= found[-1].num_rows <= size
