"""Ingestion of User Behavior Insights: sessions whose log is scattered over many records and files."""

import json
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets.identity import KEY_VARIABLE, pseudonym
from ft_assets_tests.shop import DAY, START, Record, Shop, act, query, session


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


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
    assert (row["session_id"], row["visit_id"], row["user_id"]) == ("q1", "v1", None)  # without a key nobody is known
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
    assert done.books.accepted == {"queries": 1, "impressions": 4}
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
    assert (done.books.accepted, done.books.sessions) == ({"queries": 4}, 1)


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
            query("q3", None),
        ],
    )
    shop.ingest()
    assert {row["session_id"]: row["query_text"] for row in shop.rows("search_sessions")} == {
        "q1": "from message",
        "q2": "from event",
    }


def test_a_missing_query_is_rebuilt_from_its_events(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "a key of these tests only"
    monkeypatch.setenv(KEY_VARIABLE, key)
    events = [
        act("search", message="red shoes", user_id=""),
        act("impression", "a", ordinal=0, client_id="c9"),
        act("click", "a", at=START + 7),
    ]
    shop.put("ubi/log.ndjson", events)
    done = shop.ingest()
    (row,) = shop.rows("search_sessions")
    assert (row["query_text"], row["user_id"], row["started_at"].second) == ("red shoes", pseudonym("c9", key.encode()), 5)
    assert [result["item_id"] for result in row["results"]] == ["a"]
    assert (done.books.sessions, done.rows["search_sessions"]) == (1, 1)
    assert done.books.accepted == {"impressions": 1, "events": 1}


def test_words_only_typed_ahead_make_no_session(shop: Shop) -> None:
    shop.put("ubi/log.ndjson", [act("search", query_id=f"q{at}", message="red sh"[:at]) for at in range(1, 6)])
    done = shop.ingest()
    assert (done.books.no_interest, done.books.sessions) == ({"search": 5}, 0)


def test_events_of_a_query_that_is_not_told_yet_wait_and_those_of_no_interest_stay_so(shop: Shop) -> None:
    shop.put("ubi/log.ndjson", [act("click", "a"), act("impression", "a"), act("page_exit", "a")])
    done = shop.ingest()
    assert done.books.accepted == {"waiting events": 1, "impressions": 1}
    assert done.books.no_interest == {"page_exit": 1}
    assert [(row["item_id"], row["waits_for"]) for row in shop.rows("waiting_records")] == [("a", "session")]
    shop.put("ubi/later.ndjson", [query(hits=("x",))])
    done = shop.ingest()
    assert done.released == {"joined": 1}
    assert [result["item_id"] for result in shop.rows("search_sessions")[0]["results"]] == ["a"]


def test_a_click_waits_for_the_impression_that_shows_its_item(shop: Shop) -> None:
    for name, records in {
        "ubi/1.ndjson": [query(hits=None), act("click", "b")],
        "ubi/2.ndjson": [act("impression", "a", ordinal=1)],
    }.items():
        shop.put(name, records)
        shop.ingest()
    assert [(row["item_id"], row["waits_for"]) for row in shop.rows("waiting_records")] == [("b", "impression")]
    shop.put("ubi/3.ndjson", [act("impression", "b", ordinal=0)])
    done = shop.ingest()
    assert (done.released, shop.rows("waiting_records")) == ({"joined": 1}, [])
    (row,) = shop.rows("search_sessions")
    assert [result["item_id"] for result in row["results"]] == ["b", "a"]
    assert done.affected_days == [date(2024, 1, 1)]


def test_what_the_lake_knows_of_a_query_is_no_news_and_what_it_does_not_changes_it(shop: Shop) -> None:
    shop.put("ubi/1.ndjson", [query()])
    shop.ingest()
    shop.put("ubi/2.ndjson", [act("click", "a", user_query="red sho"), query(hits=())])
    done = shop.ingest()
    assert done.books.accepted["events"] == 1
    assert done.affected_days == [date(2024, 1, 1)]
    (before,) = shop.rows("search_sessions")
    assert (before["query_text"], len(before["results"])) == ("red shoes", 2)
    shop.put("ubi/3.ndjson", [query(), query(hits=())])
    done = shop.ingest()
    assert (done.books.duplicate, done.rows, done.affected_days) == ({"queries": 2}, {}, [])
    # an earlier document moves the session to its own day
    shop.put("ubi/4.ndjson", [query(hits=(), at=START - 60)])
    done = shop.ingest()
    assert done.affected_days == [date(2023, 12, 31), date(2024, 1, 1)]
    (after,) = shop.rows("search_sessions")
    assert after == {**before, "session_date": date(2023, 12, 31), "started_at": datetime(2023, 12, 31, 23, 59, tzinfo=UTC)}
    # what was shown takes the place of what was found
    shop.put("ubi/5.ndjson", [act("impression", "new"), act("impression", "b")])
    assert shop.ingest().books.accepted == {"impressions": 2}
    (after,) = shop.rows("search_sessions")
    assert [result["item_id"] for result in after["results"]] == ["b", "new"]


LOG = [
    query("q1", words="red", hits=(), at=START - 2),
    query("q1", words="red shoes", hits=("a", "b"), at=START),
    query("q1", words="red shoes men", hits=("c",), at=START + 3, user_id="u1"),
    act("impression", "b", ordinal=1, at=START + 1),
    act("impression", "a", ordinal=0, at=START + 1),
    act("impression", "b", ordinal=4, at=START + 9),
    act("click", "a", at=START + 4, session_id="v1"),
    act("click", "b", at=START + 6),
    act("click", "c", at=START + 6),
    act("search", query_id="q2", message="blue", at=START + DAY),
    act("search", query_id="q2", message="blue hat", at=START + DAY + 1),
    act("impression", "h", "q2", ordinal=0, at=START + DAY + 2),
    act("click", "h", "q2", at=START + DAY + 5),
    query("q3", words=None, hits=("a",), at=START),
    act("click", "a", "q3", at=START + 1),
]


@settings(deadline=None, derandomize=True, max_examples=4)
@given(order=st.permutations(LOG), cuts=st.lists(st.integers(0, len(LOG)), max_size=4))
def test_in_whatever_order_and_however_split_they_come_the_tables_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, order: list[Record], cuts: list[int]
) -> None:
    whole, split = Shop(tmp_path_factory.mktemp("whole")), Shop(tmp_path_factory.mktemp("split"))
    whole.put("ubi/log.ndjson", LOG)
    whole.ingest()
    for number, (start, end) in enumerate(pairwise(sorted({0, *cuts, len(LOG)}))):
        split.put(f"ubi/{number}.ndjson", order[start:end])
        split.ingest()

    def known(shop: Shop, table: str) -> list[Record]:
        where = {"source_file", "record_number"}
        rows = [{name: value for name, value in row.items() if name not in where} for row in shop.rows(table)]
        return sorted(rows, key=repr)

    for table in ("search_sessions", "session_events", "waiting_records", "rejected_records"):
        assert known(split, table) == known(whole, table), table
    assert [(row["session_id"], row["query_text"]) for row in known(whole, "search_sessions")] == [
        ("q1", "red shoes"),
        ("q2", "blue hat"),
    ]
    assert sorted(row["item_id"] for row in known(whole, "waiting_records")) == ["a", "c"]


def test_a_session_that_another_format_logged_whole_is_not_added_to(shop: Shop) -> None:
    shop.put("embedding_studio/s.ndjson", [session("q1", shown=("a",))])
    shop.ingest()
    shop.put("ubi/log.ndjson", [query(), act("impression", "b"), act("click", "a")])
    done = shop.ingest()
    assert done.books.rejected == {"conflicting_session": 2}
    assert done.books.accepted == {"events": 1}
    assert [result["item_id"] for result in shop.rows("search_sessions")[0]["results"]] == ["a"]


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
    shop.put("ubi/log.ndjson", [query(hits=("5",)), empty, position])
    done = shop.ingest()
    assert (done.books.accepted["events"], done.books.no_interest["search"]) == (1, 1)
    assert shop.rows("session_events")[0]["item_id"] == "5"
