"""UBI in every spelling: the same session whatever it is written in, by a table of names and places."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ft_assets import ingestion, landing, queries, read_table, spellings
from ft_assets.lake import Home
from ft_assets.spelling_docs import ubi_markdown

Document = dict[str, Any]
ROOT = Path(__file__).parents[1]
START = datetime(2024, 4, 10, 19, 10, 48, tzinfo=UTC)
SECOND = int(START.timestamp())
ITEMS = ["103", "101", "102"]  # as shown
ENGINE_QUERY = {"size": 3, "query": {"multi_match": {"query": 'red "shoes"', "fields": ["title", "name"]}}}


# One session in every spelling: a query, three items shown, a filter, a click on the second item, a purchase of the third.


def schema_1_3() -> list[Document]:
    def act(action: str, seconds: int, item: str | None = None, kind: str = "sku") -> Document:
        thing = {"object": {"object_id": int(item), "object_id_field": kind, "internal_id": "7"}} if item else {}
        attributes = {**thing, "position": {"ordinal": 1}, "browser": "Firefox"}
        stamp = (START + timedelta(seconds=seconds)).isoformat()
        ids = {"query_id": "q1", "session_id": "v1", "client_id": "c1", "user_id": "u1", "application": "shop"}
        return {"action_name": action, **ids, "timestamp": stamp, "message_type": "INFO", "event_attributes": attributes}

    query = {"application": "shop", "query_id": "q1", "client_id": "c1", "user_query": 'red "shoes"', "query_attributes": {}}
    found = {"query_response_id": "r1", "query_response_hit_ids": ITEMS, "timestamp": START.isoformat()}
    return [query | found, act("filter", 2, "9", "filter_data"), act("click", 5, "101"), act("purchase", 9, "102")]


def with_nulls() -> list[Document]:
    """As people's own clients of 2025 send it: whatever they do not know is null."""

    def act(action: str, seconds: int, item: str | None = None) -> Document:
        thing = {"object": {"object_id": item, "object_id_field": "asin"}, "position": None} if item else None
        stamp = f"2024-04-10T19:10:{48 + seconds}.000Z"
        ids = {"query_id": "q1", "session_id": "v1", "client_id": "c1", "user_id": None, "user_query": 'red "shoes"'}
        return {"action_name": action, **ids, "timestamp": stamp, "message": None, "event_attributes": thing}

    query = {"query_id": "q1", "user_query": 'red "shoes"', "client_id": "c1", "timestamp": "2024-04-10T19:10:48.000Z"}
    found = {"query_response_id": None, "query_attributes": None, "query_response_hit_ids": ITEMS}
    return [query | found, act("login", 1) | {"query_id": None}, act("click", 5, "101"), act("purchase", 9, "102")]


def shown_by_impressions(first: int) -> list[Document]:
    """The list of the query is of what was found, the impressions of what was shown; these win."""

    def act(action: str, seconds: int, item: str, ordinal: int) -> Document:
        attributes = {"object": {"object_id": item, "object_id_field": "asin"}, "position": {"ordinal": ordinal}}
        stamp = f"2024-04-10T19:10:{48 + seconds}+0000"
        ids = {"query_id": "q1", "session_id": "v1", "client_id": "c1", "application": "esci_ubi_sample"}
        return {"action_name": action, **ids, "timestamp": stamp, "event_attributes": attributes}

    query = {"query_id": "q1", "user_query": 'red "shoes"', "timestamp": "2024-04-10T19:10:48+0000"}
    places = list(enumerate(ITEMS, first))
    shown = [act("impression", 1, item, place) for place, item in reversed(places)]
    acts = [act("item_click", 5, "101", first + 1), act("purchase", 9, "102", first + 2)]
    return [query | {"query_response_hit_ids": ["102", "555", "103"]}, *shown, *acts]


