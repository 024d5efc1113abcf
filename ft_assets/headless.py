"""What the sensors would do, in this process, until nothing is new: real runs on the instance of the home.

The only module beside ``defs/`` that calls Dagster: it is the daemon's part, for the command line.
"""

from __future__ import annotations

import datetime as dt
import importlib
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import Timeout

from ft_assets import lineage, schemas
from ft_assets.checks import Check, checks
from ft_assets.day_order import DayOrder, Made, kept
from ft_assets.defs.assets import GPU_POOL
from ft_assets.defs.day_runs import Outcome, execute
from ft_assets.defs.days_at_once import (
    RUNS_AT_ONCE,
    DayTask,
    DayWorkers,
    day_of,
    jobs_at_once,
    made_at_once,
    tables_of,
    take_all_cores,
)
from ft_assets.defs.evaluations import VERSION, asset_check_key, evaluation_of
from ft_assets.defs.open_databases import kept_open
from ft_assets.lake import Home
from ft_assets.reports import CheckOutcome

# As the workspace.yaml of a checkout; an installed wheel has none.
WORKSPACE = "load_from:\n  - python_module: {module_name: ft_assets.definitions, location_name: ft_assets}\n"
# What takes longest of what a day imports: a worker has it before there is a day to make.
OF_A_DAY = (
    *("torch", "matplotlib.backends.backend_agg", "pyarrow.dataset"),
    *("ft_assets.definitions", "ft_assets.encoders", "ft_assets.kernels"),
)
# Of Dagster's, what knows of days and outcomes; what it keeps of each run by itself, such as its log, is not asked for.
DATABASES = ("history/runs.db*", "history/runs/index.db*", "schedules/schedules.db*")


@dataclass
class Pass:
    """What a headless pass did.

    Attributes:
        runs: Dagster runs started.
        failed: ids of those that failed, with what went wrong.
        failed_checks: ERROR checks that failed, as ``table.check day``.
        left: landed files that were asked for and cannot be read as they are.
        pull_problems: what went wrong with the databases of ``sources.yaml``; what had landed was ingested all the same.
        made: per table, the days made and the seconds that making took.
    """

    runs: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    failed_checks: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    pull_problems: list[str] = field(default_factory=list)
    made: dict[str, tuple[set[str], float]] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Every run ended well, every ERROR check passed, every source was pulled, and no file was left."""
        return not (self.failed or self.failed_checks or self.pull_problems or self.left)


@contextmanager
def instance_of(home: Home) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of a home, made on first use."""
    prepare_instance(home)
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        storage = instance.event_log_storage
        if GPU_POOL not in {limit.name for limit in storage.get_pool_limits()}:
            # The default limit counts only from a pool's second batch of runs on; this one counts at once.
            storage.set_concurrency_slots(GPU_POOL, RUNS_AT_ONCE)
        with kept_open(instance):
            yield instance


