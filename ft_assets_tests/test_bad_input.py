"""Bad input: each with its reason, and nothing of it stops what is good."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets import ingestion, lines, readers
from ft_assets.ingestion import REASONS
from ft_assets_tests.shop import START, Record, Shop, act, click, query, session


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


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
