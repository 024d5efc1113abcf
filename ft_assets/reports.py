"""What the checks found, for people and for machines: text, JSON, JUnit XML and a page of HTML.

A report takes outcomes, one per check and day, and returns a string. An outcome that failed with severity ERROR is
a failure, one that failed with severity WARN is a warning. Where a check ran twice, give the outcome that counts.
Outcomes are in check_outcomes, the page in report_page; their public names can all be imported from here.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from ft_assets.check_outcomes import (
    CheckOutcome,
    Summary,
    group_outcomes,
    json_line,
    plain,
    summarize,
    worst_state,
    writable,
)
from ft_assets.report_page import NOTHING_CHECKED, render_page

__all__ = [
    "CheckOutcome", "Summary", "check_report_html", "check_report_json", "check_report_junit", "check_report_text",
    "summarize", "table_summary_text",
]  # fmt: skip

EXAMPLES_SHOWN = 3
_MARKS = {"failed": "FAIL", "warned": "WARN", "passed": "ok"}


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
        lines.append(_one_line(table))
        names = [_one_line(check) for check, _ in checks]
        for name, (_, days) in zip(names, checks, strict=True):
            lines += _check_lines(name.ljust(max(map(len, names))), days)
    return writable("\n".join([*lines, str(summarize(outcomes))]))


def check_report_json(outcomes: Sequence[CheckOutcome]) -> str:
    """Write the report as JSON: ``{"summary": {passed, failed, warned}, "checks": [...]}``.

    A check has the fields of CheckOutcome and ``state``; not-a-number and infinity are written as strings.
    """
    ordered = [outcome for _, checks in group_outcomes(outcomes) for _, days in checks for outcome in days]
    names = [each.name for each in fields(CheckOutcome)]
    checks = [{name: plain(getattr(each, name)) for name in names} | {"state": each.state} for each in ordered]
    summary = summarize(outcomes)
    counts = {"passed": summary.passed, "failed": summary.failed, "warned": summary.warned}
    return writable(json.dumps({"summary": counts, "checks": checks}, indent=2, ensure_ascii=False, allow_nan=False))


def check_report_junit(outcomes: Sequence[CheckOutcome]) -> str:
    """Write the report as JUnit XML: a testsuite per table, a testcase per check and day.

    JUnit has no warnings: a failed check of severity WARN is written as ``skipped`` with its message, so that a CI
    server shows it without failing the build. Characters that XML cannot carry are replaced.
    """
    root = ET.Element("testsuites", _counts("ft-assets checks", outcomes))
    for table, checks in group_outcomes(outcomes):
        in_table = [outcome for _, days in checks for outcome in days]
        suite = ET.SubElement(root, "testsuite", _counts(table, in_table))
        times = [outcome.checked_at for outcome in in_table if outcome.checked_at]
        if times:
            suite.set("timestamp", min(times).isoformat(timespec="seconds"))
        for outcome in in_table:
            day = f"[{outcome.session_date}]" if outcome.session_date else ""
            case = ET.SubElement(suite, "testcase", _xml({"classname": table, "name": outcome.check + day, "time": "0"}))
            if outcome.state != "passed":
                tag = "failure" if outcome.state == "failed" else "skipped"
                detail = ET.SubElement(case, tag, _xml({"message": f"{outcome.severity}: {outcome.message}"}))
                if tag == "failure":
                    detail.set("type", "blocking" if outcome.blocking else "not blocking")
                detail.text = _xml_text("\n".join(json_line(example) for example in outcome.examples))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def check_report_html(outcomes: Sequence[CheckOutcome]) -> str:
    """Write the report as one page without outside resources: tables first, then what broke, then every check."""
    return render_page(outcomes)


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


def _check_lines(check: str, days: list[CheckOutcome]) -> list[str]:
    state = worst_state(days)
    broken = [outcome for outcome in days if not outcome.passed]
    dated = any(outcome.session_date for outcome in days)
    count = f"{len(days) - len(broken)} of {len(days)} days passed" if dated else ""
    if dated and not broken:
        count = f"{len(days)} {'day' if len(days) == 1 else 'days'}"
    blocks = "blocks the tables behind it" if any(each.blocking for each in broken) else ""
    lines = [f"  {_MARKS[state]:<5} {check}  {', '.join(part for part in (count, blocks) if part)}".rstrip()]
    for outcome in broken:
        lines.append(f"        {outcome.session_date or 'whole table'}: {_one_line(outcome.message)}")
        lines += [f"          {_one_line(json_line(row))}" for row in outcome.examples[:EXAMPLES_SHOWN]]
    return lines


def _one_line(text: str) -> str:
    """Keep a text on its line, and control characters (a terminal would obey them) out of it."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)


def _counts(name: str, outcomes: Iterable[CheckOutcome]) -> dict[str, str]:
    summary = summarize(outcomes)
    tests = summary.passed + summary.failed + summary.warned
    counts = {"tests": tests, "failures": summary.failed, "errors": 0, "skipped": summary.warned}
    return _xml({"name": name} | {key: str(value) for key, value in counts.items()})


def _xml(attributes: dict[str, str]) -> dict[str, str]:
    return {name: _xml_text(value) for name, value in attributes.items()}


def _xml_text(text: str) -> str:
    """Replace what XML 1.0 cannot carry, escaped or not (section 2.2 of the recommendation)."""
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
