"""Ingestion: what becomes of sessions, events and items, in whatever order they come."""

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ft_assets import ingestion
from ft_assets.identity import KEY_VARIABLE, pseudonym
from ft_assets_tests.shop import DAY, START, Shop, click, session

KEY = "a key of these tests only"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


# Embedding Studio


def test_a_session_and_its_events_become_rows(shop: Shop) -> None:
    shown = [{"object_id": "a", "rank": 2.5, "meta": {}}, {"object_id": "b", "rank": None}, {"object_id": "c"}]
    meta = {"visit_id": "v", "user_agent": "curl/8"}
    shop.put("embedding_studio/s.ndjson", [session(shown=shown, user_id="u", search_meta=meta, is_irrelevant=True)])
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
            "user_id": pseudonym("u", KEY.encode()),
            "user_agent": "curl/8",
            # a missing rank is null
            "results": [{"item_id": "a", "rank": 2.5}, {"item_id": "b", "rank": None}, {"item_id": "c", "rank": None}],
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
    assert done.rows == {"search_sessions": 1, "session_events": 2}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1", "1"),
        ("1.0", "1.0"),
        ("1.50", "1.5"),
        ("true", "true"),
        ("12345678901234567890123", "12345678901234567890123"),
        ('"é\\""', 'é"'),
        ('"{8F3C-11}"', "{8F3C-11}"),
    ],
)
def test_ids_of_any_kind_become_strings_with_their_digits(shop: Shop, written: str, expected: str) -> None:
    line = '{"session_id": %s, "search_query": "q", "created_at": 1704067200, "user_id": %s, "search_results": [{"object_id": %s}]}'
    click = '{"event_id": "e", "session_id": %s, "event_type": "click", "created_at": 1704067205, "object_id": %s}'
    shop.put("embedding_studio/s.ndjson", [line % (written, written, written), click % (written, written)])
    shop.put("items/i.ndjson", [f'{{"item_id": {written}, "text": "words"}}'])
    shop.ingest()
    (row,), (event,), (item,) = (shop.rows(table) for table in ("search_sessions", "session_events", "items"))
    assert (row["session_id"], row["results"][0]["item_id"], row["user_id"]) == (
        expected,
        expected,
        pseudonym(expected, KEY.encode()),
    )
    assert (event["session_id"], event["item_id"], item["item_id"]) == (expected,) * 3


@pytest.mark.parametrize(("rank", "expected"), [("null", None), ("3", 3.0), ('"0.5"', 0.5), ("-1e-3", -0.001)])
def test_a_rank_is_a_finite_number_or_null(shop: Shop, rank: str, expected: float | None) -> None:
    line = (
        '{"session_id": "s", "search_query": "q", "created_at": 1704067200, "search_results": [{"object_id": 1, "rank": %s}]}'
    )
    shop.put("embedding_studio/s.ndjson", [line % rank])
    shop.ingest()
    assert shop.rows("search_sessions")[0]["results"] == [{"item_id": "1", "rank": pytest.approx(expected)}]


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
    shop.put("embedding_studio/0.ndjson", [*first, ""])
    done = shop.ingest()
    assert done.books.duplicate == {"sessions": 2, "events": 2}
    assert done.books.rejected == {"conflicting_session": 1, "conflicting_event": 1}
    assert (len(shop.rows("search_sessions")), len(shop.rows("session_events"))) == (1, 1)
    assert done.affected_days == []


def test_an_event_without_an_id_is_known_by_its_content(shop: Shop) -> None:
    nameless = {key: value for key, value in click().items() if key != "event_id"}
    shop.put("embedding_studio/e.ndjson", [session(), nameless, nameless, {**nameless, "object_id": "b"}])
    done = shop.ingest()
    assert (done.books.accepted["events"], done.books.duplicate["events"]) == (2, 1)


def test_a_late_event_reopens_the_day_of_its_session(shop: Shop) -> None:
    shop.put("embedding_studio/1.ndjson", [session("s1"), session("s2", at=START + DAY)])
    assert shop.ingest().affected_days == [date(2024, 1, 1), date(2024, 1, 2)]
    shop.put("embedding_studio/2.ndjson", [click(session_id="s2", at=START + 7 * DAY)])
    assert shop.ingest().affected_days == [date(2024, 1, 2)]


def test_an_event_waits_for_its_session_and_is_joined_when_it_comes(shop: Shop) -> None:
    events = {"session_id": "s1", "events": [click("e1"), click("e2", item="b")]}
    shop.put("embedding_studio/1.ndjson", [events])
    done = shop.ingest()
    assert (done.affected_days, done.books.accepted) == ([], {"waiting events": 2})
    waiting = shop.rows("waiting_records")
    assert [(row["event_id"], row["waits_for"], row["record_number"], row["entry"]) for row in waiting] == [
        ("e1", "session", 1, 1),
        ("e2", "session", 1, 2),
    ]
    assert {row["raw"] for row in waiting} == {json.dumps(events)}
    assert shop.rows("session_events") == []
    shop.put("embedding_studio/2.ndjson", [click("e2", item="b"), click("e1", item="b")])
    done = shop.ingest()
    assert (done.books.duplicate, done.books.rejected) == ({"events": 1}, {"conflicting_event": 1})
    shop.put("embedding_studio/3.ndjson", [session()])
    done = shop.ingest()
    assert (done.affected_days, done.released, done.books.accepted) == ([date(2024, 1, 1)], {"joined": 2}, {"sessions": 1})
    assert [(row["event_id"], row["source_file"]) for row in shop.rows("session_events")] == [
        ("e1", "embedding_studio/1.ndjson"),
        ("e2", "embedding_studio/1.ndjson"),
    ]
    assert shop.rows("waiting_records") == []


