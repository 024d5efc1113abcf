"""The checks of ``ft_assets.checks`` as asset checks: one step a table, one check a rule, one status a day."""

import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from ft_assets import schemas
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
        description=f"Reads {table.name} back from storage.",
    )
    def run(context: dg.AssetCheckExecutionContext, home: HomeResource) -> Iterator[dg.AssetCheckResult]:
        day = partitions.day(context.partition_key) if table.daily else None
        parameters = parameters_of(home.lake, table.name, day)
        selected = {key.name for key in context.selected_asset_check_keys}
        for name, check in by_name.items():
            if name in selected:
                read = versions_of(home.lake, check)  # before it is read: one that moves on meanwhile is checked again
                yield result(run_check(home.lake, check, day, parameters), read)

    return run


ASSET_CHECKS = [_checks_of(table) for table in schemas.TABLES.values()]
