"""A picture of numbers, drawn once and shown where it is wanted: in Dagster's metadata as PNG, in the report as SVG."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        """The drawing as one SVG document without outside resources; empty without a figure."""
        return self._saved("svg").decode("utf-8")

    def png(self) -> bytes:
        """The drawing as PNG; empty without a figure."""
        return self._saved("png")

    def markdown(self) -> str:
        """The drawing as a Markdown image that carries the PNG itself; the description without a figure."""
        if self.figure is None:
            return self.description
        said = self.title.translate(str.maketrans("", "", "[]\n"))
        return f"![{said}](data:image/png;base64,{base64.b64encode(self.png()).decode('ascii')})"

    def _saved(self, form: str) -> bytes:
        if self.figure is None:
            return b""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format=form, metadata={"Date": None} if form == "svg" else {"Software": None})
        return buffer.getvalue()
