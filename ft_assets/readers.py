"""Which format is which."""

from __future__ import annotations

import json
from pathlib import Path

from ft_assets.lines import read_lines

FORMATS = ("embedding_studio", "items", "ubi")

GUESSED_LINES = 50


def guess_format(path: Path) -> str | None:
    """The format of a file by its first records, or None where they say nothing."""
    for line in read_lines(path):
        found = _format_of(line.raw)
        if found or line.number >= GUESSED_LINES:
            return found
    return None


def _format_of(raw: str) -> str | None:
    head, tab, body = raw.partition("\t")
    is_prefixed = bool(tab) and not head.lstrip().startswith(("{", "["))
    try:
        record = json.loads(body if is_prefixed else raw)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    fields = record.keys()
    if is_prefixed or "_source" in fields or (len(fields) == 1 and fields <= {"index", "create"}):
        return "ubi"
    if "search_results" in fields or "search_query" in fields or "events" in fields or "event_type" in fields:
        return "embedding_studio"
    if "action_name" in fields or "query_id" in fields or "query_response_id" in fields:
        return "ubi"
    return "items" if {"item_id", "text"} <= fields else None