def of_june_2024() -> list[Document]:
    def act(action: str, seconds: int, **attributes: Any) -> Document:
        ids = {"client_id": "c1", "query_id": "q1", "application": "ubi-demo"}
        whole = {"session_id": "v1", "browser": "Mozilla/5.0", "position": {"ordinal": 2, "x": 3}, **attributes}
        return {"action_name": action, **ids, "timestamp": (SECOND + seconds) * 1000, "message": "?", "event_attributes": whole}

    def thing(item: str, kind: str = "primary_ean") -> Document:
        return {"object_id_field": kind, "internal_id": "2013176", "object_id": item, "description": "a shoe"}

    inner = json.dumps({"query": {"query_string": {"query": "(title:shoes)"}}, "ext": {"user_query": "red"}})
    query = {"query_response_id": "r1", "user_query": 'red "shoes"', "query_id": "q1", "query": inner, "client_id": "c1"}
    found = {"query_response_object_ids": ITEMS, "query_attributes": {"application": "ubi-demo"}, "timestamp": SECOND * 1000}
    none = [
        act("on_search", 0),
        act("type_filter", 1, object=thing("x", "filter_data")),
        act("sorted_anew", 1, data=thing("x", "sort_event")),
    ]
    return [query | found, *none, act("item_click", 5, object=thing("101")), act("product_purchase", 9, data=thing("102"))]


def of_april_2024(hits: str) -> list[Document]:
    """``ubi_chorus_queries``: the words only inside the engine's query, object_id the engine's own, key_value in the list."""

    def act(action: str, seconds: int, item: str | None = None, kind: str = "product") -> Document:
        thing = {"object": {"object_type": kind, "object_id": f"internal-{item}", "key_value": item}} if item else {}
        ids = {"query_id": "q1", "user_id": "u1", "session_id": "v1", "page_id": "/"}
        return {"action_name": action, **ids, "timestamp": f"2024-04-10 19:10:{48 + seconds}.000", "event_attributes": thing}

    ids = {"query_id": "q1", "query_response_id": "q1", "user_id": "u1", "session_id": "v1"}
    query = {**ids, "query": json.dumps(ENGINE_QUERY), "timestamp": "2024-04-10 19:10:48", hits: ITEMS}
    acts = [act("brand_chosen", 2, "9", "filter_data"), act("product_click", 5, "101"), act("product_purchase", 9, "102")]
    return [query, act("login", 0), *acts]


def of_march_2024(words: Any) -> list[Document]:
    """``.ubi_log_queries``: hits are objects, the object is data_id, seconds are fractions."""

    def act(action: str, seconds: int, item: str | None = None, kind: str = "product") -> Document:
        data = {"data": {"data_type": kind, "data_id": item, "description": "a shoe"}} if item else {"data": None}
        ids = {"query_id": "q1", "user_id": "u1", "session_id": "v1", "message_type": "INFO", "message": ""}
        return {"action_name": action, **ids, "timestamp": SECOND + seconds + 0.0, "event_attributes": data}

    ids = {"query_id": "q1", "query_response_id": "q1", "user_id": "u1", "session_id": "v1"}
    query = {**ids, "query": words, "timestamp": float(SECOND), "hits": [{"id": int(item)} for item in ITEMS]}
    acts = [act("button_click", 3, "b7", "button"), act("product_click", 5, "101"), act("product_purchase", 9, "102")]
    return [query, act("asked", 0, "q1", "query"), *acts]


SPELLINGS: dict[str, Callable[[], list[Document]]] = {
    "1.3.0": schema_1_3,
    "2025 with nulls": with_nulls,
    "2025, shown from 0": lambda: shown_by_impressions(0),
    "2025, shown from 1": lambda: shown_by_impressions(1),
    "2024-06": of_june_2024,
    "2024-04": lambda: of_april_2024("query_response_objects_ids"),
    "2024-04, hit_ids": lambda: of_april_2024("query_response_hit_ids"),
    "2024-03": lambda: of_march_2024('red "shoes"'),
    "2024-03, the engine's query": lambda: of_march_2024(ENGINE_QUERY),
    "2024-03, a match": lambda: of_march_2024(json.dumps({"query": {"match": {"title": 'red "shoes"'}}})),
    "2024-03, a match clause": lambda: of_march_2024({"query": {"match": {"title": {"query": 'red "shoes"'}}}}),
}
FILES = ("plain", "tab", "dump", "bulk")
INDICES = {"2024-04": ("ubi_chorus_queries", "ubi_chorus_events"), "2024-03": (".ubi_log_queries", ".ubi_log_events")}


