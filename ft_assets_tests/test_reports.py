"""Reports: counts, what comes first, formats that parse, and hostile strings that stay strings."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets.reports import (
    CheckOutcome,
    check_report_html,
    check_report_json,
    check_report_junit,
    check_report_text,
    table_summary_text,
)

DAYS = [f"2026-11-0{day}" for day in range(1, 4)]
HOSTILE = '<script>alert(1)</script> & "quotes" ]]> \x00\x1b[31m\u2028\ud800 \'; drop'
BROKEN = CheckOutcome(
    "pair_features", "inside_session", DAYS[1], False, "ERROR", True, "Both items were shown.", 12,
    [{"session_id": "s1", "negative_id": "n9", "rank": np.float32(0.5)}],
    datetime(2026, 11, 4, 8, 30, tzinfo=UTC), "run-1",
)  # fmt: skip
OUTCOMES = [
    CheckOutcome("items", "unique_ids", None, True, description="An id occurs once."),
    *(CheckOutcome("fine_tuning_features", "enough_kept", day, day != DAYS[0], "WARN", rows=1) for day in DAYS),
    *(replace(BROKEN, session_date=day, passed=day != DAYS[1]) for day in DAYS),
]


def test_the_text_report_says_first_what_broke() -> None:
    assert check_report_text(OUTCOMES).splitlines() == [
        "pair_features",
        "  FAIL  inside_session  2 of 3 days passed, blocks the tables behind it",
        "        2026-11-02: 12 rows break the rule: Both items were shown.",
        '          {"session_id": "s1", "negative_id": "n9", "rank": 0.5}',
        "fine_tuning_features",
        "  WARN  enough_kept  2 of 3 days passed",
        "        2026-11-01: 1 row breaks the rule: enough_kept",
        "items",
        "  ok    unique_ids",
        "5 checks passed, 1 failed, 1 warning",
    ]


def test_no_outcomes_is_said_and_is_no_pass() -> None:
    assert check_report_text([]) == "Nothing has been checked yet."
    assert "Nothing has been checked yet." in check_report_html([])
    assert json.loads(check_report_json([])) == {"summary": {"passed": 0, "failed": 0, "warned": 0}, "checks": []}
    assert ET.fromstring(check_report_junit([])).attrib["tests"] == "0"


def test_the_json_report_has_every_field_of_every_outcome() -> None:
    report = json.loads(check_report_json(OUTCOMES))
    assert report["summary"] == {"passed": 5, "failed": 1, "warned": 1}
    broken = next(check for check in report["checks"] if check["state"] == "failed")
    assert broken == {
        "table": "pair_features", "check": "inside_session", "session_date": "2026-11-02", "passed": False,
        "severity": "ERROR", "blocking": True, "description": "Both items were shown.", "rows": 12,
        "examples": [{"session_id": "s1", "negative_id": "n9", "rank": 0.5}],
        "checked_at": "2026-11-04T08:30:00+00:00", "run_id": "run-1", "state": "failed",
    }  # fmt: skip


def test_values_that_json_has_not_are_written_all_the_same() -> None:
    row = {"nan": float("nan"), "inf": np.inf, "day": date(2026, 11, 1), "ids": np.arange(2), "raw": b"x", "half": "\ud800"}
    check = json.loads(check_report_json([replace(BROKEN, examples=[row])]))["checks"][0]
    assert check["examples"] == [{"nan": "nan", "inf": "inf", "day": "2026-11-01", "ids": [0, 1], "raw": "b'x'", "half": "?"}]


def test_the_junit_report_counts_and_names_each_day() -> None:
    root = ET.fromstring(check_report_junit(OUTCOMES))
    assert root.tag == "testsuites"
    assert [root.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["7", "1", "0", "1"]
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["pair_features", "fine_tuning_features", "items"]
    for suite in suites.values():
        assert int(suite.get("tests", "")) == len(suite.findall("testcase"))
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
    names = [case.get("name") for case in suites["pair_features"]]
    assert names == [f"inside_session[{day}]" for day in DAYS]
    failure = suites["pair_features"].find("testcase/failure")
    assert failure is not None
    assert failure.text is not None
    assert failure.get("message") == "ERROR: 12 rows break the rule: Both items were shown."
    assert json.loads(failure.text)["negative_id"] == "n9"
    assert suites["pair_features"].get("timestamp") == "2026-11-04T08:30:00+00:00"
    assert suites["items"][0].get("name") == "unique_ids"


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.text(), st.text())
def test_any_string_leaves_every_report_well_formed(name: str, value: str) -> None:
    outcomes = [CheckOutcome(name, value, None, False, description=value, examples=[{name: value}], rows=3)]
    assert len(ET.fromstring(check_report_junit(outcomes)).findall("testsuite/testcase/failure")) == 1
    assert json.loads(check_report_json(outcomes))["summary"]["failed"] == 1
    assert check_report_html(outcomes).count("<script") == 0
    assert len(check_report_text(outcomes).splitlines()) == 5


def test_hostile_strings_stay_strings() -> None:
    outcomes = [replace(BROKEN, description=HOSTILE, check=HOSTILE, examples=[{HOSTILE: HOSTILE}])]
    page = check_report_html(outcomes)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for report in (page, check_report_text(outcomes), check_report_json(outcomes), check_report_junit(outcomes)):
        report.encode("utf-8")
    assert "\x1b" not in check_report_text(outcomes)
    message = ET.fromstring(check_report_junit(outcomes)).find("testsuite/testcase/failure")
    assert message is not None
    assert '<script>alert(1)</script> & "quotes" ]]>' in message.get("message", "")


def test_the_page_is_whole_self_contained_and_says_the_state_of_tables_first() -> None:
    page = check_report_html(OUTCOMES)
    unclosed: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert not {name for name, _ in attrs} & {"src", "href"}
            if tag != "meta":
                unclosed.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert unclosed.pop() == tag

    Tags().feed(page)
    assert not unclosed
    assert "http" not in page
    assert "url(" not in page
    assert page.index("<h2>Tables</h2>") < page.index("<h2>What broke</h2>") < page.index("<h2>items</h2>")
    assert page.count('<div class="broken') == 2
    assert "5 checks passed, 1 failed, 1 warning" in page


def test_a_severity_is_error_or_warn() -> None:
    with pytest.raises(ValueError, match="severity must be ERROR or WARN, got 'error'"):
        replace(BROKEN, severity="error")


def test_the_summary_of_tables_lines_up() -> None:
    rows: list[dict[str, Any]] = [
        {"table": "search_sessions", "days": None, "rows": 1063, "seconds": 1.25},
        {"table": "pair_features", "days": 7, "rows": 48518, "seconds": None},
    ]
    assert table_summary_text(rows).splitlines() == [
        "table            days    rows  seconds",
        "search_sessions     -   1,063      1.2",
        "pair_features       7  48,518        -",
    ]
    assert table_summary_text([]) == "table  days  rows  seconds"
