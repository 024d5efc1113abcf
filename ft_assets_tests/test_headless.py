"""What ``ft-assets run`` does between its runs: it waits for nobody dead, shares a home with no other, hides no failure."""

import dagster as dg
import pytest

from ft_assets import engine, headless
from ft_assets.defs import day_runs
from ft_assets.defs.assets import PROGRESS
from ft_assets.defs.gates import headless_lock
from ft_assets.reports import Report, report_junit
from ft_assets.simulate import simulate
from ft_assets_tests.builders import misaligned


def quiet(line: str) -> None:
    """Say nothing."""


@pytest.fixture
def landed(home):
    simulate(home.landing, days=1, sessions=15, seed=6)
    return home


def test_two_passes_share_no_home(landed):
    with headless.instance_of(landed) as instance, headless_lock(landed):
        with pytest.raises(ValueError, match="another ft-assets run is at work"):
            headless.run_until_nothing_is_new(landed, instance, quiet)
        assert instance.get_runs_count() == 0


def test_a_check_that_its_run_did_not_come_to_is_no_passed_check(landed, monkeypatch):
    with headless.instance_of(landed) as instance:
        assert headless.run_until_nothing_is_new(landed, instance, quiet).succeeded
        before = headless.check_outcomes(instance)
        assert all(outcome.passed for outcome in before)

        def broken(*arguments):
            raise RuntimeError("the device is gone")

        monkeypatch.setattr(engine, "pair_features", broken)
        config = {
            "ops": {"pair_features": {"config": {"ranker": "dot"}}},
            "resources": {"encoder": {"config": {"model": "hashing:64"}}},
        }
        done = headless.run_until_nothing_is_new(landed, instance, quiet, config)
        assert "the device is gone" in str(done.failed)
        after = headless.check_outcomes(instance)
    assert len(after) == len(before)
    not_run = {outcome.table for outcome in after if not outcome.passed}
    assert not_run == {"pair_features", "fine_tuning_features"}
    assert {outcome.state for outcome in after if not outcome.passed} == {"not_run"}
    assert "<failure" in report_junit(Report(after, ["2026-11-01"]))


def test_what_a_killed_pass_left_under_way_is_marked_as_failed_by_the_next(landed):
    with headless.instance_of(landed) as instance:
        dead = dg.DagsterRun("features_job", status=dg.DagsterRunStatus.STARTED, tags={"ft_assets/headless": "true"})
        instance.add_run(dead)
        assert headless.run_until_nothing_is_new(landed, instance, quiet).succeeded
        assert instance.get_run_by_id(dead.run_id).status == dg.DagsterRunStatus.FAILURE


def test_a_log_that_is_not_sound_makes_no_day_and_says_so(landed):
    from deltalake import write_deltalake

    from ft_assets.ingestion import ingest, new_files

    ingest(landed.lake, new_files(landed.lake, landed.landing))
    write_deltalake(
        landed.lake.open("search_sessions"), landed.lake.slice("search_sessions").to_table().slice(0, 1), mode="append"
    )
    said: list[str] = []
    with headless.instance_of(landed) as instance:
        for _ in range(2):
            done = headless.run_until_nothing_is_new(landed, instance, said.append)
            assert sorted(done.failed_checks) == [
                "ingested_files.rows_agree_with_the_books", "search_sessions.sessions_are_unique",
            ]  # fmt: skip
            assert not done.succeeded
        outcomes = headless.check_outcomes(instance)
    assert {o.check for o in outcomes if not o.passed} == {"sessions_are_unique", "rows_agree_with_the_books"}
    assert "the log is not sound" in said[-1]
    assert landed.lake.slice("fine_tuning_inputs").row_count == 0


def test_a_day_that_failed_a_blocking_check_is_not_built_on_by_the_next_pass(landed, monkeypatch):
    with headless.instance_of(landed) as instance, monkeypatch.context() as broken:
        broken.setattr(engine, "fine_tuning_inputs", misaligned(engine.fine_tuning_inputs))
        for _ in range(2):
            done = headless.run_until_nothing_is_new(landed, instance, quiet)
            assert "fine_tuning_inputs.lists_are_aligned 2026-11-01" in done.failed_checks
            assert landed.lake.slice("fine_tuning_inputs").row_count == 15
            assert landed.lake.slice("sampled_inputs").row_count == 0
    with headless.instance_of(landed) as instance:
        assert headless.run_until_nothing_is_new(landed, instance, quiet).succeeded
        assert headless.run_until_nothing_is_new(landed, instance, quiet).runs == 0
    assert landed.lake.slice("sampled_inputs").row_count == 15


def test_long_steps_are_told_of_and_short_ones_are_not(monkeypatch):
    heard: list[str] = []
    with day_runs.told_of_progress(heard.append):
        PROGRESS.info("encoded 1 of 2 texts")
    assert heard == [], "it ended before there was anything to wait for"
    monkeypatch.setattr(day_runs, "WORDLESS_SECONDS", 0.0)
    with day_runs.told_of_progress(heard.append):
        PROGRESS.info("encoded 2 of 2 texts")
    PROGRESS.info("after the run")
    assert heard == ["encoded 2 of 2 texts"]
