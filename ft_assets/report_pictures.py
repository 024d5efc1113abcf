"""Small pictures of the pairs, as Markdown that carries the image itself, for the metadata of an asset.

matplotlib is imported inside: nothing else needs it, and no window or display is involved.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 60
POSITIONS_SHOWN = 20
_INK, _GREY, _FIRST, _SECOND = "#334155", "#cbd5e1", "#0072b2", "#d55e00"  # told apart by the colour-blind too
_COLOURS = (_FIRST, _SECOND, _INK)


def clamp_picture(
    differences: np.ndarray, minimum: float, maximum: float, title: str = "|positive_rank - negative_rank|"
) -> str:
    """Draw how far apart the ranks of the pairs are, and the clamp window that keeps some of them.

    Args:
        differences: positive_rank - negative_rank of N pairs, of either sign.
        minimum: lower end of the window, itself outside.
        maximum: upper end of the window, itself outside.
        title: said above the picture.

    Returns:
        A Markdown image (PNG, under 60 kB); a sentence where there is no finite difference to draw.
    """
    sizes = np.abs(np.asarray(differences, dtype=np.float32))
    sizes = sizes[np.isfinite(sizes)]
    if not len(sizes):
        return f"{title}: no pairs to draw."
    low, high = np.float32(minimum), np.float32(maximum)  # the clamp compares in float32
    kept = float(((sizes > low) & (sizes < high)).mean())
    counts, edges = np.histogram(sizes, bins=BINS)
    # a window that is wider than the data ends at the data: the picture is of the pairs
    inside = max(low, edges[0]), min(high, edges[-1])
    figure = _empty_figure(f"{title}: {kept:.1%} of {len(sizes):,} kept", "difference", "pairs")
    axes = figure.axes[0]
    axes.stairs(counts, edges, fill=True, color=_FIRST)
    if inside[0] < inside[1]:
        axes.axvspan(float(inside[0]), float(inside[1]), color=_GREY, alpha=0.4, zorder=0)
    for end in (minimum, maximum):
        if edges[0] <= end <= edges[-1]:
            axes.axvline(end, color=_SECOND, linewidth=1.2)
    return _markdown(figure, title)


def confidence_picture(series: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str = "confidence by position") -> str:
    """Draw the mean confidence at each position, a line per series, the middle half of the values shaded.

    Args:
        series: up to three of name (such as events, not-events) -> positions from 1 and confidences, of one length.
        title: said above the picture.

    Returns:
        A Markdown image (PNG, under 60 kB) of the first 20 positions; a sentence where there is nothing to draw.

    Raises:
        ValueError: more than three series, or positions and confidences of a series differ in length.
    """
    if len(series) > len(_COLOURS):
        raise ValueError(f"series must be at most {len(_COLOURS)}, got {len(series)}")
    figure = _empty_figure(title, "position", "confidence")
    axes = figure.axes[0]
    drawn = False
    for (name, (positions, confidences)), colour in zip(series.items(), _COLOURS, strict=False):
        if len(positions) != len(confidences):
            raise ValueError(
                f"positions and confidences of {name} must have one length, got {len(positions)} and {len(confidences)}"
            )
        places = [place for place in range(1, POSITIONS_SHOWN + 1) if np.any(positions == place)]
        values = [np.asarray(confidences, dtype=np.float64)[positions == place] for place in places]
        if places:
            lows, highs = zip(*(np.quantile(each, (0.25, 0.75)) for each in values), strict=True)
            axes.fill_between(places, lows, highs, color=colour, alpha=0.15, linewidth=0)
            axes.plot(places, [each.mean() for each in values], color=colour, marker=".", label=name)
            drawn = True
    if not drawn:
        return f"{title}: nothing to draw."
    axes.set_ylim(-0.02, 1.02)
    axes.set_xticks(range(1, POSITIONS_SHOWN + 1))
    axes.legend(frameon=False, fontsize=8)
    return _markdown(figure, title)


def _empty_figure(title: str, across: str, up: str) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 2.8), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)  # not pyplot: that keeps global state, and runs may draw in several threads
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=9, color=_INK)
    axes.set_xlabel(across, fontsize=8)
    axes.set_ylabel(up, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _markdown(figure: Figure, title: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    said = title.translate(str.maketrans("", "", "[]\n"))
    return f"![{said}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')})"
