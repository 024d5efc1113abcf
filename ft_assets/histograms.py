"""Distributions for pictures, counted in DuckDB: what comes back is a few bins, however many the pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ft_assets import queries

if TYPE_CHECKING:
    import duckdb

SESSIONS_DRAWN = 10_000  # by position; of more a sample, which is plenty for a mean and quartiles
BINS = 50  # at most, but for the one that a value on the last edge needs
WILSON_Z = 1.959963984540054  # of 95 %


@dataclass(frozen=True)
class Bins:
    """Counts of values: bin k holds those in [k * step, (k + 1) * step).

    Attributes:
        step: width of every bin.
        counts: by k.
    """

    step: float
    counts: Mapping[int, int]

    def dense(self, first: int, last: int) -> tuple[list[int], list[float]]:
        """The counts of the bins from ``first`` to ``last``, and their edges, one more."""
        return (
            [self.counts.get(k, 0) for k in range(first, last + 1)],
            [k * self.step for k in range(first, last + 2)],
        )


@dataclass(frozen=True)
class Ranks:
    """How the ranks of pairs are distributed; None where there are no pairs.

    Attributes:
        pairs: those with two finite ranks.
        positive, negative: ranks, in the same bins.
        mean_positive, mean_negative: of the ranks.
        share_ordered_right: pairs whose positive ranks nearer than their negative.
    """

    pairs: int
    positive: Bins
    negative: Bins
    mean_positive: float | None
    mean_negative: float | None
    share_ordered_right: float | None


@dataclass(frozen=True)
class Differences:
    """How far apart the ranks of pairs are.

    Attributes:
        pairs: those with two finite ranks.
        bins: of |positive_rank - negative_rank|.
    """

    pairs: int
    bins: Bins


@dataclass(frozen=True)
class Believed:
    """The confidences at one position.

    Attributes:
        is_event: whether of objects that drew an event.
        position: on the page, from 1.
        objects: how many.
        mean, lower_quartile, upper_quartile: of their confidences.
    """

    is_event: bool
    position: int
    objects: int
    mean: float
    lower_quartile: float
    upper_quartile: float


@dataclass(frozen=True)
class Confidences:
    """The confidences of events and not-events.

    Attributes:
        believed: by position.
        sessions: whose objects these are.
        of_sessions: how many have pairs: where more than ``sessions``, those are a sample.
    """

    believed: list[Believed]
    sessions: int
    of_sessions: int


def ranks_of_pairs(con: duckdb.DuckDBPyConnection) -> Ranks:
    """Bin the ranks of ``pairs``: a look at the extremes chooses round bins, a second counts."""
    queries.once(con, "means_of_pairs", "reports/means_of_pairs")
    extent = queries.rows(con.view("means_of_pairs"))[0]
    # Where all have two ranks, the means are those of all pairs, and the extremes are known without a look at any.
    all_have = extent["pairs_with_ranks"] == extent["pairs"]
    extent.update(queries.rows(queries.query(con, "reports/rank_ends" if all_have else "reports/rank_extents"))[0])
    if not extent["pairs"]:
        return Ranks(0, Bins(1.0, {}), Bins(1.0, {}), None, None, None)
    step = round_step(extent["lowest_rank"], extent["highest_rank"])
    counts: dict[str, dict[int, int]] = {"positive": {}, "negative": {}}
    for what, k, pairs in con.sql(queries.read_sql("reports/rank_bins"), params={"step": step}).fetchall():
        counts[what][k] = pairs
    return Ranks(
        extent["pairs"],
        Bins(step, counts["positive"]),
        Bins(step, counts["negative"]),
        extent["mean_positive_rank"],
        extent["mean_negative_rank"],
        extent["share_ordered_right"],
    )


def differences_of_ranks(con: duckdb.DuckDBPyConnection) -> Differences:
    """Bin how far apart the ranks of ``pair_features`` are, likewise."""
    step = _keep_fates(con)
    counts = "select bin, sum(pairs)::bigint from fates_of_pairs where bin is not null group by bin order by bin"
    bins = dict(con.sql(counts).fetchall())
    return Differences(sum(bins.values()), Bins(step, bins))


def fates_of_pairs(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Pairs of ``pair_features`` by why the window of ``settings`` leaves them out, most first; '' for those inside."""
    _keep_fates(con)
    reasons = "select reason, sum(pairs)::bigint as pairs from fates_of_pairs group by reason order by pairs desc, reason"
    return dict(con.sql(reasons).fetchall())


