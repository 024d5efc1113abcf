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
from ft_assets.identity import KEY_VARIABLE
from ft_assets.ingestion import Ingested
from ft_assets.lake import Lake

REAL = os.environ.get("FT_ASSETS_REAL_DATA")
pytestmark = pytest.mark.skipif(not REAL, reason="FT_ASSETS_REAL_DATA names no folder of real logs; none were tried")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "a key of these tests only")


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
    assert answer(lake, "select count(*) from rejected_records") == [(0,)]


def test_the_log_of_2024_is_accounted_for(tmp_path: Path) -> None:
    path = Path(str(REAL), "ubi", "icecat-2024-06.tsv.gz")
    lake, done = ingest(tmp_path, path)
    logged = list(documents(path))
    hits = [document["query_response_object_ids"] for document in logged if "action_name" not in document]
    assert (done.books.lines, done.books.read) == (len(logged), len(logged))
    assert done.books.accepted == {"queries": len(hits), "events": 3119}
    assert done.books.sessions == len(hits) == 4130
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
    books = done.books
    assert len({d["query_id"] for d in logged if "action_name" not in d}) == 284
    assert books.sessions == 284 + 16  # these have their words in their events
    assert books.accepted == {"queries": 396, "impressions": 1999, "events": 416, "waiting events": 138}
    # nothing is refused: what was done in a query whose words are nowhere, or to an item that is not shown yet, waits
    assert (books.duplicate, books.rejected, books.no_interest.total()) == ({"queries": 77}, {}, 895)
    assert books.read == 3921 == 396 + 1999 + 416 + 138 + 77 + 895
    assert answer(lake, "select count(*) from waiting_records where waits_for in ('session', 'impression')") == [(138,)]
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


def test_what_stands_in_both_logs_is_joined_once(tmp_path: Path) -> None:
    paths = {name: Path(str(REAL), "ubi", f"{name}.gz") for name in ("chorus-2025.bulk.ndjson", "icecat-2024-06.tsv")}
    lake, done = ingest(tmp_path, *paths.values())
    chorus, icecat = (done.books_by_file[f"ubi/{path.name}"] for path in paths.values())
    asked = {document["query_id"] for document in documents(paths["icecat-2024-06.tsv"]) if "action_name" not in document}
    assert len({document.get("query_id") for document in documents(paths["chorus-2025.bulk.ndjson"])} & asked) == 71
    # 40 of icecat's events in them stand in chorus' file too, word for word. There alone they wait; with icecat's queries
    # they are joined, and in icecat's file they are duplicates.
    assert chorus.accepted == {"queries": 396, "impressions": 1999, "events": 416 + 40, "waiting events": 138 - 40}
    assert (icecat.accepted, icecat.duplicate) == ({"queries": 4130, "events": 3119 - 40}, {"events": 1 + 40})
    assert answer(lake, "select count(*), count(distinct event_id) from session_events") == [(3535, 3535)]
    assert (chorus.sessions, icecat.sessions) == (300 - 11, 4130)  # 11 are no longer told by their events alone
    assert answer(lake, "select count(*) from search_sessions") == [(289 + 4130,)]


def test_a_rerun_over_all_of_them_changes_nothing(tmp_path: Path) -> None:
    paths = sorted(Path(str(REAL), "ubi").glob("*.gz"))
    lake, done = ingest(tmp_path, *paths)
    assert len(done.files) == len(paths) == 4
    assert all(books.balance for books in done.books_by_file.values())
    again = ingestion.ingest(lake, landing.landed_files(tmp_path / "landing"))
    assert (again.files, again.rows) == ([], {})
