"""The report for CI servers: JUnit XML, in the shape that Jenkins, GitLab and GitHub's reporters agree on."""

from __future__ import annotations

import datetime as dt
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping

from ft_assets.check_outcomes import UNKNOWN, CheckOutcome, group_outcomes, json_line
from ft_assets.report_contents import Report
from ft_assets.report_words import days_text

OWN_SUITE = "report"


def report_junit(report: Report) -> str:
    """Write the report as JUnit XML: a testsuite per table, a testcase per check and day.

    JUnit has no warnings: a failed check of severity WARN is written as ``skipped`` with its message, so that a CI
    server shows it without failing the build. A check that was not run, or not on the rows as they are now, is an ``error``
    if it blocks, else ``skipped``. A suite of the report itself comes first: that there are features to train on, that each
    day has features that were checked and are up to date (so a report of nothing is no pass), whether a day is missing, and
    the key numbers as properties. Characters that XML cannot carry are replaced.

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


def _own_cases(report: Report) -> Iterator[tuple[str, str, str]]:
    """Of the report's own testcases the name, what became of it, and why it has not passed."""
    if not report.days:
        yield "features_are_checked", "failure", report.verdict
        return
    yield "there_are_features", "failure", "" if report.has_features else "No day has any features."
    missing = f"No session on {days_text(report.missing_days)}." if report.missing_days else ""
    yield "no_day_is_missing", "skipped", missing
    for day in report.days:
        said = "Its features are not checked as they are now." if day in report.unchecked_days else ""
        if day in report.unfinished_days:
            said = "Its features have not been made or checked yet."
        yield f"features_are_checked[{day}]", "failure", said
        tables = ", ".join(report.out_of_date.get(day, ()))
        yield f"features_are_up_to_date[{day}]", "failure", f"Out of date: {tables}." if tables else ""


def _own_suite(report: Report) -> ET.Element:
    cases = list(_own_cases(report))
    counts = [sum(bool(said) and tag == wanted for _, tag, said in cases) for wanted in ("failure", "skipped")]
    suite = _element(OWN_SUITE, len(cases), counts[0], 0, counts[1], report.made_at)
    properties = {"verdict": report.verdict, "home": report.home, "days": " ".join(report.days)}
    properties |= {f"stage.{stage.name}": str(stage.rows) for stage in report.stages}
    properties |= {f"arrivals.{name}": str(value) for name, value in report.arrivals.items()
                   if not isinstance(value, Mapping)}  # fmt: skip
    listed = ET.SubElement(suite, "properties")
    for name, value in properties.items():
        ET.SubElement(listed, "property", _xml({"name": name, "value": value}))
    for name, tag, said in cases:
        case = ET.SubElement(suite, "testcase", _xml({"classname": OWN_SUITE, "name": name, "time": "0"}))
        if said and tag == "failure":
            ET.SubElement(case, tag, _xml({"message": f"ERROR: {said}", "type": "ERROR"}))
        elif said:
            ET.SubElement(case, tag, _xml({"message": f"WARN: {said}"}))
    return suite


def _suite(table: str, outcomes: list[CheckOutcome]) -> ET.Element:
    tags = [_tag(outcome) for outcome in outcomes]
    times = [outcome.checked_at for outcome in outcomes if outcome.checked_at]
    failures, errors, skipped = (tags.count(tag) for tag in ("failure", "error", "skipped"))
    suite = _element(table, len(outcomes), failures, errors, skipped, min(times, default=None))
    for outcome, tag in zip(outcomes, tags, strict=True):
        day = f"[{outcome.session_date}]" if outcome.session_date else ""
        case = ET.SubElement(suite, "testcase", _xml({"classname": table, "name": outcome.check + day, "time": "0"}))
        if tag:
            detail = ET.SubElement(case, tag, _xml({"message": f"{outcome.severity}: {outcome.message}"}))
            if tag != "skipped":
                detail.set("type", "blocking" if outcome.blocking else "not blocking")
            detail.text = _xml_text("\n".join(_detail(outcome)))
    return suite


def _tag(outcome: CheckOutcome) -> str:
    """The element that says what became of a check; none where it passed."""
    if outcome.state in UNKNOWN:
        return "error" if outcome.blocking else "skipped"
    return {"failed": "failure", "warned": "skipped"}.get(outcome.state, "")


def _detail(outcome: CheckOutcome) -> Iterable[str]:
    if outcome.remedy and outcome.state not in UNKNOWN:
        yield f"What to do: {outcome.remedy}"
    yield from (json_line(example) for example in outcome.examples)


def _element(name: str, tests: int, failures: int, errors: int, skipped: int, when: dt.datetime | None) -> ET.Element:
    counts = {"tests": tests, "failures": failures, "errors": errors, "skipped": skipped, "time": 0}
    suite = ET.Element("testsuite", _xml({"name": name, **{key: str(value) for key, value in counts.items()}}))
    if when:  # the schema has no place for a time zone
        suite.set("timestamp", when.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="seconds"))
    return suite


def _xml(attributes: dict[str, str]) -> dict[str, str]:
    return {name: _xml_text(value) for name, value in attributes.items()}


def _xml_text(text: str) -> str:
    """Replace what XML 1.0 cannot carry, escaped or not (section 2.2 of the recommendation)."""
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
