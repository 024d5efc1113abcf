"""Two sensors that tell people: of failed runs, of failed checks.

Not ``dg.run_failure_sensor``: its cursor moves on when the alert could not be sent, it takes one run a tick, and it does
not see the runs of ``ft-assets run``.
"""

import datetime as dt
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import dagster as dg
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.tags import WILL_RETRY_TAG

from ft_assets import schemas
from ft_assets.alert_delivery import E, Feed, deliver
from ft_assets.alert_events import CheckSeen, RunFailed, check_alerts, run_alerts
from ft_assets.alert_settings import AlertSettings, read_alerts
from ft_assets.defs.gates import HEADLESS
from ft_assets.defs.requests import ATTEMPTS, FIRST_KEY
from ft_assets.defs.resources import HomeResource

BLOCKED = "DagsterAssetCheckFailedError"


class AlertsNotSentError(Exception):
    """Something is to be told, and a target does not take it."""


@dg.sensor(
    minimum_interval_seconds=30,
    description="Tells the targets in alerts.yaml (the log where there is none) of runs that failed, many of a kind in one "
    "message. A run that only blocking checks stopped is told by failed_check_alerts: switch both on. When it is switched "
    "on, it begins with what fails from then on; its cursor is how far each target has been told.",
)
def run_failure_alerts(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult:
    """See the description."""
    origin = context.code_location_origin
    location = origin.location_name if origin else None
    settings = read_alerts(home.home.path)
    feed = Feed(
        partial(_newest_failure, context.instance),
        partial(_failures, context.instance, location),
        partial(run_alerts, base_url=settings.base_url),
    )
    return _tick(context, settings, feed)


@dg.sensor(
    minimum_interval_seconds=30,
    description="Tells the targets in alerts.yaml (the log where there is none) of checks that fail, ERROR or WARN, and of "
    "those that pass again; days of one check in one message; a failure that stands unchanged once. When it is switched on, "
    "it begins with what is checked from then on; its cursor is how far each target has been told.",
)
def failed_check_alerts(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult:
    """See the description."""
    settings = read_alerts(home.home.path)
    feed = Feed(
        partial(_newest_evaluation, context.instance),
        partial(_evaluations, context.instance),
        partial(check_alerts, base_url=settings.base_url),
    )
    return _tick(context, settings, feed)


def _tick(context: dg.SensorEvaluationContext, settings: AlertSettings, feed: Feed[E]) -> dg.SensorResult:
    """Tell what is new. A tick that got nowhere fails, so that it is seen; one that got somewhere has to keep its cursor."""
    done = deliver(feed, settings.channels, context.cursor, dt.datetime.now(dt.UTC))
    for title in done.alerts:
        context.log.info(title)
    for problem in done.problems:
        context.log.error(problem)
    if done.problems and done.cursor == context.cursor:
        raise AlertsNotSentError("; ".join(done.problems))
    said = "; ".join([*done.told, *done.problems])
    return dg.SensorResult(skip_reason=said or "nothing new to tell", cursor=done.cursor)


def _evaluation_records(
    instance: dg.DagsterInstance, limit: int, after: int | None = None, ascending: bool = False
) -> Sequence[dg.EventLogRecord]:
    """Evaluations of checks over all runs, by their ids in the index of the event log.

    The storage of a home keeps a file for each run, and its own ``get_event_records`` opens them all; the base class
    reads the index, into which every evaluation is written too.
    """
    storage: Any = instance.event_log_storage
    wanted = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=after)
    read = SqlEventLogStorage.get_event_records if isinstance(storage, SqlEventLogStorage) else type(storage).get_event_records
    return read(storage, wanted, limit, ascending)


def _newest_evaluation(instance: dg.DagsterInstance) -> int:
    records = _evaluation_records(instance, limit=1)
    return records[0].storage_id if records else 0


def _evaluations(instance: dg.DagsterInstance, after: int, limit: int) -> list[CheckSeen]:
    seen = []
    for record in _evaluation_records(instance, limit, after, ascending=True):
        event = record.event_log_entry.dagster_event
        found = event.event_specific_data if event else None
        if not isinstance(found, dg.AssetCheckEvaluation) or _sums_up_days(found):
            continue
        rows = found.metadata.get("violations")
        seen.append(
            CheckSeen(
                id=record.storage_id,
                when=_time(record),
                table=found.asset_key.path[-1],
                check=found.check_name,
                day=found.partition,
                # Of another location on the same instance: not ours to tell, but the place moves behind it.
                passed=found.passed or found.asset_key.path[-1] not in schemas.TABLES,
                severity=found.severity.value,
                rows=rows.value if rows and isinstance(rows.value, int) else None,
                run_id=record.run_id or None,
            )
        )
    return seen


def _sums_up_days(found: dg.AssetCheckEvaluation) -> bool:
    """Whether it stands for all days of a table (the UI's "Execute" leaves one), each of which has an evaluation of its own."""
    table = schemas.TABLES.get(found.asset_key.path[-1])
    return table is not None and table.daily and found.partition is None


def _newest_failure(instance: dg.DagsterInstance) -> int:
    records = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return records[0].storage_id if records else 0


def _failures(instance: dg.DagsterInstance, location: str | None, after: int, limit: int) -> list[RunFailed]:
    wanted = dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=after)
    records = instance.fetch_run_status_changes(wanted, limit=limit, ascending=True).records
    return [_failure(instance, location, record) for record in records]


def _failure(instance: dg.DagsterInstance, location: str | None, record: dg.EventLogRecord) -> RunFailed:
    run = instance.get_run_by_id(record.run_id)
    if run is None or not _is_ours(run, location):
        return RunFailed(record.storage_id, _time(record), record.run_id, "", is_told=False)
    steps = _failed_steps(instance, run.run_id)
    return RunFailed(
        id=record.storage_id,
        when=_time(record),
        run_id=run.run_id,
        job=run.job_name,
        day=run.tags.get("dagster/partition"),
        steps=steps,
        is_retried=run.tags.get(WILL_RETRY_TAG) == "true",
        attempt=_attempt(run),
        is_told={error for _, error in steps} != {BLOCKED},
    )


def _is_ours(run: dg.DagsterRun, location: str | None) -> bool:
    """A run of this code location, launched in the UI or not; those of ``ft-assets run`` name no location."""
    origin = run.remote_job_origin
    return HEADLESS in run.tags or (origin.location_name if origin else None) == location


def _failed_steps(instance: dg.DagsterInstance, run_id: str) -> tuple[tuple[str, str], ...]:
    """The steps that failed with the classes of their errors; not the messages, which may quote a row."""
    failed = []
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        error = event.step_failure_data.error if event else None
        while error is not None and error.cause is not None:
            error = error.cause
        name = error.cls_name if error is not None and error.cls_name else "an error"
        failed.append((str(entry.step_key), re.sub(r"[^\w. ]", "", name)[:100]))
    return tuple(sorted(failed))


def _attempt(run: dg.DagsterRun) -> tuple[int, int] | None:
    """Which attempt of a sensor's request a run was, as its run key says it (``key#2``)."""
    first, key = run.tags.get(FIRST_KEY), run.tags.get("dagster/run_key", "")
    if first is None:
        return None
    number = key.removeprefix(f"{first}#")
    return (int(number) if key != number and number.isdigit() else 1), ATTEMPTS


def _time(record: dg.EventLogRecord) -> dt.datetime:
    return dt.datetime.fromtimestamp(record.timestamp, dt.UTC)


ALERT_SENSORS = [run_failure_alerts, failed_check_alerts]
