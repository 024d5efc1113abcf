"""Ingestion: every entry is accounted for, every file is in the lake exactly once, whatever comes between."""

import gzip
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets import ingestion, lines, readers
from ft_assets.ingestion import REASONS, TABLES, Ingested
from ft_assets.lake import AlreadyIngested, Lake, Overtaken

DAY = 86_400
START = 1_704_067_200  # 2024-01-01
UNSTABLE = {"ingested_at", "updated_at"}

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

    def ingest(self) -> Ingested:
        return ingestion.ingest(self.lake, ingestion.new_files(self.lake, self.landing))

    def rows(self, table: str) -> list[Record]:
        rows = self.lake.slice(table).to_table().to_pylist()
        stable = [{key: value for key, value in row.items() if key not in UNSTABLE} for row in rows]
        return sorted(stable, key=lambda row: json.dumps(row, default=str, sort_keys=True))

    def all_rows(self) -> dict[str, list[Record]]:
        return {table: self.rows(table) for table in TABLES}

    def reasons(self) -> list[tuple[int, str]]:
        return sorted((row["record_number"], row["reason"]) for row in self.rows("rejected_records"))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


# Embedding Studio


def test_a_session_and_its_events_become_rows(shop: Shop) -> None:
    shown = [{"object_id": "a", "rank": 2.5, "meta": {}}, {"object_id": "b", "rank": None}, {"object_id": "a"}]
    shop.put(
        "embedding_studio/s.ndjson", [session(shown=shown, user_id="u", search_meta={"visit_id": "v"}, is_irrelevant=True)]
    )
    events = [{"event_id": "e1", "object_id": "a", "event_type": "click", "created_at": START + 9, "meta": {}}]
    shop.put("embedding_studio/e.ndjson.gz", [{"session_id": "s1", "events": events}, click("e2", at="2024-01-02T00:00:00Z")])
    done = shop.ingest()
    assert shop.rows("search_sessions") == [
        {
            "session_id": "s1",
            "visit_id": "v",
            "session_date": date(2024, 1, 1),
            "started_at": datetime(2024, 1, 1, tzinfo=UTC),
            "query_text": "red shoes",
            "user_id": "u",
            "user_agent": None,
            # a repeated item stays as logged, a missing rank is null
            "results": [{"item_id": "a", "rank": 2.5}, {"item_id": "b", "rank": None}, {"item_id": "a", "rank": None}],
            "marked_irrelevant": True,
            "source_file": "embedding_studio/s.ndjson",
        }
    ]
    assert [
        (row["event_id"], row["item_id"], row["event_type"], row["occurred_at"]) for row in shop.rows("session_events")
    ] == [
        ("e1", "a", "click", datetime(2024, 1, 1, 0, 0, 9, tzinfo=UTC)),
        ("e2", "a", "click", datetime(2024, 1, 2, tzinfo=UTC)),
    ]
    assert done.books.accepted == {"sessions": 1, "events": 2}
    assert done.affected_days == [date(2024, 1, 1)]
    assert done.rows == {"search_sessions": 1, "session_events": 2, "rejected_records": 0}


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1", "1"), ("1.0", "1.0"), ("true", "true"), ("12345678901234567890123", "12345678901234567890123"), ('"é\\""', 'é"')],
)
def test_ids_of_any_kind_become_strings_with_their_digits(shop: Shop, written: str, expected: str) -> None:
    line = '{"session_id": %s, "search_query": "q", "created_at": 1, "user_id": %s, "search_results": [{"object_id": %s}]}'
    shop.put("embedding_studio/s.ndjson", [line % (written, written, written)])
    shop.ingest()
    (row,) = shop.rows("search_sessions")
    assert (row["session_id"], row["user_id"], row["results"][0]["item_id"]) == (expected,) * 3


@pytest.mark.parametrize(("rank", "expected"), [("NaN", None), ("Infinity", None), ("null", None), ("3", 3.0), ('"0.5"', 0.5)])
def test_a_rank_that_is_no_finite_number_is_null(shop: Shop, rank: str, expected: float | None) -> None:
    line = (
        '{"session_id": "s", "search_query": "q", "created_at": 1704067200, "search_results": [{"object_id": 1, "rank": %s}]}'
    )
    shop.put("embedding_studio/s.ndjson", [line % rank])
    shop.ingest()
    assert shop.rows("search_sessions")[0]["results"] == [{"item_id": "1", "rank": expected}]


