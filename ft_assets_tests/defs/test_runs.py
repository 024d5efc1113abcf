"""Real Dagster runs on an instance, from landed files to clamped features."""

import datetime as dt
from collections import Counter

import dagster as dg
import pytest

from ft_assets import engine, read_table, schemas
from ft_assets.definitions import defs
from ft_assets.defs.settings import configurations
from ft_assets.lineage import DAILY, INGESTED, affected_days, day_commits, out_of_date
from ft_assets.simulate import simulate
from ft_assets.stated import stated_by_day
from ft_assets_tests.builders import misaligned
from ft_assets_tests.conftest import HASHING
from ft_assets_tests.dagster_ui import spoil

DAY = "2026-11-01"


def run(instance, job, day=None, config=HASHING, **options):
    return defs.resolve_job_def(job).execute_in_process(
        run_config={**config, "loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        instance=instance,
        partition_key=day,
        raise_on_error=False,
        **options,
    )


@pytest.fixture
def ingested(home, instance):
    simulate(home.landing, days=2, sessions=40, seed=3)
    assert run(instance, "ingestion_job", config={}).success
    return home


def counts(home):
    return {name: home.lake.slice(name).row_count for name in schemas.TABLES}


def test_an_ingestion_lists_the_days_that_it_found(ingested, instance):
    assert instance.get_dynamic_partitions("session_date") == ["2026-11-01", "2026-11-02"]


def test_a_day_is_made_from_landed_files_to_clamped_features_and_every_check_passes(ingested, instance):
    result = run(instance, "features_job", DAY)
    assert result.success
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) > 20
    assert all(evaluation.passed for evaluation in evaluations)
    features = read_table("fine_tuning_features", session_date=DAY)
    assert features.num_rows > 100
    assert features.schema == schemas.FINE_TUNING_FEATURES.schema
    assert set(features["session_date"].to_pylist()) == {dt.date(2026, 11, 1)}


def test_every_materialization_says_where_its_rows_came_from_and_the_rows_reconcile(ingested, instance):
    result = run(instance, "features_job", DAY)
    said = {
        event.asset_key.path[-1]: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
    }
    inputs, pairs, kept = said["fine_tuning_inputs"], said["pair_features"], said["fine_tuning_features"]
    assert inputs["sessions_read"] == (inputs["rows_out"] + inputs["sessions_flagged"] + inputs["sessions_without_results"])
    assert pairs["rows_out"] == pairs["pairs_session"] + pairs["pairs_irrelevant"]
    assert kept["pairs_read"] == kept["rows_out"] + kept["pairs_clamped"] == pairs["rows_out"]
    assert (
        kept["rows_out"] == kept["dagster/partition_row_count"] == read_table("fine_tuning_features", session_date=DAY).num_rows
    )
    assert said["text_vectors"]["model"] == pairs["model"]
    for name, metadata in said.items():
        assert metadata["made_from"], name
        assert "configuration" in metadata, name
        assert metadata["code_version"], name
    # What checks of later days want to know of this one, its commits state.
    day, stated = dt.date.fromisoformat(DAY), {"fine_tuning_inputs": "clicks_by_place", "sampled_inputs": "pairs_of_sessions"}
    for name, what in stated.items():
        ((_, rows),) = stated_by_day(ingested.lake, name, [day], what).items()
        assert sum(row.get("shown", row.get("sessions")) for row in rows) > 20, name


def test_a_rerun_changes_no_count_and_no_row(ingested, instance):
    assert run(instance, "features_job", DAY).success
    before, rows = counts(ingested), read_table("pair_features", session_date=DAY)
    assert run(instance, "features_job", DAY).success
    assert run(instance, "ingestion_job", config={}).success
    assert counts(ingested) == before
    assert read_table("pair_features", session_date=DAY).equals(rows)


