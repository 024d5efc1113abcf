"""``ft-assets run`` with several days at once: the tables, checks and words of a pass that makes them one by one."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from ft_assets import headless, queries
from ft_assets.checks import StoredTable, checks
from ft_assets.defs import days_at_once
from ft_assets.defs.evaluations import asset_check_key, evaluation_of
from ft_assets.schemas import TABLES
from ft_assets_tests.backfills import copied, ingested_home, one_by_one, rows_of
from ft_assets_tests.day_makers import PLANTED

FIRST, SECOND, THIRD, FOURTH = (f"2026-10-0{number}" for number in range(1, 5))
# A comparison with the days before, which with so few sessions as here says something only if it is allowed to.
COMPARED, THRESHOLDS = "pairs_a_session_are_as_before", {"least_sessions": 1}
CONFIG = {
    "ops": {"sampled_inputs_checks": {"config": {"parameters": {COMPARED: THRESHOLDS}}}},
    "resources": {"encoder": {"config": {"model": "hashing:64"}}},
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    return ingested_home(tmp_path_factory.mktemp("ingested") / "home", 4, 15)


@pytest.fixture(scope="module")
def alone(ingested, tmp_path_factory):
    return one_by_one(ingested, tmp_path_factory.mktemp("alone") / "home")


@pytest.fixture(scope="module")
def passed(ingested, tmp_path_factory):
    """A home whose days were made two at a time, the first of them slow and the third broken; the pass, and what it said."""
    home, counted = copied(ingested, tmp_path_factory.mktemp("passed") / "home"), tmp_path_factory.mktemp("counted")
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(PLANTED, json.dumps({"slow": FIRST, "broken": THIRD, "counted": str(counted)}))
        patched.setattr(days_at_once, "MAKER", "ft_assets_tests.day_makers:Planted")
        with headless.instance_of(home) as instance:
            done = headless.run_until_nothing_is_new(home, instance, said.append, CONFIG, jobs=2)
    return home, done, said, counted


def test_a_day_that_fails_stops_no_other(passed):
    home, done, _, _ = passed
    assert done.runs == 4
    assert [reason for reason in done.failed.values() if "the device is gone" in reason] == list(done.failed.values())
    assert len(done.failed) == 1
    made = {table: sorted(days) for table, (days, _) in done.made.items()}
    assert made["sampled_inputs"] == [FIRST, SECOND, THIRD, FOURTH]
    assert made["pair_features"] == made["fine_tuning_features"] == [FIRST, SECOND, FOURTH]
    assert [str(day) for day in home.lake.days("fine_tuning_features")] == [FIRST, SECOND, FOURTH]


def test_each_line_says_which_day_it_is_about(passed):
    _, _, said, _ = passed
    begun = [line.partition(":")[0] for line in said if "flagged_sessions, " in line]
    assert begun == [f"day 2026-10-0{number} ({number} of 4)" for number in range(1, 5)]
    ended = [line for line in said if " in " in line and " s  " in line]
    assert sorted(line[:23] for line in ended) == [f"day 2026-10-0{n} ({n} of 4)" for n in range(1, 5)]
    assert [line[24:30] for line in sorted(ended)] == ["done i", "done i", "FAILED", "done i"]
    others = [line for line in said if not line.startswith("day ")]  # how far a long step is
    assert len(others) == len(said) - 8
    assert all(line.startswith("  2026-10-0") and line[12] == ":" for line in others), others
    place = {line[:14]: index for index, line in enumerate(said) if line in ended}
    assert said.index(next(line for line in said if line.startswith(f"day {SECOND}"))) < place[f"day {FIRST}"], "at once"


def test_a_day_is_compared_with_the_days_before_it_also_where_those_are_slower(passed):
    home = passed[0]
    known = next(check for check in checks() if check.name == COMPARED)
    with headless.instance_of(home) as instance:
        found = {day: latest(instance, known, day) for day in (FIRST, SECOND, THIRD, FOURTH)}
    for day, numbers in found.items():
        with StoredTable(home.lake, known.table, dt.date.fromisoformat(day)) as stored:
            again = stored.run(known, THRESHOLDS).numbers
        assert again == pytest.approx(numbers, rel=1e-9), day  # threads add up in any order
    assert len({tuple(numbers.values()) for numbers in found.values()}) > 1, "a comparison that says nothing shows nothing"
    assert found[SECOND], "the day that was ahead of the slow one"


def latest(instance, check, day):
    """The numbers of the newest evaluation of a day."""
    from dagster._core.event_api import PartitionKeyFilter

    key = asset_check_key(check)
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [key], partition_filter=PartitionKeyFilter(key=day)
    )
    values = evaluation_of(records[key]).metadata
    return {name: value.value for name, value in values.items() if name not in OTHERS}


OTHERS = {"violations", "table_version", "versions_read", "examples", "examples_json"}


def test_a_text_of_several_days_is_encoded_once(passed):
    home, _, _, counted = passed
    files = sorted(counted.iterdir())
    assert len(files) == 2, "both processes had something to encode"
    encoded = Counter(line for file in files for line in file.read_text().splitlines())
    assert set(encoded.values()) == {1}
    assert len(encoded) == len(rows_of(home, "text_vectors"))


def test_the_tables_are_those_of_a_pass_one_by_one(passed, alone):
    home = passed[0]
    with headless.instance_of(home) as instance:  # the day that failed is made, and no other
        done = headless.run_until_nothing_is_new(home, instance, lambda line: None, CONFIG)
    assert (done.runs, done.succeeded) == (1, True)
    for table in TABLES:
        assert rows_of(home, table) == rows_of(alone, table), table


def test_a_process_that_dies_fails_its_day_alone(ingested, alone, tmp_path, monkeypatch):
    home = copied(ingested, tmp_path / "home")
    monkeypatch.setenv(PLANTED, json.dumps({"dead": FIRST}))
    monkeypatch.setattr(days_at_once, "MAKER", "ft_assets_tests.day_makers:Planted")
    with headless.instance_of(home) as instance:
        done = headless.run_until_nothing_is_new(home, instance, lambda line: None, CONFIG, jobs=2)
        assert list(done.failed.values()) == ["the process that made it ended with status -9"]
        assert instance.get_run_by_id(next(iter(done.failed))).status.value == "FAILURE"
        assert done.runs == 4
        assert [str(day) for day in home.lake.days("fine_tuning_features")] == [SECOND, THIRD, FOURTH]
        assert headless.run_until_nothing_is_new(home, instance, lambda line: None, CONFIG).succeeded
    assert rows_of(home, "fine_tuning_features") == rows_of(alone, "fine_tuning_features")


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_with_its_workers_busy_it_leaves_no_process_and_the_next_pass_makes_the_same_rows(
    ingested, alone, tmp_path, how
):
    home = copied(ingested, tmp_path / "home")
    command = [sys.executable, "-m", "ft_assets.cli", "--home", str(home.path), "run", "--jobs", "2"]
    began = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with headless.instance_of(home) as instance:
        until = time.monotonic() + 120
        while not busy(instance) and time.monotonic() < until:
            time.sleep(0.05)
        workers = children(began.pid)
        assert len(workers) == 2
        os.kill(began.pid, how)
        began.communicate(timeout=30)
        until = time.monotonic() + 10
        while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < until:
            time.sleep(0.05)
        assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]
        assert headless.run_until_nothing_is_new(home, instance, lambda line: None).succeeded
        assert not [run for run in instance.get_runs() if not run.is_finished]
    for table in TABLES:
        assert rows_of(home, table) == rows_of(alone, table), table


def busy(instance):
    """Whether both workers are amid a day."""
    return sum(run.status.value == "STARTED" and run.job_name == "features_job" for run in instance.get_runs()) == 2


def children(process):
    """Processes that it started."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_how_many_at_once_follows_the_machine_and_who_says_so(monkeypatch):
    monkeypatch.delenv(days_at_once.JOBS)
    monkeypatch.setattr(days_at_once, "may_have_gpu", lambda: False)

    def jobs(cores, mib, config=None):
        monkeypatch.setattr(days_at_once, "cores", lambda: cores)
        monkeypatch.setattr(days_at_once, "memory_mib", lambda: mib)
        return days_at_once.jobs_at_once(config or {})

    assert [jobs(1, 9_000), jobs(2, 9_000), jobs(3, 9_000), jobs(64, 90_000)] == [1, 2, 3, 4]
    assert [jobs(4, 1_000), jobs(4, 5_000)] == [1, 2]
    assert jobs(4, 90_000, {"resources": {"compute": {"config": {"engine": "ray"}}}}) == 1
    monkeypatch.setenv(days_at_once.JOBS, "3")
    assert jobs(1, 1_000) == 3
    monkeypatch.setenv(days_at_once.JOBS, "many")
    with pytest.raises(ValueError, match="FT_ASSETS_JOBS must be a number from 1 to 4, got 'many'"):
        jobs(1, 1_000)


