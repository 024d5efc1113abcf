"""Files that arrive in bursts, late, broken or half done: what the sensors ask for, and what the runs say of it."""

import dataclasses
import datetime as dt
import json

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from ft_assets import headless, ingestion, journal, landing, lineage
from ft_assets.defs.gates import failed_gates
from ft_assets.defs.metadata import SHOWN_FILES
from ft_assets.defs.requests import FILES_PER_RUN, ingestion_request
from ft_assets.defs.sensors import landed_files_sensor, touched_days_sensor
from ft_assets.landing import LandedFile, landed_files
from ft_assets_tests.defs.ticks import at, click, evaluate, ingest_all, make, session, write


def named(request):
    return request.run_config["ops"]["ingestion"]["config"]["files"]


def asked(home, instance):
    (request,) = evaluate(landed_files_sensor, home, instance).run_requests
    return request


def days_touched_since(home, instance, versions):
    """The days that a tick asks for whose cursor knows these versions."""
    result = evaluate(touched_days_sensor, home, instance, json.dumps({"versions": versions, "pending": []}))
    return [request.partition_key for request in result.run_requests or []]


def ubi(home, name, *records):
    write(home, f"ubi/{name}.ndjson.gz", *records)


def burst(home, count, first=0):
    for number in range(first, first + count):
        write(home, f"embedding_studio/burst/{number:04}.ndjson.gz", session(0, number), click(0, number))


def test_a_burst_of_files_between_two_ticks_is_one_run_that_loses_none(home, instance):
    burst(home, 300)
    request = asked(home, instance)
    assert named(request) == [file.name for file in landed_files(home.landing)]
    assert len(named(request)) == 300
    make(home, instance, request)
    assert home.lake.slice("search_sessions").row_count == home.lake.slice("session_events").row_count == 300
    assert home.lake.slice("ingested_files").version == 1  # many small files are one commit
    assert not evaluate(landed_files_sensor, home, instance).run_requests


def test_files_that_land_while_a_run_is_under_way_are_asked_for_by_the_next_tick_and_no_others(home, instance):
    burst(home, 5)
    first = asked(home, instance)
    run = dg.DagsterRun("ingestion_job", status=dg.DagsterRunStatus.STARTED, tags=first.tags)
    instance.add_run(run)
    burst(home, 3, first=5)
    assert not evaluate(landed_files_sensor, home, instance).run_requests
    wanted = set(named(first))
    ingestion.ingest(home.lake, [file for file in landed_files(home.landing) if file.name in wanted])
    instance.report_run_failed(run)  # however it ended
    second = asked(home, instance)
    assert named(second) == [f"embedding_studio/burst/{number:04}.ndjson.gz" for number in (5, 6, 7)]
    assert second.run_key != first.run_key


def test_many_files_are_few_runs(home, monkeypatch):
    written = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    files = [LandedFile(f"ubi/{n:05}.ndjson", "ubi", 10, written, "", None) for n in range(25_000)]
    monkeypatch.setattr(landing, "landed_files", lambda place: files)
    sizes, leave = [], set()
    while (request := ingestion_request(home, leave=leave)) is not None:
        sizes.append(len(named(request)))
        leave.update(named(request))
    assert sizes == [FILES_PER_RUN, FILES_PER_RUN, 5_000]
    assert len(leave) == 25_000


def test_a_run_that_died_after_its_commit_leaves_nothing_to_ask_for(landed, instance):
    request = asked(landed, instance)
    ingest_all(landed)
    instance.add_run(dg.DagsterRun("ingestion_job", status=dg.DagsterRunStatus.FAILURE, tags=request.tags))
    assert not evaluate(landed_files_sensor, landed, instance).run_requests


def test_a_late_event_asks_for_its_day_and_no_other(landed, instance):
    ingest_all(landed)
    versions = lineage.ingested_versions(landed.lake)
    write(landed, "embedding_studio/late.ndjson.gz", click(1, 0, "i2"))
    ingest_all(landed)
    assert days_touched_since(landed, instance, versions) == ["2026-11-02"]


def test_an_event_that_waited_asks_for_no_day_until_its_session_comes_and_then_for_that_day_alone(landed, instance):
    ingest_all(landed)
    versions = lineage.ingested_versions(landed.lake)
    write(landed, "embedding_studio/early.ndjson.gz", click(4))
    ingest_all(landed)
    assert landed.lake.slice("waiting_records").row_count == 1
    assert days_touched_since(landed, instance, versions) == []
    write(landed, "embedding_studio/its-session.ndjson.gz", session(4))
    done = ingest_all(landed)
    assert dict(done.released) == {"joined": 1}
    assert days_touched_since(landed, instance, versions) == ["2026-11-05"]