def test_a_session_without_results_is_a_session_and_an_empty_event_list_of_no_interest(shop: Shop) -> None:
    shop.put("embedding_studio/s.ndjson", [session(shown=()), "", {"session_id": "s1", "events": []}, "  "])
    done = shop.ingest()
    assert shop.rows("search_sessions")[0]["results"] == []
    assert (done.books.lines, done.books.blank, done.books.read) == (4, 2, 2)
    assert done.books.no_interest == {"no events": 1}


def test_the_same_again_is_a_duplicate_and_another_content_a_conflict(shop: Shop) -> None:
    first = [session(), session(), session(query="blue shoes"), click(), click(), click(item="b")]
    shop.put("embedding_studio/1.ndjson", first)
    done = shop.ingest()
    assert done.books.duplicate == {"sessions": 1, "events": 1}
    assert shop.reasons() == [(3, "conflicting_session"), (6, "conflicting_event")]
    # the same against what the lake holds
    shop.put("embedding_studio/0.ndjson", first)
    done = shop.ingest()
    assert done.books.duplicate == {"sessions": 2, "events": 2}
    assert done.books.rejected == {"conflicting_session": 1, "conflicting_event": 1}
    assert (len(shop.rows("search_sessions")), len(shop.rows("session_events"))) == (1, 1)
    assert done.affected_days == []


def test_an_event_without_an_id_is_known_by_its_content(shop: Shop) -> None:
    nameless = {key: value for key, value in click().items() if key != "event_id"}
    shop.put("embedding_studio/e.ndjson", [nameless, nameless, {**nameless, "object_id": "b"}])
    done = shop.ingest()
    assert (done.books.accepted["events"], done.books.duplicate["events"]) == (2, 1)


def test_a_late_event_reopens_the_day_of_its_session(shop: Shop) -> None:
    shop.put("embedding_studio/1.ndjson", [session("s1"), session("s2", at=START + DAY)])
    assert shop.ingest().affected_days == [date(2024, 1, 1), date(2024, 1, 2)]
    shop.put("embedding_studio/2.ndjson", [click(session_id="s2", at=START + 9 * DAY)])
    assert shop.ingest().affected_days == [date(2024, 1, 2)]


def test_an_event_of_an_unknown_session_is_kept_and_the_session_touches_the_day(shop: Shop) -> None:
    shop.put("embedding_studio/1.ndjson", [click()])
    assert shop.ingest().affected_days == []
    assert len(shop.rows("session_events")) == 1
    shop.put("embedding_studio/2.ndjson", [session()])
    assert shop.ingest().affected_days == [date(2024, 1, 1)]


# Items


def test_items_default_to_their_own_object_and_the_last_text_stands(shop: Shop) -> None:
    shop.put("items/1.ndjson", [{"item_id": 7, "text": "old"}, {"item_id": "p", "object_id": 3, "text": "part"}])
    shop.put("items/2.ndjson", [{"item_id": "7", "text": "new"}, {"item_id": "7", "text": "new"}])
    done = shop.ingest()
    assert [(row["item_id"], row["object_id"], row["text"]) for row in shop.rows("items")] == [
        ("7", "7", "new"),
        ("p", "3", "part"),
    ]
    assert (done.books.accepted["items"], done.books.duplicate["items"]) == (3, 1)
    assert done.rows["items"] == 2


def test_a_file_that_brings_no_news_is_held_all_the_same(shop: Shop) -> None:
    for name in ("items/1.ndjson", "items/2.ndjson"):
        shop.put(name, [{"item_id": "a", "text": "same"}])
        shop.ingest()
    assert ingestion.new_files(shop.lake, shop.landing) == []
    assert [row["source_file"] for row in shop.rows("items")] == ["items/1.ndjson"]


