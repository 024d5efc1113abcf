"""The report for a terminal: lines of at most 100 columns, the verdict first."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ft_assets.check_outcomes import CheckOutcome, group_outcomes, json_line, summarize, worst_state, writable
from ft_assets.report_contents import NOTHING_CHECKED, Report
from ft_assets.report_words import days_text, value_text
from ft_assets.statistics import Stage

WIDTH = 100
EXAMPLES_SHOWN = 3
BROKEN_DAYS_SHOWN = DAYS_SHOWN = 7
_MARKS = {"failed": "FAIL", "not_run": "NONE", "outdated": "OLD", "warned": "WARN", "passed": "ok"}


def report_text(report: Report) -> str:
    """Write the report for a terminal.

    Args:
        report: what to say; parts that it has not are left out.

    Returns:
        Lines without a final newline: the verdict, what came in, the funnel, the numbers of the days, what was checked,
        what it was made from.
    """
    parts = [
        _head(report),
        _titled("What came in, of all days", _arrivals(report.arrivals)),
        _titled("What became of it", _stages(report.stages)),
        _titled("Day by day", _numbers(report.day_numbers)),
        _titled("Sample pairs", _texts(report.texts or ())),
        _titled("What was checked", [check_report_text(report.outcomes)] if report.outcomes else []),
        _titled("Made from", _provenance(report)),
    ]
    return writable("\n\n".join("\n".join(lines) for lines in parts if lines))


def check_report_text(outcomes: Sequence[CheckOutcome]) -> str:
    """Write the report for a terminal: what broke first, a line per check, a closing line of counts.

    Args:
        outcomes: in any order.

    Returns:
        Lines without a final newline; without outcomes, a line that says so.

    Example:
        >>> print(check_report_text([CheckOutcome("items", "unique_ids", None, True)]))
        items
          ok    unique_ids
        1 check passed, 0 failed, 0 warnings
    """
    if not outcomes:
        return NOTHING_CHECKED
    lines: list[str] = []
    for table, checks in group_outcomes(outcomes):
        lines.append(one_line(table))
        names = [one_line(check) for check, _ in checks]
        for name, (_, days) in zip(names, checks, strict=True):
            lines += _check_lines(name.ljust(max(map(len, names))), days)
        lines += _unrun_lines([outcome for _, days in checks for outcome in days if outcome.state == "not_run"])
    return writable("\n".join([*lines, str(summarize(outcomes))]))


def table_summary_text(rows: Sequence[dict[str, Any]]) -> str:
    """Line up what a run made.

    Args:
        rows: of each table ``table``, ``days`` (None where it has none), ``rows`` and ``seconds`` (None where
            it was not made now).

    Returns:
        A header and a line per table, in the order given, without a final newline.

    Example:
        >>> print(table_summary_text([{"table": "items", "days": None, "rows": 5394, "seconds": 0.72}]))
        table  days   rows  seconds
        items     -  5,394      0.7
    """
    header = ("table", "days", "rows", "seconds")
    cells = [
        (
            str(row["table"]),
            "-" if row.get("days") is None else f"{row['days']:,}",
            "-" if row.get("rows") is None else f"{row['rows']:,}",
            "-" if row.get("seconds") is None else f"{row['seconds']:,.1f}",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (header, *cells)) for column in range(len(header))]
    return "\n".join(
        line[0].ljust(widths[0]) + "".join("  " + line[column].rjust(widths[column]) for column in (1, 2, 3))
        for line in (header, *cells)
    )


def _head(report: Report) -> list[str]:
    lines = textwrap.wrap(one_line(report.verdict), WIDTH)
    for days, tables in report.blocked:
        lines += _wrapped(f"blocked on {days_text(days)}: {', '.join(tables)}", "  ")
    lines += [line for remark in report.remarks for line in _wrapped(one_line(remark), "  ")]
    told = []
    if report.days:
        told.append(f"{len(report.days)} {'day' if len(report.days) == 1 else 'days'}, {days_text(report.days)}")
    if report.home:
        told.append(f"home {one_line(report.home)}")
    return [*lines, *(_wrapped("; ".join(told), "") if told else [])]


def _titled(title: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return [title, *found] if found else []


def _arrivals(arrivals: Mapping[str, Any]) -> Iterator[str]:
    counts = {name: value for name, value in arrivals.items() if not isinstance(value, Mapping)}
    yield from _wrapped(", ".join(f"{value_text(name, value)} {_words(name)}" for name, value in counts.items()), "  ")
    for name, inner in arrivals.items():
        if isinstance(inner, Mapping) and inner:
            said = ", ".join(f"{one_line(str(key))} {value_text(str(key), value)}" for key, value in inner.items())
            yield from _wrapped(f"{_words(name)}: {said}", "  ")


def _stages(stages: Sequence[Stage]) -> Iterator[str]:
    """A line a stage, the numbers under each other, and behind each what was left out before it."""
    wide = max((len(f"{stage.rows:,}") for stage in stages), default=0)
    long = max((len(stage.name) for stage in stages), default=0)
    unit = None
    for stage in stages:
        if unit not in (None, stage.unit):
            yield ""
        unit = stage.unit
        gone = ", ".join(f"{rows:,} {_words(reason)}" for reason, rows in stage.left_out.items() if rows)
        line = f"  {stage.rows:>{wide},}  {one_line(stage.name):<{long}}{f'  left out: {gone}' if gone else ''}"
        yield from textwrap.wrap(line, WIDTH, subsequent_indent=" " * (wide + long + 8)) or [""]


def _numbers(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line a number, a column a day."""
    shown = rows[-DAYS_SHOWN:]
    if len(shown) < len(rows):
        yield f"  the last {DAYS_SHOWN} of {len(rows)} days; the json and html reports have more"
    names = [name for name in (shown[0] if shown else ()) if name != "session_date"]
    cells = [[_words(name), *(value_text(name, row.get(name)) for row in shown)] for name in names]
    cells.insert(0, ["", *(str(row["session_date"])[5:] for row in shown)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *numbers in cells if names else []:
        ragged = (number.rjust(max(width, 7)) for number, width in zip(numbers, widths[1:], strict=True))
        yield "  ".join(["  " + first.ljust(widths[0]), *ragged])


def _texts(pairs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for pair in pairs:
        yield _cut(f"  {pair['sample']}, {pair['session_date']}: {one_line(str(pair['query_text']))}")
        for side, mark in (("positive", "+"), ("negative", "-")):
            rank, text = value_text("rank", pair[f"{side}_rank"]), one_line(str(pair[f"{side}_text"]))
            yield _cut(f"    {mark} {rank:>6}  {text}")


def _provenance(report: Report) -> Iterator[str]:
    for made in report.provenance.made:
        settings = ", ".join(f"{name} {value}" for name, value in made.configuration.items())
        model = f"; model {made.model}" if made.model else ""
        when = f"; {days_text(made.days, 3)}" if len(made.days) < len(report.days) else ""
        yield from _wrapped(f"{made.table}: {settings or 'nothing to set'}{model}; code {made.code_version}{when}", "  ")
    if report.provenance.program:
        made_at = f", {report.made_at:%Y-%m-%d %H:%M} UTC" if report.made_at else ""
        yield f"  ft_assets {report.provenance.program}{made_at}"


def _check_lines(check: str, days: list[CheckOutcome]) -> list[str]:
    state = worst_state(days)
    broken = [outcome for outcome in days if outcome.state != "passed"]
    dated = any(outcome.session_date for outcome in days)
    count = f"{len(days) - len(broken)} of {len(days)} days passed" if dated else ""
    if dated and not broken:
        count = f"{len(days)} {'day' if len(days) == 1 else 'days'}"
    unknown = {"not_run": "not run on", "outdated": "rows changed since on"}
    found_by = {state: [outcome for outcome in broken if outcome.state == state] for state in unknown}
    not_known = [f"{words} {_days_of(found_by[state])}" for state, words in unknown.items() if found_by[state]]
    blocks = "blocks the tables behind it" if any(each.blocking for each in broken) else ""
    said = ", ".join(part for part in (count, *not_known, blocks) if part)
    lines = _wrapped(f"  {_MARKS[state]:<5} {check}  {said}".rstrip(), "", " " * 8)
    found = [outcome for outcome in broken if outcome.state not in unknown]
    for outcome in found[:BROKEN_DAYS_SHOWN]:
        lines += _wrapped(f"{outcome.session_date or 'whole table'}: {one_line(outcome.message)}", " " * 8)
        lines += [_cut(f"          {one_line(json_line(row))}") for row in outcome.examples[:EXAMPLES_SHOWN]]
    if left := found[BROKEN_DAYS_SHOWN:]:
        lines += _wrapped(f"and on {_days_of(left)}", " " * 8)
    if found and found[0].remedy:
        lines += _wrapped(f"what to do: {one_line(found[0].remedy)}", " " * 8)
    return lines


def _unrun_lines(unrun: Sequence[CheckOutcome]) -> list[str]:
    """Why checks of a table were not run, once for all of them."""
    runs = list(dict.fromkeys(one_line(outcome.run_id) for outcome in unrun if outcome.run_id))
    if not runs:
        return []
    more = f" and of {len(runs) - 1} more" if runs[1:] else ""
    return _wrapped(f"not run: the run ended before these checks; see the reason of run {runs[0]}{more}", " " * 8)


def _days_of(outcomes: Sequence[CheckOutcome]) -> str:
    return days_text([each.session_date for each in outcomes if each.session_date]) or "the whole table"


def _wrapped(text: str, indent: str, further: str = "") -> list[str]:
    """Lines of words, those behind the first further in; a word that is too long stays whole."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=further or indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."


def _words(name: str) -> str:
    return one_line(str(name)).replace("_", " ")


def one_line(text: str) -> str:
    """Keep a text on its line, and control characters (a terminal would obey them) out of it."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)
