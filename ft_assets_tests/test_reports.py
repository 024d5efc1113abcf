"""Reports in text, JSON and JUnit XML: the verdict, what comes first, formats that parse, hostile strings that stay strings."""

import json
import xml.etree.ElementTree as ET
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets.reports import (
    FORMATS,
    CheckOutcome,
    Report,
    check_report_text,
    report_json,
    report_junit,
    report_text,
    table_summary_text,
    write_whole,
)
from ft_assets_tests.sample_reports import BROKEN, DAYS, HOSTILE, NOT_RUN_YET, OUTCOMES, REPORT

SOUND = [replace(outcome, passed=True) for outcome in OUTCOMES]


def test_the_checks_say_first_what_broke() -> None:
    assert check_report_text(OUTCOMES).splitlines() == [
        "pair_features",
        "  FAIL  inside_session  2 of 3 days passed, blocks the tables behind it",
        "        2026-11-02: 12 rows break the rule: Both items were shown.",
        '          {"session_id": "s1", "negative_id": "n9", "rank": 0.5}',
        "        what to do: Look at the session.",
        "fine_tuning_features",
        "  WARN  enough_kept  2 of 3 days passed",
        "        2026-11-01: 1 row breaks the rule: enough_kept",
        "items",
        "  ok    unique_ids",
        "5 checks passed, 1 failed, 1 warning",
    ]


def test_the_report_of_a_terminal() -> None:
    said = report_text(REPORT)
    before, checks, after = said.partition(check_report_text(OUTCOMES))
    assert checks
    assert before.splitlines() == [
        "Do not train on 2026-11-02 (the other 2 days are sound): 1 of 7 checks failed; 1 warning.",
        "  blocked on 2026-11-02: fine_tuning_features",
        "3 days, 2026-11-01 to 2026-11-03; home shop",
        "",
        "What came in, of all days",
        "  12 files, 1,234 records",
        "  rejected by reason: not_json 2",
        "",
        "What became of it",
        "  1,063  sessions logged",
        "  1,000  sessions with a text     left out: 63 without a text",
        "",
        "  9,000  pairs extracted",
        "  8,000  pairs inside the window  left out: 900 too close, 100 too far apart",
        "",
        "Day by day",
        "                   11-01    11-02    11-03",
        "  pairs            4,000        -    5,000",
        "  share clamped    12.5%        -    10.0%",
        "",
        "What was checked",
    ]  # fmt: skip
    assert after.splitlines() == [
        "",
        "",
        "Made from",
        "  pair_features: ranker cosine, window_size 3; model m-1; code 2; 2026-11-01 to 2026-11-02",
        "  pair_features: ranker dot; model m-1; code 2; 2026-11-03",
        "  ft_assets 0.1.0, 2026-11-04 09:00 UTC",
    ]


def test_the_sample_pairs_of_a_terminal_are_a_few_lines() -> None:
    lines = report_text(replace(REPORT, texts=[
        {"sample": "hardest", "session_date": DAYS[0], "query_text": "tea\x1b[2J", "positive_text": "long " * 50,
         "negative_text": None, "positive_rank": 0.25, "negative_rank": 0.5, "margin": -0.25}])).splitlines()  # fmt: skip
    start = lines.index("Sample pairs")
    assert lines[start + 1] == "  hardest, 2026-11-01: tea [2J"
    assert lines[start + 2].startswith("    +  0.250  long long")
    assert lines[start + 3] == "    -  0.500  None"


def test_a_terminal_of_100_columns_is_wide_enough() -> None:
    wordy = replace(BROKEN, description="A rule of many words. " * 20, remedy="Do this and that. " * 20,
                    examples=[{"session_id": "s" * 300}])  # fmt: skip
    report = replace(REPORT, outcomes=[replace(wordy, session_date=day) for day in many_days(40)], days=many_days(40))
    assert max(map(len, report_text(report).splitlines())) <= 100