def test_a_text_is_encoded_once_in_its_life(ingested, instance):
    def encoded(result):
        metadata = result.asset_materializations_for_node("text_vectors")[0].metadata
        return metadata["item_texts_encoded"].value, metadata["query_texts_encoded"].value

    first = encoded(run(instance, "features_job", DAY))
    assert first > (0, 0)
    assert encoded(run(instance, "features_job", DAY)) == (0, 0)
    next_day = encoded(run(instance, "features_job", "2026-11-02"))
    texts = read_table("text_vectors").select(["role", "text_hash"]).to_pylist()
    assert max(Counter((text["role"], text["text_hash"]) for text in texts).values()) == 1
    assert len(texts) == sum(first) + sum(next_day)


def test_changing_only_the_clamp_window_reads_the_pairs_as_they_are(ingested, instance):
    assert run(instance, "features_job", DAY).success
    version = ingested.lake.slice("pair_features").version
    narrow = {"ops": {"fine_tuning_features": {"config": {"max_abs_difference_threshold": 0.1}}}}
    result = run(instance, "features_job", DAY, {**HASHING, **narrow}, asset_selection=[dg.AssetKey("fine_tuning_features")])
    assert result.success
    assert ingested.lake.slice("pair_features").version == version
    kept = read_table("fine_tuning_features", session_date=DAY)
    assert 0 < kept.num_rows < read_table("pair_features", session_date=DAY).num_rows


def test_a_blocking_check_that_fails_stops_what_stands_behind_it(ingested, instance, monkeypatch):
    monkeypatch.setattr(engine, "fine_tuning_inputs", misaligned(engine.fine_tuning_inputs))
    result = run(instance, "features_job", DAY)
    assert not result.success
    failed = {e.check_name for e in result.get_asset_check_evaluations() if not e.passed}
    assert "lists_are_aligned" in failed
    made = {event.asset_key.path[-1] for event in result.get_asset_materialization_events()}
    assert made == {"flagged_sessions", "fine_tuning_inputs"}


def test_checks_that_are_executed_without_a_day_look_at_every_day_that_was_made(ingested, instance):
    assert run(instance, "features_job", DAY).success
    table = dg.AssetKey("fine_tuning_features")
    job = dg.define_asset_job("only_checks", selection=dg.AssetSelection.checks_for_assets(table))
    checks = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("only_checks")
    spoil(ingested.lake, table.path[-1], dt.date.fromisoformat(DAY), "positive_rank", lambda _: 10.0)
    result = checks.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    found = {(e.check_name, e.partition): e.passed for e in result.get_asset_check_evaluations()}
    assert {day for _, day in found} == {None, DAY}
    assert {name for (name, day), passed in found.items() if not passed and day == DAY} == {
        "pairs_are_inside_the_window",
        "pairs_come_from_pair_features",
    }
    (status,) = instance.event_log_storage.get_asset_check_partition_info(
        [dg.AssetCheckKey(table, "pairs_are_inside_the_window")]
    )[-1:]
    assert (status.partition_key, status.latest_execution_status.value) == (DAY, "FAILED")


def test_a_day_without_a_session_makes_empty_tables_and_passes(home, instance):
    instance.add_dynamic_partitions("session_date", [DAY])
    result = run(instance, "features_job", DAY)
    assert result.success
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())
    assert set(counts(home).values()) == {0}


def test_a_day_whose_items_have_no_text_at_all_leaves_every_session_out_warns_and_passes(home, instance):
    simulate(home.landing, days=1, sessions=10, seed=3)
    for path in (home.landing / "items").iterdir():
        path.unlink()
    assert run(instance, "ingestion_job", config={}).success
    result = run(instance, "features_job", DAY)
    assert result.success
    assert {e.check_name for e in result.get_asset_check_evaluations() if not e.passed} == {"results_have_texts"}
    (made,) = (e for e in result.get_asset_materialization_events() if e.asset_key.path[-1] == "fine_tuning_inputs")
    assert made.materialization.metadata["sessions_without_texts"].value == 10
    assert home.lake.slice("fine_tuning_inputs").row_count == 0
    assert home.lake.slice("pair_features").row_count == 0


