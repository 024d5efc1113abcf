"""The verdict of a home: days that are out of date, or were changed after their checks ran, are not trained on."""

import datetime as dt
import json
import os
import shutil

import dagster as dg
import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import write_deltalake

from ft_assets import cli, headless
from ft_assets.definitions import defs
from ft_assets.defs import day_runs, requests, settings
from ft_assets.lake import Home
from ft_assets.simulate import simulate

FIRST, SECOND = "2026-11-01", "2026-11-02"
SMALL = {"encoder": {"config": {"model": "hashing:32"}}}


def quiet(line: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("verdict") / "home")
    simulate(home.landing, days=2, sessions=30, seed=4)
    (home.path / "config.yaml").write_text("resources: {encoder: {config: {model: 'hashing:32'}}}")
    with headless.instance_of(home) as instance:
        assert headless.run_until_nothing_is_new(home, instance, quiet).succeeded
    return home


@pytest.fixture
def home(sound, tmp_path):
    copy = Home(tmp_path / "home")
    shutil.copytree(sound.path, copy.path)
    return copy


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    """They say nothing here, and to draw them is most of the work."""
    monkeypatch.setattr("ft_assets.pictures.pictures_of_days", lambda *_: [])


def reported(home, *arguments):
    done = CliRunner().invoke(cli.main, ["--home", str(home.path), "report", "--format", "json", *arguments])
    read = json.loads(done.stdout)
    assert done.exit_code == (not read["verdict"]["sound"])
    return read


def materialized(home, table, day, ops=None, **selection):
    """A run of one table, as the UI launches it."""
    job = defs.resolve_job_def("features_job").get_subset(asset_selection={dg.AssetKey(table)}, **selection)
    config = {"ops": ops or {}, **day_runs.QUIET}
    if table == "pair_features":
        config["resources"] = SMALL
    with headless.instance_of(home) as instance:
        assert job.execute_in_process(config, instance=instance, partition_key=day).success


def overwritten(home, table, day, column):
    rows = home.lake.slice(table, dt.date.fromisoformat(day)).to_table()
    place = rows.schema.get_field_index(column)
    rows = rows.set_column(place, column, pa.array([float("nan")] * len(rows), rows.schema.field(column).type))
    write_deltalake(home.lake.open(table), rows, mode="overwrite", predicate=f"session_date = '{day}'")


def test_what_a_run_has_made_and_checked_is_trained_on(sound):
    verdict = reported(sound)["verdict"]
    assert verdict["sentence"].startswith("Train on 2026-11-01 and 2026-11-02: 0 of ")
    assert (verdict["unchecked_days"], verdict["out_of_date"], verdict["other_settings"]) == ([], {}, {})


def test_a_late_event_makes_its_day_out_of_date_until_it_is_made_anew(home):
    shown = next(row for row in home.lake.slice("search_sessions").to_table().to_pylist() if len(row["results"]) > 3)
    day = shown["session_date"].isoformat()
    event = {"event_id": "late", "object_id": shown["results"][2]["item_id"], "event_type": "click",
             "created_at": shown["started_at"].isoformat()}  # fmt: skip
    late = json.dumps({"session_id": shown["session_id"], "events": [event]})
    (home.landing / "embedding_studio" / "late.ndjson").write_text(late)
    with headless.instance_of(home) as instance:
        request = requests.ingestion_request(home, settings.run_config(home))
        assert headless._run(instance, request, headless.Pass(), quiet)
        verdict = reported(home)["verdict"]
        assert list(verdict["out_of_date"]) == [day]
        assert f"Do not train on {day} (the other 1 day is sound)" in verdict["sentence"]
        assert f"{day}: out of date" in verdict["sentence"]
        assert headless.run_until_nothing_is_new(home, instance, quiet).succeeded
    assert reported(home)["verdict"]["sound"]


