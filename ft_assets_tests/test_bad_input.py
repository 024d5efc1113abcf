"""Bad records: each gets its reason, with a message that a person understands, and nothing of it stops what is good."""

import gzip
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ft_assets import checks, ingestion, lines, queries, readers
from ft_assets.books import FATES, REASONS
from ft_assets_tests.shop import DAY, START, Record, Shop, act, click, query, session


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


# What stands in a file, the reason of each of its records that is refused (in a list of events by place), and the message.
Planted = tuple[Record | str | bytes, dict[int, str], str]
ANYWHERE: list[Planted] = [
    ("{broken", {0: "not_json"}, "a line must be one JSON object, got {broken$"),
    ('{"half": "of a rec', {0: "not_json"}, "a line must be one JSON object, got"),
    ('{"a": 1} {"b": 2}', {0: "not_json"}, "a line must be one JSON object"),
    ("[" * 300, {0: "not_json"}, "a line must be one JSON object"),
    ("[1, 2]", {0: "not_an_object"}, "a line must be one JSON object, got array$"),
    ('"text"', {0: "not_an_object"}, "got varchar$"),
    ("null", {0: "not_an_object"}, "got null$"),
    (nested(100), {0: "nested_too_deep"}, "a record must nest less than 100 levels deep, got 100$"),
    ('{"caf\xe9": 1}'.encode("latin-1"), {0: "not_utf8"}, "a line must be UTF-8, got byte 0xe9 at offset 5$"),
    ("x" * 901, {0: "line_too_long"}, "a line must be at most 900 bytes, got 901; its beginning is kept$"),
    ({"what": "ever"}, {0: "unknown_record"}, "a record must"),
    ({}, {0: "unknown_record"}, "a record must"),
]
LATEST = datetime.now(UTC).timestamp() + 2 * DAY
PLANTED: dict[str, list[Planted]] = {
    "embedding_studio": [
        (
            {"session_id": "x", "events": ["text", click("e7"), None]},
            {1: "not_an_object", 3: "not_an_object"},
            "a JSON object, got",
        ),
        (session(None), {0: "missing_session_id"}, "session_id must be a text or a number, got nothing$"),
        (session({"an": "object"}), {0: "missing_session_id"}, r'a number, got \{"an":"object"\}$'),
        (click("x", ""), {0: "missing_session_id"}, 'a number, got ""$'),
        (session("x", " "), {0: "missing_query"}, 'search_query must be a text that is not blank, got " "$'),
        (session("x", at=None), {0: "missing_time"}, "created_at must be a time, got nothing$"),
        (session("x", at="yesterday"), {0: "bad_time"}, 'created_at must be epoch time or ISO 8601, got "yesterday"$'),
        (session("x", at="infinity"), {0: "bad_time"}, 'got "infinity"$'),
        (session("x", at=-1), {0: "bad_time"}, "got -1$"),
        (session("x", at="2024-02-30"), {0: "bad_time"}, 'got "2024-02-30"$'),
        (session("x", at=631151999), {0: "time_too_early"}, "must not lie before 1990-01-01, got 631151999$"),
        (session("x", at="1970-01-01"), {0: "time_too_early"}, 'got "1970-01-01"$'),
        (session("x", at=LATEST), {0: "time_in_future"}, r"created_at must not lie after 20.*, got "),
        (session("x", shown=None), {0: "missing_results"}, "search_results must be a list, got null$"),
        (session("x", shown="text"), {0: "missing_results"}, 'search_results must be a list, got "text"$'),
        (session("x", shown=[{"rank": 1}]), {0: "missing_item_id"}, r'result 1 has none, got \{"rank":1\}$'),
        (session("x", shown=["a"]), {0: "missing_item_id"}, 'result 1 has none, got "a"$'),
        (session("x", shown=("a", "b", "a")), {0: "duplicate_result"}, "a list must show an item once, got a twice$"),
        (session("x", shown=[{"object_id": "a", "rank": "high"}]), {0: "bad_rank"}, 'that of result 1 is neither, got "high"$'),
        (click("x", item=None), {0: "missing_item_id"}, "object_id must be a text or a number, got nothing$"),
        (click("x", event_type=None), {0: "missing_event_type"}, "event_type must be a text, got nothing$"),
        (click("x", at=None), {0: "missing_time"}, "created_at must be a time, got nothing$"),
        (click("x", at={"$date": 1}), {0: "bad_time"}, "created_at must be epoch time"),
        (click("x", at=LATEST), {0: "time_in_future"}, "must not lie after"),
        (session(query="other"), {0: "conflicting_session"}, "must stand for one session, got s1 again with other content$"),
        (session(shown=("b", "a")), {0: "conflicting_session"}, "must stand for one session, got s1"),
        (click(item="b"), {0: "conflicting_event"}, "must stand for one event, got e1 again with other content$"),
        (
            click("x", item="z"),
            {0: "item_not_shown"},
            "must be on an item of its session's list, got z, which session s1 did not",
        ),
        (
            click("x1", at=START - 61),
            {0: "event_before_session"},
            "more than 60 s before its session of 2024-.*, got 2023-12-31",
        ),
        (click("x2", at=START + 7 * DAY + 1), {0: "event_too_late"}, "within 604800 s after its session of .*, got 2024-01-08"),
    ],
    "items": [
        ({"text": "no id"}, {0: "missing_item_id"}, "item_id must be a text or a number, got nothing$"),
        ({"item_id": ["a"], "text": "words"}, {0: "missing_item_id"}, r'got \["a"\]$'),
        ({"item_id": "x"}, {0: "missing_text"}, "text must be a text that is not blank, got nothing$"),
        ({"item_id": "x", "text": ""}, {0: "missing_text"}, 'that is not blank, got ""$'),
        ({"id": "x"}, {0: "unknown_record"}, "a record must have item_id and text$"),
    ],
    "ubi": [
        (query(None), {0: "missing_session_id"}, "query_id must be a text or a number, got none$"),
        (query("y", at=None), {0: "missing_time"}, "timestamp must be a time, got nothing$"),
        (query("y", at="soon"), {0: "bad_time"}, 'timestamp must be epoch time or ISO 8601, got "soon"$'),
        (query("y", at=1.5), {0: "time_too_early"}, "got 1.5$"),
        (query("y", at=LATEST), {0: "time_in_future"}, "timestamp must not lie after"),
        (query("y", hits=[None]), {0: "missing_item_id"}, "every hit must be an id or have one"),
        (query("y", hits=["a", "a"]), {0: "duplicate_result"}, "a list must show an item once, got a twice$"),
        (query("s1", words="of another format"), {0: "conflicting_session"}, "got s1 that another format has logged whole$"),
        (act("impression", "a", "s1"), {0: "conflicting_session"}, "got s1 that another format"),
        (act("click", "a", None), {0: "missing_session_id"}, "query_id must be a text"),
        (act("impression", "a", None), {0: "missing_session_id"}, "query_id must be a text"),
        (act("click", None, "y"), {0: "missing_item_id"}, "the object must have an object_id, got none$"),
        (act("click", "a", at=None), {0: "missing_time"}, "timestamp must be a time"),
        ({"event_attributes": {}, "query_id": "y"}, {0: "missing_event_type"}, "action_name must be a text, got none$"),
        (act("click", "a", at=START - 61), {0: "event_before_session"}, "more than 60 s before its session"),
        (act("click", "a", at=START + 8 * DAY), {0: "event_too_late"}, "within 604800 s after its session"),
        (act("click", "b", event_id="e9"), {0: "conflicting_event"}, "got e9 again with other content$"),
        ({"timestamp": 5}, {0: "unknown_record"}, "a record must be an event"),
        ("ubi_queries\t{broken", {0: "not_json"}, "got {broken$"),
    ],
}
GOOD: dict[str, list[Record]] = {
    "embedding_studio": [session(), click()],
    "items": [{"item_id": "a", "text": "red shoes"}],
    "ubi": [query(), act("click", "a", event_id="e9")],
}


