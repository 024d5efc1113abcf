"""A landing place in which one person's records lie among those of others, and every trace of what was planted."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

MARK = "PLANTED"  # in everything that is the person's and in nothing else
USER = f"user.{MARK}+1"
NOON = 1_793_534_400  # 2026-11-01T12:00:00Z
QUERIES = [f"words of {MARK}", f"other words of {MARK}", f"ubi words of {MARK}"]
ITEMS = ["i1", "i2", "i3", "i4"]


def shown(session_id: str, query: str, at: int = NOON, **fields: Any) -> dict[str, Any]:
    results = [{"object_id": item, "rank": 1 - 0.1 * place} for place, item in enumerate(ITEMS)]
    return {"session_id": session_id, "search_query": query, "created_at": at, "search_results": results, **fields}


def click(session_id: str, item: str) -> dict[str, Any]:
    return {
        "event_id": f"e/{session_id}/{item}", "session_id": session_id, "object_id": item, "event_type": "click",
        "created_at": NOON + 60,
    }  # fmt: skip


def clicks(session_id: str, *items: str) -> dict[str, Any]:
    events = [{name: value for name, value in click(session_id, item).items() if name != "session_id"} for item in items]
    return {"session_id": session_id, "events": events}


def ubi_query(query_id: str, words: str, **fields: Any) -> dict[str, Any]:
    return {
        "query_id": query_id, "user_query": words, "timestamp": "2026-11-01T13:00:00Z", "query_response_hit_ids": ITEMS,
        **fields,
    }  # fmt: skip


def ubi_event(query_id: str, item: str, **fields: Any) -> dict[str, Any]:
    return {
        "action_name": "click", "query_id": query_id, "timestamp": "2026-11-01T13:01:00Z",
        "event_attributes": {"object": {"object_id": item, "object_id_field": "id"}}, **fields,
    }  # fmt: skip


def files() -> dict[str, list[str]]:
    """The lines of every landed file."""
    first, second = f"s-{MARK}-1", f"s-{MARK}-2"
    header = json.dumps({"index": {"_index": "ubi"}})
    return {
        "items/a.ndjson": [json.dumps({"item_id": item, "text": f"text of {item}"}) for item in ITEMS],
        "embedding_studio/sessions.ndjson": [
            json.dumps(shown("s-1", "tea", user_id="other")),
            json.dumps(shown(first, QUERIES[0], user_id=USER)),
            json.dumps(shown("s-2", "coffee", NOON + 86_400, user_id=f"{USER}x".replace(MARK, "PLANT"))),
            json.dumps(shown(second, QUERIES[1], meta={"clientId": USER})),  # no click: an irrelevant session
            json.dumps(shown("s-3", "nothing clicked")),
            f'{{"session_id": "s-{MARK}-3", "user_id": "{USER}", "search_query": "cut of',
            '{"session_id": "s-4", "user_id": "other", "search_query": "cut of',
            json.dumps(shown(f"s-{MARK}-4", f"refused {MARK}", user_id=USER, created_at="never")),
        ],
        "embedding_studio/events.ndjson.gz": [
            json.dumps(clicks("s-1", "i1")),
            json.dumps(clicks(first, "i2", "i3")),
            json.dumps({"events": [click("s-2", "i2"), click(first, "i4"), click("s-2", "i3")]}),
            json.dumps(click(first, "i1")),
            json.dumps({**clicks(first, "i1"), "user_id": USER}),
        ],
        "ubi/log.ndjson": [
            header,
            json.dumps(ubi_query("q-1", "milk", client_id="other")),
            header,
            json.dumps(ubi_query(f"q-{MARK}", QUERIES[2], query_attributes={"user_id": USER})),
            header,
            json.dumps(ubi_event(f"q-{MARK}", "i2")),
            header,
            json.dumps(ubi_event("q-1", "i3", user_id="other")),
            json.dumps({"_source": ubi_event(f"q-{MARK}", "i1", client_id=USER)}),
            f"a line of words about {USER}, no record",
        ],
    }


def land(landing: Path) -> None:
    for name, lines in files().items():
        path = landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = "".join(f"{line}\n" for line in lines).encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def lines_of(path: Path) -> list[str]:
    data = path.read_bytes()
    return (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode().split("\n")[:-1]


def needles(*more: str) -> list[bytes]:
    """Everything that would tell of the person."""
    return [word.encode() for word in (MARK, *more, *(hashlib.md5(query.encode()).hexdigest() for query in QUERIES))]


def traces(folder: Path, *more: str) -> list[str]:
    """The files under a folder that hold a trace of the person, opened where they are compressed."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and any(needle in text for needle in needles(*more) for text in _opened(path)):
            found.append(str(path.relative_to(folder)))
    return found


def _opened(path: Path) -> list[bytes]:
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        return [data, gzip.decompress(data)]
    if data.startswith(b"PAR1") and data.endswith(b"PAR1"):
        file = pq.ParquetFile(io.BytesIO(data))
        return [data, str(file.read().to_pylist()).encode(), str(file.metadata.to_dict()).encode()]
    return [data]
