"""Which sessions of a day the rules take for bots or noise.

Over all that is known of a day, not at ingestion: the outcome depends on no order of arrival, what comes late changes it,
and a rule is switched without ingesting anything again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from ft_assets import queries
from ft_assets.engine import DayRows, counted, versions
from ft_assets.lake import Slice
from ft_assets.rules import Rule, Rulebook
from ft_assets.schemas import FLAGGED_SESSIONS

if TYPE_CHECKING:
    import duckdb


def flagged_sessions(sessions: Slice, events: Slice, rulebook: Rulebook) -> DayRows:
    """Run every rule over a day.

    Args:
        sessions: a day of search_sessions.
        events: session_events.
        rulebook: the rules, and which are enforced.
    """
    counts: dict[str, int] = {}

    def batches() -> Iterator[pa.RecordBatch]:
        counts.clear()
        with queries.session({"search_sessions": sessions, "all_events": events}) as con:
            queries.query(con, "assets/events_of_the_day").create("session_events")
            con.execute("create table flags (session_id varchar, rule varchar, is_enforced boolean, detail varchar)")
            by_rule = {}
            for rule in rulebook.rules.values():
                found = _flag(con, rule, rulebook)
                # Both modes, whichever it is in: the UI plots a number that is there every day.
                enforced = rule.name in rulebook.enforced
                by_rule[f"{rule.name}_shadow"], by_rule[f"{rule.name}_enforced"] = (0, found) if enforced else (found, 0)
            counts.update(queries.rows(queries.query(con, "reports/flagged_sessions_books"))[0], **by_rule)
            rows = queries.query(con, "assets/flagged_sessions", {"session_date": sessions.session_date})
            yield from counted((batch.cast(FLAGGED_SESSIONS.schema) for batch in queries.stream(rows)), counts)

    return DayRows(batches, counts, versions(sessions, events), rulebook.configuration)


def _flag(con: duckdb.DuckDBPyConnection, rule: Rule, rulebook: Rulebook) -> int:
    """Put the sessions that a rule flags into flags; how many they are."""
    from duckdb import ColumnExpression, ConstantExpression

    found = queries.query(con, f"rules/{rule.name}", rulebook.bound(rule))
    if set(found.columns) != {"session_id", "detail"}:
        raise ValueError(f"sql/rules/{rule.name}.sql must select session_id and detail, got {', '.join(found.columns)}")
    before = _size(con)
    found.select(
        ColumnExpression("session_id"),
        ConstantExpression(rule.name),
        ConstantExpression(rule.name in rulebook.enforced),
        ColumnExpression("detail"),
    ).insert_into("flags")
    return _size(con) - before


def _size(con: duckdb.DuckDBPyConnection) -> int:
    return int(con.sql("select count(*) from flags").fetchall()[0][0])