def test_a_changed_item_touches_the_days_that_show_it(shop: Shop) -> None:
    shop.put("items/1.ndjson", [{"item_id": item, "text": item} for item in "abc"])
    shop.put("embedding_studio/s.ndjson", [session("1", shown=("a", "b")), session("2", shown=("b", "c"), at=START + DAY)])
    shop.ingest()
    shop.put("items/2.ndjson", [{"item_id": "c", "text": "other"}, {"item_id": "a", "text": "a"}])
    done = shop.ingest()
    assert done.affected_days == [date(2024, 1, 2)]
    assert (done.books.accepted["items"], done.books.duplicate["items"], done.rows["items"]) == (1, 1, 1)
    shop.put("items/3.ndjson", [{"item_id": "c", "text": "third"}, {"item_id": "c", "text": "other"}])
    done = shop.ingest()
    assert (done.books.accepted["items"], done.rows["items"], done.affected_days) == (2, 0, [])


# User Behavior Insights


def spelled(records: list[Record], spelling: str) -> list[Record | str]:
    if spelling == "bulk":
        return [line for record in records for line in ({"index": {"_index": "any"}}, record)]
    if spelling == "tab":
        return [f"any\t{json.dumps(record)}" for record in records]
    return [{"_index": "any", "_source": record} for record in records] if spelling == "dump" else list(records)


@pytest.mark.parametrize("spelling", ["plain", "bulk", "tab", "dump"])
def test_every_spelling_of_a_file_gives_the_same_rows(shop: Shop, spelling: str) -> None:
    records = [query(), act("item_click", "a", session_id="v1"), act("on_search"), act("purchase", "b")]
    shop.put("ubi/log.ndjson", spelled(records, spelling))
    done = shop.ingest()
    (row,) = shop.rows("search_sessions")
    assert [result["item_id"] for result in row["results"]] == ["a", "b"]
    assert (row["session_id"], row["visit_id"], row["user_id"]) == ("q1", "v1", "c1")
    assert sorted((row["item_id"], row["event_type"]) for row in shop.rows("session_events")) == [
        ("a", "click"),
        ("b", "purchase"),
    ]
    assert done.books.headers == (4 if spelling == "bulk" else 0)
    assert done.books.read == 4
    assert done.books.no_interest == {"on_search": 1}


def test_older_spellings_of_queries(shop: Shop) -> None:
    words_and_lists: list[Record] = [
        {"query_response_object_ids": ["a", "b"], "user_query": "red shoes"},
        {"hits": [{"id": "a"}, {"id": "b"}], "query": "red shoes"},
        {"hits": [{"id": "a"}, {"id": "b"}], "query": '{"size": 20, "query": {"match": {"title": {"query": "red shoes"}}}}'},
        {"query_response_hit_ids": ["a", "b"], "query": '{"ext": {"ubi": {"user_query": "red shoes"}}, "query": {}}'},
    ]
    times = [START, START * 1000, START + 0.0, str(START), "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000+0000", "2024-01-01"]
    both = [(fields, at) for fields in words_and_lists for at in times]
    shop.put("ubi/log.ndjson", [{"query_id": n, "timestamp": at, **fields} for n, (fields, at) in enumerate(both)])
    shop.ingest()
    rows = shop.rows("search_sessions")
    assert len(rows) == len(both)
    for row in rows:
        assert (row["query_text"], row["started_at"]) == ("red shoes", datetime(2024, 1, 1, tzinfo=UTC))
        assert [result["item_id"] for result in row["results"]] == ["a", "b"]


def test_the_older_spelling_of_an_event_joins_by_key_value(shop: Shop) -> None:
    event = act("product_click", "internal")
    event["event_attributes"]["object"]["key_value"] = "a"
    shop.put("ubi/log.ndjson", [query(), event])
    shop.ingest()
    assert [(row["item_id"], row["event_type"]) for row in shop.rows("session_events")] == [("a", "click")]


@pytest.mark.parametrize("first", [0, 1])
def test_impressions_win_over_hits_ordered_by_ordinal_then_time(shop: Shop, first: int) -> None:
    shown = [
        act("impression", "c", ordinal=first + 1),
        act("impression", "z", ordinal=None),
        act("impression", "b", ordinal=first, at=START + 9),
        act("impression", "a", ordinal=first, at=START + 8),
        act("impression", "b", ordinal=first + 5),
    ]
    shop.put("ubi/log.ndjson", [query(hits=("x", "y")), *shown])
    done = shop.ingest()
    assert [result["item_id"] for result in shop.rows("search_sessions")[0]["results"]] == ["a", "b", "c", "z"]
    assert done.books.accepted == {"sessions": 1, "impressions": 4}
    assert done.books.duplicate == {"impressions": 1}