def as_bytes(record: Record | str | bytes) -> bytes:
    return record if isinstance(record, bytes) else (record if isinstance(record, str) else json.dumps(record)).encode()


def assert_balanced(shop: Shop) -> None:
    """The checks of the ledger pass, and no row stands twice, in the tables as they are stored."""
    for check in checks.checks():
        if check.table == "ingested_files" or (check.table in ingestion.TABLES and check.name.endswith("are_unique")):
            outcome = checks.run_check(shop.lake, check, None, {})
            assert outcome.passed, outcome


def test_every_reason_is_planted_and_caught_and_the_good_files_beside_are_whole(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LINE_BYTES", 900)
    planted = {f"{format_}/bad.ndjson.gz": [*own, *ANYWHERE] for format_, own in PLANTED.items()}
    for format_, records in GOOD.items():
        shop.put(f"{format_}/a_good.ndjson", records)
    for name, entries in planted.items():
        content = b"".join(as_bytes(record) + b"\n" for record, _, _ in entries) + b"and then"
        (shop.landing / name).write_bytes(gzip.compress(content)[:-6])
    done = shop.ingest()
    found = shop.rows("rejected_records")
    for name, entries in planted.items():
        rows = {(row["record_number"], row["entry"]): row for row in found if row["source_file"] == name}
        expected = {(number, at): code for number, (_, codes, _) in enumerate(entries, 1) for at, code in codes.items()}
        expected[len(entries) + 1, 0] = "file_truncated"
        assert {place: row["reason"] for place, row in rows.items()} == expected
        for (number, at), row in rows.items():
            if number > len(entries):
                assert (row["raw"], row["detail"]) == (
                    "and then",
                    "the compressed file must end with its checksum, it ends before",
                )
                continue
            record, _, message = entries[number - 1]
            # as it stood, but for who asked: without a key nobody is known
            stood = as_bytes(record).decode("utf-8", "replace").replace('"client_id": "c1"', '"client_id": null')
            assert row["raw"] == stood, (name, number)
            assert re.search(message, row["detail"]), (name, number, at, row["detail"])
        books = done.books_by_file[name]
        assert books.rejected == Counter(expected.values())
    assert {row["reason"] for row in found} == set(REASONS)
    assert sorted(row["session_id"] for row in shop.rows("search_sessions")) == ["q1", "s1"]
    assert sorted(row["event_id"] for row in shop.rows("session_events")) == ["e1", "e9"]
    assert [row["item_id"] for row in shop.rows("items")] == ["a"]
    assert_balanced(shop)


# Wrong types: every field with every kind of value.

VALUES = ["null", '""', '" "', '"text"', "7", "-1", "1.5", "1e999", "NaN", "Infinity", "-Infinity", "true"]
VALUES += ["[]", "{}", "[7]", '{"a": 1}', "[null]"]
NOTHING = {"null", '""', "NaN", "Infinity", "-Infinity", "[]", "{}", "[7]", '{"a": 1}', "[null]"}
NO_FINITE_NUMBER = set(VALUES) - {"null", "7", "-1", "1.5"}
NUMBERS = {"7", "1.5"}
LISTS = {"[]", "[7]", "[null]"}


def refused(values: set[str], reason: str) -> dict[str, str]:
    return dict.fromkeys(values, reason)


TIME = {**refused(set(VALUES), "bad_time"), **refused({"null", '""'}, "missing_time"), **refused(NUMBERS, "time_too_early")}
UBI_TIME = {**TIME, **refused(NOTHING, "missing_time")}
# An id is read as text in lists and events: what it says is an id, but for objects and lists.
NO_ID_TEXT = {"null", '""', "[]", "{}", "[7]", '{"a": 1}', "[null]"}
Path_ = tuple[str | int, ...]
FIELDS: dict[str, list[tuple[Record, dict[Path_, dict[str, str]]]]] = {
    "embedding_studio": [
        (
            session("@id", shown=[{"object_id": "a", "rank": 1.5}], user_id="u", visit_id="v", user_agent="g", search_meta={}),
            {
                ("session_id",): refused(NOTHING, "missing_session_id"),
                ("search_query",): refused({*NOTHING, '" "'}, "missing_query"),
                ("created_at",): TIME,
                ("search_results",): {
                    **refused(set(VALUES) - {"[]"}, "missing_results"),
                    **refused({"[7]", "[null]"}, "missing_item_id"),
                },
                ("search_results", 0): refused(set(VALUES), "missing_item_id"),
                ("search_results", 0, "object_id"): refused(NO_ID_TEXT, "missing_item_id"),
                ("search_results", 0, "rank"): refused(NO_FINITE_NUMBER, "bad_rank"),
                **{(name,): {} for name in ("user_id", "visit_id", "user_agent", "search_meta")},
            },
        ),
        (
            click("@id"),
            {
                ("event_id",): {},
                ("session_id",): refused(NOTHING, "missing_session_id"),
                ("object_id",): {**refused(set(VALUES), "item_not_shown"), **refused(NO_ID_TEXT, "missing_item_id")},
                ("event_type",): refused({*NOTHING, '" "'}, "missing_event_type"),
                ("created_at",): TIME,
            },
        ),
    ],
    "items": [
        (
            {"item_id": "@id", "object_id": "o", "text": "words"},
            {
                ("item_id",): refused(NOTHING, "missing_item_id"),
                ("object_id",): {},
                ("text",): refused({*NOTHING, '" "'}, "missing_text"),
            },
        )
    ],
    "ubi": [
        (
            query("@id"),
            {
                ("query_id",): refused(NOTHING, "missing_session_id"),
                **{(name,): {} for name in ("user_query", "client_id")},
                ("query_response_hit_ids",): {"[null]": "missing_item_id"},
                ("timestamp",): UBI_TIME,
                ("query_response_hit_ids", 0): refused(NOTHING, "missing_item_id"),
            },
        ),
        (
            act("click", "a", ordinal=1, event_id="@id"),
            {
                ("action_name",): refused({*NOTHING, '" "'}, "missing_event_type"),
                ("query_id",): refused(NOTHING, "missing_session_id"),
                ("timestamp",): UBI_TIME,
                ("event_attributes",): refused(set(VALUES), "missing_item_id"),
                ("event_attributes", "object"): refused(set(VALUES), "missing_item_id"),
                ("event_attributes", "object", "object_id"): refused(NOTHING, "missing_item_id"),
                ("event_attributes", "position", "ordinal"): {},
            },
        ),
        (
            act("impression", "a", ordinal=1, session_id="v"),
            {("event_attributes", "position", "ordinal"): {}, ("session_id",): {}, ("timestamp",): {}},
        ),
    ],
}


def with_value(record: Record, path: Path_, value: str, id_: str) -> str:
    changed = json.loads(json.dumps(record))
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = "@value"
    return json.dumps(changed).replace('"@value"', value).replace("@id", id_)


@pytest.mark.parametrize("format_", FIELDS)
def test_a_field_of_another_type_gets_its_reason_and_no_other_record_suffers(shop: Shop, format_: str) -> None:
    shop.put(f"{format_}/a_good.ndjson", GOOD[format_])
    plan = [
        (with_value(record, path, value, f"id{number}-{at}-{place}"), reasons.get(value))
        for number, (record, paths) in enumerate(FIELDS[format_])
        for at, (path, reasons) in enumerate(paths.items())
        for place, value in enumerate(VALUES)
    ]
    shop.put(f"{format_}/b.ndjson", [line for line, _ in plan])
    done = shop.ingest()
    rejected = {r["record_number"]: r for r in shop.rows("rejected_records") if r["source_file"] == f"{format_}/b.ndjson"}
    wrong = [
        (line, reason, rejected.get(number, {}).get("reason"))
        for number, (line, reason) in enumerate(plan, 1)
        if rejected.get(number, {}).get("reason") != reason
    ]
    assert wrong == []
    assert all(" must " in row["detail"] and ", got " in row["detail"] for row in rejected.values())
    books = done.books_by_file[f"{format_}/b.ndjson"]
    assert books.read == len(plan) == books.rejected.total() + books.accepted.total() + books.duplicate.total()
    assert_balanced(shop)


@pytest.mark.parametrize(
    "rank", ["NaN", "Infinity", "-Infinity", '"NaN"', '"inf"', '"-Infinity"', "1e999", "-1e999", "1e39", "true"]
)
def test_a_rank_that_is_no_finite_number_is_refused_with_what_came(shop: Shop, rank: str) -> None:
    line = json.dumps(session("@", shown=[{"object_id": "a", "rank": 1}, {"object_id": "b", "rank": "@@"}]))
    shop.put("embedding_studio/s.ndjson", [line.replace('"@@"', rank), line.replace('"@@"', "0.5").replace("@", "good")])
    shop.ingest()
    (row,) = shop.rows("rejected_records")
    assert (row["record_number"], row["reason"]) == (1, "bad_rank")
    assert re.search(r"a rank must be a finite number or null, that of result 2 is neither, got \S+$", row["detail"])
    assert [row["session_id"] for row in shop.rows("search_sessions")] == ["good"]


def test_nesting_of_a_hundred_levels_is_refused_and_of_one_less_is_not(shop: Shop) -> None:
    meta = [json.loads(nested(levels - 1)) for levels in (99, 100)]
    brackets = "[{" * 300  # in a text they open nothing
    records = [session("99", meta=meta[0]), session("100", meta=meta[1]), session("text", query=brackets), session("flat")]
    million = '{"session_id": "x", "m": ' + "[" * 1_000_000 + "]" * 1_000_000 + "}"
    shop.put("embedding_studio/s.ndjson", [*records, million, million.rstrip("]}")])
    shop.put("ubi/u.ndjson", [query(meta=meta[0]), query("q2", meta=meta[1])])
    shop.ingest()
    assert sorted((r["source_file"], r["record_number"], r["reason"]) for r in shop.rows("rejected_records")) == [
        ("embedding_studio/s.ndjson", 2, "nested_too_deep"),
        ("embedding_studio/s.ndjson", 5, "nested_too_deep"),
        ("embedding_studio/s.ndjson", 6, "not_json"),
        ("ubi/u.ndjson", 2, "nested_too_deep"),
    ]
    assert {row["session_id"] for row in shop.rows("search_sessions")} == {"99", "text", "flat", "q1"}


SPELLINGS: list[Any] = [
    START,
    START * 10**3,
    START * 10**6,
    START * 10**9,
    float(START),
    START + 0.0,
    str(START),
    f"{START}.000",
]
SPELLINGS += [str(START * 1000), "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000+0000", "2024-01-01T02:00:00+02:00"]
SPELLINGS += [
    "2023-12-31T19:00:00-05:00",
    "2024-01-01T00:00:00",
    "2024-01-01 00:00:00",
    "2024-01-01",
    "2024-01-01T05:30:00+05:30",
]


def test_units_and_time_zones_may_be_mixed_and_give_the_same_instant(shop: Shop) -> None:
    sessions = [session(f"s{at}", at=spelling) for at, spelling in enumerate(SPELLINGS)]
    events = [click(f"e{at}", f"s{at}", at=spelling) for at, spelling in enumerate(reversed(SPELLINGS))]
    shop.put("embedding_studio/s.ndjson", [*sessions, *events])
    shop.put("ubi/u.ndjson", [query(f"q{at}", at=spelling) for at, spelling in enumerate(SPELLINGS)])
    shop.ingest()
    instants = Counter(row["started_at"] for row in shop.rows("search_sessions"))
    assert instants == {datetime(2024, 1, 1, tzinfo=UTC): 2 * len(SPELLINGS)}
    assert Counter(row["occurred_at"] for row in shop.rows("session_events")) == {
        datetime(2024, 1, 1, tzinfo=UTC): len(SPELLINGS)
    }
    assert shop.rows("rejected_records") == []


def test_the_same_id_again_is_a_duplicate_and_with_other_content_a_conflict_also_files_later(shop: Shop) -> None:
    shop.put("embedding_studio/1.ndjson", [session(), click(), session(), click()])
    assert shop.ingest().books.duplicate == {"sessions": 1, "events": 1}
    standing = shop.rows("search_sessions") + shop.rows("session_events")
    others: list[Record] = [session(query="other"), session(at=START + 1), session(shown=("a",)), session(is_irrelevant=True)]
    others += [click(item="b"), click(at=START + 6), click(event_type="like"), click(session_id="s2")]
    shop.put("embedding_studio/2.ndjson", [session(), click(), *others])
    done = shop.ingest()
    assert done.books.duplicate == {"sessions": 1, "events": 1}
    assert done.books.rejected == {"conflicting_session": 4, "conflicting_event": 4}
    assert shop.rows("search_sessions") + shop.rows("session_events") == standing
    assert_balanced(shop)


# Accounting, whatever comes.

ANY_VALUE: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", " ", "a", "s1", 1, 1.5, True, [], {}, [{}], [1], START, "2024-01-01", "x\ty", "\x00", "{", [click()]]
)
ANY_KEYS = ["session_id", "search_query", "created_at", "search_results", "events", "event_id", "object_id", "event_type",
            "item_id", "text", "query_id", "user_query", "timestamp", "action_name", "hits", "query", "index", "_source",
            "event_attributes", "query_response_hit_ids", "is_irrelevant", "search_meta", "user_id"]  # fmt: skip
ANY_RECORD = st.dictionaries(st.sampled_from(ANY_KEYS), ANY_VALUE, max_size=6)
ANY_LINE = st.one_of(ANY_RECORD.map(json.dumps).map(str.encode), st.binary(max_size=20))
KNOWN = [session(), session(query="other"), click(), click("e2", "s2"), query(), act("click", "a"), act("impression", "c")]
LINE = st.one_of(ANY_LINE, st.sampled_from([*KNOWN, {"item_id": "a", "text": "words"}]).map(json.dumps).map(str.encode))


# Each example is six ingestions: shrinking one would take minutes.
@settings(deadline=None, derandomize=True, max_examples=3, phases=[Phase.explicit, Phase.generate])
@given(content=st.lists(LINE, min_size=30), more=st.lists(LINE, min_size=10))
def test_whatever_stands_in_the_files_the_books_balance(
    tmp_path_factory: pytest.TempPathFactory, content: list[bytes], more: list[bytes]
) -> None:
    shop = Shop(tmp_path_factory.mktemp("any"))
    for name, given_lines in (("any.ndjson", content), ("more.ndjson", more)):
        for format_ in readers.FORMATS:
            path = shop.landing / format_ / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(line + b"\n" for line in [b"", *given_lines]))  # no byte order mark comes first
        done = shop.ingest()
        for file, books in done.books_by_file.items():
            assert books.read == sum(getattr(books, fate).total() for fate in FATES), file
            assert books.lines == 1 + len(given_lines) + b"".join(given_lines).count(b"\n")
            assert books.read >= books.lines - books.blank - books.headers
            rejected = [row for row in shop.rows("rejected_records") if row["source_file"] == file]
            assert Counter(row["reason"] for row in rejected if row["reason"] in books.rejected) >= books.rejected
    assert_balanced(shop)
    assert shop.new() == []


