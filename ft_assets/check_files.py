"""The checks that there are: a file of ``sql/checks/<table>/`` each, and those that every table has by its schema.

A file begins with a comment::

    -- The rule, in a sentence or two.
    -- To do: what to do when it fails, for who has never seen it fail.
    -- parameters: most=0.5 in [0, 1], least_pairs=100 in [0, inf]
    -- warns; reads pair_features, pair_features of the 7 days before

``blocks`` makes it an ERROR that stops what stands behind the table, ``warns`` a warning; only a warning has parameters,
its thresholds: what blocks is a rule, which holds or does not. A table is read as it is now, of a daily table the day.
``search_sessions as read`` is the version that the day was made from, by the name ``search_sessions_as_read``: a log that
has moved on since is no fault of the day. ``pair_features of the 7 days before`` is read by the name
``pair_features_before``; no other day's files are opened. ``; through doubtful_sessions`` behind the tables reads also what
``sql/prepared/doubtful_sessions.sql`` makes of them: once, for all checks that ask. ``doubtful_sessions
as read`` is what it makes of those tables as read, ``pairs_of_sessions of the 7 days before`` of those days: several rows, or
one a day where the days' commits state it (see ``stated``).

The query selects the rows that break the rule. Where numbers decide, two queries stand in the file: the first gives one
row, which the UI plots for every day, the second reads it as ``numbers`` and selects it where it breaks the rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from ft_assets import queries, schemas
from ft_assets.computed_anew import computed_rules_of
from ft_assets.parameters import WORD, Range, check_used, comment_and_body, defaults_in, ranges_in, used_in
from ft_assets.prepared import prepared
from ft_assets.schemas import Table, table_named
from ft_assets.stored_values import Violations, rules_of

TO_DO = "To do:"
# What a check may ask beside its own parameters: how the day was made, from the log of its table.
FACTS: dict[str, tuple[str, ...]] = {
    schemas.FINE_TUNING_INPUTS.name: ("event_types",),
    schemas.SAMPLED_INPUTS.name: ("factor", "seed"),
    schemas.TEXT_VECTORS.name: ("model",),
    schemas.PAIR_FEATURES.name: (
        *("model", "ranker", "target", "not_irrelevant_only"),
        *("ranks_aggregator", "confidence", "window_size"),
    ),
    schemas.FINE_TUNING_FEATURES.name: ("min", "max", "target"),
}


@dataclass(frozen=True)
class Read:
    """A table as a check reads it.

    Attributes:
        table: its name, or that of what is prepared.
        days_before: how many days before the day, and not the day; 0 for the day itself, or all of a table.
        as_read: at the version that the day was made from, not the newest.
    """

    table: str
    days_before: int = 0
    as_read: bool = False

    @property
    def view(self) -> str:
        """Its name in the query."""
        return f"{self.table}_before" if self.days_before else f"{self.table}_as_read" if self.as_read else self.table

    def __str__(self) -> str:
        days = f" of the {self.days_before} days before" if self.days_before else ""
        return f"{self.table}{' as read' if self.as_read else ''}{days}"


@dataclass(frozen=True)
class Check:
    """One rule about one table.

    Attributes:
        table, name: what it checks, and its name there.
        description: the rule, in a sentence.
        blocking: an ERROR that stops what stands behind the table; else a warning.
        reads: the tables that it needs, each once.
        remedy: what to do when it fails.
        parameters: its thresholds, with their defaults.
        ranges: between which values a threshold must be.
        views: how it reads them.
        violations: where the rule is not SQL: finds the rows that break it.
        facts: what that asks of how the day was made; a query names it.
        through: what is prepared once for the checks of the table, and read by its query.
    """

    table: str
    name: str
    description: str
    blocking: bool
    reads: tuple[str, ...]
    remedy: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    ranges: Mapping[str, Range] = field(default_factory=dict, hash=False)
    views: tuple[Read, ...] = ()
    violations: Violations | None = None
    facts: tuple[str, ...] = ()
    through: tuple[Read, ...] = ()

    @property
    def sql(self) -> str:
        """Name of its file, as ``queries.read_sql`` takes it."""
        return f"checks/{self.table}/{self.name}"

    @property
    def severity(self) -> str:
        """ERROR or WARN."""
        return "ERROR" if self.blocking else "WARN"


@cache
def checks() -> tuple[Check, ...]:
    """Every check there is, table by table.

    Raises:
        ValueError: a file does not say what it must; the message names the file.
    """
    return tuple(check for table in schemas.TABLES.values() for check in _checks_of(table))


def _checks_of(table: Table) -> Iterator[Check]:
    for rule in (*rules_of(table), *computed_rules_of(table)):
        views = tuple(_read(rule.name, table.name, words) for words in rule.reads)
        yield Check(
            *(table.name, rule.name, rule.description, True, tuple(view.table for view in views), rule.remedy),
            views=views,
            violations=rule.violations,
            facts=rule.facts,
        )
    for path in sorted((queries.sql_root() / "checks" / table.name).glob("*.sql")):
        yield check_in(table.name, path.stem, path.read_text(encoding="utf-8"))


def check_in(table: str, name: str, sql: str) -> Check:
    """The check that a file of ``sql/checks/<table>/`` holds.

    Raises:
        ValueError: it does not say what it must; the message names the file.
    """
    file = f"sql/checks/{table}/{name}.sql"
    comment, body = comment_and_body(sql)
    at = max((row for row, line in enumerate(comment) if line.startswith(("blocks; ", "warns; "))), default=len(comment))
    header = re.fullmatch(r"(blocks|warns); reads ([^;]+)(?:; through (.+))?", " ".join(comment[at:]))
    if header is None:
        raise ValueError(f"{file} must end its comment with '-- blocks; reads <table>, ...' or '-- warns; reads <table>, ...'")
    words = " ".join(line for line in comment[:at] if not line.startswith(WORD))
    description, _, remedy = (part.strip() for part in words.partition(TO_DO))
    if not description or not remedy:
        raise ValueError(
            f"{file} must begin with a comment that says its rule, then '-- {TO_DO} ...', what to do when it fails"
        )
    defaults, blocking = defaults_in(comment, file), header[1] == "blocks"
    check_used(file, used_in(body), defaults, without=FACTS.get(table, ()))
    if blocking and defaults:
        raise ValueError(f"{file} blocks, so it has no thresholds to set; got {', '.join(defaults)}")
    views = tuple(_read(file, table, one.strip()) for one in header[2].split(","))
    reads = tuple(dict.fromkeys(view.table for view in views))
    through = _through(file, views, header[3])
    return Check(table, name, description, blocking, reads, remedy, defaults, ranges_in(comment, file), views, through=through)


def _through(file: str, views: tuple[Read, ...], words: str | None) -> tuple[Read, ...]:
    found = tuple(_in_words(one.strip()) for one in words.split(",")) if words else ()
    for through in found:
        if through is None or through.table not in prepared():
            raise ValueError(f"{file} may read through {', '.join(prepared())}; got {words!r}")
        needed = [replace(through, table=table) for table in prepared()[through.table]]
        if missing := [str(view) for view in needed if view not in views]:
            raise ValueError(f"{file} reads through {through}, so it must read {', '.join(missing)} too")
    return tuple(through for through in found if through)


def _in_words(words: str) -> Read | None:
    found = re.fullmatch(r"(\w+?)( as read)?(?: of the (\d+) days before)?", words)
    return Read(found[1], int(found[3] or 0), bool(found[2])) if found else None


def _read(file: str, table: str, words: str) -> Read:
    read = _in_words(words)
    if read is None or read.table not in schemas.TABLES:
        raise ValueError(
            f"{file} may read a table, '<table> as read' or '<table> of the 7 days before', of {', '.join(schemas.TABLES)}; "
            f"got {words!r}"
        )
    if (read.days_before or read.as_read) and not table_named(table).daily:
        raise ValueError(f"{file} is about no day: {table} is not made day by day, so it has no '{words}'")
    if read.days_before and "session_date" not in table_named(read.table).partition_by:
        raise ValueError(f"{file} may read days of a table that is kept by day, got {words!r}")
    return read
