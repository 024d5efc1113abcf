"""Dagster's databases stay open while runs are made, and hold at every moment what they would hold if they were not."""

import os
from pathlib import Path

import dagster as dg
import pytest

from ft_assets.defs.open_databases import OPEN, kept_open

FOLDER = Path("/proc/self/fd")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return str(tmp_path)


@dg.asset
def thing() -> None:
    """Nothing."""


def materialized(instance):
    return dg.materialize([thing], instance=instance, run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}})


def told(instance, run_id):
    return [(entry.timestamp, entry.message) for entry in instance.all_logs(run_id)]


def test_another_process_sees_every_event_at_once(folder):
    with dg.DagsterInstance.from_config(folder) as instance, dg.DagsterInstance.from_config(folder) as other:
        with kept_open(instance):
            done = materialized(instance)
            assert told(other, done.run_id) == told(instance, done.run_id)
            assert other.get_latest_materialization_event(dg.AssetKey("thing")).run_id == done.run_id
            assert other.get_run_by_id(done.run_id).status == dg.DagsterRunStatus.SUCCESS
            again = materialized(other)
            assert instance.get_latest_materialization_event(dg.AssetKey("thing")).run_id == again.run_id
        assert told(instance, done.run_id) == told(other, done.run_id)


@pytest.mark.skipif(not FOLDER.exists(), reason="the system does not tell which files are open")
def test_some_databases_are_open_meanwhile_and_none_afterwards(folder):
    def open_now():
        targets = []
        for link in FOLDER.iterdir():
            try:
                targets.append(os.readlink(link))
            except FileNotFoundError:  # the one that listed them
                continue
        return {target for target in targets if target.startswith(folder) and target.endswith(".db")}

    with dg.DagsterInstance.from_config(folder) as instance:
        with kept_open(instance):
            for _ in range(OPEN + 2):
                materialized(instance)
            assert 2 <= len(open_now()) <= OPEN
        assert not open_now()
        materialized(instance)


def test_databases_that_are_not_sqlites_are_left_as_they_are():
    with dg.DagsterInstance.ephemeral() as instance:
        with kept_open(instance):
            assert materialized(instance).success
        assert "_connect" not in vars(instance.event_log_storage)
        assert "connect" not in vars(instance.run_storage)
