import json

import dagster as dg
import pytest
from deltalake import write_deltalake

from ft_assets import lineage
from ft_assets.defs.gates import headless_lock
from ft_assets.defs.sensors import landed_files_sensor, touched_days_sensor
from ft_assets.defs.settings import read_config
from ft_assets.identity import KEY_VARIABLE, pseudonym
from ft_assets_tests.defs.ticks import click, evaluate, ingest_all, make, record, session, write

KEY = "a key of these tests only"


def test_new_landed_files_start_one_ingestion_that_names_them(landed, instance):
    (request,) = evaluate(landed_files_sensor, landed, instance).run_requests
    assert request.job_name == "ingestion_job"
    assert len(request.run_config["ops"]["ingestion"]["config"]["files"]) == 7


def test_files_that_are_in_the_tables_or_not_there_yet_start_nothing(landed, instance):
    ingest_all(landed)
    write(landed, "embedding_studio/.hidden.ndjson.gz", session(9))
    write(landed, "embedding_studio/half.ndjson.gz.tmp", session(9))
    result = evaluate(landed_files_sensor, landed, instance)
    assert not result.run_requests
    assert "in the tables" in result.skip_reason.skip_message


def test_the_same_files_are_asked_for_under_the_same_key_until_a_run_of_it_has_failed(landed, instance):
    (first,) = evaluate(landed_files_sensor, landed, instance).run_requests
    (second,) = evaluate(landed_files_sensor, landed, instance).run_requests
    assert first.run_key == second.run_key
    keys = [first.run_key]
    for _ in range(2):
        instance.add_run(dg.DagsterRun("ingestion_job", status=dg.DagsterRunStatus.FAILURE, tags=second.tags))
        (again,) = evaluate(landed_files_sensor, landed, instance).run_requests
        keys.append(again.run_key)
    assert keys == [first.run_key, f"{first.run_key}#2", f"{first.run_key}#3"]


def test_files_that_fail_three_times_are_left_for_a_person(landed, instance):
    for _ in range(3):
        (request,) = evaluate(landed_files_sensor, landed, instance).run_requests
        instance.add_run(dg.DagsterRun("ingestion_job", status=dg.DagsterRunStatus.FAILURE, tags=request.tags))
    result = evaluate(landed_files_sensor, landed, instance)
    assert not result.run_requests
    assert "3 ingestions failed on 7 files" in result.skip_reason.skip_message
    write(landed, "items/more.ndjson.gz", {"item_id": "new", "text": "new"})
    assert evaluate(landed_files_sensor, landed, instance).run_requests


def test_no_second_ingestion_is_asked_for_while_one_is_under_way(landed, instance):
    instance.add_run(dg.DagsterRun("ingestion_job", status=dg.DagsterRunStatus.STARTED, tags={"ft_assets/ingestion": "true"}))
    assert not evaluate(landed_files_sensor, landed, instance).run_requests


def test_a_folder_of_no_known_format_is_warned_of_and_harms_nothing(landed, instance):
    write(landed, "parquet/x.ndjson.gz", {})
    assert evaluate(landed_files_sensor, landed, instance).run_requests


def test_a_finished_ingestion_requests_exactly_the_days_that_it_touched(landed, instance):
    ingest_all(landed)
    result = evaluate(touched_days_sensor, landed, instance)
    assert [r.partition_key for r in result.run_requests] == ["2026-11-01", "2026-11-02", "2026-11-03"]
    (added,) = result.dynamic_partitions_requests
    assert added.partition_keys == ["2026-11-01", "2026-11-02", "2026-11-03"]


def test_days_that_are_under_way_are_not_asked_for_again(landed, instance):
    ingest_all(landed)
    first = evaluate(touched_days_sensor, landed, instance)
    for request in first.run_requests:
        record(instance, request, dg.DagsterRunStatus.STARTED)
    second = evaluate(touched_days_sensor, landed, instance, first.cursor)
    assert not second.run_requests
    assert json.loads(second.cursor)["pending"] == ["2026-11-01", "2026-11-02", "2026-11-03"]