def test_a_session_that_moves_to_another_day_asks_for_both(landed, instance):
    ingest_all(landed)
    shows = {"action_name": "impression", "query_id": "q", "user_query": "tea", "timestamp": at(5)}
    ubi(landed, "act", shows | {"event_attributes": {"object": {"object_id": "i1", "object_id_field": "sku"}}})
    ingest_all(landed)
    versions = lineage.ingested_versions(landed.lake)
    ubi(landed, "query", {"query_id": "q", "user_query": "tea", "timestamp": at(4), "query_response_hit_ids": ["i1", "i2"]})
    ingest_all(landed)
    days = [
        row["session_date"] for row in landed.lake.slice("search_sessions").to_table().to_pylist() if row["session_id"] == "q"
    ]
    assert days == [dt.date(2026, 11, 5)]
    assert days_touched_since(landed, instance, versions) == ["2026-11-05", "2026-11-06"]


@pytest.mark.parametrize(("choice", "days"), [("keep_days", []), ("reopen_days", ["2026-11-01", "2026-11-02", "2026-11-03"])])
def test_a_changed_text_reopens_its_days_if_the_home_says_so(landed, instance, choice, days):
    (landed.path / "config.yaml").write_text(f"ops: {{ingestion: {{config: {{changed_texts: {choice}}}}}}}")
    make(landed, instance, asked(landed, instance))
    versions = lineage.ingested_versions(landed.lake)
    write(landed, "items/changed.ndjson.gz", {"item_id": "i1", "text": "another text"})
    make(landed, instance, asked(landed, instance))
    assert "another text" in landed.lake.slice("items").to_table()["text"].to_pylist()
    assert days_touched_since(landed, instance, versions) == days


def test_what_the_home_says_of_times_is_what_the_run_goes_by(landed, instance):
    text = "attribution_hours: 1, clock_skew_seconds: 0, future_hours: 100000"
    (landed.path / "config.yaml").write_text(f"ops: {{ingestion: {{config: {{{text}}}}}}}")
    for item, seconds in (("i0", -1), ("i1", 3_600), ("i2", 3_601)):
        event = click(0, 0, item)
        event["events"][0]["created_at"] = at(0) + seconds
        write(landed, f"embedding_studio/{item}.ndjson.gz", event)
    write(landed, "embedding_studio/0-next-year.ndjson.gz", session(400))
    for file in (landed.landing / "embedding_studio").glob("events-*"):
        file.unlink()
    make(landed, instance, asked(landed, instance))
    reasons = sorted(landed.lake.slice("rejected_records").to_table()["reason"].to_pylist())
    assert reasons == ["event_before_session", "event_too_late"]
    assert landed.lake.slice("session_events").to_table()["item_id"].to_pylist() == ["i1"]
    assert landed.lake.slice("search_sessions").row_count == 7


def kill_while_applying(home, monkeypatch, after=1):
    """An ingestion that dies when it counts and stands in ``after`` tables."""
    apply, done = journal._apply, []

    def dying(lake, name, change):
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(change.table)
        return apply(lake, name, change)

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_apply", dying)
        with pytest.raises(KeyboardInterrupt):
            ingest_all(home)


def test_what_a_killed_ingestion_left_is_asked_for_though_no_file_is_new(landed, instance, monkeypatch):
    for file in (landed.landing / "items").iterdir():
        file.unlink()
    kill_while_applying(landed, monkeypatch)
    assert ingestion.new_files(landed.lake, landed.landing) == []
    half = evaluate(touched_days_sensor, landed, instance)
    assert not half.run_requests
    assert "changed some tables and not all yet" in half.skip_reason.skip_message
    request = asked(landed, instance)
    assert (named(request), request.run_key) == ([], f"ingestion:{journal.pending(landed.lake)}")
    assert asked(landed, instance).run_key == request.run_key
    make(landed, instance, request)
    assert journal.pending(landed.lake) is None
    assert not evaluate(landed_files_sensor, landed, instance).run_requests
    assert days_touched_since(landed, instance, {}) == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert landed.lake.slice("session_events").row_count == 6