@pytest.mark.parametrize(
    ("outcomes", "days", "sentence", "is_sound"),
    [
        ([], DAYS, "Nothing has been checked yet.", False),
        (SOUND, [], "There is no day to train on yet: 0 of 7 checks failed; 0 warnings.", False),
        (SOUND, DAYS, "Train on 2026-11-01 to 2026-11-03: 0 of 7 checks failed; 0 warnings.", True),
        (SOUND, DAYS[:1], "Train on 2026-11-01: 0 of 7 checks failed; 0 warnings.", True),
        (
            [replace(SOUND[0], passed=False), *SOUND[1:]],  # of a table without days: it spoils them all
            DAYS,
            "Do not train on any of these 3 days: 1 of 7 checks failed; 0 warnings.",
            False,
        ),
        (
            SOUND,
            [*DAYS, "2026-11-09"],
            "Do not train on 2026-11-09 (the other 3 days are sound): 0 of 7 checks failed; 0 warnings;"
            " 2026-11-09: no checked features yet.",
            False,
        ),
        (
            [*SOUND, NOT_RUN_YET],
            DAYS,
            "Do not train on 2026-11-03 (the other 2 days are sound): 0 of 8 checks failed and 1 was not run; 0 warnings;"
            " 2026-11-03: not checked as it is now.",
            False,
        ),
        (
            [replace(each, is_current=each.session_date != DAYS[0]) for each in SOUND],
            DAYS,
            "Do not train on 2026-11-01 (the other 2 days are sound): 0 of 7 checks failed and 2 are outdated; 0 warnings;"
            " 2026-11-01: not checked as it is now.",
            False,
        ),
        (
            [replace(SOUND[0], blocking=True, is_current=False), *SOUND[1:]],  # of a table without days
            DAYS,
            "Do not train on any of these 3 days: 0 of 7 checks failed and 1 is outdated; 0 warnings;"
            " items: not checked as it is now.",
            False,
        ),
        (
            [replace(SOUND[0], is_current=False), *SOUND[1:]],  # one that only warns
            DAYS,
            "Train on 2026-11-01 to 2026-11-03: 0 of 7 checks failed and 1 is outdated; 0 warnings.",
            True,
        ),
    ],
)
def test_the_verdict_is_a_sentence(outcomes: list[CheckOutcome], days: list[str], sentence: str, is_sound: bool) -> None:
    report = Report(outcomes, days)
    assert (report.verdict, report.is_sound()) == (sentence, is_sound)
    for write in FORMATS.values():
        assert sentence in " ".join(write(report).split())


def test_checks_that_were_not_run_are_no_warnings() -> None:
    warns = replace(NOT_RUN_YET, severity="WARN", blocking=False)
    report = Report([*SOUND, NOT_RUN_YET, warns], DAYS)
    assert "0 of 9 checks failed and 2 were not run; 0 warnings" in report.verdict
    assert str(report.summary) == "7 checks passed, 0 failed, 0 warnings, 2 not run"
    assert json.loads(report_json(report))["summary"] == {"passed": 7, "failed": 0, "warned": 0, "not_run": 2, "outdated": 0}
    only = Report([*SOUND, warns], DAYS)
    assert (only.is_sound(), only.is_sound(strict=True)) == (True, False)
    tags = [case[0].tag for case in ET.fromstring(report_junit(report)).iterfind("testsuite[@name='sampled_inputs']/testcase")]
    assert tags == ["error", "skipped"]


@pytest.mark.parametrize("write", FORMATS.values())
def test_a_day_that_is_out_of_date_is_not_trained_on_and_every_report_names_its_tables(write: Any) -> None:
    report = Report(SOUND, DAYS, out_of_date={DAYS[1]: ["fine_tuning_features", "pair_features"]})
    assert not report.is_sound()
    assert report.verdict == (
        "Do not train on 2026-11-02 (the other 2 days are sound): 0 of 7 checks failed; 0 warnings; 2026-11-02: out of date."
    )
    assert report.remarks == ["out of date on 2026-11-02: pair_features, fine_tuning_features; ft-assets run makes them anew"]
    said = " ".join(write(report).split())
    assert report.verdict in said
    assert "pair_features" in said.replace("table", "", 1)
    if write is report_junit:
        root = ET.fromstring(write(report))
        cases = root.iterfind("testsuite[@name='report']/testcase")
        assert [case.get("name") for case in cases if len(case)] == ["features_are_up_to_date[2026-11-02]"]
    if write is report_json:
        assert json.loads(said)["verdict"]["out_of_date"] == {DAYS[1]: ["fine_tuning_features", "pair_features"]}


def test_other_settings_are_a_remark_and_no_failure() -> None:
    report = Report(SOUND, DAYS, other_settings={day: ["pair_features"] for day in DAYS})
    assert report.is_sound(strict=True)
    assert report.remarks == ["made with other settings than config.yaml now has on 2026-11-01 to 2026-11-03: pair_features"]
    assert report.remarks[0] in " ".join(report_text(report).split())


