"""The report for CI servers: JUnit XML, in the shape that Jenkins, GitLab and GitHub's reporters agree on."""

from __future__ import annotations

import datetime as dt
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping

from ft_assets.check_outcomes import CheckOutcome, group_outcomes, json_line, summarize
from ft_assets.report_contents import NOTHING_CHECKED, Report

OWN_SUITE = "report"


def report_junit(report: Report) -> str:
    """Write the report as JUnit XML: a testsuite per table, a testcase per check and day.

    JUnit has no warnings: a failed check of severity WARN is written as ``skipped`` with its message, so that a CI
    server shows it without failing the build. A suite of the report itself comes first: that each day has features that
    were checked (so a report of nothing is no pass), and the key numbers as properties. Characters that XML cannot
    carry are replaced.

    Args:
        report: what to say.
    """
    root = ET.Element("testsuites")
    suites = [_own_suite(report)]
    suites += [_suite(table, [o for _, days in checks for o in days]) for table, checks in group_outcomes(report.outcomes)]
    root.extend(suites)
    totals = {key: sum(int(suite.get(key, "0")) for suite in suites) for key in ("tests", "failures", "errors", "skipped")}
    root.attrib.update({"name": "ft-assets checks", **{key: str(value) for key, value in totals.items()}, "time": "0"})
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _own_suite(report: Report) -> ET.Element:
    unchecked = set(report.unchecked_days)
    cases = [(f"features_are_checked[{day}]", "Its features have not been made or checked yet." if day in unchecked else "")
             for day in report.days]  # fmt: skip
    cases = cases or [("features_are_checked", report.verdict if report.outcomes else NOTHING_CHECKED)]
    suite = _element(OWN_SUITE, len(cases), sum(bool(said) for _, said in cases), 0, report.made_at)
    properties = {"verdict": report.verdict, "home": report.home, "days": " ".join(report.days)}
    properties |= {f"stage.{stage.name}": str(stage.rows) for stage in report.stages}
    properties |= {f"arrivals.{name}": str(value) for name, value in report.arrivals.items()
                   if not isinstance(value, Mapping)}  # fmt: skip
    listed = ET.SubElement(suite, "properties")
    for name, value in properties.items():
        ET.SubElement(listed, "property", _xml({"name": name, "value": value}))
    for name, said in cases:
        case = ET.SubElement(suite, "testcase", _xml({"classname": OWN_SUITE, "name": name, "time": "0"}))
        if said:
            ET.SubElement(case, "failure", _xml({"message": f"ERROR: {said}", "type": "ERROR"}))
    return suite


def _suite(table: str, outcomes: list[CheckOutcome]) -> ET.Element:
    counts = summarize(outcomes)
    times = [outcome.checked_at for outcome in outcomes if outcome.checked_at]
    suite = _element(table, len(outcomes), counts.failed, counts.warned, min(times, default=None))
    for outcome in outcomes:
        day = f"[{outcome.session_date}]" if outcome.session_date else ""
        case = ET.SubElement(suite, "testcase", _xml({"classname": table, "name": outcome.check + day, "time": "0"}))
        if outcome.state != "passed":
            tag = "failure" if outcome.state == "failed" else "skipped"
            detail = ET.SubElement(case, tag, _xml({"message": f"{outcome.severity}: {outcome.message}"}))
            if tag == "failure":
                detail.set("type", "blocking" if outcome.blocking else "not blocking")
            detail.text = _xml_text("\n".join(_detail(outcome)))
    return suite


def _detail(outcome: CheckOutcome) -> Iterable[str]:
    if outcome.remedy:
        yield f"What to do: {outcome.remedy}"
    yield from (json_line(example) for example in outcome.examples)


def _element(name: str, tests: int, failures: int, skipped: int, when: dt.datetime | None) -> ET.Element:
    counts = {"tests": tests, "failures": failures, "errors": 0, "skipped": skipped, "time": 0}
    suite = ET.Element("testsuite", _xml({"name": name, **{key: str(value) for key, value in counts.items()}}))
    if when:  # the schema has no place for a time zone
        suite.set("timestamp", when.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="seconds"))
    return suite


def _xml(attributes: dict[str, str]) -> dict[str, str]:
    return {name: _xml_text(value) for name, value in attributes.items()}


def _xml_text(text: str) -> str:
    """Replace what XML 1.0 cannot carry, escaped or not (section 2.2 of the recommendation)."""
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
