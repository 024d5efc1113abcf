"""Small tables made by hand, and a lake to put them in. A test names what matters to it; the rest has a default."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ft_assets import engine, schemas
from ft_assets.books import FATES
from ft_assets.lake import Commit, Lake, Slice

DAY = dt.date(2026, 11, 2)
NEXT_DAY = dt.date(2026, 11, 3)
NOON = dt.time(12, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 11, 9, 8, tzinfo=dt.UTC)


def make_lake(tmp_path: Path, **tables: pa.Table) -> Lake:
    """A lake under ``tmp_path``, with rows in the tables named."""
    lake = Lake(str(tmp_path / "lake"))
    for name, rows in tables.items():
        lake.append(name, rows, {})
    return lake


def text_hash(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def at_noon(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, NOON)


def table_of(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schemas.table_named(name).schema)


def words_of(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """All rows, words as words where they were made as dictionaries."""
    made = list(batches)
    return pa.Table.from_batches(made).cast(schema) if made else schema.empty_table()


def session(session_id: str, results: Sequence[str | tuple[str, float | None]], **columns: Any) -> dict[str, Any]:
    """A row of search_sessions; a result is an id, or an id with the engine's score."""
    day = columns.pop("day", DAY)
    shown = [(result, None) if isinstance(result, str) else result for result in results]
    return {
        "session_id": session_id,
        "visit_id": None,
        "session_date": day,
        "started_at": at_noon(day),
        "query_text": f"query of {session_id}",
        "user_id": None,
        "user_agent": None,
        "results": [{"item_id": item_id, "rank": rank} for item_id, rank in shown],
        "marked_irrelevant": False,
        "source_file": "embedding_studio/a.ndjson",
        "ingested_at": NOW,
        **columns,
    }


def event(session_id: str, item_id: str, event_type: str = "click", **columns: Any) -> dict[str, Any]:
    """A row of session_events."""
    return {
        "event_id": f"{session_id}/{item_id}/{event_type}",
        "session_id": session_id,
        "item_id": item_id,
        "event_type": event_type,
        "occurred_at": at_noon(DAY),
        "source_file": "embedding_studio/a.ndjson",
        "ingested_at": NOW,
        **columns,
    }


def item(item_id: str, text: str | None = None, object_id: str | None = None, **columns: Any) -> dict[str, Any]:
    """A row of items."""
    words = f"text of {item_id}" if text is None else text
    return {
        "item_id": item_id,
        "object_id": object_id or item_id,
        "text": words,
        "text_hash": text_hash(words),
        "source_file": "items/a.ndjson",
        "updated_at": NOW,
        **columns,
    }


def rejected(record_number: int = 1, **columns: Any) -> dict[str, Any]:
    """A row of rejected_records."""
    return {
        "source_file": "ubi/a.ndjson",
        "record_number": record_number,
        "entry": 0,
        "reason": "not_json",
        "detail": None,
        "session_id": None,
        "raw": "{",
        "ingested_at": NOW,
        **columns,
    }


def waiting(session_id: str, item_id: str, event_type: str = "click", **columns: Any) -> dict[str, Any]:
    """A row of waiting_records: an event whose session has not come."""
    return {
        **event(session_id, item_id, event_type),
        "waits_for": "session",
        "record_number": 1,
        "entry": 0,
        "raw": "{}",
        **columns,
    }


def part(session_id: str, **columns: Any) -> dict[str, Any]:
    """A row of session_parts: a query that showed nothing yet."""
    row: dict[str, Any] = dict.fromkeys(schemas.SESSION_PARTS.column_names)
    return {
        **row,
        "session_id": session_id,
        "queried_at": at_noon(DAY),
        "query_text": f"query of {session_id}",
        "query_text_place": 2,
        "query_text_at": at_noon(DAY),
        "shown": [],
        "is_worth_it": True,
        "source_file": "ubi/a.ndjson",
        "ingested_at": NOW,
        **columns,
    }