def test_what_a_killed_ingestion_left_is_finished_by_the_command_line(landed, monkeypatch):
    keep_only(landed, "embedding_studio/sessions-1.ndjson.gz", "embedding_studio/events-1.ndjson.gz")
    kill_while_applying(landed, monkeypatch)
    said = []
    with headless.instance_of(landed) as instance:
        done = headless.run_until_nothing_is_new(landed, instance, said.append)
    assert said[0] == "finishing an ingestion"
    assert (done.failed, done.failed_checks) == ({}, [])
    assert landed.lake.slice("session_events").row_count == 2


@pytest.fixture
def unreadable(landed, monkeypatch):
    """One file of the landing place that no process may read."""
    name, open_ = "embedding_studio/events-1.ndjson.gz", LandedFile.open

    def refusing(file):
        if file.name == name:
            raise PermissionError(13, "Permission denied")
        return open_(file)

    with monkeypatch.context() as patch:
        patch.setattr(LandedFile, "open", refusing)
        yield name


def keep_only(home, *names):
    for file in landed_files(home.landing):
        if file.name not in names:
            file.path.unlink()


def test_a_file_that_cannot_be_read_is_asked_for_three_times_and_keeps_nobody_waiting(landed, instance, unreadable):
    result = make(landed, instance, asked(landed, instance))
    said = result.asset_materializations_for_node("ingestion")[0].metadata
    assert said["unread"].value == {unreadable: "it cannot be read: [Errno 13] Permission denied"}
    assert (said["files_ingested"].value, said["files_unread"].value) == (6, 1)
    for _ in range(3):
        request = asked(landed, instance)
        assert named(request) == [unreadable]
        instance.add_run(dg.DagsterRun("ingestion_job", status=dg.DagsterRunStatus.SUCCESS, tags=request.tags))
    given_up = evaluate(landed_files_sensor, landed, instance)
    assert not given_up.run_requests
    assert unreadable in given_up.skip_reason.skip_message
    write(landed, "embedding_studio/more.ndjson.gz", session(1, 5))
    assert named(asked(landed, instance)) == [unreadable, "embedding_studio/more.ndjson.gz"]


def test_files_that_were_given_up_do_not_fill_the_runs_of_others(landed, instance, monkeypatch):
    monkeypatch.setattr("ft_assets.defs.requests.FILES_PER_RUN", 4)
    for _ in range(3):
        request = asked(landed, instance)
        instance.add_run(dg.DagsterRun("ingestion_job", status=dg.DagsterRunStatus.FAILURE, tags=request.tags))
    others = asked(landed, instance)
    assert sorted(named(request) + named(others)) == [file.name for file in landed_files(landed.landing)]


def test_the_command_line_ends_with_what_it_could_not_read_and_does_not_call_it_a_success(landed, unreadable):
    keep_only(landed, "items/catalogue.ndjson.gz", "embedding_studio/sessions-1.ndjson.gz", unreadable)
    said = []
    with headless.instance_of(landed) as instance:
        done = headless.run_until_nothing_is_new(landed, instance, said.append)
        assert (done.left, done.failed, done.succeeded) == ([unreadable], {}, False)
        assert [line for line in said if line.startswith("left for the next time") and unreadable in line]
    assert landed.lake.slice("fine_tuning_inputs").row_count == 2  # the days of the others are made


def test_a_file_that_is_gone_before_its_run_stops_no_other(landed, instance):
    request = asked(landed, instance)
    gone = landed.landing / named(request)[0]
    gone.unlink()
    result = make(landed, instance, request)
    said = result.asset_materializations_for_node("ingestion")[0].metadata
    assert said["unread"].value == {named(request)[0]: "it is not in the landing place"}
    assert said["files_ingested"].value == 6
    assert not evaluate(landed_files_sensor, landed, instance).run_requests


