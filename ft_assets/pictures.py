"""The pictures of days, for a report, and of a table, for the metadata of its materialization."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ft_assets import histograms
from ft_assets.lake import Lake
from ft_assets.log_pictures import clicks_picture, records_picture, stages_picture
from ft_assets.pair_pictures import confidences_picture, differences_picture, pairs_a_session_picture, ranks_picture
from ft_assets.picture import Picture
from ft_assets.statistics import FUNNEL, Stage, arrivals, clamp_windows, funnel_of, keep_whole_lists, of_days
from ft_assets.trend_pictures import trends_picture

if TYPE_CHECKING:
    import duckdb

PAIR_TABLES = ("pair_features", "fine_tuning_features")
PLACED = ("search_sessions", "fine_tuning_inputs")  # tell where results stood on their pages
_DRAWN_OF = {"fine_tuning_inputs": PLACED, "pair_features": (*PLACED, "sampled_inputs"), "fine_tuning_features": FUNNEL}
__all__ = ["Picture", "of_day", "pictures_of_day", "pictures_of_days", "pictures_of_table"]


def pictures_of_days(
    lake: Lake,
    days: Sequence[dt.date],
    arrived: Mapping[str, Any],
    stages: Sequence[Stage],
    numbers: Sequence[Mapping[str, Any]],
) -> list[Picture]:
    """What came in, what is left of it, and what the features look like, in the order of a report.

    Args:
        lake: where the tables are.
        days: the days to draw; what came in is of all files.
        arrived: what came in, as ``statistics.arrivals`` gives it.
        stages: of these days, as ``statistics.funnel`` gives them.
        numbers: of these days, as ``statistics.day_numbers`` gives them.

    Returns:
        Always the same pictures; one without anything to draw has no figure and says why.
    """
    pictures = [records_picture(arrived), stages_picture(stages)]
    with of_days(lake, days, *PLACED, "sampled_inputs", "pair_features", "settings") as con:
        con.view("pair_features").create_view("pairs")
        keep_whole_lists(con, lake, days)
        pictures += [
            clicks_picture(histograms.clicks_by_position(con)),
            ranks_picture(histograms.ranks_of_pairs(con)),
            _differences(lake, days, histograms.differences_of_ranks(con), stages),
            confidences_picture(histograms.confidences_by_position(con)),
            pairs_a_session_picture(histograms.pairs_a_session(con)),
        ]
    return [*pictures, trends_picture(numbers)]


def pictures_of_table(lake: Lake, table_name: str, day: dt.date | None = None) -> list[Picture]:
    """The pictures that are about one table.

    Args:
        lake: where the tables are.
        table_name: the table; many have none.
        day: of daily tables the day; of the others, nothing.
    """
    if table_name == "ingested_files":
        return [records_picture(arrivals(lake))]
    if day is None:
        return []
    with of_day(lake, table_name, day) as con:
        return pictures_of_day(con, lake, table_name, day)


@contextmanager
def of_day(lake: Lake, table_name: str, day: dt.date) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB session for all that is to be shown of a day of a table: opening one costs as much as a look at a column.

    It sees the table and what its pictures are drawn of; a table of pairs also as ``pairs``.
    """
    with of_days(lake, [day], *dict.fromkeys((table_name, *_DRAWN_OF.get(table_name, ())))) as con:
        if table_name in PAIR_TABLES:
            con.view(table_name).create_view("pairs")
        yield con


def pictures_of_day(con: duckdb.DuckDBPyConnection, lake: Lake, table_name: str, day: dt.date) -> list[Picture]:
    """The pictures that are about a day of a table, of a session ``of_day``."""
    if table_name == "fine_tuning_features":
        stages = funnel_of(con, lake, [day])
        return [_differences(lake, [day], histograms.differences_of_ranks(con), stages), stages_picture(stages)]
    if table_name == "fine_tuning_inputs":
        keep_whole_lists(con, lake, [day])
        return [clicks_picture(histograms.clicks_by_position(con))]
    if table_name == "pair_features":
        keep_whole_lists(con, lake, [day])
        return [
            ranks_picture(histograms.ranks_of_pairs(con)),
            confidences_picture(histograms.confidences_by_position(con)),
            pairs_a_session_picture(histograms.pairs_a_session(con)),
        ]
    return []


def _differences(lake: Lake, days: Sequence[dt.date], differences: histograms.Differences, stages: Sequence[Stage]) -> Picture:
    outside = sum(stages[-1].left_out.values())
    return differences_picture(differences, list(clamp_windows(lake, days).values()), outside, stages[-1].rows + outside)
