"""The simulation: the same bytes for the same arguments, formats, and the click model that it states."""

import gzip
import json
from collections import Counter
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ft_assets.simulate import simulate
from ft_assets.simulate_catalogue import MAX_GRADE, make_catalogue
from ft_assets.simulate_clicks import EXAMINATION_POWER, attractiveness, examination

DAYS, SESSIONS, SEED = 3, 3000, 11


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landing")
    simulate(folder, DAYS, SESSIONS, SEED)
    return folder


@cache
def read(landing: Path, pattern: str) -> list[dict[str, Any]]:
    records = []
    for path in sorted(landing.glob(pattern)):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            records += [json.loads(line) for line in lines]
    return records


def contents(landing: Path) -> dict[str, bytes]:
    return {str(path.relative_to(landing)): path.read_bytes() for path in landing.rglob("*") if path.is_file()}


def test_the_same_arguments_write_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 5), ("same", 5), ("other", 6)):
        simulate(tmp_path / name, 2, 50, seed)
    assert contents(tmp_path / "one") == contents(tmp_path / "same")
    assert contents(tmp_path / "one") != contents(tmp_path / "other")


def test_a_day_does_not_depend_on_the_days_around_it(tmp_path: Path) -> None:
    simulate(tmp_path / "two", 2, 50, 5)
    simulate(tmp_path / "second", 1, 50, 5, first_day=date(2026, 11, 2))
    days = [read(tmp_path / name, "embedding_studio/sessions-2026-11-02-*.gz") for name in ("two", "second")]
    drawn = [[{**session, "session_id": session["session_id"][-15:]} for session in day] for day in days]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 50


