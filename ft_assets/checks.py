"""Run checks on tables as they are stored. A check finds the rows that break a rule; no rows, and it passed.

``check_files`` says what checks there are and how a file is written. All checks of a table share one ``StoredTable``:
each table is opened once, so they look at one version of it, in one DuckDB session.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ft_assets import lineage, queries, schemas
from ft_assets.check_files import FACTS, Check, Read, checks
from ft_assets.column_bytes import are_copies, same_bytes
from ft_assets.counted_items import counted_items
from ft_assets.lake import Lake, Slice
from ft_assets.parameters import filled
from ft_assets.prepared import (
    ARE_COPIES,
    ARE_OBJECTS,
    COPIED,
    COUNTED,
    LISTED,
    LISTS_OF,
    UNCOPIED,
    VECTORS,
    asked_by,
    prepared,
)
from ft_assets.reports import CheckOutcome
from ft_assets.stated import stated_by_day
from ft_assets.stored_values import PAIR_TABLES
from ft_assets.vectors_of_the_day import vectors_of_the_day

if TYPE_CHECKING:
    import duckdb

__all__ = ["PAIR_TABLES", "Check", "Found", "StoredTable", "checks", "parameters_of", "run_check", "thresholds"]

EXAMPLES = 5
# Of each ranker, as the kernels have it: to ask them would load torch.
TARGETS = {"cosine": 1, "dot": 1, "euclidean": -1}


@dataclass(frozen=True)
class Found:
    """What a check found.

    Attributes:
        outcome: for reports.
        numbers: what decided, where the check says it in numbers.
        versions: of the tables that were read.
    """

    outcome: CheckOutcome
    numbers: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)


class StoredTable:
    """A table, or a day of it, as its checks read it. Use it in a ``with`` statement.

    Args:
        lake: where the tables are.
        table: the table that is checked.
        day: for a daily table, the day.
    """

    def __init__(self, lake: Lake, table: str, day: dt.date | None = None) -> None:
        self.lake, self.table, self.day = lake, table, day
        self._newest: dict[str, Slice] = {}
        self._slices: dict[Read, Slice] = {}
        self._seen: dict[str, Read] = {}
        self._prepared: dict[Read, dict[str, Any]] = {}
        self._open = ExitStack()

    def __enter__(self) -> StoredTable:
        return self

    def __exit__(self, *raised: object) -> None:
        self._open.close()

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the day was made with, from the table's own log; see ``FACTS``."""
        return parameters_of(self.lake, self.table, self.day, self._commit)

    def run(self, check: Check, parameters: Mapping[str, Any] | None = None) -> Found:
        """Run a check of the table.

        Args:
            check: the rule.
            parameters: thresholds in place of its defaults; and facts, where the log should not be asked for them.

        Raises:
            ValueError: the day has not been made, so what the check must know of it is not there; a parameter is none.
        """
        given = dict(parameters or {})
        known = {name: given.pop(name) for name in FACTS.get(check.table, ()) if name in given}
        values = {**filled(f"{check.table}/{check.name}", check.parameters, given, check.ranges), **known}
        if check.violations is not None:
            slices = {view.table: self._slice(view) for view in check.views}
            examples, numbers = list(check.violations(slices, self._known(check, set(check.facts), values))), dict[str, float]()
            rows = len(examples)
        else:
            rows, examples, numbers = self._query(check, values)
        outcome = CheckOutcome(
            table=check.table,
            check=check.name,
            session_date=self.day.isoformat() if self.day else None,
            passed=rows == 0,
            severity=check.severity,
            blocking=check.blocking,
            description=check.description,
            rows=rows,
            examples=examples[:EXAMPLES],
            checked_at=dt.datetime.now(dt.UTC),
            run_id=None,
            remedy=check.remedy,
        )
        return Found(outcome, numbers, self._versions(check))

    def _query(self, check: Check, parameters: dict[str, Any]) -> tuple[int, list[dict[str, Any]], dict[str, float]]:
        """Rows that break the rule: how many, some of them, and the numbers that decided."""
        *before, last = self._con.extract_statements(queries.read_sql(check.sql))
        if len(before) > 1:
            raise ValueError(f"sql/{check.sql}.sql must be one query, or one of numbers and one of rows, got {len(before) + 1}")
        wanted = {name for statement in (*before, last) for name in statement.named_parameters}
        wanted = wanted.union(*(asked_by(through.table) for through in check.through))
        parameters = self._known(check, wanted, parameters)
        for view in check.views:
            self._see(view)
        for through in check.through:
            self._prepare(through, parameters)
        try:
            if before:
                self._rows_of(before[0], parameters).create("numbers")
            return self._taken(check, self._rows_of(last, parameters), has_numbers=bool(before))
        finally:
            self._con.execute("drop table if exists numbers")

    def _rows_of(self, statement: duckdb.Statement, parameters: dict[str, Any]) -> duckdb.DuckDBPyRelation:
        return self._con.sql(statement, params={name: parameters[name] for name in statement.named_parameters})

    def _known(self, check: Check, wanted: set[str], values: dict[str, Any]) -> dict[str, Any]:
        """Values, with the facts of the day where they are wanted."""
        if wanted - set(values):
            values = {**self.facts, **values}
        if missing := sorted(wanted - set(values)):
            raise ValueError(f"{check.table}/{check.name} needs {', '.join(missing)}; materialize {check.table} first")
        return values

    def _taken(
        self, check: Check, shown: duckdb.DuckDBPyRelation, *, has_numbers: bool
    ) -> tuple[int, list[dict[str, Any]], dict[str, float]]:
        # It is kept outside the lake, where `forget` cannot reach it.
        if personal := schemas.PERSONAL.intersection(shown.columns):
            raise ValueError(
                f"sql/{check.sql}.sql must not select {', '.join(sorted(personal))}: what it shows is kept for ever"
            )
        numbers = queries.rows(self._con.table("numbers"))[0] if has_numbers else {}
        # Mostly there are none, and to count them DuckDB need not read what would be shown of them.
        rows = int(shown.aggregate("count(*)").fetchall()[0][0])
        examples = queries.rows(shown.limit(EXAMPLES)) if rows else []
        return rows, examples, {name: value for name, value in numbers.items() if value is not None and math.isfinite(value)}

    @cached_property
    def _con(self) -> duckdb.DuckDBPyConnection:
        return self._open.enter_context(queries.session())

    @cached_property
    def _commit(self) -> lineage.DayCommit | None:
        return lineage.day_commit(self.lake, self.table, self.day) if self.day else None

    def _see(self, read: Read) -> None:
        """Make a table readable under its name, once."""
        if self._seen.get(read.view) != read:
            self._slice(read).create_view(self._con, read.view)
            self._seen[read.view] = read

    def _prepare(self, through: Read, parameters: Mapping[str, Any]) -> None:
        """Make what checks read through, once."""
        made_with = {name: parameters[name] for name in asked_by(through.table)}
        if self._prepared.get(through) == made_with:
            return
        slices = {table: self._slice(replace(through, table=table)) for table in prepared()[through.table]}
        plain = Read(through.table)
        if through == plain:
            for table in slices:
                self._see(Read(table))
            self._make(through.table, slices, made_with)
        elif all(slice_.file_uris() == self._slice(Read(table)).file_uris() for table, slice_ in slices.items()):
            self._prepare(plain, parameters)
            self._con.table(plain.view).create_view(through.view)
        else:
            self._con.register(through.view, self._made_elsewhere(through, slices, made_with))
        self._prepared[through] = made_with

    def _made_elsewhere(self, through: Read, slices: dict[str, Slice], parameters: dict[str, Any]) -> pa.Table:
        """What is prepared of another version or of other days, on a connection where the tables have the query's names."""
        first, *_ = slices
        days = slices[first].days or frozenset()
        stated = stated_by_day(self.lake, first, days, through.table) if days else {}
        rows = [row for of_day in stated.values() for row in of_day]
        slices = {table: slice_.of_days(days - stated.keys()) if days else slice_ for table, slice_ in slices.items()}
        if rows and not slices[first].file_uris():
            return pa.Table.from_pylist(rows)
        with queries.session(slices) as con:
            made = queries.query(con, f"prepared/{through.table}", parameters).to_arrow_table()
        return pa.concat_tables([made, pa.Table.from_pylist(rows, made.schema)])

    def _make(self, name: str, slices: dict[str, Slice], parameters: Mapping[str, Any]) -> None:
        if name == VECTORS:
            inputs, items, vectors = slices.values()
            self._con.register(name, vectors_of_the_day(inputs, items, vectors, parameters["model"]))
            return
        parameters = {**parameters, **_told_by_files(name, list(slices.values()))}
        self._con.execute(f"drop table if exists {name}")  # one that was made with other facts
        counted = {COUNTED: counted_items(*slices.values())} if name == LISTED else {}
        with queries.seen(self._con, counted):
            queries.query(self._con, f"prepared/{name}", parameters).create(name)

    def _slice(self, read: Read) -> Slice:
        if read not in self._slices:
            self._slices[read] = self._cut(read)
        return self._slices[read]

    def _cut(self, read: Read) -> Slice:
        if read.table not in self._newest:
            self._newest[read.table] = self.lake.slice(read.table)
        newest = self._newest[read.table]
        day = self.day if "session_date" in newest.table.partition_by else None
        if day and read.days_before:
            return newest.of_days(day - dt.timedelta(days=days) for days in range(1, read.days_before + 1))
        version = self._commit.made_from.get(read.table) if read.as_read and self._commit else None
        earlier = self.lake.slice_if_there(read.table, day, version) if version not in (None, newest.version) else None
        return earlier or (newest.on(day) if day else newest)

    def _versions(self, check: Check) -> dict[str, int]:
        newest = self._slice(Read(check.table)).version
        return {check.table: newest, **{view.table: self._slice(view).version for view in check.views}}


