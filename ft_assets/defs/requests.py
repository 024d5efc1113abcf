"""What there is to run: the landed files that no table holds, the days that are out of date, each as a run request."""

import datetime as dt
import hashlib
import json
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from ft_assets import lineage, schemas
from ft_assets.checks import checks
from ft_assets.defs import partitions
from ft_assets.defs.assets import configurations
from ft_assets.defs.checks import OP_SUFFIX, check_settings
from ft_assets.defs.evaluations import asset_check_key
from ft_assets.lake import Home
from ft_assets.rules import pseudonyms

INGESTION_JOB, FEATURES_JOB = "ingestion_job", "features_job"
FILES_PER_RUN = 10_000
ATTEMPTS, FIRST_KEY = 3, "ft_assets/first_key"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def run_config(home: Home) -> dict[str, Any]:
    """The home's ``config.yaml``, a run configuration as in the launchpad; nothing where there is no such file.

    Raises:
        ValueError: it is not a mapping with ops or resources, or a value in it is not allowed.
    """
    path = home.path / "config.yaml"
    return read_config(path) if path.exists() else {}


def read_config(path: Path) -> dict[str, Any]:
    """A run configuration from a YAML file.

    Users to be flagged are named in it by pseudonym, however the file names them.

    Raises:
        ValueError: it is not a mapping with ops or resources, or a value in it is not allowed.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no YAML: {error}") from error
    steps = ("ingestion", *lineage.DAILY, *(f"{table}{OP_SUFFIX}" for table in schemas.TABLES))
    sections = {"ops": steps, "resources": ("encoder", "compute")}
    if not isinstance(config, dict) or not set(config) <= set(sections):
        raise ValueError(f"{path} must be a mapping with the keys ops and resources, got {config!s:.200}")
    for section, names in sections.items():
        _check_section(path, section, config.get(section) or {}, names)
    try:
        configurations(config)
        check_settings(config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return _without_raw_users(config)


def _without_raw_users(config: dict[str, Any]) -> dict[str, Any]:
    """The same with pseudonyms for users: what a run is given stays in its record, where no raw id may stand."""
    ops = config.get("ops") or {}
    flags = (ops.get("flagged_sessions") or {}).get("config") or {}
    if not flags.get("users"):
        return config
    hidden = {"config": {**flags, "users": pseudonyms(flags["users"])}}
    return {**config, "ops": {**ops, "flagged_sessions": hidden}}


def _check_section(path: Path, section: str, entries: Any, names: Sequence[str]) -> None:
    """A section maps known names to ``{config: {...}}`` and to nothing else: a misspelt word would be passed over."""
    if not isinstance(entries, dict) or not set(entries) <= set(names):
        raise ValueError(f"{path}: {section} may name {', '.join(names)}, got {entries!s:.200}")
    for name, entry in entries.items():
        if not isinstance(entry, dict) or set(entry) != {"config"} or not isinstance(entry["config"], dict):
            raise ValueError(f"{path}: {section}.{name} must be {{config: {{setting: value}}}}, got {entry!s:.200}")
        if name == "ingestion" and "files" in entry["config"]:
            raise ValueError(
                f"{path}: which files an ingestion reads is the request's to say; take ingestion's files out of it"
            )


def config_for(config: dict[str, Any], tables: set[str]) -> dict[str, Any]:
    """The part of a run configuration that a run which makes these tables may be given, their checks' included."""
    ops = {name: value for name, value in (config.get("ops") or {}).items() if name.removesuffix(OP_SUFFIX) in tables}
    return {**({"ops": ops} if ops else {}), **({"resources": config["resources"]} if config.get("resources") else {})}


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
        tags={"ft_assets/ingestion": "true", "ft_assets/file_count": str(len(files))},
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
                tags={"ft_assets/touched_by": touched},
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