@pytest.mark.parametrize(
    "changed",
    [
        {"days": 3},
        {"sessions": 30},
        {"seed": 6},
        {"first_day": date(2026, 11, 2)},
        {"objects": 60},
        {"examination_power": 1.0},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_simulations_of_other_arguments_lie_beside_each_other(tmp_path: Path, changed: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"days": 2, "sessions": 40, "seed": 5, "objects": 50}
    simulate(tmp_path, **arguments)
    before = contents(tmp_path)
    simulate(tmp_path, **(arguments | changed))
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    logs = (arguments | changed)["days"] * 2
    assert len(after) == len(before) + logs + ("objects" in changed)
    sessions = [session["session_id"] for session in read(tmp_path, "embedding_studio/sessions-*.gz")]
    assert len(set(sessions)) == len(sessions)
    records = read(tmp_path, "embedding_studio/events-*.gz")
    events = [event["event_id"] for record in records for event in record["events"]]
    assert len(set(events)) == len(events)
    texts = {(item["item_id"], item["text"]) for item in read(tmp_path, "items/*.gz")}
    assert len({item_id for item_id, _ in texts}) == len(texts)


def test_the_same_simulation_again_leaves_its_files_as_they_are(tmp_path: Path) -> None:
    written = simulate(tmp_path, 2, 20, 5)
    before = [path.stat() for path in written]
    assert simulate(tmp_path, 2, 20, 5, first_day=date(2026, 11, 1), examination_power=EXAMINATION_POWER) == written
    assert [(stat.st_ino, stat.st_mtime_ns) for stat in before] == [
        (path.stat().st_ino, path.stat().st_mtime_ns) for path in written
    ]
    assert set(contents(tmp_path)) == {str(path.relative_to(tmp_path)) for path in written}


@pytest.mark.parametrize("has_links", [True, False])
def test_a_landed_file_of_other_content_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def no_links(*paths: Path) -> None:
        raise PermissionError("no links here")

    if not has_links:
        monkeypatch.setattr("ft_assets.simulate.os.link", no_links)
    *_, events = simulate(tmp_path, 1, 20, 5)
    events.write_bytes(b"someone's own")
    with pytest.raises(FileExistsError, match=rf"{events.name} is there with other content"):
        simulate(tmp_path, 1, 20, 5)
    assert events.read_bytes() == b"someone's own"
    assert not list(tmp_path.rglob("*.tmp"))


def test_files_are_returned_and_nothing_unfinished_stays(tmp_path: Path) -> None:
    written = simulate(tmp_path, 1, 10, 0, objects=20)
    assert [str(path.relative_to(tmp_path)) for path in written] == [
        "items/simulated-20.ndjson.gz",
        "embedding_studio/sessions-2026-11-01-seed0-b8b5fc5e.ndjson.gz",
        "embedding_studio/events-2026-11-01-seed0-b8b5fc5e.ndjson.gz",
    ]
    assert set(contents(tmp_path)) == {str(path.relative_to(tmp_path)) for path in written}


def test_the_smallest_shop_shows_what_it_has(tmp_path: Path) -> None:
    simulate(tmp_path, 1, 50, 0, objects=14)
    items = len(read(tmp_path, "items/*.gz"))
    shown = [len(session["search_results"]) for session in read(tmp_path, "embedding_studio/sessions-*.gz")]
    assert max(shown) == min(20, items)


def test_a_failure_leaves_no_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("ft_assets.simulate.make_sessions", fail)
    with pytest.raises(OSError, match="no space left"):
        simulate(tmp_path, 1, 10, 0)
    assert set(contents(tmp_path)) == {"items/simulated-480.ndjson.gz"}


def test_every_record_has_the_fields_of_its_format(landing: Path) -> None:
    sessions = read(landing, "embedding_studio/sessions-*.gz")
    assert len({session["session_id"] for session in sessions}) == len(sessions) == DAYS * SESSIONS
    needed = {"session_id", "search_query", "created_at", "user_id", "search_meta", "search_results"}
    for session in sessions:
        assert needed <= set(session) <= needed | {"is_irrelevant"}
        shown = [result["object_id"] for result in session["search_results"]]
        assert len(set(shown)) == len(shown) >= 8
        assert all(set(result) == {"object_id", "rank", "meta"} for result in session["search_results"])
    days = Counter(datetime.fromtimestamp(session["created_at"], UTC).date() for session in sessions)
    assert days == {date(2026, 11, day): SESSIONS for day in (1, 2, 3)}
    shown_in = {s["session_id"]: {result["object_id"] for result in s["search_results"]} for s in sessions}
    records = read(landing, "embedding_studio/events-*.gz")
    for record in records:
        assert set(record) == {"session_id", "events"}
        assert record["events"]
        assert {event["object_id"] for event in record["events"]} <= shown_in[record["session_id"]]
    ids = [event["event_id"] for record in records for event in record["events"]]
    assert len(set(ids)) == len(ids)


def test_every_shown_item_has_a_text_and_some_objects_have_parts(landing: Path) -> None:
    items = read(landing, "items/*.gz")
    texts = {item["item_id"]: item["text"] for item in items}
    sessions = read(landing, "embedding_studio/sessions-*.gz")
    assert len(texts) == len(items) == len(set(texts.values()))
    assert {result["object_id"] for session in sessions for result in session["search_results"]} <= set(texts)
    parts = Counter(item["object_id"] for item in items if "object_id" in item)
    assert set(parts.values()) == {2, 3}


def test_what_real_logs_have_is_there(landing: Path) -> None:
    sessions = read(landing, "embedding_studio/sessions-*.gz")
    records = read(landing, "embedding_studio/events-*.gz")
    types = Counter(event["event_type"] for record in records for event in record["events"])
    assert types["click"] > types["add_to_cart"] > types["purchase"] > 0
    with_events = {record["session_id"] for record in records}
    assert 0.02 < 1 - len(with_events) / len(sessions) < 0.12
    marked = {session["session_id"] for session in sessions if session.get("is_irrelevant")}
    assert 0.005 < len(marked) / len(sessions) < 0.05
    assert marked & with_events
    assert marked - with_events
    missing = [{result["rank"] is None for result in session["search_results"]} for session in sessions]
    assert {True} in missing
    assert {True, False} in missing
    assert missing.count({False}) > 0.95 * len(sessions)


def test_some_events_come_a_day_late(landing: Path) -> None:
    first_day = {session["session_id"] for session in read(landing, "embedding_studio/sessions-2026-11-01*.gz")}
    in_time = {record["session_id"] for record in read(landing, "embedding_studio/events-2026-11-01*.gz")}
    late = [r["session_id"] for r in read(landing, "embedding_studio/events-2026-11-02*.gz") if r["session_id"] in first_day]
    assert 0.005 < len(late) / len(first_day) < 0.04
    assert set(late) & in_time, "of some sessions the last events are late"
    assert set(late) - in_time, "of others all are"


def test_clicks_follow_the_stated_model(landing: Path) -> None:
    """At each position, clicks over the summed attractiveness of what was shown estimates the examination."""
    catalogue = make_catalogue()
    item_of = {item.item_id: place for place, item in enumerate(catalogue.items)}
    query_of = {query: place for place, query in enumerate(catalogue.queries)}
    records = read(landing, "embedding_studio/events-*.gz")
    clicked = {(r["session_id"], e["object_id"]) for r in records for e in r["events"] if e["event_type"] == "click"}
    attracted, clicks = np.zeros((20, MAX_GRADE + 1)), np.zeros((20, MAX_GRADE + 1))
    for session in read(landing, "embedding_studio/sessions-*.gz"):
        for place, result in enumerate(session["search_results"]):
            grade = catalogue.grades[query_of[session["search_query"]], item_of[result["object_id"]]]
            attracted[place, grade] += attractiveness(grade)
            clicks[place, grade] += (session["session_id"], result["object_id"]) in clicked
    expected = examination(np.arange(1, 21), EXAMINATION_POWER)
    # the variance of a sum of Bernoulli trials is below its mean: four of its roots is a wide net
    error = 4 * np.sqrt(expected / attracted.sum(axis=1))
    assert np.all(np.abs(clicks.sum(axis=1) / attracted.sum(axis=1) - expected) < error)
    by_grade = (attracted * expected[:, None]).sum(axis=0)
    assert np.all(np.abs(clicks.sum(axis=0) - by_grade) < 4 * np.sqrt(by_grade))


def test_attention_falls_and_attraction_rises() -> None:
    assert np.all(np.diff(examination(np.arange(1, 21))) < 0)
    assert examination(np.arange(1, 4), 0).tolist() == [1.0, 1.0, 1.0]
    assert np.all(np.diff(attractiveness(np.arange(MAX_GRADE + 1))) > 0)


def test_the_catalogue_grows_without_changing_what_it_had() -> None:
    small, large = make_catalogue(30), make_catalogue(60)
    assert large.items[: len(small.items)] == small.items
    assert small.queries == large.queries
    assert len(set(large.queries)) == len(large.queries)
    assert large.popularity.sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(large.grades[:, : len(small.items)], small.grades)


def test_the_grade_is_the_share_of_wishes_met() -> None:
    catalogue = make_catalogue()
    texts = [item.text for item in catalogue.items]
    grades = catalogue.grades[catalogue.queries.index("exercise mat for hot yoga")]
    for text, grade in zip(texts, grades, strict=True):
        if "yoga mat" not in text:
            assert grade == 0
        elif not text.startswith(("Care", "Review")):
            assert grade == (4 if "for hot yoga" in text else 1)
    assert not catalogue.grades[catalogue.queries.index("garden gnome")].any()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"days": 0}, "days must be at least 1, got 0"),
        ({"sessions": 0}, "sessions must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"objects": 3}, "objects must be at least 14, one of each category, got 3"),
        ({"examination_power": -0.5}, "examination_power must be at least 0, got -0.5"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate(tmp_path, **({"days": 1, "sessions": 1, "seed": 0} | changed))
    assert not list(tmp_path.iterdir())