def _keep_fates(con: duckdb.DuckDBPyConnection) -> float:
    """Let queries see ``fates_of_pairs``, which both are counted from in one look; the width of its bins."""
    queries.once(con, "difference_extents", "reports/difference_extents")
    pairs, widest = con.view("difference_extents").fetchall()[0]
    step = round_step(0.0, widest) if pairs else 1.0
    queries.once(con, "fates_of_pairs", "reports/fates_of_pairs", {"step": step})
    return step


def clicks_by_position(con: duckdb.DuckDBPyConnection) -> list[tuple[int, int, int]]:
    """(position, results shown there, those that drew an event), from ``search_sessions`` and ``fine_tuning_inputs``."""
    queries.once(con, "whole_lists", "reports/whole_lists")
    with _placed(con, queries.query(con, "reports/other_lists")):
        return [(int(p), int(n), int(c)) for p, n, c in con.sql(queries.read_sql("reports/clicks_by_position")).fetchall()]


def confidences_by_position(con: duckdb.DuckDBPyConnection, most: int = SESSIONS_DRAWN) -> Confidences:
    """Confidences of events and not-events, from ``search_sessions``, ``fine_tuning_inputs`` and ``pairs``.

    Args:
        con: sees these.
        most: sessions to look at; of more, the same sample at every look.
    """
    queries.once(con, "whole_lists", "reports/whole_lists")
    queries.once(con, "sessions_of_pairs", "reports/sessions_of_pairs")
    with _placed(con, queries.query(con, "reports/sessions_to_draw", {"most": most})):
        sessions, of_sessions = con.sql("select count(*), coalesce(max(sessions), 0) from placed_sessions").fetchall()[0]
        believed = [Believed(**row) for row in queries.rows(queries.query(con, "reports/confidences_by_position"))]
    return Confidences(believed, sessions, of_sessions)


def pairs_a_session(con: duckdb.DuckDBPyConnection) -> dict[int, int]:
    """Sessions by how many pairs they have, from ``sampled_inputs`` and ``pairs``."""
    queries.once(con, "sessions_of_pairs", "reports/sessions_of_pairs")
    return dict(con.sql(queries.read_sql("reports/pairs_a_session")).fetchall())


@contextmanager
def _placed(con: duckdb.DuckDBPyConnection, sessions: duckdb.DuckDBPyRelation) -> Iterator[None]:
    """Let queries see ``placed_sessions``, and ``places``: where the results of these stood on their pages.

    Args:
        con: sees ``search_sessions`` and ``fine_tuning_inputs``.
        sessions: with ``is_whole``, whether the list is ready as it was shown.
    """
    sessions.create("placed_sessions")
    queries.query(con, "reports/places").create_view("places")
    yield
    con.execute("drop view places")
    con.execute("drop table placed_sessions")


def round_step(low: float, high: float, bins: int = BINS) -> float:
    """A bin width of 1, 2 or 5 times a power of ten, so that at most ``bins`` and one cover [low, high].

    Example:
        >>> round_step(-0.31, 0.92), round_step(0.0, 0.0), round_step(0, 730)
        (0.05, 1.0, 20.0)
    """
    extent = high - low
    if not extent > 0:
        return 1.0
    exponent = math.floor(math.log10(extent / bins))
    for factor in (1, 2, 5, 10):
        step = float(f"{factor}e{exponent}")
        if extent / step <= bins:
            return step
    raise AssertionError(f"no step of ten covers {extent}")  # a step of 10 ** (exponent + 1) always does


def wilson_interval(hits: int, of: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share (Wilson 1927): sound also for few cases and for shares of 0 and 1.

    Raises:
        ValueError: of nothing, or of fewer than hits.

    Example:
        >>> [round(end, 3) for end in wilson_interval(0, 10)]
        [0.0, 0.278]
    """
    if not 0 <= hits <= of or of == 0:
        raise ValueError(f"a share needs 0 <= hits <= of and of > 0, got {hits} of {of}")
    share, z = hits / of, WILSON_Z
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def median_of(counts: Mapping[int, int]) -> int | None:
    """The lower median of values counted; None of none."""
    half, so_far = sum(counts.values()) / 2, 0
    for value in sorted(counts):
        so_far += counts[value]
        if so_far >= half:
            return value
    return None