def test_no_features_are_nothing_to_train_on_and_a_day_without_any_is_named() -> None:
    none = Report(SOUND, DAYS, day_numbers=[{"session_date": day, "features": 0} for day in DAYS])
    assert not none.is_sound()
    assert none.verdict.startswith("There is nothing to train on, 2026-11-01 to 2026-11-03 without any features: 0 of 7")
    failed = ET.fromstring(report_junit(none)).iterfind("testsuite[@name='report']/testcase[failure]")
    assert [case.get("name") for case in failed] == ["there_are_features"]
    some = Report(SOUND, DAYS, day_numbers=[{"session_date": day, "features": day == DAYS[0]} for day in DAYS])
    assert some.is_sound(strict=True)
    assert some.remarks == ["no features on 2026-11-02 to 2026-11-03"]


def test_a_day_of_the_calendar_that_is_missing_is_a_warning() -> None:
    report = Report([each for each in SOUND if each.session_date != DAYS[1]], [DAYS[0], DAYS[2]])
    assert report.remarks == ["no session on 2026-11-02, between the first day and the last"]
    assert (report.is_sound(), report.is_sound(strict=True)) == (True, False)
    assert json.loads(report_json(report))["verdict"]["missing_days"] == ["2026-11-02"]
    skipped = ET.fromstring(report_junit(report)).iterfind("testsuite[@name='report']/testcase[skipped]")
    assert [case.get("name") for case in skipped] == ["no_day_is_missing"]


def test_warnings_fail_only_where_that_is_asked_for() -> None:
    report = Report([outcome for outcome in OUTCOMES if outcome.state != "failed"], [DAYS[0], DAYS[2]])
    assert report.is_sound()
    assert not report.is_sound(strict=True)
    assert not replace(report, days=DAYS[:1]).is_sound(strict=True)


def test_what_stands_behind_a_failure_is_blocked_on_its_days() -> None:
    log = replace(BROKEN, table="items", session_date=None)
    inputs = replace(BROKEN, table="fine_tuning_inputs", session_date=DAYS[0])
    behind = ("sampled_inputs", "text_vectors", "pair_features", "fine_tuning_features")
    assert Report([inputs], DAYS).blocked == [((DAYS[0],), behind)]
    assert Report([log], DAYS).blocked == [(tuple(DAYS), ("flagged_sessions", "fine_tuning_inputs", *behind))]
    assert Report([replace(inputs, severity="WARN", blocking=False)], DAYS).blocked == []
    assert Report([NOT_RUN_YET], DAYS).blocked == [((DAYS[2],), ("sampled_inputs", *behind[1:]))]


def test_checks_that_were_not_run_are_one_problem_of_their_table_behind_the_failures() -> None:
    unrun = [replace(NOT_RUN_YET, check=check, session_date=day) for check in ("a", "b") for day in DAYS]
    failed, not_run, warned = Report([*unrun, *OUTCOMES], DAYS).problems
    assert (failed.table, warned.state) == ("pair_features", "warned")
    assert (not_run.table, not_run.checks, not_run.days) == ("sampled_inputs", ("a", "b"), tuple(DAYS))
    assert "run-7" in not_run.remedy


def test_no_outcomes_is_said_and_is_no_pass() -> None:
    assert check_report_text([]) == "Nothing has been checked yet."
    assert json.loads(report_json(Report([])))["verdict"]["sound"] is False
    assert ET.fromstring(report_junit(Report([]))).attrib["failures"] == "1"


def test_the_json_report_has_its_schema() -> None:
    report = json.loads(report_json(REPORT))
    assert list(report) == [
        "schema_version", "ft_assets_version", "made_at", "home", "days", "verdict", "summary", "arrivals", "stages",
        "day_numbers", "pictures", "checks", "provenance",
    ]  # fmt: skip
    assert report["schema_version"] == 1
    assert report["made_at"] == "2026-11-04T09:00:00+00:00"
    assert report["verdict"]["blocked"] == [{"days": [DAYS[1]], "tables": ["fine_tuning_features"]}]
    assert report["summary"] == {"passed": 5, "failed": 1, "warned": 1, "not_run": 0, "outdated": 0}
    stage = report["stages"][1]
    assert stage["left_out"] == {"without a text": 63, "flagged": 0}
    assert (stage["name"], stage["rows"], stage["unit"]) == ("sessions with a text", 1000, "sessions")
    assert report["provenance"]["made"][0]["last_made"] == "2026-11-04T08:00:00+00:00"
    assert [picture["name"] for picture in report["pictures"]] == ["ranks", "nothing"]
    assert json.loads(report_json(replace(REPORT, texts=[])))["texts"] == []