def test_days_share_the_cores_and_the_last_one_has_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FT_ASSETS_DUCKDB_THREADS", "FT_ASSETS_DUCKDB_MEMORY", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(days_at_once, "cores", lambda: 8)
    share = days_at_once.environment_of(4)
    assert (share["FT_ASSETS_DUCKDB_THREADS"], share["OMP_NUM_THREADS"], share["FT_ASSETS_DUCKDB_MEMORY"]) == (
        "2",
        "2",
        "1024MiB",
    )
    for name, value in share.items():
        monkeypatch.setenv(name, value)
    days_at_once.take_all_cores()
    with queries.session() as con:
        assert con.sql("select current_setting('threads')").fetchall() == [(8,)]


def test_threads_that_somebody_has_set_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FT_ASSETS_DUCKDB_THREADS", "1")
    for name, value in days_at_once.environment_of(2).items():
        monkeypatch.setenv(name, value)
    days_at_once.take_all_cores()
    with queries.session() as con:
        assert con.sql("select current_setting('threads')").fetchall() == [(1,)]


@pytest.fixture
def of_idle_hands(monkeypatch):
    monkeypatch.setattr(days_at_once, "MAKER", "ft_assets_tests.idle_hands:Idle")
    before = set(children(os.getpid()))
    yield lambda: set(children(os.getpid())) - before
    assert set(children(os.getpid())) == before, "no process is left"


