"""New landed files start an ingestion; a finished ingestion requests exactly the days that it touched."""

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from ft_assets import lineage
from ft_assets.defs import partitions
from ft_assets.defs.assets import DAILY_ASSETS, configurations
from ft_assets.defs.resources import HomeResource
from ft_assets.lake import Home

INGESTION_JOB, FEATURES_JOB = "ingestion_job", "features_job"
FILES_PER_RUN = 1_000
ATTEMPTS, FILES_TAG = 3, "ft_assets/files_key"


def run_config(home: Home) -> dict[str, Any]:
    """The home's ``config.yaml``, a run configuration as in the launchpad; nothing where there is no such file.

    Raises:
        ValueError: it is not a mapping with ops or resources, or a value in it is not allowed.
    """
    path = home.path / "config.yaml"
    return read_config(path) if path.exists() else {}


def read_config(path: Path) -> dict[str, Any]:
    """A run configuration from a YAML file.

    Raises:
        ValueError: it is not a mapping with ops or resources, or a value in it is not allowed.
    """
    config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    if not isinstance(config, dict) or not set(config) <= {"ops", "resources"}:
        raise ValueError(f"{path} must be a mapping with the keys ops and resources, got {config!s:.200}")
    unknown = set(config.get("ops") or {}) - set(lineage.DAILY)
    if unknown:
        raise ValueError(f"{path}: ops may name {', '.join(lineage.DAILY)}, got {', '.join(sorted(unknown))}")
    configurations(config)
    return config


def config_for(config: dict[str, Any], steps: set[str]) -> dict[str, Any]:
    """The part of a run configuration that a run of these steps may be given."""
    ops = {name: value for name, value in (config.get("ops") or {}).items() if name in steps}
    return {**({"ops": ops} if ops else {}), **({"resources": config["resources"]} if config.get("resources") else {})}


def ingestion_request(home: Home) -> dg.RunRequest | None:
    """A run that ingests the landed files which the tables do not hold yet; None if there are none."""
    from ft_assets.ingestion import new_files

    names = [file.name for file in new_files(home.lake, home.landing)][:FILES_PER_RUN]
    if not names:
        return None
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    return dg.RunRequest(
        run_key=f"files:{digest}",
        job_name=INGESTION_JOB,
        run_config={"ops": {"ingestion": {"config": {"files": names}}}},
        tags={"ft_assets/ingestion": "true", "ft_assets/file_count": str(len(names))},
    )


def day_requests(
    home: Home, days: dict[dt.date, dict[str, int]], config: dict[str, Any]
) -> tuple[list[dg.RunRequest], list[str]]:
    """A run per day that is out of date, of the tables that are; and the partition keys of all days asked about.

    The run key names the versions that touched the day: asking twice, as after a crash, starts one run.
    """
    stale = lineage.out_of_date(home.lake, configurations(config), set(days))
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
                tags={"ft_assets/touched_by": touched},
            )
        )
    return requests, [partitions.key(day) for day in days]


@dg.sensor(
    job_name=INGESTION_JOB,
    minimum_interval_seconds=30,
    description="Starts an ingestion when files have landed that the tables do not hold yet. Needs no cursor: it asks them.",
)
def landed_files_sensor(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult:
    """See the description."""
    from ft_assets.readers import unknown_folders

    for folder in unknown_folders(home.home.landing):
        context.log.warning(f"landing/{folder} is no known format; its files are not read")
    running = context.instance.get_runs_count(dg.RunsFilter(tags={"ft_assets/ingestion": "true"}, statuses=list(_UNFINISHED)))
    if running:
        return dg.SensorResult(skip_reason="an ingestion is under way; what it leaves is asked for when it has ended")
    request = ingestion_request(home.home)
    if request is None:
        return dg.SensorResult(skip_reason=f"every file in {home.home.landing} is in the tables")
    again = _asked_again(context.instance, request)
    if again is None:
        return dg.SensorResult(
            skip_reason=f"{ATTEMPTS} ingestions of these files failed ({request.run_key}): look at their runs, then launch one "
            "by hand; files that land meanwhile make a new request"
        )
    return dg.SensorResult(run_requests=[again])


@dg.sensor(
    job_name=FEATURES_JOB,
    minimum_interval_seconds=30,
    description="Requests exactly the days that an ingestion touched since the last look, and of them the tables that are out "
    "of date. Its cursor is the version of each ingested table.",
)
def touched_days_sensor(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult:
    """See the description."""
    after = json.loads(context.cursor) if context.cursor else {}
    versions = lineage.ingested_versions(home.lake)
    if versions == after:
        return dg.SensorResult(skip_reason="nothing was ingested since the last look")
    days = lineage.affected_days(home.lake, after)
    requests, keys = day_requests(home.home, days, run_config(home.home))
    known = set(context.instance.get_dynamic_partitions(str(partitions.SESSION_DATE.name)))
    new = [key for key in keys if key not in known]
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else "every day that was touched is up to date",
        dynamic_partitions_requests=[partitions.SESSION_DATE.build_add_request(new)] if new else [],
        cursor=json.dumps(versions, sort_keys=True),
    )


_UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def _asked_again(instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.RunRequest | None:
    """The request, with a key of its own for each further attempt; None when enough of them have failed.

    Dagster drops a key that it has seen, also when the run behind it failed.
    """
    attempts = instance.get_runs_count(dg.RunsFilter(tags={FILES_TAG: str(request.run_key)}))
    if attempts >= ATTEMPTS:
        return None
    return request._replace(
        run_key=f"{request.run_key}#{attempts + 1}" if attempts else request.run_key,
        tags={**request.tags, FILES_TAG: str(request.run_key)},
    )


SENSORS = [landed_files_sensor, touched_days_sensor]
assert {asset.key.path[-1] for asset in DAILY_ASSETS} == set(lineage.DAILY)