def index_of(spelling: str, document: Document) -> str:
    queries_index, events_index = INDICES.get(spelling.partition(",")[0], ("ubi_queries", "ubi_events"))
    return events_index if "action_name" in document else queries_index


def written(spelling: str, file: str) -> Iterator[str]:
    for document in SPELLINGS[spelling]():
        text, index = json.dumps(document), index_of(spelling, document)
        if file == "bulk":
            yield json.dumps({"index": {"_index": index, "_id": "1"}})
        yield {"tab": f"{index}\t{text}", "dump": json.dumps({"_index": index, "_source": document})}.get(file, text)


def ingested(home: Home, files: dict[str, Iterable[str]]) -> ingestion.Ingested:
    """Land files by what they look like, and ingest them."""
    folder = home.path.parent / "logs"
    folder.mkdir()
    for name, lines in files.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    assert {path.parent.name for path in landing.land_by_guess(home.landing, [folder])} == {"ubi"}
    return ingestion.ingest(home.lake, ingestion.new_files(home.lake, home.landing))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_session_is_the_same_in_every_spelling(home: Home, spelling: str) -> None:
    done = ingested(home, {file: [line.replace('"q1"', f'"{file}"') for line in written(spelling, file)] for file in FILES})
    assert done.books.rejected == {}
    sessions = read_table("search_sessions", home.path).to_pylist()
    assert sorted(row["session_id"] for row in sessions) == sorted(FILES)
    for row in sessions:
        assert (row["visit_id"], row["query_text"], row["started_at"]) == ("v1", 'red "shoes"', START)
        assert [result["item_id"] for result in row["results"]] == ITEMS
    events = read_table("session_events", home.path).to_pylist()
    assert sorted((e["session_id"], e["item_id"], e["event_type"], e["occurred_at"] - START) for e in events) == sorted(
        event
        for file in FILES
        for event in [(file, "101", "click", timedelta(seconds=5)), (file, "102", "purchase", timedelta(seconds=9))]
    )


QUARTERS = [
    *(f"{SECOND}.25", "1.71277624825E9", f'"{SECOND}.250"', f"{SECOND}250", f"{SECOND}250.0", f'"{SECOND}250"'),
    *(f"{SECOND}250000", f"{SECOND}250000000", '"2024-04-10T19:10:48.250Z"', '"2024-04-10T19:10:48.250+0000"'),
    *('"2024-04-10T21:10:48.250+02:00"', '"2024-04-10T19:10:48.25"', '"2024-04-10 19:10:48.250"'),
]
WHOLE = [f"{SECOND}", f"{SECOND}.0", "1.712776248E9", f'"{SECOND}"', f"{SECOND}000", '"2024-04-10T19:10:48Z"']


def test_a_time_is_the_same_in_every_unit(home: Home) -> None:
    stamps = QUARTERS + WHOLE
    lines = [f'{{"query_id": {n}, "user_query": "shoes", "timestamp": {stamp}}}' for n, stamp in enumerate(stamps)]
    assert ingested(home, {"log.ndjson": lines}).books.rejected == {}
    found = {row["session_id"]: row["started_at"] - START for row in read_table("search_sessions", home.path).to_pylist()}
    expected = [timedelta(milliseconds=250)] * len(QUARTERS) + [timedelta(0)] * len(WHOLE)
    assert [(stamp, found[str(n)]) for n, stamp in enumerate(stamps)] == list(zip(stamps, expected, strict=True))


