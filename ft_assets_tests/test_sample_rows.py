"""Sample rows: the same at every look, short, and of no person."""

import datetime as dt

import pyarrow as pa

from ft_assets import schemas
from ft_assets.sample_rows import sample_columns, sample_rows
from ft_assets.schemas import TABLES
from ft_assets_tests.builders import DAY, NEXT_DAY, NOW, item, make_lake, pair, put_day, session, slice_of, table_of

# What may tell who a person is, or what the person wrote.
OF_A_PERSON = {"query_text", "query_hash", "user_id", "user_agent", "visit_id", "raw", "detail"}


def test_what_is_of_a_person_is_marked_in_every_table():
    for table in TABLES.values():
        marked = {column.name for column in table.columns if column.personal}
        of_queries = {"text_hash", "vector"} if table.name == "text_vectors" else set()
        assert marked == (OF_A_PERSON | of_queries) & set(table.column_names), table.name
        assert not {column.name for column in sample_columns(table)} & marked


def test_no_personal_value_is_in_a_sample(tmp_path):
    row = session("s", ["a"], query_text="SECRET", user_id="SECRET", user_agent="SECRET", visit_id="SECRET")
    (shown,) = sample_rows(make_lake(tmp_path, search_sessions=table_of("search_sessions", [row])), "search_sessions")
    assert shown["session_id"] == "s"
    assert "SECRET" not in str(shown)


def test_the_first_five_rows_of_a_day_are_shown_in_order_whatever_the_order_of_storage(tmp_path):
    lake = make_lake(tmp_path)
    slice_of(lake, "pair_features", [pair(f"s{k}") for k in (7, 3, 9, 1, 5, 2)])
    put_day(lake, "pair_features", table_of("pair_features", [pair("s0", session_date=NEXT_DAY)]), NEXT_DAY)
    assert [row["session_id"] for row in sample_rows(lake, "pair_features", DAY)] == ["s1", "s2", "s3", "s5", "s7"]


def test_of_a_table_of_the_log_the_newest_rows_are_shown(tmp_path):
    later = NOW + dt.timedelta(hours=1)
    rows = [item("a"), item("c", updated_at=later), item("b", updated_at=later)]
    lake = make_lake(tmp_path, items=table_of("items", rows))
    assert [row["item_id"] for row in sample_rows(lake, "items")] == ["b", "c"]


def test_lists_and_long_texts_are_shortened_and_every_cell_is_plain(tmp_path):
    rows = [session("s", [("a", 0.5), "b", "c", "d"])]
    lake = make_lake(
        tmp_path, search_sessions=table_of("search_sessions", rows), items=table_of("items", [item("a", "word " * 100)])
    )
    (shown,) = sample_rows(lake, "search_sessions")
    assert shown["results"].startswith('{"item_id": "a", "rank": 0.5}, ')
    assert shown["results"].endswith("... (4)")
    assert shown["started_at"] == "2026-11-02T12:00:00+00:00"
    (text,) = (row["text"] for row in sample_rows(lake, "items"))
    assert len(text) == 120
    assert text.endswith("...")
    assert all(value is None or isinstance(value, str | int | float | bool) for value in shown.values())


def test_of_no_rows_there_is_no_sample(tmp_path):
    lake = make_lake(tmp_path)
    for table in TABLES.values():
        assert sample_rows(lake, table.name, DAY if "session_date" in table.partition_by else None) == []


def test_every_number_that_is_measured_has_a_unit_and_every_time_is_in_utc():
    units = {
        f"{table.name}.{column.name}": schemas.unit_of(column)
        for table in TABLES.values()
        for column in table.columns
        if pa.types.is_floating(column.type) or pa.types.is_temporal(column.type)
    }
    assert None not in units.values()
    assert units["pair_features.positive_rank"] == "score of the model"
    assert units["pair_features.positive_confidence"] == "[0, 1]"
    assert {unit for name, unit in units.items() if name.endswith(("_at", "_date"))} == {"UTC"}
    assert schemas.unit_of(next(c for c in TABLES["ingested_files"].columns if c.name == "bytes")) == "bytes"