def test_an_event_that_waited_is_judged_like_any_other(shop: Shop) -> None:
    hour = timedelta(hours=1)
    events = [
        click("unseen", item="z"),
        click("before", at=START - 61),
        click("skewed", at=START - 60),
        click("late", at=START + 3601),
        click("due", at=START + 3600),
    ]
    shop.put("embedding_studio/1.ndjson", events)
    shop.ingest(attribution=hour)
    shop.put("embedding_studio/2.ndjson", [session()])
    done = shop.ingest(attribution=hour)
    judged = {"joined": 2, "item_not_shown": 1, "event_before_session": 1, "event_too_late": 1}
    assert done.released == judged
    assert sorted(row["event_id"] for row in shop.rows("session_events")) == ["due", "skewed"]
    late = [row for row in shop.rows("rejected_records") if row["reason"] == "event_too_late"]
    assert [(row["source_file"], row["record_number"], row["session_id"], row["raw"]) for row in late] == [
        ("embedding_studio/1.ndjson", 4, "s1", json.dumps(events[3]))
    ]
    assert "within 3600 s after its session of 2024-01-01 00:00:00+00, got 2024-01-01 01:00:01+00" in late[0]["detail"]
    # in one group they fare the same
    together = Shop(shop.folder / "together")
    together.put("embedding_studio/1.ndjson", [*events, session()])
    done = together.ingest(attribution=hour)
    assert done.books.accepted == {"sessions": 1, "events": 2}
    assert done.books.rejected == {reason: 1 for reason in judged if reason != "joined"}


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
    shop.put("items/1.ndjson", [{"item_id": "a", "text": "same"}])
    shop.ingest()
    shop.put("items/2.ndjson", [{"item_id": "a", "text": "same"}, ""])
    shop.ingest()
    assert shop.new() == []
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
    assert (done.books.accepted["items"], done.rows.get("items", 0), done.affected_days) == (2, 0, [])


def test_by_choice_a_changed_text_leaves_days_alone_and_a_new_item_never_does(shop: Shop) -> None:
    shop.put("items/1.ndjson", [{"item_id": "a", "text": "a"}])
    shop.put("embedding_studio/s.ndjson", [session("1", shown=("a",)), session("2", shown=("b",), at=START + DAY)])
    shop.ingest()
    shop.put("items/2.ndjson", [{"item_id": "a", "text": "other"}, {"item_id": "b", "text": "new"}])
    done = shop.ingest(changed_texts_reopen_days=False)
    assert (done.rows["items"], done.affected_days) == (2, [date(2024, 1, 2)])


# Files


def test_files_are_taken_in_groups_bounded_by_size(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingestion, "GROUP_BYTES", 300)
    for at in range(4):
        shop.put(f"embedding_studio/{at}.ndjson", [session(f"s{at}"), session("same")])
    done = shop.ingest()
    assert done.versions["search_sessions"] >= 3
    assert (done.books.accepted["sessions"], done.books.duplicate["sessions"]) == (5, 3)


def test_a_row_of_the_ledger_states_a_file_and_its_books(shop: Shop) -> None:
    shop.put(
        "embedding_studio/s.ndjson",
        [session(), session(), click(), click("e2", "s2"), "{", "", {"session_id": "s", "events": []}],
    )
    shop.ingest()
    (row,) = shop.rows("ingested_files")
    content = (shop.landing / "embedding_studio/s.ndjson").read_bytes()
    assert row == {
        "source_file": "embedding_studio/s.ndjson",
        "landed_as": "embedding_studio/s.ndjson",
        "format": "embedding_studio",
        "content": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "copy_of": None,
        "lines": 7,
        "blank": 1,
        "headers": 0,
        "records": 6,
        "accepted": 3,
        "duplicate": 1,
        "no_interest": 1,
        "rejected": 1,
        "waiting": 1,
        "sessions": 1,
        "events": 1,
        "forgotten_sessions": 0,
        "forgotten_records": 0,
        "fates": [
            {"fate": "accepted", "kind": "events", "records": 1},
            {"fate": "accepted", "kind": "sessions", "records": 1},
            {"fate": "accepted", "kind": "waiting events", "records": 1},
            {"fate": "duplicate", "kind": "sessions", "records": 1},
            {"fate": "no_interest", "kind": "no events", "records": 1},
            {"fate": "rejected", "kind": "not_json", "records": 1},
        ],
    }


def test_metadata_is_plain(shop: Shop) -> None:
    shop.put("embedding_studio/s.ndjson", [session(), click(), "{"])
    shop.put("embedding_studio/t.ndjson", [session(), click(), "{"])
    metadata = shop.ingest().as_metadata()
    assert json.loads(json.dumps(metadata)) == metadata
    assert metadata["copies"] == {"embedding_studio/t.ndjson": "embedding_studio/s.ndjson"}
    total = sum(metadata[name] for name in ("accepted", "duplicate", "rejected", "no_interest"))
    assert total == metadata["read"] == 6