def test_of_several_documents_the_first_with_hits_gives_text_and_list(shop: Shop) -> None:
    documents = [
        query(words="red sho", hits=(), at=START),
        query(words="red shoes", hits=("a", "b"), at=START + 1),
        query(words="red shoes men", hits=("c",), at=START + 2),
        query(words="red", hits=None, at=START + 3),
    ]
    shop.put("ubi/log.ndjson", documents)
    done = shop.ingest()
    (row,) = shop.rows("search_sessions")
    assert (row["query_text"], row["started_at"]) == ("red shoes", datetime(2024, 1, 1, tzinfo=UTC))
    assert [result["item_id"] for result in row["results"]] == ["a", "b"]
    assert (done.books.accepted, done.books.duplicate) == ({"sessions": 1}, {"documents": 3})


def test_without_hits_the_latest_text_stands_and_blank_ones_never(shop: Shop) -> None:
    shop.put(
        "ubi/log.ndjson",
        [query(words="re", hits=()), query(words="red", hits=(), at=START + 1), query(words=" ", hits=(), at=START + 2)],
    )
    shop.ingest()
    assert [(row["query_text"], row["results"]) for row in shop.rows("search_sessions")] == [("red", [])]


def test_a_query_without_text_takes_that_of_its_events(shop: Shop) -> None:
    shop.put(
        "ubi/log.ndjson",
        [
            query("q1", None),
            act("search", message="from message"),
            query("q2", None),
            act("click", "a", "q2", user_query="from event"),
        ],
    )
    shop.ingest()
    assert {row["session_id"]: row["query_text"] for row in shop.rows("search_sessions")} == {
        "q1": "from message",
        "q2": "from event",
    }


def test_a_missing_query_is_rebuilt_from_its_events(shop: Shop) -> None:
    events = [
        act("search", message="red shoes", user_id=""),
        act("impression", "a", ordinal=0, client_id="c9"),
        act("click", "a", at=START + 7),
    ]
    shop.put("ubi/log.ndjson", events)
    done = shop.ingest()
    (row,) = shop.rows("search_sessions")
    assert (row["query_text"], row["user_id"], row["started_at"].second) == ("red shoes", "c9", 5)
    assert [result["item_id"] for result in row["results"]] == ["a"]
    assert (done.books.rebuilt, done.rows["search_sessions"]) == (1, 1)
    assert done.books.accepted == {"impressions": 1, "events": 1}


def test_words_only_typed_ahead_make_no_session(shop: Shop) -> None:
    shop.put("ubi/log.ndjson", [act("search", query_id=f"q{at}", message="red sh"[:at]) for at in range(1, 6)])
    done = shop.ingest()
    assert (done.books.no_interest, done.rows["search_sessions"]) == ({"search": 5}, 0)


def test_events_of_a_query_that_cannot_be_told_are_rejected_and_those_of_no_interest_stay_so(shop: Shop) -> None:
    shop.put("ubi/log.ndjson", [act("click", "a"), act("impression", "a"), act("page_exit", "a")])
    done = shop.ingest()
    assert shop.reasons() == [(1, "query_missing"), (2, "query_missing")]
    assert done.books.no_interest == {"page_exit": 1}


def test_a_late_event_joins_the_query_in_the_lake(shop: Shop) -> None:
    shop.put("ubi/1.ndjson", [query()])
    shop.ingest()
    shop.put("ubi/2.ndjson", [act("click", "a", user_query="red sho"), act("impression", "b"), query(hits=())])
    done = shop.ingest()
    assert done.books.accepted == {"events": 1}
    assert done.books.duplicate == {"impressions": 1, "sessions": 1}
    assert done.affected_days == [date(2024, 1, 1)]
    shop.put("ubi/3.ndjson", [act("impression", "new"), act("impression", "b")])
    assert shop.ingest().books.rejected == {"conflicting_session": 2}
    assert len(shop.rows("search_sessions")) == 1