@pytest.mark.parametrize("table", ["session_fates", "event_decisions"])
def test_books_that_do_not_balance_stop_the_ingestion_before_it_writes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    shop.put("embedding_studio/s.ndjson", [session(), session(query="other"), click(), click(item="b")])
    read_sql = queries.read_sql
    forgetful = read_sql("readers/found_fates").replace(f"from {table}", f"from {table} where fate <> 'rejected'")
    monkeypatch.setattr(queries, "read_sql", lambda name: forgetful if name == "readers/found_fates" else read_sql(name))
    number = 2 if table == "session_fates" else 4
    problem = f"embedding_studio/s.ndjson, record {number}: 1 records were read, 0 are accounted for"
    assert shop.ingest().unread == {"embedding_studio/s.ndjson": f"it cannot be taken in: {problem}"}
    assert all(rows == [] for rows in shop.all_rows().values())


@pytest.mark.parametrize(("table", "rows"), [("search_sessions", 1), ("session_events", 2), ("rejected_records", 1)])
def test_rows_that_differ_from_the_books_stop_the_ingestion_before_it_writes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, table: str, rows: int
) -> None:
    shop.put("embedding_studio/s.ndjson", [session(), click("e1"), click("e2"), "{"])
    read_sql = queries.read_sql
    lossy = f"select * from ({read_sql(f'readers/{table}').rstrip().rstrip(';')}) limit 0"
    monkeypatch.setattr(queries, "read_sql", lambda name: lossy if name == f"readers/{table}" else read_sql(name))
    problem = f"{table} must get {rows} rows by the books, got 0; nothing was written"
    assert shop.ingest().unread == {"embedding_studio/s.ndjson": f"it cannot be taken in: {problem}"}
    assert all(found == [] for found in shop.all_rows().values())
    monkeypatch.undo()
    assert shop.new() == ["embedding_studio/s.ndjson"]
    assert shop.ingest().rows == {"search_sessions": 1, "session_events": 2, "rejected_records": 1}