def test_switching_a_rule_from_shadow_to_enforced_makes_the_day_anew_of_the_log_as_it_is(ingested, instance):
    rule, touched = "too_many_events_a_minute", {k: v for k, v in affected_days(ingested.lake).items() if k.isoformat() == DAY}
    log = {name: ingested.lake.slice(name).version for name in INGESTED}
    for enforced in (False, True):
        settings = {"parameters": {rule: {"limit": 2}}, "enforced": [rule] if enforced else []}
        config = {**HASHING, "ops": {"flagged_sessions": {"config": settings}}}
        assert out_of_date(ingested.lake, configurations(config), touched) == {dt.date.fromisoformat(DAY): list(DAILY)}
        result = run(instance, "features_job", DAY, config)
        assert result.success
        assert out_of_date(ingested.lake, configurations(config), touched) == {}
        said = {e.asset_key.path[-1]: e.materialization.metadata for e in result.get_asset_materialization_events()}
        flags = read_table("flagged_sessions", session_date=DAY).to_pylist()
        assert {(row["rule"], row["is_enforced"]) for row in flags} == {(rule, enforced)}
        assert 0 < len(flags) < 40
        assert said["flagged_sessions"][f"{rule}_{'enforced' if enforced else 'shadow'}"].value == len(flags)
        assert said["flagged_sessions"][f"{rule}_{'shadow' if enforced else 'enforced'}"].value == 0
        left = set(read_table("fine_tuning_inputs", session_date=DAY)["session_id"].to_pylist())
        flagged = {row["session_id"] for row in flags}
        assert len(left) == 40 - (len(flagged) if enforced else 0)
        assert left.isdisjoint(flagged) is enforced
        assert said["fine_tuning_inputs"]["sessions_flagged"].value == (len(flagged) if enforced else 0)
    assert said["text_vectors"]["item_texts_encoded"].value == said["text_vectors"]["query_texts_encoded"].value == 0
    assert {name: ingested.lake.slice(name).version for name in INGESTED} == log


def test_a_run_that_was_given_no_settings_goes_by_those_of_the_home_and_one_that_was_given_some_by_those_first(
    ingested, instance
):
    """As the UI starts it: a day means the same however it was made, and checks have the thresholds of the home."""
    (ingested.path / "config.yaml").write_text(
        "ops:\n"
        "  sampled_inputs: {config: {negative_downsampling_factor: 0.3, seed: 5}}\n"
        "  fine_tuning_features: {config: {min_abs_difference_threshold: 0.01}}\n"
        "  fine_tuning_features_checks: {config: {parameters: {few_pairs_are_clamped: {most: 0.0, least_pairs: 1}}}}\n"
        "resources: {encoder: {config: {model: 'hashing:48'}}}\n"
    )
    given = {"ops": {"sampled_inputs": {"config": {"negative_downsampling_factor": 0.6}}}}
    result = run(instance, "features_job", DAY, given)
    assert result.success
    made = {name: day_commits(ingested.lake, name)[dt.date.fromisoformat(DAY)].configuration for name in DAILY}
    assert made["sampled_inputs"] == {"negative_downsampling_factor": 0.6, "seed": 5}
    assert made["fine_tuning_features"]["min_abs_difference_threshold"] == 0.01
    assert made["text_vectors"]["model"] == "hashing:48"
    assert [e.check_name for e in result.get_asset_check_evaluations() if not e.passed] == ["few_pairs_are_clamped"]


def test_irrelevant_sessions_make_pairs_when_they_are_let_in(ingested, instance):
    config = {**HASHING, "ops": {"pair_features": {"config": {"not_irrelevant_only": False, "confidence": "windowed"}}}}
    result = run(instance, "features_job", DAY, config)
    assert result.success
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())
    pairing = Counter(read_table("pair_features", session_date=DAY)["pairing"].to_pylist())
    assert pairing["irrelevant"] > 0
    assert pairing["session"] > pairing["irrelevant"]


def test_a_setting_that_is_not_allowed_fails_the_run_before_a_row_is_written(ingested, instance):
    config = {**HASHING, "ops": {"sampled_inputs": {"config": {"negative_downsampling_factor": 2.0}}}}
    assert not run(instance, "features_job", DAY, config).success
    assert ingested.lake.slice("sampled_inputs").row_count == 0
