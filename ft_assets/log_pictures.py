"""Pictures of what came in and of what is left of it: records, clicks by position, rows through the stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ft_assets.histograms import wilson_interval
from ft_assets.picture import (
    FIRST,
    GREY,
    INK,
    MUTED,
    POSITIONS_SHOWN,
    SECOND,
    Picture,
    count_positions,
    label,
    new_figure,
    number,
    percent,
    percentages,
)
from ft_assets.statistics import Stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REASONS_SHOWN, KINDS_SHOWN = 3, 4
LETTERS_BESIDE = 58  # so many fit between the longest name of a stage and the edge
FATES = ("accepted", "duplicate", "no_interest", "rejected")


def records_picture(books: Mapping[str, Any]) -> Picture:
    """Draw what became of the records of the landed files.

    Args:
        books: ``records``, ``files``, of each fate the records, ``<fate>_by_kind`` and ``rejected_by_reason``, as
            ``statistics.arrivals`` gives them.
    """
    name = "records_by_fate"
    records = books["records"]
    if not records:
        return Picture(name, "Records", "No record has been read.", None)
    title = f"Rejected: {percent(books['rejected'] / records)} of {number(records, 'records')}"
    figure = new_figure(title, height=2.7)
    axes = figure.axes[0]
    _bare(axes, len(FATES))
    for row, fate in enumerate(FATES):
        kinds = books["rejected_by_reason" if fate == "rejected" else f"{fate}_by_kind"]
        axes.barh(row, books[fate] / records, height=0.36, color=SECOND if fate == "rejected" else FIRST)
        _words(axes, row, fate.replace("_", " "), books[fate], _listed(kinds, KINDS_SHOWN))
    description = (
        f"What became of every record of {number(books['files'], 'landed files')}: it is news (accepted), says what is known "
        "(duplicate), says nothing of sessions, results and their events (no interest), or is refused (rejected), with a row "
        "in rejected_records that says why. Together they are all that was read."
    )
    return Picture(name, title, description, figure)


def clicks_picture(positions: Sequence[tuple[int, int, int]]) -> Picture:
    """Draw the click rate at each position, with its 95 % confidence interval.

    Args:
        positions: (position, results shown there, those that drew an event).
    """
    name = "click_rate_by_position"
    drawn = [each for each in positions if each[0] <= POSITIONS_SHOWN]
    if not drawn:
        return Picture(name, "Click rate by position", "No results with a text were shown.", None)
    shown, clicks = sum(each[1] for each in positions), sum(each[2] for each in positions)
    title = f"{percent(clicks / shown)} of {number(shown, 'results')} drew an event"
    if drawn[0][0] == 1:
        title += f", {percent(drawn[0][2] / drawn[0][1])} of those at position 1"
    figure = new_figure(title)
    axes = figure.axes[0]
    places, rates = [each[0] for each in drawn], [each[2] / each[1] for each in drawn]
    ends = [wilson_interval(hits, of) for _, of, hits in drawn]
    # An interval holds its share, but for the last bit of a float.
    below = [max(0.0, rate - low) for rate, (low, _) in zip(rates, ends, strict=True)]
    above = [max(0.0, high - rate) for rate, (_, high) in zip(rates, ends, strict=True)]
    axes.errorbar(places, rates, yerr=(below, above), color=GREY, ecolor=MUTED, elinewidth=1, capsize=2, linewidth=1)
    axes.plot(places, rates, color=FIRST, marker="o", markersize=4.5, linestyle="none", zorder=3)
    percentages(axes)
    count_positions(axes, places[-1])
    label(axes, "position on the page", "results that drew an event")
    deeper = sum(each[1] for each in positions if each[0] > POSITIONS_SHOWN)
    more = f" {number(deeper, 'results')} further down are not drawn." if deeper else ""
    description = (
        "Of the results with a text that were shown at a position, the share that drew a positive event; the bars are 95 % "
        "confidence intervals (Wilson). People look at the top first: a rate that falls is as much of place as of relevance, "
        "and one that does not fall, or is 0 or 100 % somewhere, wants explaining." + more
    )
    return Picture(name, title, description, figure)


def stages_picture(stages: Sequence[Stage]) -> Picture:
    """Draw rows through the stages: a bar is as long as its share of the first stage of its unit."""
    name = "rows_through_the_stages"
    last = stages[-1]
    extracted = last.rows + sum(last.left_out.values())
    if not any(stage.rows for stage in stages):
        return Picture(name, "Rows through the stages", "No session was logged.", None)
    title = f"{last.rows:,} of {number(extracted, 'pairs')} are kept, of {number(stages[0].rows, 'sessions')} logged"
    height = 0.42 * len(stages) + 0.9
    figure = new_figure(title, height=height)
    axes = figure.axes[0]
    units = list(dict.fromkeys(stage.unit for stage in stages))
    rows = [place + 0.45 * units.index(stage.unit) for place, stage in enumerate(stages)]
    _bare(axes, rows[-1] + 1)
    whole, before = 0, 0
    for row, stage in zip(rows, stages, strict=True):
        if stage is stages[0] or stage.unit != stages[stages.index(stage) - 1].unit:
            whole = before = stage.rows
        if whole:
            axes.barh(row, before / whole, height=0.36, color=SECOND, alpha=0.4)
            axes.barh(row, stage.rows / whole, height=0.36, color=FIRST)
        _words(
            axes,
            row,
            stage.name,
            stage.rows,
            _listed({reason: -rows for reason, rows in stage.left_out.items()}, REASONS_SHOWN, "+"),
        )
        before = stage.rows
    description = (
        "How many sessions, results, not-event objects and pairs reach each stage on the way to the features. Blue: what "
        "reached it; the pale rest of a bar: what the stage before had and this one left out, for the reasons beside it. Each "
        "group is drawn as a share of its own first bar."
    )
    return Picture(name, title, description, figure)


def _bare(axes: Axes, rows: float) -> None:
    """Axes of horizontal bars that say their numbers themselves."""
    axes.set_xlim(0, 1)
    axes.set_ylim(rows - 0.45, -0.75)
    axes.axis("off")
    axes.figure.subplots_adjust(left=0.02, right=0.98, bottom=0.03)


def _words(axes: Axes, row: float, name: str, rows: int, rest: str) -> None:
    """Over a bar: its name and number, and at the right in small print what else there is to say."""
    said = axes.text(0, row - 0.28, f"{name}  ", fontsize=9, color=INK, va="bottom")
    axes.annotate(
        f"{rows:,}", (1, 0), xycoords=said, fontsize=9, color=INK, fontweight="bold", va="bottom", annotation_clip=False
    )
    axes.text(1, row - 0.28, rest, fontsize=8, color=MUTED, va="bottom", ha="right")


def _listed(counts: Mapping[str, int], most: int, sign: str = "") -> str:
    """The largest counts with their names, as many as there is room for, and how much the others add up to."""
    ordered = [(name, count) for name, count in sorted(counts.items(), key=lambda each: -abs(each[1])) if count]
    for shown in range(min(most, len(ordered)), 0, -1):
        rest = sum(count for _, count in ordered[shown:])
        parts = [f"{count:{sign},} {name}" for name, count in ordered[:shown]]
        said = ", ".join([*parts, f"{rest:{sign},} others"] if rest else parts)
        if len(said) <= LETTERS_BESIDE:
            return said
    total = sum(count for _, count in ordered)
    return f"{total:{sign},}, for {number(len(ordered), 'reasons')}" if ordered else ""