def test_a_table_that_alone_is_made_anew_leaves_what_is_made_of_it_out_of_date(home):
    materialized(home, "pair_features", FIRST, {"pair_features": {"config": {"ranker": "dot"}}})
    verdict = reported(home)["verdict"]
    assert not verdict["sound"]
    assert verdict["out_of_date"] == {FIRST: ["fine_tuning_features"]}
    assert verdict["other_settings"] == {FIRST: ["pair_features"]}
    assert reported(home, "--from", SECOND)["verdict"]["sound"]


def test_a_table_that_is_made_without_its_checks_is_not_checked_as_it_is_now(home):
    materialized(home, "fine_tuning_features", SECOND, asset_check_selection=set())
    read = reported(home)
    assert (read["verdict"]["unchecked_days"], read["verdict"]["out_of_date"]) == ([SECOND], {})
    assert read["verdict"]["sentence"].endswith("2026-11-02: not checked as it is now.")
    outdated = {(check["table"], check["session_date"]) for check in read["checks"] if check["state"] == "outdated"}
    assert outdated == {("fine_tuning_features", SECOND)}


@pytest.mark.parametrize("table", ["fine_tuning_features", "pair_features"])
def test_rows_that_were_overwritten_in_storage_are_not_checked(home, table):
    overwritten(home, table, SECOND, "positive_rank")
    verdict = reported(home)["verdict"]
    assert verdict["unchecked_days"] == [SECOND]
    assert reported(home, "--to", FIRST)["verdict"]["sound"]


def test_a_blocking_check_that_was_never_run_leaves_the_day_unchecked(sound, monkeypatch):
    latest = headless._latest
    monkeypatch.setattr(headless, "_latest", lambda instance, keys, day: {
        key: found for key, found in latest(instance, keys, day).items()
        if (key.name, day) != ("pairs_are_inside_the_window", FIRST)
    })  # fmt: skip
    read = reported(sound)
    assert read["verdict"]["unchecked_days"] == [FIRST]
    assert [(each["check"], each["session_date"]) for each in read["checks"] if each["state"] == "not_run"] == [
        ("pairs_are_inside_the_window", FIRST)
    ]


def test_rows_that_are_only_arranged_anew_stay_checked(home):
    for table in ("pair_features", "text_vectors", "search_sessions"):
        home.lake.open(table).optimize.compact()
        home.lake.open(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert reported(home)["verdict"]["sound"]


def test_the_log_is_not_sound_when_it_was_changed_by_hand_until_a_run_has_checked_it(home):
    rows = home.lake.slice("items").to_table()
    write_deltalake(home.lake.open("items"), rows, mode="overwrite")  # the same rows, but who knows
    verdict = reported(home)["verdict"]
    assert verdict["unchecked_days"] == [FIRST, SECOND]
    assert verdict["sentence"].endswith("items: not checked as it is now.")
    with headless.instance_of(home) as instance:
        headless.run_until_nothing_is_new(home, instance, quiet)
    assert reported(home)["verdict"]["sound"]


def test_other_settings_in_the_configuration_are_named_and_no_failure(home):
    (home.path / "config.yaml").write_text("resources: {encoder: {config: {model: 'hashing:64'}}}")
    verdict = reported(home)["verdict"]
    assert verdict["sound"]
    assert verdict["other_settings"] == {day: ["text_vectors"] for day in (FIRST, SECOND)}


def states(home):
    return {path: path.stat().st_mtime_ns for path in [home.path, *home.path.rglob("*")]}


def test_a_report_writes_nothing_of_its_own(home):
    before = {path: at for path, at in states(home).items() if path.is_file()}
    reported(home)
    after = {path: at for path, at in states(home).items() if path.is_file() and not path.name.endswith(("-shm", "-wal"))}
    assert after == {path: at for path, at in before.items() if not path.name.endswith(("-shm", "-wal"))}


def test_a_home_that_may_not_be_written_to_is_reported_on(home, monkeypatch):
    before = states(home)
    monkeypatch.setattr("os.access", lambda place, mode: mode != os.W_OK or not str(place).startswith(str(home.path)))
    assert reported(home)["verdict"]["sound"]
    assert states(home) == before