def test_actions_are_named_by_the_table(shop: Shop) -> None:
    acts = ["click", "item_click", "product_click", "add_to_cart", "purchase", "product_hover", "declined_product", "wishlist"]
    filtered = act("some_filter", "x")
    filtered["event_attributes"]["object"]["object_id_field"] = "filter_data"
    nothing = [act(name, "a") for name in ("brand_filter", "global_click", "view_search_results", "404_redirect")]
    shop.put("ubi/log.ndjson", [query(), *(act(name, "a") for name in acts), *nothing, filtered, act("unheard_of")])
    done = shop.ingest()
    assert sorted(row["event_type"] for row in shop.rows("session_events")) == sorted(["click"] * 3 + acts[3:])
    assert set(done.books.no_interest) == {
        "brand_filter",
        "global_click",
        "view_search_results",
        "404_redirect",
        "some_filter",
        "unheard_of",
    }


def test_null_fields_are_no_fields(shop: Shop) -> None:
    empty = {"action_name": "search", "query_id": None, "event_attributes": None, "message": None, "timestamp": None}
    position = {
        "action_name": "click",
        "query_id": "q1",
        "timestamp": START,
        "event_attributes": {"object": {"object_id": 5}, "position": None},
    }
    shop.put("ubi/log.ndjson", [query(), empty, position])
    done = shop.ingest()
    assert (done.books.accepted["events"], done.books.no_interest["search"]) == (1, 1)
    assert shop.rows("session_events")[0]["item_id"] == "5"


# Reasons

PLANTED: dict[str, list[tuple[Record | str, str]]] = {
    "embedding_studio/bad.ndjson": [
        ("{broken", "not_json"),
        ("[1, 2]", "not_an_object"),
        ('{"session_id": "x", "events": ["text"]}', "not_an_object"),
        ({"what": "ever"}, "unknown_record"),
        (session(None), "missing_session_id"),
        (session({"an": "object"}), "missing_session_id"),
        (click("x", ""), "missing_session_id"),
        (session("x", " "), "missing_query"),
        (session("x", at=None), "missing_time"),
        (session("x", at="yesterday"), "bad_time"),
        (session("x", at="infinity"), "bad_time"),
        (session("x", at=-1), "bad_time"),
        (session("x", shown=None), "missing_results"),
        (session("x", shown="text"), "missing_results"),
        (session("x", shown=[{"rank": 1}]), "missing_item_id"),
        (session("x", shown=["a"]), "missing_item_id"),
        (session("x", shown=[{"object_id": "a", "rank": "high"}]), "bad_rank"),
        (click("x", item=None), "missing_item_id"),
        ({**click("x"), "event_type": None}, "missing_event_type"),
        (click("x", at=None), "missing_time"),
        (click("x", at={"$date": 1}), "bad_time"),
    ],
    "items/bad.ndjson": [
        ({"text": "no id"}, "missing_item_id"),
        ({"item_id": "a"}, "missing_text"),
        ({"item_id": "a", "text": ""}, "missing_text"),
        ({"id": "a"}, "unknown_record"),
    ],
    "ubi/bad.ndjson": [
        (query(None), "missing_session_id"),
        (query("x", None), "missing_query"),
        (query("y", at=None), "missing_time"),
        (query("y", at="soon"), "bad_time"),
        (query("y", hits=[None]), "missing_item_id"),
        (act("click", "a", None), "missing_session_id"),
        (act("impression", "a", None), "missing_session_id"),
        (act("click", None, "x"), "missing_item_id"),
        (act("click", "a", "x", at=None), "missing_time"),
        ({"event_attributes": {}, "query_id": "x"}, "missing_event_type"),
        (act("click", "a", "nowhere"), "query_missing"),
        ({"timestamp": 5}, "unknown_record"),
        ("ubi_queries\t{broken", "not_json"),
    ],
}