@contextmanager
def instance_to_read(home: Home) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of a home, to be asked only: nothing of ours is written, and the home may be read-only.

    SQLite keeps two small files beside a database that somebody reads. Where it may not, it reads a copy, in a temporary
    folder, of what it is asked for here.

    Raises:
        FileNotFoundError: there is no instance yet.
    """
    if not (home.dagster / "dagster.yaml").exists():
        raise FileNotFoundError(f"there is nothing to report: {home.dagster} has no dagster.yaml; ft-assets run makes it")
    with ExitStack() as opened:
        folder = home.dagster
        asked = [file for pattern in DATABASES for file in folder.glob(pattern)]
        if not all(os.access(place, os.W_OK) for file in (folder, *asked) for place in (file, file.parent)):
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="ft_assets_report_")))
            for file in (home.dagster / "dagster.yaml", *asked):
                copy = folder / file.relative_to(home.dagster)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
        yield opened.enter_context(dg.DagsterInstance.from_config(str(folder)))


def prepare_instance(home: Home) -> None:
    """Make the instance's folder with its settings, and let this process and its children find both."""
    home.dagster.mkdir(parents=True, exist_ok=True)
    settings = home.dagster / "dagster.yaml"
    if not settings.exists():
        shutil.copyfile(Path(__file__).parent / "dagster.yaml", settings)
    (home.dagster / "workspace.yaml").write_text(WORKSPACE, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    os.environ["FT_ASSETS_HOME"] = str(home.path)
    elsewhere = {"FT_ASSETS_LAKE": home.lake_uri, "FT_ASSETS_LANDING": home.landing_uri and str(home.landing)}
    for name, place in elsewhere.items():
        os.environ.pop(name, None)
        if place:
            os.environ[name] = place


def run_until_nothing_is_new(
    home: Home,
    instance: dg.DagsterInstance,
    say: Callable[[str], None],
    config: dict[str, Any] | None = None,
    jobs: int | None = None,
) -> Pass:
    """Pull what is new in the databases of ``sources.yaml``, ingest what has landed, then make every day that is out of date.

    Args:
        home: the home.
        instance: where the runs are recorded.
        say: told what is under way, line by line.
        config: a run configuration to use in place of the home's ``config.yaml``.
        jobs: days to make at once; by default ``FT_ASSETS_JOBS``, else as many as the machine has cores and memory for.

    Raises:
        ValueError: another such pass is at work on the home.
    """
    from ft_assets.defs.gates import headless_lock, mark_failed
    from ft_assets.defs.settings import run_config

    settings = run_config(home) if config is None else config
    try:
        with headless_lock(home):
            mark_failed(instance)  # what a killed pass left under way
            try:
                return _pass(home, instance, say, settings, jobs)
            except BaseException:
                mark_failed(instance)  # of the days that were made at once
                raise
    except Timeout:
        raise ValueError(f"another ft-assets run is at work on {home.path}; wait for it to end") from None


@contextmanager
def nobody_at_work(home: Home) -> Iterator[None]:
    """Keep every ``ft-assets run`` away from a home, once it is known that no run of Dagster is under way there.

    Raises:
        ValueError: somebody is at work on the home.
    """
    from ft_assets.defs import requests
    from ft_assets.defs.gates import headless_lock, mark_failed

    home.dagster.mkdir(parents=True, exist_ok=True)
    try:
        with headless_lock(home):
            if (home.dagster / "dagster.yaml").exists():
                with instance_of(home) as instance:
                    mark_failed(instance)
                    if requests.under_way(instance):
                        raise ValueError(f"runs of Dagster are under way on {home.path}; wait for them to end, or end them")
            yield
    except Timeout:
        raise ValueError(f"an ft-assets run is at work on {home.path}; wait for it to end") from None


def _pass(
    home: Home, instance: dg.DagsterInstance, say: Callable[[str], None], config: dict[str, Any], jobs: int | None
) -> Pass:
    from ft_assets.database import pull_all
    from ft_assets.sources import read_sources

    done = Pass(pull_problems=pull_all(read_sources(home.path), home.lake, home.landing, say))
    passing = _Passing(home, instance, say, config, done)
    with DayWorkers(lambda: jobs or jobs_at_once(config)) as workers:
        if passing.ingest(workers):
            passing.make_days(workers)
    return done


@dataclass(frozen=True)
class _Passing:
    """A pass under way."""

    home: Home
    instance: dg.DagsterInstance
    say: Callable[[str], None]
    config: dict[str, Any]
    done: Pass

    def ingest(self, workers: DayWorkers) -> bool:
        """Ingest what has landed; whether it went well."""
        from ft_assets.defs import requests

        asked: set[str] = set()
        while (request := requests.ingestion_request(self.home, self.config, leave=asked)) is not None:
            files = request.run_config["ops"]["ingestion"]["config"]["files"]
            workers.beside_ingestion(int(request.tags[requests.BYTES]))
            words = f"ingesting {len(files)} landed {'file' if len(files) == 1 else 'files'}"
            self.say(words if files else "finishing an ingestion")
            if not _run(self.instance, request, self.done, self.say):
                return False
            asked.update(files)
        self.done.left = [name for name in requests.left_files(self.home) if name in asked]
        if left := self.done.left:
            named = ", ".join(left[:5])
            self.say(
                f"left for the next time: {len(left)} landed files cannot be read as they are ({named}); their run says why"
            )
        return True

    def make_days(self, workers: DayWorkers) -> None:
        """Make every day that is out of date, unless the log is not sound."""
        from ft_assets.defs import requests
        from ft_assets.defs.gates import failed_gates

        days = lineage.affected_days(self.home.lake)
        wanted = requests.day_requests(self.home, self.instance, days, self.config)
        self.instance.add_dynamic_partitions("session_date", [day.isoformat() for day in days])
        # Also where no day waits: rows may have been changed by hand.
        failed = failed_gates(self.home, self.instance) if days else []
        self.done.failed_checks += failed
        if not wanted:
            self.say(f"nothing is new: {len(days)} {'day is' if len(days) == 1 else 'days are'} up to date")
        elif failed:
            self.say(f"the log is not sound, so no day is made of it: {', '.join(failed)} failed")
        elif (several := workers.for_days(len(wanted))) is not None:
            for outcome in made_at_once(self.home, self.instance, wanted, several, self.say):
                _note(self.done, outcome)
        else:
            for number, request in enumerate(wanted, 1):
                self.say(f"{day_of(request, number, len(wanted))}: {', '.join(tables_of(request))}")
                _run(self.instance, request, self.done, self.say)


def _run(instance: dg.DagsterInstance, request: dg.RunRequest, done: Pass, say: Callable[[str], None]) -> bool:
    """Execute one request as the daemon would, but here; whether it ended well."""
    outcome = execute(job_of(request), instance, request, lambda words: say(f"  {words}"))
    _note(done, outcome)
    say(f"  {outcome.words}")
    return outcome.succeeded


def job_of(request: dg.RunRequest) -> dg.JobDefinition:
    """The job that a request names."""
    from ft_assets.definitions import defs

    return defs.resolve_job_def(str(request.job_name))


class DayMaker:
    """A process that makes days, one at a time, while others make others: the ``Hand`` of a worker.

    Args:
        tell: takes words on how far a day is, and the tables that have been made of it.
    """

    def __init__(self, tell: Callable[[Any], None]) -> None:
        for name in OF_A_DAY:
            importlib.import_module(name)
        self._tell, self._order, self._opened = tell, DayOrder(tell), ExitStack()
        self._instance: dg.DagsterInstance | None = None

    def do(self, task: DayTask) -> Outcome:
        """Make a day."""
        if self._instance is None:
            self._instance = self._opened.enter_context(instance_of(task.home))
        self._order.expect(task.to_come)
        if task.is_last:
            take_all_cores()
        with kept(self._order):
            return execute(job_of(task.request), self._instance, task.request, self._tell)

    def hear(self, news: Made) -> None:
        """Another process has made a table of its day."""
        self._order.hear(news)

    def close(self) -> None:
        """No day is left."""
        self._opened.close()


def _note(done: Pass, outcome: Outcome) -> None:
    """Add what came of a run to what the pass did."""
    done.runs += 1
    done.failed_checks += outcome.failed_checks
    if not outcome.succeeded:
        done.failed[outcome.run_id] = outcome.reason
    for table, took in outcome.steps.items():
        days, seconds = done.made.get(table, (set(), 0.0))
        done.made[table] = (days | ({outcome.day} if outcome.day else set()), seconds + took)


def known_days(home: Home, instance: dg.DagsterInstance) -> list[dt.date]:
    """The days there are: those that Dagster knows of, and those that have been ingested and may not be made yet."""
    ingested = lineage.affected_days(home.lake) if all(home.lake.exists(name) for name in lineage.INGESTED) else {}
    known = instance.get_dynamic_partitions("session_date")
    return sorted({*(dt.date.fromisoformat(day) for day in known), *ingested})


def check_outcomes(instance: dg.DagsterInstance, days: Collection[dt.date] | None = None) -> list[CheckOutcome]:
    """The newest outcome of every check, per day where its table is daily, as the instance remembers it.

    A check that its newest run planned and did not come to has not passed.

    Args:
        instance: where the runs are recorded.
        days: of these days, and of the tables without days; by default of all.
    """
    known = checks()
    keys = {check: asset_check_key(check) for check in known}
    wanted = None if days is None else {day.isoformat() for day in days}
    outcomes = []
    daily = [check for check in known if schemas.table_named(check.table).daily]
    for day in [None, *sorted(instance.get_dynamic_partitions("session_date"))]:
        if day and wanted is not None and day not in wanted:
            continue
        some = daily if day else [check for check in known if check not in daily]
        by_key = _latest(instance, [keys[check] for check in some], day)
        for check in some:
            if keys[check] in by_key:
                outcomes.append(_outcome(check, day, *by_key[keys[check]]))
    return sorted(outcomes, key=lambda o: (list(schemas.TABLES).index(o.table), o.check, o.session_date or ""))


def _latest(instance: dg.DagsterInstance, keys: list[dg.AssetCheckKey], day: str | None) -> dict[dg.AssetCheckKey, Any]:
    from dagster._core.event_api import PartitionKeyFilter

    storage = instance.event_log_storage
    partition_filter = PartitionKeyFilter(key=day) if day else None
    records = storage.get_latest_asset_check_execution_by_key(keys, partition_filter=partition_filter)
    found: dict[dg.AssetCheckKey, Any] = {}
    ended: dict[str, bool] = {}  # a run that failed early planned every check of its tables: ask for it once
    for key, record in records.items():
        evaluation = evaluation_of(record)
        # A check that is only planned has an outcome when the run that planned it has ended: it was not run.
        if evaluation is None and record.run_id not in ended:
            run = instance.get_run_by_id(record.run_id)
            ended[record.run_id] = run is None or run.is_finished
        if evaluation or ended[record.run_id]:
            found[key] = (evaluation, record.run_id, record.create_timestamp)
    return found


def _outcome(
    check: Check, day: str | None, evaluation: dg.AssetCheckEvaluation | None, run_id: str, timestamp: float
) -> CheckOutcome:
    # Planned by a run that ended before it: what it would have found is not known, so it has not passed.
    planned = CheckOutcome(
        table=check.table,
        check=check.name,
        session_date=day,
        passed=False,
        severity="ERROR" if check.blocking else "WARN",
        blocking=check.blocking,
        description=check.description,
        checked_at=dt.datetime.fromtimestamp(timestamp, dt.UTC),
        run_id=run_id,
        remedy=check.remedy,
        was_run=False,
    )
    if evaluation is None:
        return planned
    metadata: dict[str, Any] = {name: value.value for name, value in evaluation.metadata.items()}
    return replace(
        planned,
        passed=evaluation.passed,
        severity=evaluation.severity.value,
        rows=metadata.get("violations"),
        examples=metadata.get("examples_json", []),
        table_version=metadata.get(VERSION),
        was_run=True,
    )
