"""A landing place and a lake, and the records that tests land in it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ft_assets import ingestion
from ft_assets.ingestion import Ingested
from ft_assets.lake import Lake

TABLES = (*ingestion.TABLES, "ingested_files")

DAY = 86_400
START = 1_704_067_200  # 2024-01-01
UNSTABLE = {"ingested_at", "updated_at", "modified_at"}

Record = dict[str, Any]


def session(id_: Any = "s1", query: Any = "red shoes", shown: Any = ("a", "b"), at: Any = START, **fields: Any) -> Record:
    results = [{"object_id": item, "rank": 1.5} for item in shown] if isinstance(shown, tuple) else shown
    return {"session_id": id_, "search_query": query, "created_at": at, "search_results": results, **fields}


def click(id_: Any = "e1", session_id: Any = "s1", item: Any = "a", at: Any = START + 5, **fields: Any) -> Record:
    return {"event_id": id_, "session_id": session_id, "object_id": item, "event_type": "click", "created_at": at, **fields}


def query(id_: Any = "q1", words: Any = "red shoes", hits: Any = ("a", "b"), at: Any = START, **fields: Any) -> Record:
    hit_ids = {"query_response_hit_ids": list(hits)} if hits is not None else {}
    return {"query_id": id_, "user_query": words, "client_id": "c1", "timestamp": at, **hit_ids, **fields}


def act(action: str, item: Any = None, query_id: Any = "q1", at: Any = START + 5, ordinal: Any = None, **fields: Any) -> Record:
    thing = {"object": {"object_id": item, "object_id_field": "sku"}} if item is not None else {}
    attributes = {**thing, "position": {"ordinal": ordinal}}
    return {"action_name": action, "query_id": query_id, "timestamp": at, "event_attributes": attributes, **fields}


class Shop:
    """A landing place and a lake."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.landing, self.lake = folder, folder / "landing", Lake(str(folder / "lake"))

    def put(self, name: str, records: Iterable[Record | str]) -> None:
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())

    def new(self) -> list[str]:
        return [file.name for file in ingestion.new_files(self.lake, self.landing)]

    def ingest(self, **settings: Any) -> Ingested:
        files = ingestion.new_files(self.lake, self.landing)
        return ingestion.ingest(self.lake, files, settings=ingestion.Settings(**settings))

    def rows(self, table: str) -> list[Record]:
        rows = self.lake.slice(table).to_table().to_pylist()
        stable = [{key: value for key, value in row.items() if key not in UNSTABLE} for row in rows]
        return sorted(stable, key=lambda row: json.dumps(row, default=str, sort_keys=True))

    def all_rows(self) -> dict[str, list[Record]]:
        return {table: self.rows(table) for table in TABLES}

    def reasons(self) -> list[tuple[int, str]]:
        return sorted((row["record_number"], row["reason"]) for row in self.rows("rejected_records"))