def test_a_materialization_states_the_books_in_numbers_that_can_be_plotted(landed, instance):
    write(landed, "embedding_studio/copy.ndjson.gz", session(0), session(0, 1))
    write(landed, "embedding_studio/z.ndjson.gz", click(9), {"nothing": "known"}, session(1))
    ubi(landed, "filter", {"action_name": "filter", "query_id": "q", "timestamp": at(1), "event_attributes": {}})
    result = make(landed, instance, asked(landed, instance))
    events = result.asset_materializations_for_node("ingestion")
    assert {event.asset_key.path[-1] for event in events} == set(lineage.LOG)
    said = {name: value.value for name, value in events[0].metadata.items()}
    rows = {event.asset_key.path[-1]: event.metadata["rows_added"].value for event in events}
    assert rows == {name: landed.lake.slice(name).row_count for name in lineage.LOG}
    assert said["read"] == said["accepted"] + said["duplicate"] + said["no_interest"] + said["rejected"] == 22
    assert (said["accepted"], said["duplicate"], said["no_interest"], said["rejected"]) == (17, 3, 1, 1)
    assert (said["waiting"], said["waiting_rows"], said["files_ingested"], said["files_unread"]) == (1, 1, 10, 0)
    assert list(said["copies"]) == ["embedding_studio/sessions-0.ndjson.gz"]
    lines = {record.data["file"]: record.data for record in events[0].metadata["books_by_file"].records}
    assert len(lines) == 10
    for line in lines.values():
        assert line["read"] == line["accepted"] + line["duplicate"] + line["no_interest"] + line["rejected"]
    assert sum(line["read"] for line in lines.values()) == said["read"]
    write(landed, "embedding_studio/z2.ndjson.gz", session(9))
    (joined, *_) = make(landed, instance, asked(landed, instance)).asset_materializations_for_node("ingestion")
    assert (joined.metadata["released"].value, joined.metadata["released_events"].value) == ({"joined": 1}, 1)
    assert joined.metadata["waiting_rows"].value == 0


def test_a_materialization_names_so_many_files_as_can_be_read(home, instance):
    burst(home, SHOWN_FILES + 20)
    said = make(home, instance, asked(home, instance)).asset_materializations_for_node("ingestion")[0].metadata
    assert len(said["files"].value) == SHOWN_FILES + 1
    assert said["files"].value[-1] == "and 20 more: see ingested_files"
    assert said["files_ingested"].value == SHOWN_FILES + 20


LOST_ROWS = {"search_sessions", "session_events", "waiting_records", "rejected_records"}


@pytest.mark.parametrize("table", sorted(LOST_ROWS))
def test_a_row_lost_from_any_table_of_the_log_stops_every_day_though_the_books_were_right_before(landed, instance, table):
    write(landed, "embedding_studio/z.ndjson.gz", click(9), {"nothing": "known"})
    make(landed, instance, asked(landed, instance))
    assert failed_gates(landed, instance) == []
    rows = landed.lake.slice(table).to_table()
    write_deltalake(landed.lake.open(table), rows.slice(1), mode="overwrite")
    result = evaluate(touched_days_sensor, landed, instance)
    assert not result.run_requests
    assert "ingested_files.rows_agree_with_the_books" in result.skip_reason.skip_message
    write_deltalake(landed.lake.open(table), rows, mode="overwrite")
    assert len(evaluate(touched_days_sensor, landed, instance).run_requests) == 3


@pytest.mark.parametrize(
    ("table", "check", "spoil"),
    [
        ("ingested_files", "records_are_accounted_for", lambda row: row | {"records": row["records"] + 1}),
        ("session_events", "sessions_are_known", lambda row: row | {"session_id": "never logged"}),
        ("waiting_records", "required_values_are_there", lambda row: row | {"raw": None}),
        ("items", "hash_is_of_text", lambda row: row | {"text": "another"}),
    ],
)
def test_a_blocking_check_of_any_table_of_the_log_stops_every_day(landed, instance, table, check, spoil):
    write(landed, "embedding_studio/z.ndjson.gz", click(9))
    ingest_all(landed)
    (first, *others) = landed.lake.slice(table).to_table().to_pylist()
    rows = pa.Table.from_pylist([spoil(first), *others], schema=landed.lake.slice(table).table.schema)
    write_deltalake(landed.lake.open(table), rows, mode="overwrite")
    assert failed_gates(landed, instance) == [f"{table}.{check}"]
    assert not evaluate(touched_days_sensor, landed, instance).run_requests


def test_a_file_is_known_by_its_state_and_not_by_its_name_alone(landed, instance):
    ingest_all(landed)
    (file, *_) = landed_files(landed.landing)
    grown = dataclasses.replace(file, bytes=file.bytes + 1)
    assert landing.landed_files(landed.landing)[0] == file
    assert ingestion.Ledger(landed.lake).holds(file)
    assert not ingestion.Ledger(landed.lake).holds(grown)
