"""The checks of ``ft_assets.checks`` as asset checks: one step a table, one check a rule, one status a day."""

import datetime as dt
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from ft_assets import lineage, schemas
from ft_assets.checks import Check, checks, parameters_of, run_check
from ft_assets.defs import partitions
from ft_assets.defs.resources import HomeResource
from ft_assets.lake import Lake
from ft_assets.reports import CheckOutcome

VERSION, READ = "table_version", "versions_read"


def _spec(check: Check) -> dg.AssetCheckSpec:
    daily = schemas.table_named(check.table).daily
    with warnings.catch_warnings():
        # Without partitions the UI shows one status for all days. Dagster calls the setting a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            check.name,
            asset=check.table,
            description=check.description,
            blocking=check.blocking,
            partitions_def=partitions.SESSION_DATE if daily else None,
            metadata={"reads": ", ".join(check.reads)},
        )


def asset_check_key(check: Check) -> dg.AssetCheckKey:
    """Dagster's name of a check."""
    return dg.AssetCheckKey(dg.AssetKey(check.table), check.name)


def evaluation_of(record: Any) -> dg.AssetCheckEvaluation | None:
    """What a check found by its newest record; None where there is no record, or only a plan of running it."""
    event = record.event.dagster_event if record and record.event else None
    found = event.event_specific_data if event else None
    return found if isinstance(found, dg.AssetCheckEvaluation) else None


def versions_of(lake: Lake, check: Check) -> dict[str, int]:
    """The newest version of each table that a check reads."""
    return {name: lake.slice(name).version for name in {check.table, *check.reads}}


def result(outcome: CheckOutcome, read: Mapping[str, int]) -> dg.AssetCheckResult:
    """An outcome as Dagster shows it, with the versions of the tables that were read."""
    metadata: dict[str, Any] = {
        "violations": outcome.rows,
        VERSION: read[outcome.table],
        READ: dg.MetadataValue.json(dict(sorted(read.items()))),
    }
    if outcome.examples:
        metadata["examples"] = dg.MetadataValue.md(_markdown_table(outcome.examples))
        metadata["examples_json"] = dg.MetadataValue.json(_plain(outcome.examples))
    return dg.AssetCheckResult(
        asset_key=outcome.table,
        check_name=outcome.check,
        passed=outcome.passed,
        severity=dg.AssetCheckSeverity[outcome.severity],
        description=None if outcome.passed else f"{outcome.rows} rows break the rule: {outcome.description}",
        metadata=metadata,
    )


def _plain(examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def plain(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value[:50]]
        if isinstance(value, float) and math.isnan(value):
            return "NaN"
        return value if isinstance(value, (int, float, bool, str, type(None))) else str(value)

    return [{name: plain(value) for name, value in example.items()} for example in examples]


def _markdown_table(examples: list[dict[str, Any]]) -> str:
    names = list(examples[0])
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    for example in _plain(examples):
        cells = (str(example.get(name)).replace("|", "\\|").replace("\n", " ")[:200] for name in names)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _checks_of(table: schemas.Table) -> dg.AssetChecksDefinition:
    by_name = {check.name: check for check in checks() if check.table == table.name}

    @dg.multi_asset_check(
        name=f"{table.name}_checks",
        specs=[_spec(check) for check in by_name.values()],
        can_subset=True,
        description=f"Reads {table.name} back from storage and holds it to its rules, each a file of sql/checks/{table.name}.",
    )
    def run(context: dg.AssetCheckExecutionContext, home: HomeResource) -> Iterator[Any]:
        selected = {key.name for key in context.selected_asset_check_keys}
        chosen = [check for name, check in by_name.items() if name in selected]
        if table.daily and not context.has_partition_key:  # the UI's "Execute" names no day
            yield from _every_day(context.instance, home.lake, table, chosen)
            return
        day = partitions.day(context.partition_key) if table.daily else None
        yield from (_found(home.lake, check, day) for check in chosen)

    return run


def _found(lake: Lake, check: Check, day: dt.date | None) -> dg.AssetCheckResult:
    read = versions_of(lake, check)  # before it is read: one that moves on meanwhile is checked again
    return result(run_check(lake, check, day, parameters_of(lake, check.table, day)), read)


def _every_day(
    instance: dg.DagsterInstance, lake: Lake, table: schemas.Table, chosen: Sequence[Check]
) -> Iterator[dg.Output[None] | dg.AssetCheckEvaluation]:
    """Check every day that has been made: each day's outcome as if a run of the day had found it, and their sum.

    (Evaluations, since Dagster makes none of an ``AssetCheckResult`` where the table has days and the run has none.)
    """
    days = sorted(lineage.day_commits(lake, table.name))
    made = {day: _materialization(instance, table.name, partitions.key(day)) for day in days}
    for check in chosen:
        yield dg.Output(None, _spec(check).get_python_identifier())
        found = {day: _found(lake, check, day) for day in days}
        yield as_evaluation(check, _summed_up(check, found))
        for day, one in sorted(found.items(), key=lambda of: (not of[1].passed, of[0])):  # the UI opens on the last
            yield as_evaluation(check, one, partitions.key(day), made[day])


def _materialization(
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


def _summed_up(check: Check, found: Mapping[dt.date, dg.AssetCheckResult]) -> dg.AssetCheckResult:
    """What a check found on all days: how many break the rule, and the examples of the newest of them."""
    failed = [day for day, one in found.items() if not one.passed]
    words = f"{len(failed)} of {len(found)} days break the rule: {check.description}"
    return dg.AssetCheckResult(
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN,
        description=words if failed else f"{len(found)} days were checked.",
        metadata={
            **((found[max(failed)].metadata or {}) if failed else {}),
            "days_checked": len(found),
            "days_failed": dg.MetadataValue.json([partitions.key(day) for day in failed]),
        },
    )


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


ASSET_CHECKS = [_checks_of(table) for table in schemas.TABLES.values()]
