"""New rows of a database start a pull, new landed files an ingestion, and that requests exactly the days that it touched."""

import datetime as dt
import json

import dagster as dg

from ft_assets import lineage
from ft_assets.database import SourceFailed
from ft_assets.defs import partitions
from ft_assets.defs.gates import end_dead_runs, failed_gates
from ft_assets.defs.pulls import PULL_JOB, PULL_TAG, pull_requests
from ft_assets.defs.requests import (
    ATTEMPTS,
    FEATURES_JOB,
    INGESTION_JOB,
    asked_again,
    day_requests,
    ingestion_request,
    under_way,
)
from ft_assets.defs.resources import HomeResource
from ft_assets.defs.settings import run_config
from ft_assets.sources import FILE, read_sources

BY_HAND = "look at their runs, then launch one by hand"


@dg.sensor(
    job_name=INGESTION_JOB,
    minimum_interval_seconds=30,
    description="Starts an ingestion when files have landed that the tables do not hold yet. Needs no cursor: it asks them.",
)
def landed_files_sensor(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult:
    """See the description."""
    from ft_assets.landing import unknown_folders

    for folder in unknown_folders(home.home.landing):
        context.log.warning(f"landing/{folder} is no known format; its files are not read")
    end_dead_runs(home.home, context.instance)
    if under_way(context.instance, **{"ft_assets/ingestion": "true"}):
        return dg.SensorResult(skip_reason="an ingestion is under way; what it leaves is asked for when it has ended")
    config, given_up = run_config(home.home), set[str]()
    while (request := ingestion_request(home.home, config, leave=given_up)) is not None:
        again = asked_again(context.instance, request)
        if again is not None:
            return dg.SensorResult(run_requests=[again])
        files = request.run_config["ops"]["ingestion"]["config"]["files"]
        if not files:  # what a killed ingestion left cannot be applied
            return dg.SensorResult(skip_reason=f"{ATTEMPTS} runs failed to finish an ingestion ({request.run_key}): {BY_HAND}")
        given_up.update(files)  # they do not keep others waiting
    if given_up:
        named = ", ".join(sorted(given_up)[:5])
        return dg.SensorResult(
            skip_reason=f"{ATTEMPTS} ingestions failed on {len(given_up)} files, or left them: {BY_HAND}. They are {named}"
        )
    return dg.SensorResult(skip_reason=f"every file in {home.home.landing} is in the tables")


@dg.sensor(
    job_name=FEATURES_JOB,
    minimum_interval_seconds=30,
    description="Requests exactly the days that an ingestion touched, and of them the tables that are out of date; a day whose "
    "run failed is asked for again, three times. Its cursor is the version of each ingested table and the days not made yet.",
)
def touched_days_sensor(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult:
    """See the description."""
    from ft_assets.journal import pending

    seen = json.loads(context.cursor) if context.cursor else {"versions": {}, "pending": []}
    versions = lineage.ingested_versions(home.lake)
    if versions == seen["versions"] and not seen["pending"]:
        return dg.SensorResult(skip_reason="nothing was ingested since the last look")
    end_dead_runs(home.home, context.instance)
    if pending(home.lake) is not None:
        return dg.SensorResult(skip_reason="an ingestion has changed some tables and not all yet: its days are asked for then")
    touched = set(lineage.affected_days(home.lake, seen["versions"])) | {partitions.day(key) for key in seen["pending"]}
    days = {day: at for day, at in lineage.affected_days(home.lake).items() if day in touched}
    requests = day_requests(home.home, context.instance, days, run_config(home.home))
    failed = failed_gates(home.home, context.instance) if requests else []
    if failed:
        return dg.SensorResult(skip_reason=f"the log is not sound, so no day is made of it: {', '.join(failed)} failed")
    asked, again = _to_ask(context, requests)
    return dg.SensorResult(
        run_requests=asked,
        skip_reason=None if asked else "every day that was touched is up to date, under way, or has failed too often",
        dynamic_partitions_requests=_new_partitions(context.instance, days),
        cursor=json.dumps({"versions": versions, "pending": again}, sort_keys=True),
    )


def _to_ask(context: dg.SensorEvaluationContext, requests: list[dg.RunRequest]) -> tuple[list[dg.RunRequest], list[str]]:
    """The requests to make now, and the days to look at again next time."""
    asked, pending = [], []
    for request in requests:
        day = str(request.partition_key)
        again = asked_again(context.instance, request)
        if again is None:
            context.log.warning(f"{ATTEMPTS} runs of {day} failed ({request.run_key}): look at them, then launch one by hand")
            continue
        pending.append(day)
        if not under_way(context.instance, **{"dagster/partition": day}):
            asked.append(again)
    return asked, pending


def _new_partitions(
    instance: dg.DagsterInstance, days: dict[dt.date, dict[str, int]]
) -> list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
    known = set(instance.get_dynamic_partitions(str(partitions.SESSION_DATE.name)))
    new = [partitions.key(day) for day in days if partitions.key(day) not in known]
    return [partitions.SESSION_DATE.build_add_request(new)] if new else []


@dg.sensor(
    job_name=PULL_JOB,
    minimum_interval_seconds=60,
    description="Requests a pull of every database in sources.yaml that has rows which have not landed yet. To know, it reads "
    "the overlap of each table; what has been pulled is in the table pulled_ranges, so it needs no cursor. A pull that fails "
    "is asked for again, three times an hour.",
)
def database_sensor(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult:
    """See the description."""
    sources = read_sources(home.home.path)
    if not sources:
        return dg.SensorResult(skip_reason=f"there is no {home.home.path / FILE}; it lists the databases to pull from")
    end_dead_runs(home.home, context.instance)
    if under_way(context.instance, **{PULL_TAG: "true"}):
        return dg.SensorResult(skip_reason="a pull is under way; what it leaves is asked for when it has ended")
    requests, problems, failed = pull_requests(home.home, sources)
    for problem in (*problems, *failed):
        context.log.warning(problem)
    if failed and not requests:
        raise SourceFailed("; ".join(failed))  # a tick that failed is seen, a skipped one is not
    asked = [again for request in requests if (again := asked_again(context.instance, request))]
    if asked:
        return dg.SensorResult(run_requests=asked)
    if requests:
        problems.append(f"{ATTEMPTS} pulls of these rows failed within the hour: look at their runs")
    return dg.SensorResult(skip_reason="; ".join(problems) or "every row of the databases has landed")


SENSORS = [landed_files_sensor, touched_days_sensor, database_sensor]