# The tables


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with queries.session() as connection:
        connection.execute(queries.read_sql("readers/macros"))
        yield connection


def spell(con: duckdb.DuckDBPyConnection, home: Path | None = None) -> Callable[[str, Any], Any]:
    """What a macro of the spellings says of a document."""
    spellings.read_mappings(con, "ubi", home)
    con.execute(queries.read_sql("readers/ubi_spellings"))

    def said(macro: str, document: Any) -> Any:
        ((answer,),) = con.execute(f"select ubi_{macro}(?::json)", [json.dumps(document)]).fetchall()
        return answer

    return said


FIELD_ROWS = spellings.mapping_rows("ubi_fields")
TEXTS = sorted({row["field"] for row in FIELD_ROWS} - {"event_mark", "query_mark", "engine_words", "engine_query", "hits"})


def document_with(path: str, value: Any) -> Any:
    """A document in which only this path has a value."""
    names = [quoted or name for quoted, name in re.findall(r'\."([^"]+)"|\.([^."]+)', path)]
    for name in reversed(names):
        value = {name: value}
    return value


@pytest.mark.parametrize("field", TEXTS)
def test_a_field_is_read_at_each_of_its_places_the_first_of_them_first(con: duckdb.DuckDBPyConnection, field: str) -> None:
    said = spell(con)
    paths = [row["path"] for row in FIELD_ROWS if row["field"] == field]
    for path in paths:
        found = said(field, document_with(path, "7"))
        assert float(found) == 7 if field == "ordinal" else found.strip('"') == "7"
        for empty in (None, "", {}, []):
            assert said(field, document_with(path, empty)) is None
    for first, later in pairwise(paths):
        both = merged(document_with(first, "1"), document_with(later, "2"))
        assert float(str(said(field, both)).strip('"')) == 1


def merged(one: Any, other: Any) -> Any:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one
    return {
        key: merged(one[key], other[key]) if key in one and key in other else {**other, **one}[key] for key in {**one, **other}
    }


def test_marks_tell_events_from_queries_whatever_stands_there(con: duckdb.DuckDBPyConnection) -> None:
    said = spell(con)
    for row in FIELD_ROWS:
        if row["field"] in ("event_mark", "query_mark"):
            assert said("kind", document_with(row["path"], None)) == row["field"].removesuffix("_mark")
        if row["field"] == "hits":
            assert said("kind", document_with(row["path"], [1])) == "query"
            assert said("kind", document_with(row["path"], 1)) is None
            assert said("hits", document_with(row["path"], [1, {"id": 2}])) == ["1", '{"id":2}']
    assert said("kind", {"user_query": "shoes", "action_name": "click"}) == "event"
    assert said("kind", {"timestamp": 1}) is None


@pytest.mark.parametrize(
    ("engine_query", "words"),
    [
        ("red shoes", "red shoes"),
        ('{"query": {"match_all": {}}}', None),
        ('{"query": {"match": {"title": "red"}}, "ext": {"ubi": {"user_query": "red shoes"}}}', "red shoes"),
        ('{"filter": {"match": {"brand": "hp"}}, "query": {"multi_match": {"query": "red shoes"}}}', "red shoes"),
        ('  {"query": {"match_phrase" : {"title" : "r\\u00e9d \\"shoes\\""}}}', 'réd "shoes"'),
        ('{"query": {"match": {"title": "red shoes"}}, "cut": {"of', "red shoes"),
        ('{"query": {"multi_match": {"query": "red sho', None),
        ('{"ext": {"user_query": "  "}, "query": {"match": {"title": "red shoes"}}}', "red shoes"),
    ],
)
def test_words_are_found_in_the_query_of_the_engine(
    con: duckdb.DuckDBPyConnection, engine_query: str, words: str | None
) -> None:
    said = spell(con)
    assert said("words", {"query": engine_query}) == words
    assert said("words", {"user_query": " ", "query": engine_query}) == words
    assert said("words", {"user_query": "typed", "query": engine_query}) == "typed"


