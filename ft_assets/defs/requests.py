"""What there is to run: the landed files that no table holds, the days that are out of date, each as a run request."""

import datetime as dt
import hashlib
import json
from collections.abc import Container
from typing import Any

import dagster as dg

from ft_assets import lineage, schemas
from ft_assets.checks import checks
from ft_assets.defs import partitions
from ft_assets.defs.evaluations import asset_check_key
from ft_assets.defs.settings import GIVEN, config_for, configurations
from ft_assets.lake import Home

INGESTION_JOB, FEATURES_JOB = "ingestion_job", "features_job"
FILES_PER_RUN = 10_000
BYTES = "ft_assets/file_bytes"
ATTEMPTS, FIRST_KEY = 3, "ft_assets/first_key"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def ingestion_request(home: Home, config: dict[str, Any] | None = None, leave: Container[str] = ()) -> dg.RunRequest | None:
    """A run that ingests the landed files which the tables do not hold yet, or finishes what a killed one left.

    The run key names the files as they are now: a file that changes after its ingestion is asked for again.

    Args:
        home: the home.
        config: a run configuration; its part about the ingestion is used.
        leave: names of files that are left for later.

    Returns:
        None if there is nothing to do.
    """
    from ft_assets.ingestion import new_files
    from ft_assets.journal import pending

    files = [file for file in new_files(home.lake, home.landing) if file.name not in leave][:FILES_PER_RUN]
    half_done = pending(home.lake)
    if not files and half_done is None:
        return None
    states = "\n".join(f"{file.name}\t{file.bytes}\t{file.modified_at.isoformat()}" for file in files)
    digest = hashlib.sha256(states.encode()).hexdigest()[:16]
    settings = ((config or {}).get("ops") or {}).get("ingestion", {}).get("config", {})
    checked = config_for({"ops": (config or {}).get("ops")}, set(lineage.LOG)).get("ops", {})
    named = [file.name for file in files]
    return dg.RunRequest(
        run_key=f"files:{digest}" if files else f"ingestion:{half_done}",
        job_name=INGESTION_JOB,
        run_config={"ops": {**checked, "ingestion": {"config": {**settings, "files": named}}}},
        tags={
            "ft_assets/ingestion": "true",
            "ft_assets/file_count": str(len(files)),
            BYTES: str(sum(file.bytes for file in files)),
            GIVEN: "given",
        },
    )


def left_files(home: Home) -> list[str]:
    """Landed files that have not been ingested as they are now."""
    from ft_assets.ingestion import new_files

    return [file.name for file in new_files(home.lake, home.landing)]


def unproven_tables(instance: dg.DagsterInstance) -> dict[dt.date, set[str]]:
    """Per day, the tables whose blocking checks failed or did not come to run when they were made last.

    What stands behind them must not be made of them in a later run either; made anew, they are checked again.
    """
    daily = [asset_check_key(c) for c in checks() if c.blocking and schemas.table_named(c.table).daily]
    found: dict[dt.date, set[str]] = {}
    for info in instance.event_log_storage.get_asset_check_partition_info(daily):
        if info.partition_key and info.latest_execution_status.value != "SUCCEEDED":
            found.setdefault(partitions.day(info.partition_key), set()).add(info.check_key.asset_key.path[-1])
    return found


def day_requests(
    home: Home, instance: dg.DagsterInstance, days: dict[dt.date, dict[str, int]], config: dict[str, Any]
) -> list[dg.RunRequest]:
    """A run per day that is out of date, of the tables that are.

    The run key names the versions that touched the day: asking twice, as after a crash, starts one run.
    """
    stale = lineage.out_of_date(home.lake, configurations(config), days, unproven_tables(instance))
    requests = []
    for day, names in stale.items():
        touched = ".".join(f"{table}={version}" for table, version in sorted(days[day].items()))
        settings = json.dumps(config, sort_keys=True)
        digest = hashlib.sha256(f"{touched}\n{','.join(names)}\n{settings}".encode()).hexdigest()[:12]
        requests.append(
            dg.RunRequest(
                run_key=f"{partitions.key(day)}@{digest}",
                job_name=FEATURES_JOB,
                partition_key=partitions.key(day),
                asset_selection=[dg.AssetKey(name) for name in names],
                run_config=config_for(config, set(names)),
                tags={"ft_assets/touched_by": touched, GIVEN: "given"},
            )
        )
    return requests


def under_way(instance: dg.DagsterInstance, **tags: str) -> bool:
    """Whether a run with these tags has not ended."""
    return instance.get_runs_count(dg.RunsFilter(tags=tags, statuses=UNFINISHED)) > 0


def asked_again(instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.RunRequest | None:
    """The request, with a key of its own for each further attempt; None when enough of them have failed.

    Dagster drops a key that it has seen, also when the run behind it failed.
    """
    attempts = instance.get_runs_count(dg.RunsFilter(tags={FIRST_KEY: str(request.run_key)}))
    if attempts >= ATTEMPTS:
        return None
    return request._replace(
        run_key=f"{request.run_key}#{attempts + 1}" if attempts else request.run_key,
        tags={**request.tags, FIRST_KEY: str(request.run_key)},
    )
