"""What the tables' logs say is out of date, when nothing, something or everything has changed."""

from __future__ import annotations

import copy
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from ft_assets import lineage
from ft_assets.lake import Lake
from ft_assets.lineage import DAILY, MADE_FROM, affected_days, day_commits, ingested_versions, out_of_date
from ft_assets.schemas import TABLES
from ft_assets_tests.builders import DAY, NEXT_DAY, event, item, make_lake, session, table_of

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "flagged_sessions": {"rules": {}},
    "fine_tuning_inputs": {"event_types": ["click"]},
    "sampled_inputs": {"negative_downsampling_factor": 1.0, "seed": 0},
    "text_vectors": {"model": "m"},
    "pair_features": {"ranker": "cosine"},
    "fine_tuning_features": {"min_abs_difference_threshold": 0.0, "max_abs_difference_threshold": 1.0},
}
BEHIND = {name: list(DAILY[DAILY.index(name) :]) for name in DAILY}


def ingest(lake: Lake, table: str, file: str, *days: dt.date) -> int:
    """An ingestion of one row that touched these days; the version of its commit."""
    row = {"search_sessions": session(file, ["a"]), "session_events": event(file, "a"), "items": item(file)}[table]
    metadata = {"affected_days": [day.isoformat() for day in days]}
    if table == "items":
        return lake.upsert_items_once(table_of(table, [row]), [file], metadata).version
    return lake.append_once(table, table_of(table, [row]).to_batches, [file], metadata).version


def make(lake: Lake, day: dt.date, *names: str, **changed: dict[str, Any]) -> None:
    """Make tables of a day, empty, as the assets do: stating what they read and their configuration."""
    for name in names or DAILY:
        texts = ("items",) if name in ("text_vectors", "pair_features") else ()
        read = (*MADE_FROM[name], *lineage.REOPENED_BY.get(name, ()), *texts)
        metadata = {
            "session_date": day.isoformat(),
            "made_from": json.dumps({table: lake.slice(table).version for table in read}),
            "configuration": json.dumps(changed.get(name, CONFIGURATIONS[name])),
            "model": "m-1",
            "code_version": lineage.CODE_VERSION,
        }
        if name == "text_vectors":
            lake.append(name, TABLES[name].empty(), metadata)
        else:
            lake.replace_day(name, day, list, metadata)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = make_lake(tmp_path)
    ingest(lake, "search_sessions", "a", DAY, NEXT_DAY)
    ingest(lake, "session_events", "b", DAY)
    return lake


@pytest.fixture
def made(lake: Lake) -> Lake:
    make(lake, DAY)
    make(lake, NEXT_DAY)
    return lake


def test_an_ingestion_says_which_days_it_touched(lake: Lake) -> None:
    assert affected_days(lake) == {DAY: {"search_sessions": 1, "session_events": 1}, NEXT_DAY: {"search_sessions": 1}}


def test_behind_a_cursor_only_later_ingestions_are_seen(lake: Lake) -> None:
    cursor = ingested_versions(lake)
    assert cursor == {"search_sessions": 1, "session_events": 1, "items": 0}
    assert affected_days(lake, cursor) == {}
    version = ingest(lake, "session_events", "late", NEXT_DAY)
    assert affected_days(lake, cursor) == {NEXT_DAY: {"session_events": version}}


def test_days_come_in_order_each_with_the_newest_version_that_touched_it(lake: Lake) -> None:
    early = DAY - dt.timedelta(days=400)
    version = ingest(lake, "search_sessions", "c", NEXT_DAY, early)
    days = affected_days(lake)
    assert list(days) == [early, DAY, NEXT_DAY]
    assert (days[NEXT_DAY]["search_sessions"], days[DAY]["search_sessions"]) == (version, 1)


def test_a_day_knows_its_newest_commit_and_what_it_was_made_from(made: Lake) -> None:
    assert list(day_commits(made, "pair_features")) == [DAY, NEXT_DAY]
    first = day_commits(made, "pair_features")[DAY]
    assert (first.version, first.configuration, first.model) == (1, {"ranker": "cosine"}, "m-1")
    assert first.made_from == {"sampled_inputs": 1, "text_vectors": 1, "items": 0}
    make(made, DAY, "pair_features", pair_features={"ranker": "dot"})
    again = day_commits(made, "pair_features")
    assert (again[DAY].version, again[DAY].configuration, again[NEXT_DAY].version) == (3, {"ranker": "dot"}, 2)


def test_commits_that_are_no_day_are_passed_over(made: Lake) -> None:
    made.append("text_vectors", TABLES["text_vectors"].empty(), {"model": "m-1"})
    assert [commit.version for commit in day_commits(made, "text_vectors").values()] == [1, 2]


