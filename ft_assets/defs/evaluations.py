"""What checks found, as Dagster keeps and shows it."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from ft_assets.checks import Check, Found
from ft_assets.defs import partitions

VERSION, READ = "table_version", "versions_read"


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


def as_evaluation(
    check: Check,
    found: dg.AssetCheckResult,
    day: str | None = None,
    made: AssetCheckEvaluationTargetMaterializationData | None = None,
) -> dg.AssetCheckEvaluation:
    """What a check found, as Dagster keeps it, where Dagster does not make it of the result by itself."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(check.table),
        check_name=check.name,
        passed=found.passed,
        metadata=found.metadata,
        severity=found.severity,
        description=found.description,
        blocking=check.blocking,
        partition=day,
        target_materialization_data=made,
    )


def summed_up(check: Check, found: Mapping[dt.date, dg.AssetCheckResult]) -> dg.AssetCheckResult:
    """What a check found on all days: how many break the rule, and the examples of the newest of them."""
    failed = [day for day, one in found.items() if not one.passed]
    words = f"{len(failed)} of {len(found)} days break the rule: {check.description}"
    return dg.AssetCheckResult(
        passed=not failed,
        severity=dg.AssetCheckSeverity[check.severity],
        description=words if failed else f"{len(found)} days were checked.",
        metadata={
            **((found[max(failed)].metadata or {}) if failed else {}),
            "days_checked": len(found),
            "days_failed": dg.MetadataValue.json([partitions.key(day) for day in failed]),
        },
    )


def materialization_of(
    instance: dg.DagsterInstance, table: str, day: str
) -> AssetCheckEvaluationTargetMaterializationData | None:
    """The newest materialization of a day: the UI calls a check that looked at none missing."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(table), asset_partitions=[day])
    records = instance.fetch_materializations(wanted, limit=1).records
    return (
        AssetCheckEvaluationTargetMaterializationData(
            storage_id=records[0].storage_id, run_id=records[0].event_log_entry.run_id, timestamp=records[0].timestamp
        )
        if records
        else None
    )