def test_the_json_report_has_every_field_of_every_outcome() -> None:
    checks = json.loads(report_json(REPORT))["checks"]
    assert len(checks) == len(OUTCOMES)
    assert {tuple(check) for check in checks} == {(*(each.name for each in fields(CheckOutcome)), "state")}
    broken = next(check for check in checks if check["state"] == "failed")
    assert broken == {
        "table": "pair_features", "check": "inside_session", "session_date": "2026-11-02", "passed": False,
        "severity": "ERROR", "blocking": True, "description": "Both items were shown.", "rows": 12,
        "examples": [{"session_id": "s1", "negative_id": "n9", "rank": 0.5}],
        "checked_at": "2026-11-04T08:30:00+00:00", "run_id": "run-1", "remedy": "Look at the session.",
        "table_version": None, "was_run": True, "is_current": True, "state": "failed",
    }  # fmt: skip


def test_values_that_json_has_not_are_written_all_the_same() -> None:
    row = {"nan": float("nan"), "inf": np.inf, "day": date(2026, 11, 1), "ids": np.arange(2), "raw": b"x", "half": "\ud800"}
    report = json.loads(report_json(Report([replace(BROKEN, examples=[row])], day_numbers=[{"mean": float("nan")}])))
    assert report["checks"][0]["examples"] == [
        {"nan": "nan", "inf": "inf", "day": "2026-11-01", "ids": [0, 1], "raw": "b'x'", "half": "?"}
    ]
    assert report["day_numbers"] == [{"mean": "nan"}]


def test_the_junit_report_counts_and_names_each_day() -> None:
    root = ET.fromstring(report_junit(REPORT))
    assert root.tag == "testsuites"
    assert [root.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["15", "1", "0", "1"]
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["report", "pair_features", "fine_tuning_features", "items"]
    for suite in suites.values():
        assert int(suite.get("tests", "")) == len(suite.findall("testcase"))
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
    assert [case.get("name") for case in suites["pair_features"]] == [f"inside_session[{day}]" for day in DAYS]
    failure = suites["pair_features"].find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "ERROR: 12 rows break the rule: Both items were shown."
    remedy, row = (failure.text or "").splitlines()
    assert remedy == "What to do: Look at the session."
    assert json.loads(row)["negative_id"] == "n9"
    assert suites["pair_features"].get("timestamp") == "2026-11-04T08:30:00"
    assert suites["items"][0].get("name") == "unique_ids"


def test_the_junit_report_has_the_key_numbers_and_fails_a_day_that_was_not_checked() -> None:
    suite = ET.fromstring(report_junit(replace(REPORT, days=[*DAYS, "2026-11-09"])))[0]
    properties = {each.get("name"): each.get("value") for each in suite.findall("properties/property")}
    assert properties["stage.pairs extracted"] == "9000"
    assert properties["arrivals.records"] == "1234"
    failed = [case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None]
    assert failed == ["features_are_checked[2026-11-09]"]  # that days are missing before it is skipped


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.text(), st.text())
def test_any_string_leaves_every_report_well_formed(name: str, value: str) -> None:
    outcomes = [CheckOutcome(name, value, None, False, description=value, examples=[{name: value}], rows=3, remedy=value)]
    report = Report(outcomes, home=name, arrivals={name: {value: 1}}, texts=[])
    assert len(ET.fromstring(report_junit(report)).findall("testsuite/testcase/failure[@type='not blocking']")) == 1
    assert json.loads(report_json(report))["summary"]["failed"] == 1
    assert not set(report_text(report)) & set("\x00\x1b\r\x85\u2028")


def test_a_hostile_string_stays_one() -> None:
    message = ET.fromstring(report_junit(Report([replace(BROKEN, description=HOSTILE)]))).find(".//failure[@type='blocking']")
    assert message is not None
    assert '<script>alert(1)</script> & "quotes" ]]>' in message.get("message", "")


def test_a_severity_is_error_or_warn() -> None:
    with pytest.raises(ValueError, match="severity must be ERROR or WARN, got 'error'"):
        replace(BROKEN, severity="error")


def test_a_check_that_was_not_run_has_not_passed() -> None:
    with pytest.raises(ValueError, match=r"a check that was not run has not passed, got sampled_inputs\.all_there as passed"):
        replace(NOT_RUN_YET, passed=True)
    assert NOT_RUN_YET.message == "not run: run run-7 ended before it. Nobody is lost."


def test_whether_a_check_was_run_is_no_matter_of_its_words() -> None:
    assert replace(BROKEN, description="not run: run run-1 ended before it. x").state == "failed"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    write_whole(path, "first")
    monkeypatch.setattr("os.replace", lambda *names: (_ for _ in ()).throw(OSError("the disk is gone")))
    with pytest.raises(OSError, match="the disk is gone"):
        write_whole(path, "second")
    assert path.read_text() == "first\n"
    assert list(tmp_path.iterdir()) == [path]


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


def many_days(count: int) -> list[str]:
    return [(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)).date().isoformat() for number in range(count)]
