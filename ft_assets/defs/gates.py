"""What must hold before a day is made: the tables of the log are sound as they are now, and every record is accounted for.

Day runs are requested from the tables' own logs, in other runs than the ingestion's, so the blocking checks of the
ingested tables stop them here. A check that never ran on the newest versions of the tables that it reads (the ingestion
was killed, or rows were repaired by hand) is run now, and its outcome recorded like any other.
"""

from collections.abc import Mapping

import dagster as dg
from filelock import FileLock, Timeout

from ft_assets import lineage
from ft_assets.checks import Check, StoredTable, checks
from ft_assets.defs.evaluations import READ, as_evaluation, asset_check_key, evaluation_of, result
from ft_assets.defs.requests import UNFINISHED
from ft_assets.lake import Home

HEADLESS = "ft_assets/headless"


def failed_gates(home: Home, instance: dg.DagsterInstance) -> list[str]:
    """The blocking checks of the log's tables that fail on what these hold now, as ``table.check``."""
    blocking = [check for check in checks() if check.blocking and check.table in lineage.LOG]
    keys = [asset_check_key(check) for check in blocking]
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    versions = {name: home.lake.slice(name).version for name in lineage.LOG}
    failed = []
    for check in blocking:
        evaluation = evaluation_of(records.get(asset_check_key(check)))
        read = {name: versions[name] for name in {check.table, *check.reads}}
        if evaluation is None or _versions_read(evaluation) != read:
            evaluation = _evaluated(home, instance, check)
        if not evaluation.passed:
            failed.append(f"{check.table}.{check.name}")
    return failed


def _versions_read(evaluation: dg.AssetCheckEvaluation) -> object:
    value = evaluation.metadata.get(READ)
    return value.value if value else None


def _evaluated(home: Home, instance: dg.DagsterInstance, check: Check) -> dg.AssetCheckEvaluation:
    with StoredTable(home.lake, check.table) as stored:
        found = as_evaluation(check, result(stored.run(check)))  # it blocks, so it has no thresholds
    instance.report_runless_asset_event(found)
    return found


def headless_lock(home: Home) -> FileLock:
    """Held while ``ft-assets run`` is at work on a home; the system lets it go when that process ends, however it does."""
    return FileLock(home.dagster / "headless.lock", timeout=0)


def end_dead_runs(home: Home, instance: dg.DagsterInstance) -> None:
    """Mark as failed what a killed ``ft-assets run`` left under way: else the sensors would wait for it for ever."""
    try:
        with headless_lock(home):
            mark_failed(instance)
    except Timeout:
        return


def mark_failed(instance: dg.DagsterInstance, tags: Mapping[str, str] | None = None) -> list[str]:
    """Mark every unfinished headless run as failed, or those with such tags; only for who holds the lock.

    Returns:
        Their ids.
    """
    runs = instance.get_runs(dg.RunsFilter(tags={**(tags or {}), HEADLESS: "true"}, statuses=UNFINISHED))
    for run in runs:
        instance.report_run_failed(run, "the ft-assets run that executed it ended without finishing it")
    return [run.run_id for run in runs]