def test_a_file_that_this_program_cannot_take_in_stops_none_of_its_group(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(7):
        shop.put(f"embedding_studio/{at}.ndjson", [session(f"s{at}", query="fatal" if at == 4 else "red shoes")])
    read_sql = queries.read_sql
    fatal = (
        "select case when count(*) filter (query_text = 'fatal') > 0 then error('a fault of ours') end from session_entries;"
    )
    faulty = fatal + read_sql("readers/decide_sessions")
    monkeypatch.setattr(queries, "read_sql", lambda name: faulty if name == "readers/decide_sessions" else read_sql(name))
    done = shop.ingest()
    assert set(done.unread) == {"embedding_studio/4.ndjson"}
    assert "a fault of ours" in done.unread["embedding_studio/4.ndjson"]
    assert [row["session_id"] for row in shop.rows("search_sessions")] == ["s0", "s1", "s2", "s3", "s5", "s6"]
    monkeypatch.undo()
    assert shop.ingest().files == ["embedding_studio/4.ndjson"]


@pytest.mark.parametrize("name", ["filter[brand]", "a[", "", "*", "index[", "a.b", '\\"', "$"])
def test_a_log_may_name_its_own_fields_as_it_likes(shop: Shop, name: str) -> None:
    odd = json.dumps({name: "x"})
    for format_ in readers.FORMATS:
        shop.put(f"{format_}/odd.ndjson", [odd, json.dumps({name: {}, "b": 2}), json.dumps({name: {}})])
    shop.put("ubi/bulk.ndjson", [{"index": {"_id": 1}}, {**query(), name: "x"}, {"index": 5}])
    done = shop.ingest()
    assert (done.unread, done.books.headers, done.books.accepted) == ({}, 1, {"queries": 1})
    assert done.books.rejected["unknown_record"] == 10
    assert_balanced(shop)


@pytest.mark.parametrize("blank", [" ", "\t", "\r", " \t\r "])
def test_a_record_may_be_indented_by_whatever_json_takes_for_blank(shop: Shop, blank: str) -> None:
    records: dict[str, list[Record]] = {
        "embedding_studio/a.ndjson": [session(), {"session_id": "s1", "events": [click("1"), click("2"), click("3")]}],
        "items/a.ndjson": [{"item_id": "a", "text": "words"}],
        "ubi/a.ndjson": [query(), act("click", "a")],
    }
    for name, lines_ in records.items():
        shop.put(name, [blank + json.dumps(record) for record in lines_])
    done = shop.ingest()
    assert (done.books.rejected, done.unread) == ({}, {})
    assert done.books.accepted == {"sessions": 1, "events": 4, "items": 1, "queries": 1}


def test_a_file_that_landed_in_the_wrong_format_is_read_in_the_right_one(shop: Shop) -> None:
    for format_ in ("ubi", "embedding_studio"):
        shop.put(f"{format_}/log.ndjson", [session(), click()])
        done = shop.ingest()
    assert (done.books.accepted, done.copies) == ({"sessions": 1, "events": 1}, {})
    assert_balanced(shop)


def test_an_event_that_is_refused_takes_no_id(shop: Shop) -> None:
    shop.put("embedding_studio/a.ndjson", [session(), click("e", item="unseen"), click("e"), click("e"), click("e", item="b")])
    done = shop.ingest()
    assert [(row["event_id"], row["item_id"]) for row in shop.rows("session_events")] == [("e", "a")]
    assert done.books.duplicate == {"events": 1}
    assert shop.reasons() == [(2, "item_not_shown"), (5, "conflicting_event")]


def test_of_a_long_list_each_event_keeps_its_own_words(shop: Shop) -> None:
    events = [click(f"e{at}", item="unseen" if at % 2 else None) for at in range(100)]
    shop.put("embedding_studio/a.ndjson", [session(), {"session_id": "s1", "events": events}])
    shop.put("embedding_studio/b.ndjson", [{"session_id": "s2", "events": [click(f"w{at}") for at in range(100)]}])
    shop.ingest()
    rejected = {row["entry"]: json.loads(row["raw"]) for row in shop.rows("rejected_records")}
    assert rejected == dict(enumerate(events, 1))
    waiting = {row["event_id"]: json.loads(row["raw"]) for row in shop.rows("waiting_records")}
    assert waiting == {f"w{at}": click(f"w{at}") for at in range(100)}
    # appended to, it is refused once all the same
    shop.put("embedding_studio/a.ndjson", [session(), {"session_id": "s1", "events": events}, session("s3")])
    done = shop.ingest()
    assert (done.books.duplicate, done.books.accepted) == ({"sessions": 1, "rejects": 100}, {"sessions": 1})
