"""The checks of ``ft_assets.checks`` as asset checks: one step a table, one check a rule, one status a day.

(Dagster reads the annotations of these functions, so they may not be postponed: no ``from __future__``.)
"""

import json
import math
import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg

from ft_assets import schemas
from ft_assets.checks import Check, Found, StoredTable, checks, thresholds
from ft_assets.defs import partitions
from ft_assets.defs.config import ChecksConfig
from ft_assets.defs.resources import HomeResource

VERSION, READ = "table_version", "versions_read"
OP_SUFFIX = "_checks"  # of the step that runs a table's checks, also in the configuration


def _spec(check: Check) -> dg.AssetCheckSpec:
    daily = schemas.table_named(check.table).daily
    thresholds_ = {"thresholds": json.dumps(dict(check.parameters))} if check.parameters else {}
    with warnings.catch_warnings():
        # Without partitions the UI shows one status for all days. Dagster calls the setting a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            check.name,
            asset=check.table,
            description=f"{check.description}\n\n**When it fails:** {check.remedy}",
            blocking=check.blocking,
            partitions_def=partitions.SESSION_DATE if daily else None,
            metadata={"reads": ", ".join(map(str, check.views)), "severity": check.severity, **thresholds_},
        )


def asset_check_key(check: Check) -> dg.AssetCheckKey:
    """Dagster's name of a check."""
    return dg.AssetCheckKey(dg.AssetKey(check.table), check.name)


def evaluation_of(record: Any) -> dg.AssetCheckEvaluation | None:
    """What a check found by its newest record; None where there is no record, or only a plan of running it."""
    event = record.event.dagster_event if record and record.event else None
    found = event.event_specific_data if event else None
    return found if isinstance(found, dg.AssetCheckEvaluation) else None


def result(found: Found) -> dg.AssetCheckResult:
    """An outcome as Dagster shows it, with the numbers that decided and the versions of the tables that were read."""
    outcome = found.outcome
    metadata: dict[str, Any] = {
        "violations": outcome.rows,
        **found.numbers,
        VERSION: found.versions[outcome.table],
        READ: dg.MetadataValue.json(dict(sorted(found.versions.items()))),
    }
    if outcome.examples:
        metadata["examples"] = _table(outcome.examples)
        metadata["examples_json"] = dg.MetadataValue.json(_plain(outcome.examples))
    failed = f"{outcome.message} To do: {outcome.remedy}"
    return dg.AssetCheckResult(
        asset_key=outcome.table,
        check_name=outcome.check,
        passed=outcome.passed,
        severity=dg.AssetCheckSeverity[outcome.severity],
        description=None if outcome.passed else failed,
        metadata=metadata,
    )


def _plain(examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def plain(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value[:50]]
        if isinstance(value, float) and not math.isfinite(value):
            return "NaN" if math.isnan(value) else str(value)
        return value if isinstance(value, (int, float, bool, str, type(None))) else str(value)

    return [{name: plain(value) for name, value in example.items()} for example in examples]


def _table(examples: list[dict[str, Any]]) -> dg.TableMetadataValue:
    """Rows as the UI shows a table; a list or a long text is cut to what fits a cell."""

    def cell(value: Any) -> Any:
        return (str(value)[:200] if isinstance(value, (str, list)) else value) if value is not None else None

    plain = _plain(examples)
    kinds = {bool: "bool", int: "int", float: "float"}
    columns = []
    for name in plain[0]:
        types = {type(example[name]) for example in plain if example[name] is not None}
        columns.append(dg.TableColumn(name, kinds.get(types.pop(), "string") if len(types) == 1 else "string"))
    records = [dg.TableRecord({name: cell(value) for name, value in example.items()}) for example in plain]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def check_settings(config: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """The thresholds that a run configuration sets, by table and check.

    Raises:
        ValueError: a setting, a check or a parameter is none, or a value is of another type than its default.
    """
    found = {}
    for table in schemas.TABLES:
        settings = ((config.get("ops") or {}).get(f"{table}{OP_SUFFIX}") or {}).get("config") or {}
        if unknown := sorted(set(settings) - set(ChecksConfig.model_fields)):
            raise ValueError(
                f"{table}{OP_SUFFIX} has the settings {', '.join(ChecksConfig.model_fields)}; got {', '.join(unknown)}"
            )
        if values := thresholds(table, ChecksConfig(**settings).parameters):
            found[table] = values
    return found


def _checks_of(table: schemas.Table) -> dg.AssetChecksDefinition:
    by_name = {check.name: check for check in checks() if check.table == table.name}

    @dg.multi_asset_check(
        name=f"{table.name}{OP_SUFFIX}",
        specs=[_spec(check) for check in by_name.values()],
        can_subset=True,
        description=f"Reads {table.name} back from storage, and holds it to its rules.",
    )
    def run(context: dg.AssetCheckExecutionContext, config: ChecksConfig, home: HomeResource) -> Iterator[dg.AssetCheckResult]:
        day = partitions.day(context.partition_key) if table.daily else None
        selected = {key.name for key in context.selected_asset_check_keys}
        set_ = thresholds(table.name, config.parameters)
        with StoredTable(home.lake, table.name, day) as stored:
            for name, check in by_name.items():
                if name in selected:
                    yield result(stored.run(check, set_.get(name)))

    return run


ASSET_CHECKS = [_checks_of(table) for table in schemas.TABLES.values()]
