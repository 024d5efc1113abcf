"""Pictures of pairs: their ranks, how far apart these are, how far they are believed, how many a session has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ft_assets.histograms import Bins, Confidences, Differences, Ranks, median_of
from ft_assets.picture import (
    FIRST,
    GREY,
    INK,
    POSITIONS_SHOWN,
    SECOND,
    Picture,
    count_positions,
    counts_with_commas,
    label,
    new_figure,
    number,
    percent,
    with_legend,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NO_PAIRS = "There are no pairs to draw."


def ranks_picture(ranks: Ranks) -> Picture:
    """Draw how the model ranks the positives and the negatives of all pairs, one over the other."""
    name = "ranks_of_pairs"
    if ranks.share_ordered_right is None or ranks.mean_positive is None or ranks.mean_negative is None:
        return Picture(name, "Ranks of the pairs", NO_PAIRS, None)
    title = f"The positive ranks nearer in {percent(ranks.share_ordered_right)} of {number(ranks.pairs, 'pairs')}"
    figure = new_figure(title, height=3.1)
    axes = figure.axes[0]
    first, last = _span(ranks.positive, ranks.negative)
    for bins, said, colour, mean in (
        (ranks.negative, "negatives", SECOND, ranks.mean_negative),
        (ranks.positive, "positives", FIRST, ranks.mean_positive),
    ):
        counts, edges = bins.dense(first, last)
        axes.stairs(counts, edges, fill=True, color=colour, alpha=0.3)
        axes.stairs(counts, edges, color=colour, linewidth=1.4, label=f"{said} (mean {mean:.2f})")
        axes.axvline(mean, color=colour, linewidth=1, linestyle=(0, (3, 3)))
    axes.set_ylim(bottom=0)
    counts_with_commas(axes)
    label(axes, "rank: the model's score", "pairs")
    with_legend(axes)
    figure.subplots_adjust(top=1 - 0.62 / 3.1)
    description = (
        "How the model scores the object that drew an event (positive) and the one that did not (negative), over all pairs "
        "before the clamp window. The further apart the two, the more the model knows already; where they lie on one "
        "another there is much to learn, or the clicks say little. Dashed: the means."
    )
    return Picture(name, title, description, figure)


def differences_picture(
    differences: Differences, windows: Sequence[tuple[float, float]], outside: int, extracted: int
) -> Picture:
    """Draw |difference| of the ranks, and the clamp window.

    Args:
        differences: of the pairs.
        windows: the windows that the days were made with: drawn where there is one.
        outside: pairs that are not kept.
        extracted: all pairs of these days.
    """
    name = "rank_differences"
    if not differences.pairs:
        return Picture(name, "Differences of the ranks", NO_PAIRS, None)
    title = f"Outside the clamp window: {percent(outside / extracted)} of {number(extracted, 'pairs')}"
    if not windows:
        title = f"How far apart the ranks are of {number(differences.pairs, 'pairs')}"
    figure = new_figure(title)
    axes = figure.axes[0]
    counts, edges = differences.bins.dense(0, max(differences.bins.counts))
    axes.stairs(counts, edges, fill=True, color=FIRST, alpha=0.85)
    axes.set_xlim(0, edges[-1])
    axes.set_ylim(0, max(counts) * 1.12)
    if len(set(windows)) == 1:
        _mark_window(axes, *windows[0])
    counts_with_commas(axes)
    label(axes, "|positive rank - negative rank|, of the model's scores", "pairs")
    several = " The days were made with different windows, so none is drawn." if len(set(windows)) > 1 else ""
    description = (
        "How far apart the model ranks the two of a pair. Pairs in the shaded parts are left out by the clamp window: on the "
        "left those that are too close to tell, on the right those that the model tells apart already." + several
    )
    return Picture(name, title, description, figure)


def confidences_picture(confidences: Confidences) -> Picture:
    """Draw how far events and not-events are believed, position by position."""
    name = "confidence_by_position"
    shown = [each for each in confidences.believed if each.position <= POSITIONS_SHOWN]
    if not shown:
        return Picture(name, "Confidence by position", NO_PAIRS, None)
    means = []
    figure = new_figure("", height=3.1)
    axes = figure.axes[0]
    for is_event, said, colour, marker in ((True, "events", FIRST, "o"), (False, "not-events", SECOND, "s")):
        own = [each for each in shown if each.is_event is is_event]
        everywhere = [each for each in confidences.believed if each.is_event is is_event]
        if not own:
            continue
        mean = sum(each.mean * each.objects for each in everywhere) / sum(each.objects for each in everywhere)
        means.append(f"{said} {mean:.2f}")
        places = [each.position for each in own]
        lows, highs = [each.lower_quartile for each in own], [each.upper_quartile for each in own]
        axes.fill_between(places, lows, highs, color=colour, alpha=0.16, linewidth=0)
        axes.plot(places, [each.mean for each in own], color=colour, marker=marker, markersize=3.5, linewidth=1.4, label=said)
    title = f"Mean confidence: {', '.join(means)}"
    figure.texts[0].set_text(title)
    axes.set_ylim(-0.02, 1.02)
    count_positions(axes, max(each.position for each in shown))
    drawn, of_all = confidences.sessions, confidences.of_sessions
    sample = f"of a sample of {number(drawn, 'sessions')}" if drawn < of_all else ""
    label(axes, f"position of the object on the page{sample and ', ' + sample}", "confidence, in [0, 1]")
    with_legend(axes)
    figure.subplots_adjust(top=1 - 0.62 / 3.1)
    description = (
        "How far an event, or that there was none, is believed, by the place of the object on the page: the mean, and shaded "
        f"the middle half of the values. Each object of a session counts once; up to position {POSITIONS_SHOWN}."
    )
    if sample:
        description += f" Drawn {sample}, the same at every drawing, of {of_all:,} with pairs."
    return Picture(name, title, description, figure)


def pairs_a_session_picture(sessions: Mapping[int, int]) -> Picture:
    """Draw how many pairs the sessions have, each bar twice as wide in pairs as the one before.

    Args:
        sessions: how many have so many pairs.
    """
    name = "pairs_a_session"
    middle, total = median_of(sessions), sum(sessions.values())
    if middle is None:
        return Picture(name, "Pairs a session", "There are no sessions that could have pairs.", None)
    title = f"The middle session has {number(middle, 'pairs')}; {percent(sessions.get(0, 0) / total)} have none"
    bars: dict[int, int] = {}
    for pairs, count in sessions.items():
        # 0, 1, 2-3, 4-7, ...: the bit length of a number.
        bars[pairs.bit_length()] = bars.get(pairs.bit_length(), 0) + count
    figure = new_figure(title)
    axes = figure.axes[0]
    places = range(max(bars) + 1)
    drawn = axes.bar(places, [bars.get(place, 0) for place in places], width=0.86, color=FIRST)
    drawn[0].set_color(SECOND)
    axes.bar_label(drawn, [f"{bars[p]:,}" if bars.get(p) else "" for p in places], fontsize=8, color=INK, padding=2)
    axes.set_xticks(places, [_bar_name(place) for place in places], rotation=30 if len(places) > 10 else 0)
    axes.set_ylim(0, max(bars.values()) * 1.12)
    counts_with_commas(axes)
    label(axes, "pairs of the session", "sessions")
    description = (
        f"How many pairs each of {number(total, 'sessions')} gives: every clicked object with every not-event that was kept. "
        "Sessions without an event are not counted unless they are paired. A few sessions with very many pairs weigh as much "
        "in training as all the others."
    )
    return Picture(name, title, description, figure)


def _bar_name(place: int) -> str:
    if place < 2:
        return str(place)
    return f"{2 ** (place - 1):,}-{2**place - 1:,}"


def _span(*all_bins: Bins) -> tuple[int, int]:
    known = [k for bins in all_bins for k in bins.counts]
    return min(known), max(known)


def _mark_window(axes: Axes, low: float, high: float) -> None:
    """Shade what the clamp window leaves out, and name its ends."""
    left, right = axes.get_xlim()
    for start, end in ((left, min(low, right)), (max(high, left), right)):
        if start < end:
            axes.axvspan(start, end, color=GREY, alpha=0.55, linewidth=0, zorder=2)
    for name, value, side in (("min", low, "left"), ("max", high, "right")):
        if left < value < right:
            axes.axvline(value, color=SECOND, linewidth=1.4, zorder=3)
            offset = 3 if side == "left" else -3
            axes.annotate(
                f"{name} {value:g}", (value, 1), xycoords=("data", "axes fraction"), xytext=(offset, -2),
                textcoords="offset points", ha=side, va="top", fontsize=8.5, color=SECOND,
            )  # fmt: skip
