"""The numbers of some days, added up in SQL: what came in, what was left out and why, what the features look like.

Memory is bounded by bins and days, not by pairs. A day that was never made has no rows; nothing is made up for it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ft_assets import lineage, queries, schemas
from ft_assets.column_bytes import same_bytes, values_in
from ft_assets.histograms import fates_of_pairs
from ft_assets.lake import Lake

if TYPE_CHECKING:
    import duckdb

# Of what day_numbers gives: what it is, in words, and its unit; "share" is of one.
NUMBERS: dict[str, tuple[str, str]] = {
    "sessions": ("sessions logged", "sessions"),
    "sessions_flagged": ("sessions left out as a bot's or noise", "sessions"),
    "sessions_ready": ("sessions with results that have a text", "sessions"),
    "share_irrelevant": ("irrelevant sessions, of those ready", "share"),
    "share_results_without_text": ("results without a text, of those shown", "share"),
    "results_a_session": ("results with a text a session", "results"),
    "events": ("results that drew a positive event", "results"),
    "click_rate": ("results that drew a positive event, of those with a text", "share"),
    "distinct_queries": ("distinct queries", "queries"),
    "distinct_items": ("distinct items shown", "items"),
    "pairs": ("pairs extracted", "pairs"),
    "pairs_a_session": ("pairs a session that has any", "pairs"),
    "mean_positive_rank": ("mean rank of the positives", "score"),
    "mean_negative_rank": ("mean rank of the negatives", "score"),
    "share_ordered_right": ("pairs whose positive ranks nearer than their negative", "share"),
    "mean_positive_confidence": ("mean confidence of the events", "[0, 1]"),
    "mean_negative_confidence": ("mean confidence of the not-events", "[0, 1]"),
    "features": ("pairs inside the clamp window", "pairs"),
    "share_clamped": ("pairs outside the clamp window", "share"),
}
# The tables that a funnel is of.
FUNNEL = (
    *("search_sessions", "flagged_sessions", "fine_tuning_inputs", "sampled_inputs", "pair_features", "fine_tuning_features"),
    *("items", "settings"),
)
_SETTINGS = pa.schema(
    {
        "session_date": pa.date32(),
        "inputs_made": pa.bool_(),
        "pairs_made": pa.bool_(),
        "low": pa.float64(),
        "high": pa.float64(),
    }
)
_SESSION_STAGES = (
    "sessions logged",
    "sessions not flagged",
    "sessions with a text",
    "sessions with an event, or paired",
    "sessions with pairs",
)


@dataclass(frozen=True)
class Stage:
    """A stage on the way from what was logged to what is trained on.

    Attributes:
        name: ``sessions not flagged``.
        rows: how many reached it.
        unit: what is counted: sessions, results, not-event objects, pairs. The first stage of a unit is where it begins.
        left_out: by reason, what the stage before (of the same unit) had and this one has not:
            ``before.rows == rows + sum(left_out.values())``. Empty at the first stage of a unit.
    """

    name: str
    rows: int
    unit: str
    left_out: dict[str, int] = field(default_factory=dict)


def funnel(lake: Lake, days: Sequence[dt.date]) -> list[Stage]:
    """Sessions, results, not-event objects and pairs on their way through the tables, so that they reconcile.

    A result, a not-event or a session that a later stage lacks for no other reason was "not made yet": the day, or what
    came late to it, waits for a run. Pairs that the stored ones do not explain (the window's table was tampered with, or
    is older than that of the pairs) are "unexplained", fewer than none where too many are stored.

    Args:
        lake: where the tables are.
        days: the days to add up.
    """
    with of_days(lake, days, *FUNNEL) as con:
        return funnel_of(con, lake, days)


def funnel_of(con: duckdb.DuckDBPyConnection, lake: Lake, days: Sequence[dt.date]) -> list[Stage]:
    """The same, of a session ``of_days`` that sees the tables of ``FUNNEL``."""
    queries.once(con, "flags", "reports/flags")
    keep_whole_lists(con, lake, days)
    has_parts = not all(same_bytes(lake.slice("sampled_inputs", day), "item_ids", "object_ids") for day in days)
    sampled = "reports/sampled_sessions" if has_parts else "reports/sampled_sessions_without_parts"
    queries.once(con, "sampled_sessions", sampled)
    sessions = con.sql(queries.read_sql("reports/funnel_sessions")).fetchall()
    results = _reasons(con, "reports/funnel_results")
    pairs = fates_of_pairs(con)
    objects = con.sql(
        "select coalesce(sum(not_events), 0)::bigint, coalesce(sum(not_events_kept), 0)::bigint from sampled_sessions"
    ).fetchall()[0]
    stored = int(con.sql("select count(*) from fine_tuning_features").fetchall()[0][0])
    inside = pairs.pop("", 0)
    extracted = inside + sum(pairs.values())
    if inside != stored:
        pairs["unexplained"] = inside - stored
    with_text = results.pop("", 0)
    thinned = {"thinned out": objects[0] - objects[1]} if objects[0] > objects[1] else {}
    return [
        *_session_stages(sessions),
        Stage("results shown", with_text + sum(results.values()), "results"),
        Stage("results with a text", with_text, "results", results),
        Stage("not-event objects", objects[0], "not-event objects"),
        Stage("not-event objects kept", objects[1], "not-event objects", thinned),
        Stage("pairs extracted", extracted, "pairs"),
        Stage("pairs inside the clamp window", stored, "pairs", pairs),
    ]


def arrivals(lake: Lake) -> dict[str, Any]:
    """What has come in, by the books of every file: files, records, and what became of them.

    Args:
        lake: where the tables are.

    Returns:
        ``files, copies, bytes, records, accepted, duplicate, no_interest, rejected`` as integers, with records = accepted +
        duplicate + no_interest + rejected; ``waiting``, the events that wait for their session now; and
        ``accepted_by_kind, duplicate_by_kind, no_interest_by_kind, rejected_by_reason`` as ``{name: records}``, most first.
    """
    with queries.session({"ingested_files": lake.slice(schemas.INGESTED_FILES.name)}) as con:
        books: dict[str, Any] = queries.rows(queries.query(con, "reports/arrivals"))[0]
        kinds = con.sql(queries.read_sql("reports/arrivals_by_kind")).fetchall()
    books["waiting"] = lake.slice(schemas.WAITING_RECORDS.name).row_count
    for fate in ("accepted", "duplicate", "no_interest", "rejected"):
        by = "rejected_by_reason" if fate == "rejected" else f"{fate}_by_kind"
        books[by] = {kind: records for fated, kind, records in kinds if fated == fate}
    return books


def day_numbers(lake: Lake, days: Sequence[dt.date]) -> list[dict[str, float | int | str | None]]:
    """The numbers that matter, a row a day in order of the days.

    Args:
        lake: where the tables are.
        days: the days; one without a session has a row of zeros and None.

    Returns:
        Of each day ``session_date`` (ISO) and the keys of ``NUMBERS``; None where the day was not made so far, or there is
        nothing to take a mean of.
    """
    daily = ("search_sessions", "flagged_sessions", "fine_tuning_inputs", "pair_features", "fine_tuning_features")
    with of_days(lake, days, *daily, "items", "settings") as con:
        queries.query(con, "reports/flags").create("flags")
        numbers = queries.rows(queries.query(con, "reports/day_numbers"))
    return [{**row, "session_date": row["session_date"].isoformat()} for row in numbers]


def keep_whole_lists(con: duckdb.DuckDBPyConnection, lake: Lake, days: Sequence[dt.date]) -> None:
    """Let queries see ``whole_lists``, of a session ``of_days`` that sees ``search_sessions`` and ``fine_tuning_inputs``.

    A list that is ready is at most as long as it was shown, and none is empty. So where as many sessions are ready as were
    logged, with as many results, every list is whole: which the files say themselves.
    """
    whole = all(
        values_in(lake.slice("search_sessions", day), "results") == values_in(lake.slice("fine_tuning_inputs", day), "clicked")
        for day in days
    )
    if not whole:
        queries.once(con, "whole_lists", "reports/whole_lists")
    elif not queries.has(con, "whole_lists"):
        # A view: who looks at it wants one of its columns, or two, and reads no others.
        queries.query(con, "reports/whole_lists_of_all").create_view("whole_lists")


def pair_numbers(con: duckdb.DuckDBPyConnection) -> dict[str, float | int]:
    """What a day's pairs look like, from ``pairs``: objects and sessions in them, and means; none of nothing."""
    queries.once(con, "sessions_of_pairs", "reports/objects_of_pairs")
    queries.once(con, "means_of_pairs", "reports/means_of_pairs")
    numbers = queries.rows(queries.query(con, "reports/pair_statistics"))[0]
    return {key: value for key, value in numbers.items() if value is not None}