def test_where_nothing_was_made_everything_is_out_of_date(lake: Lake) -> None:
    assert out_of_date(lake, CONFIGURATIONS) == {DAY: list(DAILY), NEXT_DAY: list(DAILY)}


def test_where_nothing_was_ingested_nothing_is_out_of_date(tmp_path: Path) -> None:
    assert out_of_date(make_lake(tmp_path), CONFIGURATIONS) == {}


def test_after_making_nothing_is_out_of_date(made: Lake) -> None:
    assert out_of_date(made, CONFIGURATIONS) == {}


def test_only_the_days_asked_for_are_looked_at(lake: Lake) -> None:
    make(lake, DAY)
    assert out_of_date(lake, CONFIGURATIONS, {DAY: affected_days(lake)[DAY]}) == {}
    assert out_of_date(lake, CONFIGURATIONS, {NEXT_DAY: affected_days(lake)[NEXT_DAY]}) == {NEXT_DAY: list(DAILY)}


def test_a_run_that_stopped_goes_on_where_it_stopped(lake: Lake) -> None:
    make(lake, NEXT_DAY)
    make(lake, DAY, "flagged_sessions", "fine_tuning_inputs", "sampled_inputs")
    assert out_of_date(lake, CONFIGURATIONS) == {DAY: BEHIND["text_vectors"]}


@pytest.mark.parametrize("table", lineage.INGESTED)
def test_what_comes_late_reopens_its_day_alone(made: Lake, table: str) -> None:
    ingest(made, table, "late", DAY)
    reopened = BEHIND["fine_tuning_inputs" if table == "items" else "flagged_sessions"]  # no rule looks at a text
    assert out_of_date(made, CONFIGURATIONS) == {DAY: reopened}
    make(made, DAY, *reopened)
    assert out_of_date(made, CONFIGURATIONS) == {}


def test_what_came_late_keeps_a_table_out_of_date_until_that_table_was_made_of_it(made: Lake) -> None:
    ingest(made, "session_events", "late", DAY)
    make(made, DAY, "flagged_sessions")
    assert out_of_date(made, CONFIGURATIONS) == {DAY: BEHIND["fine_tuning_inputs"]}


def test_an_ingestion_that_touched_no_day_reopens_none(made: Lake) -> None:
    ingest(made, "items", "unseen")
    assert out_of_date(made, CONFIGURATIONS) == {}


@pytest.mark.parametrize("name", DAILY)
def test_another_configuration_reopens_its_table_and_what_is_behind_it(made: Lake, name: str) -> None:
    changed = copy.deepcopy(CONFIGURATIONS)
    changed[name]["new"] = 1
    expected = BEHIND[name]
    assert out_of_date(made, changed) == {DAY: expected, NEXT_DAY: expected}
    for day in (DAY, NEXT_DAY):
        make(made, day, *expected, **changed)
    assert out_of_date(made, changed) == {}


def test_another_clamp_window_reopens_fine_tuning_features_alone(made: Lake) -> None:
    changed = CONFIGURATIONS | {"fine_tuning_features": {"min_abs_difference_threshold": 0.1}}
    assert out_of_date(made, changed, {DAY: affected_days(made)[DAY]}) == {DAY: ["fine_tuning_features"]}


def test_pairs_made_anew_after_the_catalogue_changed_have_their_texts_looked_at_first(made: Lake) -> None:
    ingest(made, "items", "changed")
    changed = CONFIGURATIONS | {"pair_features": {"ranker": "dot"}}
    expected = ["text_vectors", "pair_features", "fine_tuning_features"]
    assert out_of_date(made, changed) == {DAY: expected, NEXT_DAY: expected}
    for day in (DAY, NEXT_DAY):
        make(made, day, *expected, **changed)
    assert out_of_date(made, changed) == {}


@pytest.mark.parametrize("name", DAILY)
def test_a_table_made_anew_reopens_what_is_behind_it(made: Lake, name: str) -> None:
    make(made, DAY, name)
    expected = BEHIND[name][1:]
    assert out_of_date(made, CONFIGURATIONS) == ({DAY: expected} if expected else {})


def test_a_day_made_anew_reopens_no_other_day(made: Lake) -> None:
    make(made, DAY)
    assert out_of_date(made, CONFIGURATIONS) == {}


def test_a_configuration_is_compared_as_json(made: Lake) -> None:
    same = CONFIGURATIONS | {"fine_tuning_inputs": {"event_types": ("click",)}}
    assert out_of_date(made, same) == {}


def test_days_made_by_other_code_are_out_of_date(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    make(lake, DAY)
    make(lake, NEXT_DAY)
    assert out_of_date(lake, CONFIGURATIONS) == {}
    monkeypatch.setattr(lineage, "CODE_VERSION", "another")
    assert out_of_date(lake, CONFIGURATIONS) == {DAY: list(DAILY), NEXT_DAY: list(DAILY)}