def test_the_sql_asks_for_every_field_of_the_table_and_spells_none() -> None:
    sql = queries.read_sql("readers/ubi_spellings")
    asked = set(re.findall(r"ubi_(?:field|has|values)\(\w+, '(\w+)'\)|\bfield = '(\w+)'", sql))
    assert {one or other for one, other in asked} == set(spellings.FIELDS) == {row["field"] for row in FIELD_ROWS}
    assert "'$." not in re.sub(r"^--.*$", "", sql, flags=re.M)


# What the published schemas name and nothing here is made from.
UNUSED = {
    "$.message_type": "a label of actions, which have names",
    "$.event_attributes.object.internal_id": "the engine's own id, which joins no list",
    "$.event_attributes.position.xy.x": "not a place in a list",
    "$.event_attributes.position.xy.y": "not a place in a list",
    "$.object_id_field": "what the ids of the whole list are",
}


def schema_paths(schema: Any, path: str = "$") -> Iterator[str]:
    choices = schema.get("oneOf", []) if "type" in schema else []
    properties = schema.get("properties", {}) | {k: v for one in choices for k, v in one.get("properties", {}).items()}
    if not properties and schema.get("type") != "object":
        yield path
    for name, inner in properties.items():
        yield from schema_paths(inner, f"{path}.{name}")


def test_the_table_has_every_property_of_the_published_schemas(real_data: Path) -> None:
    files = sorted((real_data / "ubi" / "schema-1.3.0").glob("*.json"))
    named = {path for file in files for path in schema_paths(json.loads(file.read_text()))}
    assert len(files) == 3
    assert len(named) > 15
    known = {row["path"] for row in FIELD_ROWS}
    assert named - known == set(UNUSED)


# A home's own spellings


def test_a_home_adds_spellings_that_come_before_ours(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "ubi_fields.csv").write_text(
        '\ufeffspelling,field,place,path\nours,object,5,"$.items[0].""my id"""\n\nours,object,2,$.sku\n', encoding="utf-8"
    )
    (tmp_path / "ubi_actions.csv").write_text("action,becomes,event_type\n Tap ,event,click\nclick,none,\n")
    said = spell(con, tmp_path)
    thing = {"event_attributes": {"object": {"object_id": "theirs"}}}
    assert said("object", {"items": [{"my id": 7}], **thing}) == "7"
    assert said("object", {"sku": "first", "items": [{"my id": 7}], **thing}) == "first"
    assert said("object", thing) == "theirs"
    actions = dict(con.sql("select action, (becomes, event_type) from ubi_actions").fetchall())
    assert (actions["tap"], actions["click"], actions["item_click"]) == (("event", "click"), ("none", None), ("event", "click"))
    assert con.sql("select count(*) = count(distinct action) from ubi_actions").fetchall() == [(True,)]