def test_every_reason_is_planted_and_caught(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINE_BYTES", 500)
    for name, planted in PLANTED.items():
        shop.put(name, [record for record, _ in planted])
    shop.put("embedding_studio/conflict.ndjson", [session(), session(query="other"), click(), click(item="b")])
    shop.put("items/long.ndjson", ["x" * 501])
    (shop.landing / "items/latin.ndjson").write_bytes(b'{"item_id": "a", "text": "caf\xe9"}\n')
    (shop.landing / "items/half.ndjson.gz").write_bytes(gzip.compress(b'{"item_id": "half", "text": "kept"}\n{"item')[:-6])
    done = shop.ingest()
    found = shop.rows("rejected_records")
    for name, planted in PLANTED.items():
        by_record = {row["record_number"]: row for row in found if row["source_file"] == name}
        assert {number: row["reason"] for number, row in by_record.items()} == dict(enumerate((r for _, r in planted), 1))
        for number, (record, _) in enumerate(planted, 1):
            assert by_record[number]["raw"] == (record if isinstance(record, str) else json.dumps(record))
            assert by_record[number]["detail"]
    assert {row["reason"] for row in found} == set(REASONS)
    assert [row["item_id"] for row in shop.rows("items")] == ["half"]
    assert [row["raw"] for row in found if row["reason"] == "file_truncated"] == ['{"item']
    assert done.books.rejected.total() == len(found)


def test_one_bad_event_of_a_list_does_not_take_the_others_along(shop: Shop) -> None:
    shop.put(
        "embedding_studio/e.ndjson", [{"session_id": "s", "events": [click("1"), None, click("2", item=None), click("3")]}]
    )
    done = shop.ingest()
    assert shop.reasons() == [(1, "missing_item_id"), (1, "not_an_object")]
    assert (done.books.read, done.books.accepted["events"]) == (4, 2)


ANY_VALUE = st.sampled_from(
    [None, "", " ", "a", "s1", 1, 1.5, True, [], {}, [{}], [1], START, "2024-01-01", "x\ty", "\x00", "{"]
)
ANY_KEYS = ["session_id", "search_query", "created_at", "search_results", "events", "event_id", "object_id", "event_type",
            "item_id", "text", "query_id", "user_query", "timestamp", "action_name", "hits", "query", "index", "_source",
            "event_attributes", "query_response_hit_ids", "is_irrelevant", "search_meta"]  # fmt: skip
ANY_RECORD = st.dictionaries(st.sampled_from(ANY_KEYS), ANY_VALUE, max_size=6)
ANY_LINE = st.one_of(ANY_RECORD.map(json.dumps), st.text(max_size=20).filter(lambda text: "\n" not in text))


@settings(deadline=None, derandomize=True, max_examples=5)
@given(
    content=st.lists(
        st.one_of(ANY_LINE, st.sampled_from([session(), click(), query(), act("click", "a")]).map(json.dumps)), min_size=30
    )
)
def test_whatever_stands_in_the_files_the_books_balance(tmp_path_factory: pytest.TempPathFactory, content: list[str]) -> None:
    shop = Shop(tmp_path_factory.mktemp("any"))
    for format_ in readers.FORMATS:
        shop.put(f"{format_}/any.ndjson", content)
    done = shop.ingest()
    for name, books in done.books_by_file.items():
        assert books.balance, name
        assert books.lines == len(content)
    assert len(shop.rows("rejected_records")) == done.books.rejected.total()
    assert len(shop.rows("session_events")) == done.books.accepted["events"]
    assert len(shop.rows("search_sessions")) == done.books.accepted["sessions"] + done.books.rebuilt
    assert ingestion.new_files(shop.lake, shop.landing) == []


def test_books_that_do_not_balance_stop_the_ingestion_before_it_writes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put("embedding_studio/s.ndjson", [session(), session(query="other")])
    read_sql = ingestion.queries.read_sql
    forgetful = read_sql("readers/dispositions").replace("where entry is not null", "where disposition <> 'rejected'")
    monkeypatch.setattr(
        ingestion.queries, "read_sql", lambda name: forgetful if name.endswith("/dispositions") else read_sql(name)
    )
    with pytest.raises(RuntimeError, match=r"s\.ndjson, record 2: 1 entries were read, 0 are accounted for"):
        shop.ingest()
    assert shop.rows("search_sessions") == []


@pytest.mark.parametrize(
    ("table", "counts"),
    [("search_sessions", "1 .*, got 0"), ("session_events", "2 .*, got 0"), ("rejected_records", "1 .*, got 0")],
)
def test_rows_that_differ_from_the_books_stop_the_ingestion_before_it_writes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, table: str, counts: str
) -> None:
    shop.put("embedding_studio/s.ndjson", [session(), click("e1"), click("e2"), "{"])
    read_sql = ingestion.queries.read_sql
    lossy = read_sql(f"readers/{table}").replace("where ", "where false and ")
    monkeypatch.setattr(ingestion.queries, "read_sql", lambda name: lossy if name == f"readers/{table}" else read_sql(name))
    with pytest.raises(RuntimeError, match=f"{table} must get {counts}; nothing was written"):
        shop.ingest()
    assert all(rows == [] for rows in shop.all_rows().values())
    monkeypatch.undo()
    assert [file.name for file in ingestion.new_files(shop.lake, shop.landing)] == ["embedding_studio/s.ndjson"]
    assert shop.ingest().rows == {"search_sessions": 1, "session_events": 2, "rejected_records": 1}


