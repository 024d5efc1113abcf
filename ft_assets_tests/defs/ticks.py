"""A landing place with three days of a log, ticks of the sensors on it, and what the daemon makes of their requests."""

import gzip
import json

import dagster as dg

from ft_assets.definitions import defs
from ft_assets.defs.resources import HomeResource
from ft_assets.ingestion import ingest, new_files

START = 1_793_491_200  # 2026-11-01T00:00:00Z


def write(home, name, *records):
    path = home.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(record) + "\n" for record in records).encode()))


def at(day, number=0):
    return START + day * 86_400 + 60 * number


def session(day, number=0):
    return {
        "session_id": f"s{day}-{number}",
        "search_query": f"query {number}",
        "created_at": at(day, number),
        "search_results": [{"object_id": f"i{k}", "rank": 1.0 / (k + 1)} for k in range(4)],
    }


def click(day, number=0, item="i1"):
    event = {"event_id": f"e{day}-{number}-{item}", "object_id": item, "event_type": "click", "created_at": at(day, number) + 5}
    return {"session_id": f"s{day}-{number}", "events": [event]}


def evaluate(sensor, home, instance, cursor=None):
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"home": HomeResource(path=str(home.path))})
    return sensor(context)


def ingest_all(home):
    return ingest(home.lake, new_files(home.lake, home.landing))


def make(home, instance, request):
    result = defs.resolve_job_def(request.job_name).execute_in_process(
        run_config={**request.run_config, "loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        instance=instance,
        partition_key=request.partition_key,
        asset_selection=list(request.asset_selection) if request.asset_selection else None,
        raise_on_error=False,
        tags={**request.tags, "dagster/run_key": request.run_key},
    )
    assert result.success
    return result


def record(instance, request, status):
    """What the daemon leaves of a request."""
    tags = {**request.tags, "dagster/run_key": request.run_key, "dagster/partition": request.partition_key}
    instance.add_run(dg.DagsterRun(request.job_name, status=status, tags=tags))