def ingested_file(source_file: str = "embedding_studio/a.ndjson", **columns: Any) -> dict[str, Any]:
    """A row of ingested_files; the counts of each fate follow from ``fates``, a dictionary of ``fate: {kind: records}``."""
    fates = columns.pop("fates", {})
    counts = {fate: sum(fates.get(fate, {}).values()) for fate in FATES}
    accepted = fates.get("accepted", {})
    records = sum(counts.values())
    return {
        "source_file": source_file,
        "landed_as": source_file,
        "format": source_file.split("/", maxsplit=1)[0],
        "content": hashlib.sha256(source_file.encode()).hexdigest(),
        "bytes": 100,
        "modified_at": NOW,
        "copy_of": None,
        "lines": records,
        "blank": 0,
        "headers": 0,
        "records": records,
        **counts,
        "waiting": accepted.get("waiting events", 0),
        "sessions": accepted.get("sessions", 0),
        "events": accepted.get("events", 0),
        "forgotten_sessions": 0,
        "forgotten_records": 0,
        "fates": [{"fate": f, "kind": kind, "records": n} for f, kinds in fates.items() for kind, n in kinds.items()],
        "ingested_at": NOW,
        **columns,
    }


def flag(session_id: str, rule: str = "listed_user", is_enforced: bool = False, **columns: Any) -> dict[str, Any]:
    """A row of flagged_sessions."""
    return {
        "session_id": session_id,
        "session_date": DAY,
        "rule": rule,
        "is_enforced": is_enforced,
        "detail": "1 of its kind, above the limit of 0",
        **columns,
    }


def inputs(session_id: str, item_ids: Sequence[str], clicked: Iterable[str] = (), **columns: Any) -> dict[str, Any]:
    """A row of fine_tuning_inputs, and of sampled_inputs if ``kept`` is given."""
    day, drew = columns.pop("day", DAY), set(clicked)
    query = columns.pop("query_text", f"query of {session_id}")
    clicks = [name in drew for name in item_ids]
    return {
        "session_id": session_id,
        "session_date": day,
        "query_text": query,
        "query_hash": text_hash(query),
        "started_at": at_noon(day),
        "item_ids": list(item_ids),
        "object_ids": list(item_ids),
        "ranks": [1.0 - 0.1 * position for position in range(len(item_ids))],
        "clicked": clicks,
        "event_weight": [float(click) for click in clicks],
        "is_irrelevant": not any(clicks),
        **columns,
    }


def sampled(session_id: str, item_ids: Sequence[str], clicked: Iterable[str] = (), **columns: Any) -> dict[str, Any]:
    """A row of sampled_inputs: all kept, unless said."""
    return inputs(session_id, item_ids, clicked, **{"kept": [True] * len(item_ids), **columns})


def vector(words: str, role: str = "item", values: Sequence[float] = (0.6, 0.8), **columns: Any) -> dict[str, Any]:
    """A row of text_vectors."""
    return {"model": "model-a", "role": role, "text_hash": text_hash(words), "vector": list(values), **columns}


def pair(session_id: str = "s", positive_id: str = "p", negative_id: str = "n", **columns: Any) -> dict[str, Any]:
    """A row of pair_features or fine_tuning_features."""
    return {
        "session_id": session_id,
        "session_date": DAY,
        "query_hash": text_hash(f"query of {session_id}"),
        "positive_id": positive_id,
        "negative_id": negative_id,
        "positive_rank": 0.75,
        "negative_rank": 0.25,
        "target": 1,
        "positive_confidence": 1.0,
        "negative_confidence": 0.5,
        "pairing": "session",
        **columns,
    }


def put_day(lake: Lake, name: str, rows: pa.Table, day: dt.date = DAY, **metadata: Any) -> Commit:
    """Replace a day of a table."""
    return lake.replace_day(name, day, rows.to_batches, metadata)


def slice_of(lake: Lake, name: str, rows: Iterable[Mapping[str, Any]], day: dt.date = DAY) -> Slice:
    """A day of a daily table that holds these rows."""
    put_day(lake, name, table_of(name, rows), day)
    return lake.slice(name, day)


def misaligned(sound: Any) -> Any:
    """``engine.fine_tuning_inputs`` with a fault: every list of clicks is one too short."""

    def faulty(*arguments: Any) -> engine.DayRows:
        rows = sound(*arguments)

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in rows.batches():
                shorter = pa.array([clicked[:-1] for clicked in batch["clicked"].to_pylist()], pa.list_(pa.bool_()))
                yield batch.set_column(batch.schema.get_field_index("clicked"), "clicked", shorter)

        return engine.DayRows(batches, rows.counts, rows.made_from)

    return faulty
