"""The numbers that matter over the days, as small pictures side by side."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ft_assets.picture import FIRST, INK, MUTED, SECOND, Picture, counts_with_commas, new_figure, number, percentages

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of each small picture its title, and what it draws: up to two keys of statistics.NUMBERS, each with its name.
PANELS: tuple[tuple[str, dict[str, str]], ...] = (
    ("sessions", {"sessions_ready": "ready", "sessions": "logged"}),
    ("irrelevant sessions", {"share_irrelevant": ""}),
    ("results that drew an event", {"click_rate": ""}),
    ("results without a text", {"share_results_without_text": ""}),
    ("pairs", {"features": "inside the window", "pairs": "extracted"}),
    ("pairs a session", {"pairs_a_session": ""}),
    ("pairs outside the window", {"share_clamped": ""}),
    ("positive ranks nearer", {"share_ordered_right": ""}),
    ("mean rank", {"mean_positive_rank": "positives", "mean_negative_rank": "negatives"}),
    ("confidence", {"mean_positive_confidence": "events", "mean_negative_confidence": "not-events"}),
)
SHARES = ("share_irrelevant", "click_rate", "share_results_without_text", "share_clamped", "share_ordered_right")


def trends_picture(numbers: Sequence[Mapping[str, Any]]) -> Picture:
    """Draw the numbers of the days.

    Args:
        numbers: a row a day, as ``statistics.day_numbers`` gives them.
    """
    name = "trends"
    if len(numbers) < 2:
        return Picture(name, "Over the days", "A trend needs two days or more.", None)
    total = sum(row["features"] or 0 for row in numbers)
    title = f"{len(numbers)} days: {number(total, 'pairs')} to train on"
    height = 1.45 * ((len(PANELS) + 1) // 2) + 0.6
    figure = new_figure(title, height=height, rows=(len(PANELS) + 1) // 2, columns=2)
    figure.subplots_adjust(left=0.1, top=1 - 0.68 / height, bottom=0.32 / height, wspace=0.24)
    for axes, (said, series) in zip(figure.axes, PANELS, strict=True):
        axes.set_title(said, fontsize=9, color=INK, loc="left", pad=5)
        _draw(axes, numbers, series)
    description = (
        "Each small picture is one number over the days; a day that is missing or was not made is a gap. What is steady can "
        "be trusted more than what jumps: a day of few sessions, of other click rates or ranks than its neighbours is worth a "
        "look before it is trained on."
    )
    return Picture(name, title, description, figure)


def _draw(axes: Axes, numbers: Sequence[Mapping[str, Any]], series: Mapping[str, str]) -> None:
    by_day = {dt.date.fromisoformat(str(row["session_date"])).toordinal(): row for row in numbers}
    days = list(range(min(by_day), max(by_day) + 1))  # a day that is not there is a gap in the line
    # The first on top: it is the one that the picture is about, and often has the other's values.
    for (key, said), colour, marker in reversed(list(zip(series.items(), (FIRST, SECOND), ("o", "s"), strict=False))):
        known = [by_day[day][key] if day in by_day else None for day in days]
        values = [math.nan if value is None else float(value) for value in known]
        axes.plot(days, values, color=colour, marker=marker, markersize=3, linewidth=1.3, label=said)
    bottom, top = axes.get_ylim()
    axes.set_ylim(top=top + 0.1 * (top - bottom))  # of the extent: the values may be below zero
    if next(iter(series)) in SHARES:
        percentages(axes)
    elif "confidence" in next(iter(series)):
        axes.set_ylim(0, 1.02)
    elif "rank" not in next(iter(series)):
        axes.set_ylim(bottom=0)
        counts_with_commas(axes)
    if len(series) > 1:
        axes.legend(
            frameon=False, fontsize=7.5, labelcolor=MUTED, ncols=2, loc="lower right", bbox_to_anchor=(1.02, 0.98),
            borderaxespad=0, handlelength=1.2, columnspacing=0.9, handletextpad=0.4,
        )  # fmt: skip
    shown = sorted({days[0], days[-1], days[len(days) // 2]})
    axes.set_xticks(shown, [dt.date.fromordinal(day).strftime("%m-%d") for day in shown])
    axes.margins(x=0.06)