def test_a_home_without_spellings_has_ours(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert spellings.mapping_rows("ubi_fields", tmp_path / "ubi_fields.csv") == FIELD_ROWS
    assert all(spellings.mapping_rows(name) for name in spellings.MAPPINGS["ubi"])
    spellings.read_mappings(con, "items", tmp_path)
    assert con.sql("show tables").fetchall() == []


FIELDS_HEAD, ACTIONS_HEAD = "field,place,path,spelling\n", "action,becomes,event_type\n"


@pytest.mark.parametrize(
    ("name", "content", "flaw"),
    [
        ("ubi_fields", "field,path,spelling\n", "line 1: the columns must be field, place, path, spelling, got field, path"),
        ("ubi_fields", "", "line 1: the columns must be field, place, path, spelling, got none"),
        ("ubi_fields", FIELDS_HEAD + "\nobjekt,1,$.a,x\n", "line 3: field must be one of .*, got 'objekt'"),
        ("ubi_fields", FIELDS_HEAD + "object,first,$.a,x\n", "line 2: place must be a whole number from 1, got 'first'"),
        ("ubi_fields", FIELDS_HEAD + "object,0,$.a,x\n", "line 2: place must be a whole number from 1, got '0'"),
        ("ubi_fields", FIELDS_HEAD + "object,1,sku,x\n", r"line 2: path must be like \$\.name.*, got 'sku'"),
        ("ubi_fields", FIELDS_HEAD + "object,1,$.a.*,x\n", r"line 2: path must be like .*, got '\$\.a\.\*'"),
        (
            "ubi_fields",
            FIELDS_HEAD + 'object,1,"$.a.""*""",x\n',
            r"line 2: path must be like .*, got '\$\.a\.\"\*\"'",
        ),  # a wildcard, too
        ("ubi_fields", FIELDS_HEAD + "object,1,$.a..b,x\n", "line 2: path must be like"),
        ("ubi_fields", FIELDS_HEAD + "engine_words,1,$.a,x\n", r"line 2: path must be like \$\.\.name or"),
        ("ubi_fields", FIELDS_HEAD + "object,1,$.a\n", "line 2: a line must have 4 values, got 3"),
        (
            "ubi_fields",
            FIELDS_HEAD + "object,1,$.a,x\nobject,1,$.b,x\n",
            "line 3: field and place must differ from those of line 2",
        ),
        (
            "ubi_fields",
            FIELDS_HEAD + "object,1,$.a,x\nobject,2,$.a,x\n",
            "line 3: field and path must differ from those of line 2",
        ),
        ("ubi_fields", FIELDS_HEAD + 'object,1,"$.a"b,x\n', "line 2: the line must be CSV"),
        ("ubi_actions", ACTIONS_HEAD + "tap,events,click\n", "line 2: becomes must be one of .*, got 'events'"),
        (
            "ubi_actions",
            ACTIONS_HEAD + "tap,none,click\n",
            "line 2: event_type must be empty where becomes is none, got 'click'",
        ),
        ("ubi_actions", ACTIONS_HEAD + ",event,click\n", "line 2: action must be a name, got none"),
        (
            "ubi_actions",
            ACTIONS_HEAD + "tap,none,\nTAP,event,click\n",
            "line 3: action must differ from those of line 2, got tap",
        ),
        ("ubi_not_items", "object_id_field,meaning\n,x\n", "line 2: object_id_field must be a name, got none"),
    ],
)
def test_a_malformed_table_names_file_and_line(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, content: str, flaw: str
) -> None:
    path = tmp_path / f"{name}.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}, {flaw}"):
        spellings.read_mappings(con, "ubi", tmp_path)


def test_a_table_that_is_not_utf8_names_its_file(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "ubi_actions.csv").write_bytes(b"action,becomes,event_type\ntap\xe9,none,\n")
    with pytest.raises(ValueError, match=r"ubi_actions\.csv: the file must be UTF-8, got byte 0xe9"):
        spellings.read_mapping(con, "ubi_actions", tmp_path / "ubi_actions.csv")


STEPS = [".a", "._a-B0", '."a b"', '."a.b"', '."[0]"', '."$.é@\'"', '."-"', "[0]", "[007]", "[999999999]"]


def test_duckdb_reads_every_path_that_is_let_in(con: duckdb.DuckDBPyConnection) -> None:
    paths = [f"${one}{other}" for one in STEPS for other in ["", *STEPS]]
    assert [path for path in paths if not spellings._PATH.fullmatch(path)] == []
    for path in paths:
        con.execute("set variable paths = ?", [[path]])
        assert con.execute("select len(json_extract('{}'::json, getvariable('paths')))").fetchall() == [(1,)]


def test_the_page_of_spellings_is_written_from_the_tables() -> None:
    assert (ROOT / "docs" / "ubi.md").read_text() == ubi_markdown()
