"""The checks of ``ft_assets.checks`` as asset checks: one step a table, one check a rule, one status a day.

(Dagster reads the annotations of these functions, so they may not be postponed: no ``from __future__``.)
"""

import datetime as dt
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from ft_assets import day_order, lineage, schemas
from ft_assets.checks import Check, StoredTable, checks, thresholds
from ft_assets.defs import partitions
from ft_assets.defs.config import ChecksConfig
from ft_assets.defs.evaluations import as_evaluation, materialization_of, result, summed_up
from ft_assets.defs.resources import HomeResource
from ft_assets.defs.settings import OP_SUFFIX, settled
from ft_assets.lake import Lake


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


def _checks_of(table: schemas.Table) -> dg.AssetChecksDefinition:
    by_name = {check.name: check for check in checks() if check.table == table.name}

    @dg.multi_asset_check(
        name=f"{table.name}{OP_SUFFIX}",
        specs=[_spec(check) for check in by_name.values()],
        can_subset=True,
        description=f"Reads {table.name} back from storage and holds it to its rules, each a file of sql/checks/{table.name}.",
    )
    def run(context: dg.AssetCheckExecutionContext, config: ChecksConfig, home: HomeResource) -> Iterator[Any]:
        selected = {key.name for key in context.selected_asset_check_keys}
        chosen = [check for name, check in by_name.items() if name in selected]
        set_ = thresholds(table.name, settled(config, context, home.home).parameters)
        if table.daily and not context.has_partition_key:  # the UI's "Execute" names no day
            yield from _every_day(context.instance, home.lake, table, chosen, set_)
            return
        day = partitions.day(context.partition_key) if table.daily else None
        if day:
            day_order.reached(table.name, day, _days_before(chosen))
        with StoredTable(home.lake, table.name, day) as stored:
            for check in chosen:
                yield result(stored.run(check, set_.get(check.name)))

    return run


def _days_before(chosen: Sequence[Check]) -> dict[str, int]:
    """How many days before its own some checks look at, by table."""
    views = [view for check in chosen for view in check.views if view.days_before]
    return {view.table: max(other.days_before for other in views if other.table == view.table) for view in views}


def _every_day(
    instance: dg.DagsterInstance,
    lake: Lake,
    table: schemas.Table,
    chosen: Sequence[Check],
    set_: Mapping[str, Mapping[str, Any]],
) -> Iterator[dg.Output[None] | dg.AssetCheckEvaluation]:
    """Check every day that has been made: each day's outcome as if a run of the day had found it, and their sum.

    (Evaluations, since Dagster makes none of an ``AssetCheckResult`` where the table has days and the run has none.)
    """
    days = sorted(lineage.day_commits(lake, table.name))
    made = {day: materialization_of(instance, table.name, partitions.key(day)) for day in days}
    found: dict[str, dict[dt.date, dg.AssetCheckResult]] = {check.name: {} for check in chosen}
    for day in days:
        with StoredTable(lake, table.name, day) as stored:
            for check in chosen:
                found[check.name][day] = result(stored.run(check, set_.get(check.name)))
    for check in chosen:
        yield dg.Output(None, _spec(check).get_python_identifier())
        of_days = found[check.name]
        yield as_evaluation(check, summed_up(check, of_days))
        for day, one in sorted(of_days.items(), key=lambda of: (not of[1].passed, of[0])):  # the UI opens on the last
            yield as_evaluation(check, one, partitions.key(day), made[day])


ASSET_CHECKS = [_checks_of(table) for table in schemas.TABLES.values()]
