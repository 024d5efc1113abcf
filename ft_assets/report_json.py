"""The report for programs: one JSON document, whose shape is told by ``schema_version``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ft_assets.check_outcomes import CheckOutcome, Summary, group_outcomes, plain, writable
from ft_assets.report_contents import Report

# Raised when a field changes its meaning or goes; a new field does not raise it.
SCHEMA_VERSION = 1


def report_json(report: Report) -> str:
    """Write the report as JSON; docs/reports.md says every field.

    A check has the fields of CheckOutcome and ``state``; not-a-number and infinity are written as strings.

    Args:
        report: what to say.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "ft_assets_version": report.provenance.program,
        "made_at": report.made_at,
        "home": report.home,
        "days": report.days,
        "verdict": _verdict(report),
        "summary": _counts(report.summary),
        "arrivals": report.arrivals,
        "stages": [_fields(stage) for stage in report.stages],
        "day_numbers": report.day_numbers,
        "pictures": [{"name": each.name, "title": each.title, "description": each.description} for each in report.pictures],
        "checks": [_fields(outcome) | {"state": outcome.state} for outcome in _in_order(report.outcomes)],
        "provenance": {
            "table_versions": report.provenance.table_versions,
            "made": [_fields(made) for made in report.provenance.made],
        },
    }
    if report.texts is not None:
        document["texts"] = report.texts
    return writable(json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False))


def _verdict(report: Report) -> dict[str, Any]:
    return {
        "sentence": report.verdict,
        "sound": report.is_sound(),
        "failed_days": report.failed_days,
        "unchecked_days": report.unchecked_days,
        "out_of_date": report.out_of_date,
        "missing_days": report.missing_days,
        "days_without_features": report.empty_days,
        "other_settings": report.other_settings,
        "blocked": [{"days": days, "tables": tables} for days, tables in report.blocked],
    }


def _counts(summary: Summary) -> dict[str, int]:
    return _fields(summary)


def _fields(record: Any) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in fields(record)}


def _in_order(outcomes: Sequence[CheckOutcome]) -> list[CheckOutcome]:
    return [outcome for _, checks in group_outcomes(outcomes) for _, days in checks for outcome in days]
