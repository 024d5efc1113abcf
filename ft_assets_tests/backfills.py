"""Backfills as a user starts them: Dagster's daemon and UI on a home, and what the runs left behind.

The daemon starts a process for each run. What is counted of the encoder is written down by those processes themselves
(``counted_definitions.py``).
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from ft_assets import headless, lineage
from ft_assets.defs import day_runs
from ft_assets.defs.assets import DAILY_ASSETS, ingestion
from ft_assets.defs.partitions import SESSION_DATE
from ft_assets.defs.requests import FEATURES_JOB, UNFINISHED, ingestion_request
from ft_assets.defs.resources import ComputeResource, EncoderResource, HomeResource, lake_io_manager
from ft_assets.lake import Home
from ft_assets.simulate import simulate
from ft_assets_tests.dagster_ui import ask, dagster_ui

LOAD = "load_from:\n  - python_module: {module_name: ft_assets_tests.counted_definitions, location_name: ft_assets}\n"
BACKFILL = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
WRITTEN_WHEN = {"ingested_at", "updated_at"}
LOCKS = ("database is locked", "CommitFailed", "LockException", "OperationalError", "Timeout")


def ingested_home(path: Path, days: int, sessions: int) -> Home:
    """A home with simulated days whose tables of the log are made and whose days are not."""
    from ft_assets.definitions import defs

    path.mkdir(parents=True)
    (path / "config.yaml").write_text("resources: {encoder: {config: {model: 'hashing:64'}}}\n")
    home = Home(path)
    simulate(home.landing, days=days, sessions=sessions, seed=2, first_day=dt.date(2026, 10, 1))
    with headless.instance_of(home) as instance:
        request = ingestion_request(home, {})
        assert request is not None
        job = defs.resolve_job_def(str(request.job_name))
        config = {**(request.run_config or {}), **day_runs.QUIET}
        assert job.execute_in_process(run_config=config, instance=instance, tags=dict(request.tags)).success
    return home


def copied(home: Home, path: Path) -> Home:
    """Another home, the same to the byte."""
    shutil.copytree(home.path, path)
    return Home(path)


def one_by_one(home: Home, path: Path) -> Home:
    """A copy of the home in which the days were made one after the other, in this process, with nothing beside it.

    Without checks, of which the rows do not know: they are most of what a small day costs.
    """
    copy = copied(home, path)
    resources = {
        "home": HomeResource(path=str(copy.path)),
        "encoder": EncoderResource(model="hashing:64"),
        "compute": ComputeResource(),
        "io_manager": lake_io_manager,
    }
    with dg.DagsterInstance.ephemeral() as instance:
        days = [day.isoformat() for day in days_of(copy)]
        instance.add_dynamic_partitions(str(SESSION_DATE.name), days)
        for day in days:
            assert dg.materialize(
                [ingestion, *DAILY_ASSETS],
                selection=DAILY_ASSETS,
                partition_key=day,
                resources=resources,
                instance=instance,
                run_config=day_runs.QUIET,
            ).success
    return copy


@dataclass(frozen=True)
class Daemon:
    """A Dagster that is at work on a home.

    Attributes:
        home: the home.
        address: of its UI.
        counted: where its processes write what they encoded.
        log: what the daemon and the UI say.
    """

    home: Home
    address: str
    counted: Path
    log: Path

    def backfill(self, days: list[dt.date]) -> str:
        """Have days made, from the log to the features, as a backfill of the UI; its id."""
        answer = ask(
            self.address,
            BACKFILL,
            params={
                "selector": {
                    "partitionSetName": f"{FEATURES_JOB}_partition_set",
                    "repositorySelector": {"repositoryName": "__repository__", "repositoryLocationName": "ft_assets"},
                },
                "partitionNames": [day.isoformat() for day in days],
                "runConfigData": json.dumps(yaml.safe_load((self.home.path / "config.yaml").read_text())),
            },
        )["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return str(answer["backfillId"])

    def switch_on(self, sensor: str) -> None:
        """Start a sensor."""
        selector = {"repositoryName": "__repository__", "repositoryLocationName": "ft_assets", "sensorName": sensor}
        query = "mutation ($s: SensorSelector!) { startSensor(sensorSelector: $s) { __typename } }"
        answer = ask(self.address, query, s=selector)
        assert answer["startSensor"]["__typename"] == "Sensor", answer

    def encoded(self) -> Counter[tuple[str, str]]:
        """How often each text was encoded in its role, by whatever process."""
        found: Counter[tuple[str, str]] = Counter()
        for file in sorted((self.counted / "encoded").iterdir()):
            for line in file.read_text(encoding="utf-8").splitlines():
                found.update(_texts(line))
        return found

    def died_with(self) -> set[tuple[str, str]]:
        """What the process that died had begun to encode and not committed."""
        died = [self.counted / "encoded" / file.name for file in (self.counted / "dead").iterdir()]
        return {text for file in died for text in _texts(file.read_text(encoding="utf-8").splitlines()[-1])}

    def ft_assets_run(self) -> tuple[int, str]:
        """``ft-assets run`` on the home, in a process of its own with the same encoder: its exit status and what it said."""
        program = "import ft_assets_tests.counted_definitions; from ft_assets.cli import main; main(prog_name='ft-assets')"
        command = [sys.executable, "-c", program, "--home", str(self.home.path), "run"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        return done.returncode, done.stdout + done.stderr

    def cpu_seconds(self) -> float:
        """What the processes that ended took."""
        return sum(float(file.read_text()) for file in (self.counted / "used").iterdir())


def _texts(line: str) -> list[tuple[str, str]]:
    role, texts = json.loads(line)
    return [(role, text) for text in texts]


@contextmanager
def daemon(home: Home, folder: Path) -> Iterator[Daemon]:
    """Dagster on a home as ``ft-assets ui`` starts it, but with an encoder that writes down what it encodes."""
    for below in ("encoded", "used", "dead"):
        (folder / below).mkdir(parents=True)
    workspace, log = folder / "workspace.yaml", folder / "dagster.log"
    workspace.write_text(LOAD)
    os.environ["FT_ASSETS_TESTS_COUNTED"] = str(folder)
    with headless.instance_of(home):  # made, with its settings, and named to the processes started here
        pass
    command = [str(Path(sys.executable).with_name("dagster")), "dev", "--workspace", str(workspace)]
    with dagster_ui(home, log, seconds=180, command=command) as address:
        yield Daemon(home, address, folder, log)


def waited_for(home: Home, ended: Callable[[dg.DagsterInstance], bool], seconds: float) -> None:
    """Wait until something holds of the runs.

    Raises:
        TimeoutError: it does not come to hold.
    """
    until = time.monotonic() + seconds
    with headless.instance_of(home) as instance:
        while not ended(instance):
            if time.monotonic() > until:
                states = Counter(run.status.value for run in instance.get_runs())
                raise TimeoutError(f"it does not hold after {seconds} s; the runs: {dict(states)}")
            time.sleep(0.5)


def every_day_made(days: list[dt.date]) -> Callable[[dg.DagsterInstance], bool]:
    """Whether every day has a run that succeeded, and none is under way."""

    def ended(instance: dg.DagsterInstance) -> bool:
        if instance.get_runs_count(dg.RunsFilter(job_name=FEATURES_JOB, statuses=UNFINISHED)):
            return False
        good = instance.get_runs(dg.RunsFilter(job_name=FEATURES_JOB, statuses=[dg.DagsterRunStatus.SUCCESS]))
        return {run.tags["dagster/partition"] for run in good} >= {day.isoformat() for day in days}

    return ended


@dataclass(frozen=True)
class Ran:
    """What the runs of days came to.

    Attributes:
        statuses: how many ended how.
        most_at_once: runs that were at work in one moment, at most.
        lock_errors: lines of their events that speak of locks and commits that failed.
        seconds: from the first start to the last end.
    """

    statuses: dict[str, int]
    most_at_once: int
    lock_errors: list[str]
    seconds: float


def what_ran(home: Home) -> Ran:
    """Read the runs of days, and every event of theirs."""
    with headless.instance_of(home) as instance:
        records = instance.get_run_records(dg.RunsFilter(job_name=FEATURES_JOB))
        spans = [(r.start_time, r.end_time) for r in records if r.start_time and r.end_time]
        texts = [
            f"{entry.user_message} {entry.dagster_event.event_specific_data if entry.dagster_event else ''}"
            for record in records
            for entry in instance.all_logs(record.dagster_run.run_id)
        ]
    moments = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    at_once = most = 0
    for _, step in moments:
        at_once += step
        most = max(most, at_once)
    return Ran(
        dict(Counter(record.dagster_run.status.value for record in records)),
        most,
        [text[:500] for text in texts if any(word in text for word in LOCKS)],
        max(end for _, end in spans) - min(start for start, _ in spans),
    )


def rows_of(home: Home, table: str) -> list[tuple[tuple[str, Any], ...]]:
    """Every row of a table, without the times at which it was written, in an order of its own."""
    columns = home.lake.slice(table).to_table().drop_columns(
        [name for name in WRITTEN_WHEN if name in home.lake.slice(table).table.column_names]
    )  # fmt: skip
    return sorted((tuple(row.items()) for row in columns.to_pylist()), key=repr)


def days_of(home: Home) -> list[dt.date]:
    """The days that the log has."""
    return sorted(lineage.affected_days(home.lake))