# Exactly once


def put_a_bit_of_everything(shop: Shop) -> None:
    shop.put(
        "items/i.ndjson", [{"item_id": "a", "text": "1"}, {"item_id": "b", "text": "2"}, {"item_id": "a", "text": "3"}, "{"]
    )
    shop.put("embedding_studio/1.ndjson", [session(), session("s2", at=START + DAY), click(), click("e2", "s2"), "{"])
    shop.put("embedding_studio/2.ndjson", [session(), session("s2", "other"), click(), click("e3", "s9")])
    shop.put(
        "ubi/1.ndjson",
        [query(), act("click", "a"), act("click", "a", "nowhere"), act("search", query_id="q7", message="seven")],
    )
    shop.put("ubi/2.ndjson", [query(words="late"), act("impression", "b"), act("impression", "c", "q7"), act("click", "a")])


def test_a_rerun_changes_nothing_and_an_ingested_file_is_not_new(shop: Shop) -> None:
    put_a_bit_of_everything(shop)
    done = shop.ingest()
    assert sorted(done.files) == [file.name for file in readers.landed_files(shop.landing)]
    before, versions = shop.all_rows(), {table: shop.lake.slice(table).version for table in TABLES}
    assert ingestion.new_files(shop.lake, shop.landing) == []
    again = ingestion.ingest(shop.lake, readers.landed_files(shop.landing))
    assert (again.files, again.rows, again.affected_days) == ([], {}, [])
    assert shop.all_rows() == before
    assert {table: shop.lake.slice(table).version for table in TABLES} == versions


def test_every_table_holds_every_file_it_is_fed_also_without_rows(shop: Shop) -> None:
    shop.put("embedding_studio/e.ndjson", [])
    done = shop.ingest()
    assert done.files == ["embedding_studio/e.ndjson"]
    assert all(shop.lake.holds(table, done.files[0]) for table in ingestion.FEEDS["embedding_studio"])


def test_a_commit_states_its_files_days_and_books(shop: Shop) -> None:
    shop.put("embedding_studio/s.ndjson", [session(), click()])
    ingestion.ingest(shop.lake, readers.landed_files(shop.landing), {"run_id": "r1"})
    for table in ("search_sessions", "session_events"):
        entry = shop.lake.history(table)[-1]
        assert json.loads(entry["files"]) == ["embedding_studio/s.ndjson"]
        assert json.loads(entry["affected_days"]) == ["2024-01-01"]
        assert json.loads(entry["counts"])["accepted_by"] == {"events": 1, "sessions": 1}
        assert entry["run_id"] == "r1"