def test_a_day_whose_run_failed_is_asked_for_three_times_in_all(landed, instance):
    ingest_all(landed)
    cursor, keys = None, []
    for _ in range(4):
        result = evaluate(touched_days_sensor, landed, instance, cursor)
        cursor = result.cursor
        for request in result.run_requests or []:
            keys.append(request.run_key)
            record(instance, request, dg.DagsterRunStatus.FAILURE)
    assert len(keys) == len(set(keys)) == 9
    assert json.loads(cursor)["pending"] == []


def test_no_day_is_made_of_a_log_that_is_not_sound(landed, instance):
    ingest_all(landed)
    sessions = landed.lake.slice("search_sessions").to_table()
    write_deltalake(landed.lake.open("search_sessions"), sessions.slice(0, 1), mode="append")
    result = evaluate(touched_days_sensor, landed, instance)
    assert not result.run_requests
    assert "search_sessions.sessions_are_unique" in result.skip_reason.skip_message
    assert result.cursor is None
    write_deltalake(landed.lake.open("search_sessions"), sessions, mode="overwrite")
    assert len(evaluate(touched_days_sensor, landed, instance).run_requests) == 3


def test_a_run_that_died_with_its_command_line_blocks_nothing(landed, instance):
    landed.dagster.mkdir(parents=True)
    dead = dg.DagsterRun(
        "ingestion_job",
        status=dg.DagsterRunStatus.STARTED,
        tags={"ft_assets/ingestion": "true", "ft_assets/headless": "true"},
    )
    instance.add_run(dead)
    with headless_lock(landed):  # a command line at work: its run is not dead
        assert not evaluate(landed_files_sensor, landed, instance).run_requests
    assert evaluate(landed_files_sensor, landed, instance).run_requests
    assert instance.get_run_by_id(dead.run_id).status == dg.DagsterRunStatus.FAILURE


def test_a_crash_before_the_cursor_is_saved_repeats_the_same_keys(landed, instance):
    ingest_all(landed)
    first = evaluate(touched_days_sensor, landed, instance)
    second = evaluate(touched_days_sensor, landed, instance)
    assert [r.run_key for r in first.run_requests] == [r.run_key for r in second.run_requests]
    assert len({r.run_key for r in first.run_requests}) == 3


def test_a_late_event_reopens_its_day_and_no_other(landed, instance):
    ingest_all(landed)
    first = evaluate(touched_days_sensor, landed, instance)
    instance.add_dynamic_partitions("session_date", ["2026-11-01", "2026-11-02", "2026-11-03"])
    for request in first.run_requests:
        make(landed, instance, request)
    write(landed, "embedding_studio/late.ndjson.gz", click(1, 0, "i2"))
    ingest_all(landed)
    second = evaluate(touched_days_sensor, landed, instance, first.cursor)
    assert [r.partition_key for r in second.run_requests] == ["2026-11-02"]
    before = landed.lake.slice("pair_features").row_count
    make(landed, instance, second.run_requests[0])
    assert landed.lake.slice("pair_features").row_count == before + 1  # 2 clicked x 2 not, was 1 x 3


def test_days_that_were_made_by_hand_meanwhile_are_not_asked_for_again(landed, instance):
    ingest_all(landed)
    first = evaluate(touched_days_sensor, landed, instance)
    instance.add_dynamic_partitions("session_date", ["2026-11-01", "2026-11-02", "2026-11-03"])
    for request in first.run_requests:
        make(landed, instance, request)
    result = evaluate(touched_days_sensor, landed, instance)
    assert not result.run_requests
    assert json.loads(result.cursor) == {"versions": lineage.ingested_versions(landed.lake), "pending": []}


