"""A picture of numbers, drawn once and shown where it is wanted: in Dagster's metadata as PNG, in the report as SVG.

matplotlib is imported where something is drawn: it takes a second, and a run that draws nothing need not wait for it.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's blue and vermilion are told apart by the colour-blind too, and in grey.
INK, MUTED, GREY, FAINT, FIRST, SECOND = "#1e293b", "#475569", "#cbd5e1", "#e2e8f0", "#0072b2", "#d55e00"
WIDTH = 6.0  # inches: 600 pixels
POSITIONS_SHOWN = 20
COLOURS = 64
_SETTINGS_ARE_EVERYONES = Lock()  # matplotlib's are of the process, and runs may draw in several threads


@dataclass(frozen=True)
class Picture:
    """A figure with its words.

    Attributes:
        name: its key in metadata and its anchor on a page: ``click_rate_by_position``.
        title: one line, with the number that matters.
        description: what it shows and how to read it; also said to those who do not see it.
        figure: the drawing; None where there is nothing to draw, which the description then says.
    """

    name: str
    title: str
    description: str
    figure: Figure | None

    def svg(self) -> str:
        """The drawing as one SVG document without outside resources; empty without a figure.

        Its ids begin with the picture's name, so that several pictures can stand on one page; its text is text.
        """
        ids: dict[str, str] = {}

        def renamed(match: re.Match[str]) -> str:
            return match[1] + ids.setdefault(match[2], f"{self.name}-{len(ids) + 1}") + match[3]

        if self.figure is None:
            return ""
        import matplotlib as mpl

        buffer = io.BytesIO()
        with _SETTINGS_ARE_EVERYONES, mpl.rc_context({"svg.fonttype": "none"}):
            self.figure.savefig(buffer, format="svg", metadata={"Date": None})
        return re.sub(r'(\bid="|url\(#|href="#)([^")]+)("|\))', renamed, buffer.getvalue().decode("utf-8"))

    def png(self) -> bytes:
        """The drawing as PNG; empty without a figure. Of few colours, which is a third of the bytes: Dagster keeps it twice."""
        if self.figure is None:
            return b""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        canvas, buffer = FigureCanvasAgg(self.figure), io.BytesIO()
        with _SETTINGS_ARE_EVERYONES:
            canvas.draw()
        # Straight from what is drawn: a PNG in between would be written and read for nothing.
        drawn = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba())
        drawn.convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE).save(buffer, format="png")
        return buffer.getvalue()

    def markdown(self) -> str:
        """The drawing as a Markdown image that carries the PNG itself; the description without a figure."""
        if self.figure is None:
            return self.description
        said = self.title.translate(str.maketrans("", "", "[]\n"))
        return f"![{said}](data:image/png;base64,{base64.b64encode(self.png()).decode('ascii')})"


def new_figure(title: str, height: float = 3.0, rows: int = 1, columns: int = 1) -> Figure:
    """An empty figure under its title, with axes that have no frame to the top and right.

    Margins are fixed, not laid out: that would take longer than the drawing.

    Args:
        title: said above it.
        height: in inches.
        rows: of axes.
        columns: of axes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=100)
    FigureCanvasAgg(figure)  # not pyplot: that keeps global state
    figure.subplots_adjust(left=0.115, right=0.975, bottom=0.5 / height, top=1 - 0.42 / height, wspace=0.3, hspace=0.62)
    figure.text(0.02, 1 - 0.2 / height, title, fontsize=10.5, fontweight="bold", color=INK, va="center")
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.tick_params(labelsize=8.5, color=GREY, labelcolor=MUTED, length=3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(GREY)
        axes.grid(axis="y", color=FAINT, linewidth=0.7)
        axes.set_axisbelow(True)
    return figure


def label(axes: Axes, across: str, up: str) -> None:
    """Name both axes, with their units."""
    axes.set_xlabel(across, fontsize=9, color=MUTED)
    axes.set_ylabel(up, fontsize=9, color=MUTED)


def with_legend(axes: Axes) -> None:
    """Say which colour is what, above the axes on the right, where no number is."""
    axes.legend(
        frameon=False, fontsize=8.5, labelcolor=INK, ncols=4, loc="lower right", bbox_to_anchor=(1.0, 0.985),
        borderaxespad=0, handlelength=1.4, columnspacing=1.2,
    )  # fmt: skip


def counts_with_commas(axes: Axes, which: str = "y") -> None:
    """Write an axis's numbers as counts: whole ones, with commas; tens of thousands and more are short, for the margin."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value, axis.get_view_interval()[1])))


def _short(count: float, largest: float) -> str:
    """A count as it stands beside others on an axis: ``0.3M`` where the largest is a million or more."""
    unit, name = (1e6, "M") if largest >= 1e6 else (1e3, "k") if largest >= 1e4 else (1, "")
    return f"{count / unit:,.10g}{name if count else ''}"


def count_positions(axes: Axes, last: int) -> None:
    """Write every position from 1 to the last."""
    axes.set_xlim(0.4, last + 0.6)
    axes.set_xticks(range(1, last + 1))


def percentages(axes: Axes) -> None:
    """Write the numbers upwards as percentages, from 0."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_ylim(0, max(0.01, min(1.02, axes.get_ylim()[1])))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.4g}%"))


def number(count: int, unit: str) -> str:
    """A count with its unit, in the singular where it is one: ``1 pair``, ``1,063 sessions``."""
    return f"{count:,} {unit.removesuffix('s') if count == 1 else unit}"


def percent(share: float) -> str:
    """A share as people read it, never rounded to all or nothing: ``10.4%``, ``<0.1%``, ``>99.9%``."""
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.0%}" if share in (0, 1) else f"{share:.1%}"