@contextmanager
def of_days(lake: Lake, days: Sequence[dt.date], *names: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB session that sees these tables, those kept by day of these days alone.

    Args:
        lake: where the tables are.
        days: the days.
        names: tables, and ``settings``: a row a day with what it was made with.
    """
    tables: dict[str, Any] = {}
    for name in names:
        if name == "settings":
            tables[name] = _settings(lake, days)
        elif "session_date" in schemas.table_named(name).partition_by:
            tables[name] = lake.slice(name).of_days(days)
        else:
            tables[name] = lake.slice(name)
    with queries.session(tables) as con:
        yield con


def clamp_windows(lake: Lake, days: Sequence[dt.date]) -> dict[dt.date, tuple[float, float]]:
    """The clamp window that each day was made with; a day that was not has none."""
    commits = lineage.day_commits(lake, schemas.FINE_TUNING_FEATURES.name)
    names = ("min_abs_difference_threshold", "max_abs_difference_threshold")
    windows = {day: [commits[day].configuration.get(name) for name in names] for day in days if day in commits}
    return {day: (float(low), float(high)) for day, (low, high) in windows.items() if low is not None and high is not None}


def _settings(lake: Lake, days: Sequence[dt.date]) -> pa.Table:
    inputs, pairs = (
        lineage.day_commits(lake, table.name).keys() for table in (schemas.FINE_TUNING_INPUTS, schemas.PAIR_FEATURES)
    )
    windows = clamp_windows(lake, days)
    rows = []
    for day in sorted(set(days)):
        low, high = windows.get(day, (None, None))
        made = {"inputs_made": day in inputs, "pairs_made": day in pairs}
        rows.append({"session_date": day, **made, "low": low, "high": high})
    return pa.Table.from_pylist(rows, schema=_SETTINGS)


def _reasons(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, int]:
    return dict(con.sql(queries.read_sql(name)).fetchall())


def _session_stages(fates: Sequence[tuple[int, str, int]]) -> Iterator[Stage]:
    """Stages of the sessions, from how many got how far."""
    for place, name in enumerate(_SESSION_STAGES):
        rows = sum(sessions for reached, _, sessions in fates if reached >= place)
        yield Stage(name, rows, "sessions", {reason: count for reached, reason, count in fates if reached == place - 1})