KILLED_AFTER_EACH_COMMIT = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from ft_assets import ingestion
    from ft_assets.lake import Lake

    folder, kills = Path(sys.argv[1]), 0
    while True:
        child = os.fork()  # nothing has started a thread yet
        if child == 0:
            def deadly(method):
                def commit(*args, **kwargs):
                    done = method(*args, **kwargs)
                    os.kill(os.getpid(), signal.SIGKILL)
                    return done
                return commit
            Lake.append_once, Lake.upsert_items_once = deadly(Lake.append_once), deadly(Lake.upsert_items_once)
            lake = Lake(str(folder / "lake"))
            ingestion.ingest(lake, ingestion.new_files(lake, folder / "landing"))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        kills += 1
    print(kills)
    """
)


def test_a_kill_after_every_single_commit_ends_in_the_same_rows(shop: Shop, tmp_path: Path) -> None:
    whole = Shop(tmp_path / "whole")
    for each in (shop, whole):
        put_a_bit_of_everything(each)
    whole.ingest()
    command = [sys.executable, "-c", KILLED_AFTER_EACH_COMMIT, str(shop.folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout.strip() == "8"  # 2 commits of items, 3 of each log
    assert shop.all_rows() == whole.all_rows()


INGEST = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from ft_assets import ingestion
    from ft_assets.lake import Lake

    folder = Path(sys.argv[1])
    lake = Lake(str(folder / "lake"))
    print(sum(ingestion.ingest(lake, ingestion.new_files(lake, folder / "landing")).rows.values()))
    """
)


def test_three_ingestions_at_once_end_in_the_same_rows(shop: Shop, tmp_path: Path) -> None:
    whole = Shop(tmp_path / "whole")
    for each in (shop, whole):
        put_a_bit_of_everything(each)
    rows = sum(whole.ingest().rows.values())
    command = [sys.executable, "-c", INGEST, str(shop.folder)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    printed = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0] * 3, printed
    assert sum(int(out) for out, _ in printed) == rows
    assert shop.all_rows() == whole.all_rows()


def test_a_file_that_another_ingestion_won_is_skipped(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    put_a_bit_of_everything(shop)
    append_once, lost = Lake.append_once, []

    def beaten(self: Lake, name: str, *args: Any) -> Any:
        if name == "session_events" and not lost:
            lost.append(name)
            append_once(self, name, *args)
            raise AlreadyIngested("another was faster")
        return append_once(self, name, *args)

    monkeypatch.setattr(Lake, "append_once", beaten)
    shop.ingest()
    rows = shop.all_rows()
    assert ingestion.new_files(shop.lake, shop.landing) == []
    monkeypatch.undo()
    whole = Shop(shop.folder / "whole")
    put_a_bit_of_everything(whole)
    whole.ingest()
    assert rows == whole.all_rows()


def test_a_session_that_arrives_in_between_is_seen_before_writing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put("embedding_studio/1.ndjson", [session()])
    append_once, others = Lake.append_once, []

    def late(self: Lake, name: str, *args: Any) -> Any:
        if not others:
            others.append(name)
            shop.put("embedding_studio/0.ndjson", [session()])
            ingestion.ingest(self, [readers.landed_files(shop.landing)[0]])
        return append_once(self, name, *args)

    files = ingestion.new_files(shop.lake, shop.landing)
    monkeypatch.setattr(Lake, "append_once", late)
    done = ingestion.ingest(shop.lake, files)
    assert [row["source_file"] for row in shop.rows("search_sessions")] == ["embedding_studio/0.ndjson"]
    assert done.books.duplicate == {"sessions": 1}


def test_being_overtaken_again_and_again_is_an_error(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(*args: Any) -> None:
        raise Overtaken("again")

    shop.put("embedding_studio/1.ndjson", [session()])
    monkeypatch.setattr(Lake, "append_once", overtaken)
    monkeypatch.setattr(ingestion, "ATTEMPTS", 2)
    with pytest.raises(Overtaken):
        shop.ingest()


def test_files_are_taken_in_groups_bounded_by_size(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingestion, "GROUP_BYTES", 300)
    for at in range(4):
        shop.put(f"embedding_studio/{at}.ndjson", [session(f"s{at}"), session("same")])
    done = shop.ingest()
    assert done.versions["search_sessions"] >= 3
    assert (done.books.accepted["sessions"], done.books.duplicate["sessions"]) == (5, 3)


def test_metadata_is_plain(shop: Shop) -> None:
    put_a_bit_of_everything(shop)
    metadata = shop.ingest().as_metadata()
    assert json.loads(json.dumps(metadata)) == metadata
    total = sum(metadata[name] for name in ("accepted", "duplicate", "rejected", "no_interest"))
    assert total == metadata["read"]
