"""Many days at once, as Dagster's daemon makes them: each in a process of its own, four at a time.

The tables must be those of a pass over the days one by one. A run costs some 8 s of CPU, so a few days, asked for by the
sensor, are enough for ``make test-long``; ``make test-backfill`` has 30 days made, and in every way.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from ft_assets import headless, schemas
from ft_assets.headless import GPU_POOL, RUNS_AT_ONCE
from ft_assets_tests import backfills
from ft_assets_tests.backfills import daemon, every_day_made, ingested_home, one_by_one, rows_of, waited_for, what_ran

ALL = "FT_ASSETS_TESTS_BACKFILL_DAYS" in os.environ
DAYS = int(os.environ.get("FT_ASSETS_TESTS_BACKFILL_DAYS", "4"))
SESSIONS = 10
SECONDS = 120 + 40 * DAYS  # several times what it takes on two cores with nothing else to do

pytestmark = pytest.mark.long
in_every_way = pytest.mark.skipif(not ALL, reason="minutes of CPU: make test-backfill")


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    home = ingested_home(tmp_path_factory.mktemp("ingested") / "home", DAYS, SESSIONS)
    assert len(backfills.days_of(home)) == DAYS
    return home


@pytest.fixture(scope="module")
def sequential(ingested, tmp_path_factory):
    return one_by_one(ingested, tmp_path_factory.mktemp("sequential") / "home")


@pytest.fixture
def copy(ingested, tmp_path):
    return backfills.copied(ingested, tmp_path / "home")


def assert_same_tables(home, sequential):
    for table in schemas.TABLES:
        assert rows_of(home, table) == rows_of(sequential, table), table


def assert_ran_well(home, at, deaths=0):
    ran = what_ran(home)
    assert ran.statuses == {"SUCCESS": DAYS} | ({"FAILURE": deaths} if deaths else {})
    assert ran.lock_errors == []
    assert "database is locked" not in at.log.read_text()
    assert 1 < ran.most_at_once <= RUNS_AT_ONCE
    return ran


@in_every_way
def test_a_backfill_makes_the_tables_of_a_pass_one_by_one_and_encodes_each_text_once(copy, sequential, tmp_path):
    with daemon(copy, tmp_path / "counted") as at:
        at.backfill(backfills.days_of(copy))
        waited_for(copy, every_day_made(backfills.days_of(copy)), SECONDS)
        encoded = at.encoded()
    ran = assert_ran_well(copy, at)
    assert ran.most_at_once == RUNS_AT_ONCE
    assert_same_tables(copy, sequential)
    assert set(encoded.values()) == {1}
    assert len(encoded) == len(rows_of(copy, "text_vectors"))
    print(f"\n{DAYS} days: {ran.seconds:.0f} s, {at.cpu_seconds():.0f} s of CPU, {ran.most_at_once} at once")


def test_the_days_that_a_sensor_asks_for_in_one_look_and_a_run_killed_while_it_encodes(copy, sequential, tmp_path):
    with daemon(copy, tmp_path / "counted") as at:
        (at.counted / "die").touch()
        at.switch_on("touched_days_sensor")
        waited_for(copy, every_day_made(backfills.days_of(copy)), SECONDS + 60)
        encoded, died_with = at.encoded(), at.died_with()
    assert_ran_well(copy, at, deaths=1)
    assert_same_tables(copy, sequential)
    assert died_with
    again = {text for text, times in encoded.items() if times > 1}
    assert again == died_with
    assert max(encoded.values()) == 2
    assert not list(copy.claims.glob("*.claim"))


@in_every_way
def test_ft_assets_run_beside_the_daemon_neither_fails_nor_doubles_a_row(copy, sequential, tmp_path):
    days = backfills.days_of(copy)
    with daemon(copy, tmp_path / "counted") as at:
        at.backfill(days[: DAYS // 2])
        waited_for(copy, lambda instance: instance.get_runs_count() > DAYS // 2, SECONDS)  # the ingestion is one
        code, said = at.ft_assets_run()
        waited_for(copy, every_day_made(days), SECONDS)
        encoded = at.encoded()
    assert code == 0, said
    ran = what_ran(copy)
    assert set(ran.statuses) == {"SUCCESS"}
    assert ran.lock_errors == []
    assert_same_tables(copy, sequential)
    assert Counter(encoded.values()) == {1: len(encoded)}


def test_as_many_runs_may_have_a_model_loaded_as_may_run(ingested):
    with headless.instance_of(ingested) as instance:
        limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
        config = instance.get_concurrency_config()
    assert limits == {GPU_POOL: RUNS_AT_ONCE}
    assert config.pool_config.pool_granularity.value == "run"
    assert config.pool_config.default_pool_limit == RUNS_AT_ONCE
    assert config.run_queue_config.max_concurrent_runs == RUNS_AT_ONCE
