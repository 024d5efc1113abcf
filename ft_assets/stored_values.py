"""What SQL cannot say of a stored table: its types in the log and in the files, its nulls, and whether its pairs load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from ft_assets import schemas
from ft_assets.lake import Slice
from ft_assets.schemas import Table

PAIR_TABLES = (schemas.PAIR_FEATURES.name, schemas.FINE_TUNING_FEATURES.name)
# Of the tables that are read, by name, and what the day was made with.
Violations = Callable[[Mapping[str, Slice], Mapping[str, Any]], Iterator[dict[str, Any]]]


class ValueRule(NamedTuple):
    """A rule that is not SQL.

    Attributes:
        name, description, remedy: as of any check.
        violations: finds the rows that break it.
        reads: the tables that it needs, as a file of a check says it.
        facts: what it asks of how the day was made; see ``check_files.FACTS``.
    """

    name: str
    description: str
    remedy: str
    violations: Violations
    reads: tuple[str, ...]
    facts: tuple[str, ...] = ()


def _of_one(table: Table, violations: Callable[[Slice], Iterator[dict[str, Any]]]) -> Violations:
    return lambda slices, _: violations(slices[table.name])


def rules_of(table: Table) -> Iterator[ValueRule]:
    """The rules that a table has by its schema."""
    yield ValueRule(
        "types_are_as_declared",
        "Every stored column has its declared type, in the log and in the files.",
        "Another program or another version of ft_assets wrote here. Make the days of the file named anew; a table of the log "
        "is ingested again into a fresh lake, from the landing place.",
        _of_one(table, wrong_types),
        (table.name,),
    )
    yield ValueRule(
        "required_values_are_there",
        f"No null in {', '.join(table.required)}.",
        "Make the day anew; for a table of the log, find the source_file of the rows and mend or delete them. If it comes "
        "back, the query that makes the table lets a null through: report it.",
        _of_one(table, nulls),
        (table.name,),
    )
    if table.name in PAIR_TABLES:
        yield ValueRule(
            "rows_rebuild_fine_tuning_features",
            "The stored rows rebuild a FineTuningFeatures: five float tensors of one length, one entry a row.",
            "A training loop could not load this day. Make it anew; the problem names the column.",
            _of_one(table, not_rebuilt),
            (table.name,),
        )


def wrong_types(slice_: Slice) -> Iterator[dict[str, Any]]:
    """Columns whose stored type is not the declared one."""
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


def nulls(slice_: Slice) -> Iterator[dict[str, Any]]:
    """Columns that may not hold a null and do."""
    # The store of vectors grows with every day: vectors_are_sound looks at those of this day's texts, null ones included.
    without = _without_nulls(slice_)
    looked_at = [name for name in slice_.table.required if name != "vector" and name not in without]
    counts = dict.fromkeys(looked_at, 0)
    for batch in slice_.batches(columns=looked_at):
        for name in looked_at:
            counts[name] += batch[name].null_count
    for name, count in counts.items():
        if count:
            yield {"column": name, "nulls": count}


def _without_nulls(slice_: Slice) -> set[str]:
    """Columns of which every file says that they hold no null: by its schema, or since its writer counted them as it wrote.

    A file that says nothing, or a list with a null in it, leaves the column to be read.
    """
    without = set(slice_.table.column_names)
    for fragment in slice_.fragments():
        cannot = {field.name for field in fragment.metadata.schema.to_arrow_schema() if not field.nullable}
        for group in range(fragment.metadata.num_row_groups):
            values = fragment.metadata.row_group(group)
            columns = [values.column(number) for number in range(values.num_columns)]
            # Of what is nested a value is null where anything around it is: one field without nulls is enough.
            without &= cannot | {
                column.path_in_schema.split(".")[0]
                for column in columns
                if column.is_stats_set and column.statistics.has_null_count and column.statistics.null_count == 0
            }
    return without


def not_rebuilt(slice_: Slice) -> Iterator[dict[str, Any]]:
    """Batches of pairs that a training loop could not load."""
    from ft_assets.features import COLUMNS
    from ft_assets.records import FineTuningFeatures

    length = 0
    # So few at once that torch keeps to one thread: a second one waits for its turn by spinning.
    for batch in slice_.batches(16_384, columns=list(COLUMNS.values())):
        try:
            length += len(FineTuningFeatures.from_arrow(batch))
        except (TypeError, ValueError) as error:
            yield {"rows": batch.num_rows, "problem": str(error)}
            length += batch.num_rows
    if length != slice_.row_count:
        yield {"rows": slice_.row_count, "problem": f"{slice_.row_count} rows are stored, {length} were rebuilt"}