@pytest.mark.parametrize("days", [0, 1])
def test_processes_started_beside_an_ingestion_end_where_no_days_want_them(of_idle_hands, days):
    with days_at_once.DayWorkers(lambda: 3) as workers:
        workers.beside_ingestion(days_at_once.LARGE_BYTES)
        assert len(of_idle_hands()) == 3
        assert workers.for_days(days) is None


def test_beside_a_small_ingestion_or_where_there_is_room_for_one_no_process_is_started(of_idle_hands):
    with days_at_once.DayWorkers(lambda: 3) as workers:
        workers.beside_ingestion(days_at_once.LARGE_BYTES - 1)
        assert not of_idle_hands()
        assert len(workers.for_days(2).all) == len(of_idle_hands()) == 2
    with days_at_once.DayWorkers(lambda: 1) as workers:
        workers.beside_ingestion(days_at_once.LARGE_BYTES)
        assert workers.for_days(7) is None
        assert not of_idle_hands()


def test_days_are_made_by_the_processes_that_were_started_early(of_idle_hands):
    with days_at_once.DayWorkers(lambda: 2) as workers:
        workers.beside_ingestion(days_at_once.LARGE_BYTES)
        workers.beside_ingestion(days_at_once.LARGE_BYTES)  # of further files
        early = of_idle_hands()
        ready = workers.for_days(5)
        assert of_idle_hands() == early
        for number, worker in enumerate(ready.all):
            worker.do(number)
        assert sorted(ready.heard()[2] for _ in range(2)) == [0, 1]


def test_fewer_days_than_processes_share_the_machine_among_themselves(of_idle_hands):
    with days_at_once.DayWorkers(lambda: 3) as workers:
        workers.beside_ingestion(days_at_once.LARGE_BYTES)
        early = of_idle_hands()
        assert len(workers.for_days(2).all) == 2
        assert len(of_idle_hands() - early) == len(of_idle_hands()) == 2


def test_a_process_that_died_before_there_was_a_day_is_replaced(of_idle_hands):
    with days_at_once.DayWorkers(lambda: 2) as workers:
        workers.beside_ingestion(days_at_once.LARGE_BYTES)
        os.kill(min(of_idle_hands()), signal.SIGKILL)
        until = time.monotonic() + 10
        while len(of_idle_hands()) == 2 and time.monotonic() < until:
            time.sleep(0.01)  # its owner waits for it when it has lost its pipe
        ready = workers.for_days(2)
        assert all(worker.is_alive for worker in ready.all)
        assert len(ready.all) == 2
