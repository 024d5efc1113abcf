"""What is known of some days, for people and for machines: text, JSON, JUnit XML and a page of HTML.

A report is plain data (``Report``), gathered from a lake by ``report_gathering`` or made by hand, and each format is a
function of it. An outcome that failed with severity ERROR is a failure, one that failed with severity WARN is a warning.
The public names of the modules behind this one can all be imported from here.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from ft_assets.check_outcomes import CheckOutcome, Summary, summarize
from ft_assets.report_contents import MadeWith, Provenance, Report
from ft_assets.report_json import report_json
from ft_assets.report_junit import report_junit
from ft_assets.report_page import report_html
from ft_assets.report_problems import Problem
from ft_assets.report_text import check_report_text, report_text, table_summary_text

__all__ = [
    "FORMATS", "CheckOutcome", "MadeWith", "Problem", "Provenance", "Report", "Summary", "check_report_text",
    "report_html", "report_json", "report_junit", "report_text", "summarize",
    "table_summary_text", "write_whole",
]  # fmt: skip

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": report_text,
    "json": report_json,
    "junit": report_junit,
    "html": report_html,
}


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or what was there before.

    Args:
        path: where; its folder must be there.
        text: without its final newline.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text + "\n")
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # as any new file; a temporary one is its owner's alone
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
