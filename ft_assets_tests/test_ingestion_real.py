"""Ingestion of real logs: those of the folder that FT_ASSETS_REAL_DATA names."""

import gzip
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ft_assets import ingestion, landing, queries, readers
from ft_assets.ingestion import Ingested
from ft_assets.lake import Lake

REAL = os.environ.get("FT_ASSETS_REAL_DATA")
pytestmark = pytest.mark.skipif(not REAL, reason="FT_ASSETS_REAL_DATA names no folder of real logs; none were tried")


def ingest(folder: Path, *paths: Path) -> tuple[Lake, Ingested]:
    for path in paths:
        format_ = readers.guess_format(path)
        assert format_, path
        landing.land(folder / "landing", format_, [path])
    lake = Lake(str(folder / "lake"))
    return lake, ingestion.ingest(lake, ingestion.new_files(lake, folder / "landing"))


def answer(lake: Lake, sql: str) -> Any:
    tables = {name: lake.slice(name) for name in ingestion.TABLES}
    with queries.session(tables) as con:
        return con.sql(sql).fetchall()


def documents(path: Path) -> Iterator[dict[str, Any]]:
    """The documents of a UBI file, by other means than those under test."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            document = json.loads(line.partition("\t")[2] if not line.startswith("{") else line)
            if "index" not in document:
                yield document


def test_msrd_is_taken_whole(tmp_path: Path) -> None:
    lake, done = ingest(tmp_path, *sorted(Path(str(REAL), "msrd").glob("*.gz")))
    assert done.books.accepted == {"sessions": 1063, "events": 2568, "items": 5394}
    assert done.books.read == done.books.accepted.total()
    assert answer(lake, "select sum(len(results)), count(distinct session_date) from search_sessions") == [(24_799, 7)]
    assert answer(lake, "select count(*) from session_events semi join search_sessions using (session_id)") == [(2568,)]
    assert done.affected_days == [date(2026, 11, day) for day in range(1, 8)]
    assert done.rows["rejected_records"] == 0


def test_the_log_of_2024_is_accounted_for(tmp_path: Path) -> None:
    path = Path(str(REAL), "ubi", "icecat-2024-06.tsv.gz")
    lake, done = ingest(tmp_path, path)
    logged = list(documents(path))
    hits = [document["query_response_object_ids"] for document in logged if "action_name" not in document]
    assert (done.books.lines, done.books.read) == (len(logged), len(logged))
    assert done.books.accepted == {"sessions": len(hits), "events": 3119}
    assert (done.books.duplicate, done.books.rejected) == ({"events": 1}, {})
    shown = answer(lake, "select count(*), count_if(len(results) = 0), sum(len(results)) from search_sessions")
    assert shown == [(4130, 3271, sum(map(len, hits)))]
    acts = {json.dumps(document, sort_keys=True): document["action_name"] for document in logged if "action_name" in document}
    stored = dict(answer(lake, "select event_type, count(*) from session_events group by all"))
    types = Counter(acts.values())
    for name in ("add_to_cart", "purchase", "product_hover", "declined_product"):
        assert stored[name] == types[name]
    assert stored["click"] == types["item_click"]
    of_no_interest = Counter(
        document["action_name"] for document in logged if document.get("action_name", "") in done.books.no_interest
    )
    assert of_no_interest == done.books.no_interest
    assert answer(lake, "select count(*) from search_sessions where visit_id is null or user_id is null") == [(0,)]


def test_the_log_of_2025_is_accounted_for(tmp_path: Path) -> None:
    path = Path(str(REAL), "ubi", "chorus-2025.bulk.ndjson.gz")
    lake, done = ingest(tmp_path, path)
    logged = list(documents(path))
    assert (done.books.lines, done.books.headers, done.books.read) == (2 * len(logged), len(logged), len(logged))
    assert done.books.accepted["sessions"] == len({d["query_id"] for d in logged if "action_name" not in d})
    # a query that was clicked and shown but whose words are nowhere
    assert done.books.rejected == {"query_missing": 60}
    shown: dict[str, dict[str, float]] = defaultdict(dict)
    found: dict[str, list[str]] = {}
    for document in logged:
        if document.get("action_name") == "impression":
            attributes = document["event_attributes"]
            item, ordinal = attributes["object"]["object_id"], attributes["position"]["ordinal"]
            places = shown[document["query_id"]]
            places[item] = min(places.get(item, ordinal), ordinal)
        elif document.get("query_response_hit_ids"):
            found.setdefault(document["query_id"], document["query_response_hit_ids"])
    lists = dict(answer(lake, "select session_id, list_transform(results, lambda r: r.item_id) from search_sessions"))
    for id_, items in lists.items():
        if id_ in shown:
            assert Counter(items) == Counter(shown[id_].keys()), id_
            ordinals = [shown[id_][item] for item in items]
            assert ordinals == sorted(ordinals)
        else:
            assert items == found.get(id_, []), id_


def test_a_rerun_over_all_of_them_changes_nothing(tmp_path: Path) -> None:
    paths = sorted(Path(str(REAL), "ubi").glob("*.gz"))
    lake, done = ingest(tmp_path, *paths)
    assert len(done.files) == len(paths) == 4
    assert all(books.balance for books in done.books_by_file.values())
    again = ingestion.ingest(lake, landing.landed_files(tmp_path / "landing"))
    assert (again.files, again.rows) == ([], {})
