"""The report as one page of HTML: no script, no outside resource, light or dark as the reader has it, and it prints.

The page states in its own security policy that it may load nothing. Pictures are SVG inside image addresses: there they
run no script, and their ids cannot meet. Everything that comes from data is escaped.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ft_assets.check_outcomes import CheckOutcome, group_outcomes, plain, worst_state, writable
from ft_assets.picture import Picture
from ft_assets.report_contents import Report
from ft_assets.report_words import days_text, value_text

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

EXAMPLES_SHOWN = 5
DAYS_IN_FULL = 3  # of a check that did not pass; further days are named
PROBLEMS_ON_TOP = 5
DAY_COLUMNS = 31  # with more days, the days that did not pass are named
CELL = 300
TOLD_IN_TABLES = ("records_by_fate", "rows_through_the_stages")  # pictures of what the page has as a table with bars
# colour alone does not tell everybody
_MARKS = {"passed": "\u2713", "failed": "\u2717", "not_run": "\u2013", "outdated": "~", "warned": "!"}
_WORDS = {"passed": "passed", "failed": "failed", "not_run": "not run", "outdated": "not as it is now", "warned": "warning"}
_TITLES = {
    "arrivals": "What came in",
    "stages": "What was left out, and why",
    "features": "What the features look like",
    "problems": "What did not pass, and what to do",
    "texts": "Sample pairs",
    "checks": "Every check",
    "provenance": "What this was made from",
}


def report_html(report: Report) -> str:
    """Write the report as one page that needs nothing else.

    Args:
        report: what to say; parts that it has not are left out.

    Returns:
        A whole HTML document without a final newline.
    """
    return writable(_template().render(_parts(report)))


@cache
def _template() -> jinja2.Template:
    import jinja2  # only this page needs it

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        finalize=_printable,
    )
    environment.globals |= {
        "cell": _cell, "coded": _coded, "days_text": days_text, "text": value_text, "words": _spaced, "span_of": _span,
        "day_heading": _day_heading, "marks": _MARKS, "words_of": _WORDS, "titles": _TITLES,
        "days_in_full": DAYS_IN_FULL, "examples_shown": EXAMPLES_SHOWN, "problems_on_top": PROBLEMS_ON_TOP,
    }  # fmt: skip
    return environment.get_template("report_page.html.j2")


def _parts(report: Report) -> dict[str, Any]:
    """What the template shows, of long ranges no more than can be read."""
    times = [outcome.checked_at for outcome in report.outcomes if outcome.checked_at]
    problem_of = {id(outcome): number for number, problem in enumerate(report.problems, 1) for outcome in problem.outcomes}
    parts: dict[str, Any] = {
        "report": report,
        "state": "failed" if not report.is_sound() else "warned" if not report.is_sound(strict=True) else "passed",
        "span": days_text(report.days),
        "units": [list(stages) for _, stages in groupby(report.stages, key=lambda stage: stage.unit)],
        "numbers": list(report.day_numbers[-DAY_COLUMNS:]),
        "pictures": [_picture(each) for each in report.pictures if each.name not in TOLD_IN_TABLES],
        "problems": report.problems,
        "problem_of": lambda outcome: problem_of[id(outcome)],
        "tables": [(table, [_grid_row(days, problem_of) for _, days in checks]) for table, checks in _in_order(report)],
        "day_columns": report.days if len(report.days) <= DAY_COLUMNS else (),
        "filler": len(report.days) if len(report.days) <= DAY_COLUMNS else 2,
        "checked_at": f"{max(times):%Y-%m-%d %H:%M} UTC" if times else "",
    }
    there = {
        "arrivals": report.arrivals, "stages": report.stages, "features": parts["numbers"] or report.pictures,
        "problems": report.problems, "texts": report.texts, "checks": report.outcomes,
        "provenance": report.provenance.made or report.provenance.table_versions,
    }  # fmt: skip
    parts["contents"] = [(name, title) for name, title in _TITLES.items() if there[name]]
    return parts


def _in_order(report: Report) -> list[tuple[str, list[tuple[str, list[CheckOutcome]]]]]:
    """Tables in the order of making, so that what broke first comes first; a grid is looked up, not read."""
    order = list(dict.fromkeys(outcome.table for outcome in report.outcomes))
    return sorted(group_outcomes(report.outcomes), key=lambda pair: order.index(pair[0]))


def _grid_row(outcomes: Sequence[CheckOutcome], problem_of: dict[int, int]) -> dict[str, Any]:
    broken = [outcome for outcome in outcomes if outcome.state != "passed"]
    return {
        "name": outcomes[0].check,
        "rule": outcomes[0].description,
        "whole": next((outcome for outcome in outcomes if not outcome.session_date), None),
        "by_day": {outcome.session_date: outcome for outcome in outcomes if outcome.session_date},
        "state": worst_state(outcomes),
        "passed": len(outcomes) - len(broken),
        "broken": [outcome.session_date for outcome in broken if outcome.session_date],
        "problem": problem_of[id(broken[0])] if broken else None,
    }


def _picture(picture: Picture) -> dict[str, str]:
    svg = picture.svg()
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}" if svg else ""
    return {"title": picture.title, "description": picture.description, "source": source}


def _cell(value: Any, most: int = CELL) -> str:
    """A value of a row, short enough to read."""
    said = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
    return said if len(said) <= most else said[:most] + "\u2026"


def _printable(value: Any) -> Any:
    """Control characters, which HTML cannot carry, as the replacement character; markup of the template's own stays."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "\ufffd", value) if type(value) is str else value


def _coded(text: str) -> Markup:
    """Escaped text in which what stands between backticks is code, as the words of the checks are written."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(_printable(text)))))


def _spaced(name: Any) -> str:
    return str(name).replace("_", " ")


def _span(numbers: Collection[int]) -> str:
    return "" if not numbers else str(min(numbers)) if len(set(numbers)) == 1 else f"{min(numbers)} to {max(numbers)}"


def _day_heading(day: str) -> str:
    """The month and the day: the year stands above."""
    return day[5:] if re.fullmatch(r"\d{4}-\d\d-\d\d", day) else day
