"""A record of each kind, and a file to put some in."""

from __future__ import annotations

from pathlib import Path

SESSION = {"session_id": "s1", "search_query": "red shoes", "created_at": 1793493579, "search_results": []}
ITEM = {"item_id": "a", "text": "a shoe"}
UBI_EVENT = {"action_name": "click", "query_id": "q1", "timestamp": "2025-01-01T00:00:00Z"}
UBI_QUERY = {"query_id": "q1", "user_query": "red shoes", "timestamp": 1717527762025}


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