def _told_by_files(name: str, slices: Sequence[Slice]) -> dict[str, bool]:
    """What is found out of the files for what is prepared, by the name that its query has for it."""
    if name == UNCOPIED:
        one, other = slices
        return {ARE_COPIES: are_copies(one, other, COPIED)}
    if name in LISTS_OF:
        return {ARE_OBJECTS: same_bytes(slices[0], "item_ids", "object_ids")}
    return {}


def run_check(lake: Lake, check: Check, day: dt.date | None, parameters: Mapping[str, Any] | None = None) -> CheckOutcome:
    """Check a table, or a day of it, as stored.

    Args:
        lake: where the tables are.
        check: the rule.
        day: for daily tables, the day.
        parameters: thresholds in place of the check's defaults; and facts, where the log should not be asked for them.
    """
    with StoredTable(lake, check.table, day) as stored:
        return stored.run(check, parameters).outcome


def thresholds(table: str, given: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Thresholds of a table's checks, by check, as they are set.

    Raises:
        ValueError: a check or a parameter is none, or a value is of another type than its default or out of its range.
    """
    known = {check.name: check for check in checks() if check.table == table}
    if unknown := sorted(set(given) - set(known)):
        can = ", ".join(name for name, check in known.items() if check.parameters) or "none"
        raise ValueError(f"checks of {table} with parameters are {can}; got {', '.join(unknown)}")
    return {
        name: filled(f"{table}/{name}", known[name].parameters, values, known[name].ranges) for name, values in given.items()
    }


def parameters_of(lake: Lake, table: str, day: dt.date | None, commit: lineage.DayCommit | None = None) -> dict[str, Any]:
    """What a day was made with, from the table's own log: the facts that its checks may ask for.

    Args:
        lake: where the tables are.
        table: the table.
        day: the day; tables without days have no facts.
        commit: the day's newest commit, where it is known.
    """
    commit = commit or (lineage.day_commit(lake, table, day) if day and table in FACTS else None)
    if day is None or commit is None or table not in FACTS:
        return {}
    set_ = commit.configuration
    facts = {
        "event_types": set_.get("event_types"),
        "factor": set_.get("negative_downsampling_factor"),
        "seed": set_.get("seed"),
        "model": commit.model,
        "ranker": set_.get("ranker"),
        **{name: set_.get(name) for name in ("not_irrelevant_only", "ranks_aggregator", "confidence", "window_size")},
        "min": set_.get("min_abs_difference_threshold"),
        "max": set_.get("max_abs_difference_threshold"),
    }
    ranker = set_.get("ranker")
    if table == schemas.FINE_TUNING_FEATURES.name:
        pairs = lineage.day_commit(lake, schemas.PAIR_FEATURES.name, day)
        ranker = pairs.configuration.get("ranker") if pairs else None
    facts["target"] = TARGETS.get(str(ranker))
    return {name: facts[name] for name in FACTS[table] if facts.get(name) is not None}
