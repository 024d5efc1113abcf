"""Check tables as they are stored. A SQL check selects the rows that break a rule; no rows, and it passed.

``sql/checks/<table>/<check>.sql`` begins with its description and then ``-- blocks; reads <table>, <table>`` or
``-- warns; reads ...``. Four checks that SQL cannot say are written here: the stored types, nulls, and that the pairs
rebuild a ``FineTuningFeatures``.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa

from ft_assets import lineage, queries, schemas
from ft_assets.lake import Lake, Slice
from ft_assets.reports import CheckOutcome
from ft_assets.schemas import Table, table_named

EXAMPLES = 5
PAIR_TABLES = (schemas.PAIR_FEATURES.name, schemas.FINE_TUNING_FEATURES.name)


@dataclass(frozen=True)
class Check:
    """One rule about one table.

    Attributes:
        table, name: what it checks, and its name there.
        description: the rule, in a sentence.
        blocking: an ERROR that stops what stands behind the table; else a warning.
        reads: the tables that it needs.
        violations: where the rule is not SQL: finds the rows that break it.
    """

    table: str
    name: str
    description: str
    blocking: bool
    reads: tuple[str, ...]
    violations: Callable[[Slice], Iterator[dict[str, Any]]] | None = None


@cache
def checks() -> tuple[Check, ...]:
    """Every check there is, table by table."""
    return tuple(check for table in schemas.TABLES.values() for check in _checks_of(table))


def _checks_of(table: Table) -> Iterator[Check]:
    own: list[tuple[str, str, Callable[[Slice], Iterator[dict[str, Any]]]]] = [
        ("types_are_as_declared", "Every stored column has its declared type, in the log and in the files.", _wrong_types),
        ("required_values_are_there", f"No null in {', '.join(table.required)}.", _nulls),
    ]
    if table.name in PAIR_TABLES:
        own.append(
            (
                "rows_rebuild_fine_tuning_features",
                "The stored rows rebuild a FineTuningFeatures: five float tensors of one length, one entry a row.",
                _not_rebuilt,
            )
        )
    for name, description, violations in own:
        yield Check(table.name, name, description, True, (table.name,), violations)
    for path in sorted((queries.sql_root() / "checks" / table.name).glob("*.sql")):
        yield _sql_check(table.name, path.stem)


def _sql_check(table: str, name: str) -> Check:
    lines = queries.read_sql(f"checks/{table}/{name}").splitlines()
    comments = [line[3:].strip() for line in lines if line.startswith("-- ")]
    header = re.fullmatch(r"(blocks|warns); reads ([a-z_, ]+)", comments[-1])
    if header is None:
        raise ValueError(f"sql/checks/{table}/{name}.sql must say '-- blocks; reads ...' or '-- warns; reads ...'")
    reads = tuple(word.strip() for word in header[2].split(","))
    return Check(table, name, " ".join(comments[:-1]), header[1] == "blocks", reads)


def run_check(lake: Lake, check: Check, day: dt.date | None, parameters: Mapping[str, Any]) -> CheckOutcome:
    """Check a table, or a day of it, as stored.

    Args:
        lake: where the tables are.
        check: the rule.
        day: for daily tables, the day.
        parameters: what the check's SQL may refer to; see ``parameters_of``.
    """
    if check.violations is not None:
        examples = list(check.violations(_slice(lake, check.table, day)))
        rows = len(examples)
    else:
        name = f"checks/{check.table}/{check.name}"
        wanted = set(re.findall(r"\$([a-z_]+)", queries.read_sql(name)))
        missing = wanted - set(parameters)
        if missing:
            raise ValueError(f"sql/{name}.sql needs {', '.join(sorted(missing))}; materialize {check.table} first")
        with queries.session({table: _slice(lake, table, day) for table in check.reads}) as con:
            found = queries.query(con, name, {p: parameters[p] for p in wanted})
            found.create("violations")
            rows = int(con.sql("select count(*) from violations").fetchall()[0][0])
            examples = queries.rows(con.sql(f"from violations limit {EXAMPLES}"))
    return CheckOutcome(
        table=check.table,
        check=check.name,
        session_date=day.isoformat() if day else None,
        passed=rows == 0,
        severity="ERROR" if check.blocking else "WARN",
        blocking=check.blocking,
        description=check.description,
        rows=rows,
        examples=examples[:EXAMPLES],
        checked_at=dt.datetime.now(dt.UTC),
        run_id=None,
    )


def parameters_of(lake: Lake, table: str, day: dt.date | None) -> dict[str, Any]:
    """What a day was made with, from the table's own log: the clamp window, the model."""
    if day is None or table not in (schemas.FINE_TUNING_FEATURES.name, schemas.TEXT_VECTORS.name):
        return {}
    commit = lineage.day_commits(lake, table).get(day)
    if commit is None:
        return {}
    if table == schemas.TEXT_VECTORS.name:
        return {"model": commit.model}
    window = commit.configuration
    return {"min": window["min_abs_difference_threshold"], "max": window["max_abs_difference_threshold"]}


def _slice(lake: Lake, name: str, day: dt.date | None) -> Slice:
    table = table_named(name)
    return lake.slice(name, day if "session_date" in table.partition_by else None)


def _wrong_types(slice_: Slice) -> Iterator[dict[str, Any]]:
    declared = {field.name: schemas.type_name(field.type) for field in slice_.table.schema}
    logged = pa.schema(slice_.delta.schema().to_arrow())
    for where, schema in (("log", logged), *_file_schemas(slice_)):
        stored = {field.name: schemas.type_name(_plain(field.type)) for field in schema}
        columns = declared if where == "log" else set(declared) - set(slice_.table.partition_by)
        for name in columns:
            if stored.get(name) != declared[name]:
                yield {"where": where, "column": name, "declared": declared[name], "stored": stored.get(name)}


def _file_schemas(slice_: Slice) -> Iterator[tuple[str, pa.Schema]]:
    for fragment in slice_.fragments():
        yield fragment.path, fragment.physical_schema


def _plain(type_: pa.DataType) -> pa.DataType:
    """Storage may use another layout of the same type: string_view and large_string are strings."""
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return pa.list_(_plain(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(field.name, _plain(field.type)) for field in type_])
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    return type_


def _nulls(slice_: Slice) -> Iterator[dict[str, Any]]:
    # The store of vectors grows with every day: vectors_are_sound looks at those of this day's texts, null ones included.
    required = [name for name in slice_.table.required if name != "vector"]
    counts = dict.fromkeys(required, 0)
    for batch in slice_.batches(columns=required):
        for name in required:
            counts[name] += batch[name].null_count
    for name, count in counts.items():
        if count:
            yield {"column": name, "nulls": count}


def _not_rebuilt(slice_: Slice) -> Iterator[dict[str, Any]]:
    from ft_assets.records import FineTuningFeatures

    length = 0
    for batch in slice_.batches():
        try:
            length += len(FineTuningFeatures.from_arrow(batch))
        except (TypeError, ValueError) as error:
            yield {"rows": batch.num_rows, "problem": str(error)}
            length += batch.num_rows
    if length != slice_.row_count:
        yield {"rows": slice_.row_count, "problem": f"{slice_.row_count} rows are stored, {length} were rebuilt"}