def test_a_text_that_comes_late_reopens_the_days_that_showed_its_item(landed, instance):
    write(landed, "embedding_studio/other.ndjson.gz", {**session(5), "search_results": [{"object_id": "i9", "rank": 1}]})
    ingest_all(landed)
    versions = lineage.ingested_versions(landed.lake)
    write(landed, "items/more.ndjson.gz", {"item_id": "i9", "text": "now it has a text"})
    ingest_all(landed)
    cursor = json.dumps({"versions": versions, "pending": []})
    result = evaluate(touched_days_sensor, landed, instance, cursor)
    assert [r.partition_key for r in result.run_requests] == ["2026-11-06"]


def test_the_configuration_of_the_home_is_the_one_that_is_requested(landed, instance):
    ingest_all(landed)
    (landed.path / "config.yaml").write_text("ops: {sampled_inputs: {config: {negative_downsampling_factor: 0.5}}}")
    result = evaluate(touched_days_sensor, landed, instance)
    config = result.run_requests[0].run_config
    assert config == {"ops": {"sampled_inputs": {"config": {"negative_downsampling_factor": 0.5}}}}


def test_a_run_is_asked_for_with_pseudonyms_and_never_with_a_raw_id(landed, instance, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    ingest_all(landed)
    (landed.path / "config.yaml").write_text(
        "ops: {flagged_sessions: {config: {users: [ann@example.org], enforced: [listed_user]}}}"
    )
    requests = evaluate(touched_days_sensor, landed, instance).run_requests
    config = {"users": [f"pseudonym:{pseudonym('ann@example.org', KEY.encode())}"], "enforced": ["listed_user"]}
    assert requests[0].run_config == {"ops": {"flagged_sessions": {"config": config}}}
    instance.add_dynamic_partitions("session_date", ["2026-11-01"])
    (landed.path / "config.yaml").write_text("resources: {encoder: {config: {model: 'hashing:64'}}}")
    make(landed, instance, requests[0]._replace(asset_selection=[dg.AssetKey("flagged_sessions")]))
    (run,) = instance.get_run_records()
    kept = [str(run.dagster_run), *(str(entry) for entry in instance.all_logs(run.dagster_run.run_id))]
    assert not [entry for entry in kept if "ann@" in entry]
    commit = landed.lake.history("flagged_sessions")[-1]
    assert json.loads(commit["configuration"])["users"] == [pseudonym("ann@example.org", KEY.encode())]
    assert "ann@" not in str(commit)


def test_raw_ids_of_users_without_the_key_are_refused_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    path = tmp_path / "config.yaml"
    path.write_text("ops: {flagged_sessions: {config: {users: [ann]}}}")
    with pytest.raises(ValueError, match=f"{KEY_VARIABLE}, the key, is not set"):
        read_config(path)


@pytest.mark.parametrize(
    "text",
    [
        "- a list",
        "ops: {sampled_inputs: {config: {negative_downsampling_factor: 7}}}",
        "assets: {}",
        "ops: {no_such_asset: {config: {}}}",
        "ops: {sampled_inputs: 5}",
        "ops: {sampled_inputs: {confg: {seed: 3}}}",
        "ops: {sampled_inputs: {config: {sede: 3}}}",
        "ops: {flagged_sessions: {config: {enforced: [bots]}}}",
        "ops: {flagged_sessions: {config: {users: 5}}}",
        "ops: {ingestion: {config: {files: [items/a.ndjson]}}}",
        "ops: {ingestion: {config: {attribution_hours: 0}}}",
        "ops: {ingestion: {config: {clock_skew_seconds: -1}}}",
        "ops: {ingestion: {config: {future_hours: soon}}}",
        "ops: {ingestion: {config: {changed_texts: sometimes}}}",
        "ops: {ingestion: {config: {attribution_days: 7}}}",
        "resources: {encode: {config: {model: hashing}}}",
        "resources: {home: {config: {path: elsewhere}}}",
        "ops: [",
    ],
)
def test_a_configuration_that_is_not_one_is_refused_before_anything_runs(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"config\.yaml"):
        read_config(path)
