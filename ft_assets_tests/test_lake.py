"""The lake: atomic days, named commits exactly once, and writers that come together, conflict or die."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets import read_table, schemas
from ft_assets.lake import AlreadyDone, Home, Lake, Overtaken
from ft_assets_tests import lake_writers
from ft_assets_tests.builders import DAY, NEXT_DAY, NOW, event, item, make_lake, pair, put_day, session, slice_of, table_of

GENERAL = settings(deadline=None, derandomize=True, max_examples=25)


def pairs(*session_ids: str, day: dt.date = DAY) -> pa.Table:
    return table_of("pair_features", [pair(name, session_date=day) for name in session_ids])


def sessions_of(lake: Lake, day: dt.date | None = None) -> list[str]:
    return sorted(lake.slice("pair_features", day).to_table()["session_id"].to_pylist())


@pytest.mark.parametrize("name", schemas.TABLES)
def test_a_table_is_made_empty_as_declared_on_first_use(tmp_path: Path, name: str) -> None:
    lake = make_lake(tmp_path)
    assert not lake.exists(name)
    found = lake.slice(name)
    assert lake.exists(name)
    assert (found.version, found.row_count, found.file_uris()) == (0, 0, [])
    assert found.to_table().schema == schemas.TABLES[name].schema
    assert found.delta.metadata().partition_columns == list(schemas.TABLES[name].partition_by)


def test_a_name_that_is_no_table_is_refused_and_the_tables_are_listed(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match=r"no table is named 'pears'; there are search_sessions, .*fine_tuning_features"):
        make_lake(tmp_path).slice("pears")


@pytest.mark.parametrize("folder", ["with space", "größe", "資料", "a&b=c;d", "it's"])
def test_the_path_of_a_lake_may_have_spaces_and_letters_of_any_script(tmp_path: Path, folder: str) -> None:
    lake = make_lake(tmp_path / folder)
    put_day(lake, "pair_features", pairs("a"), note="x")
    with duckdb.connect() as con:
        lake.slice("pair_features").create_view(con)
        assert con.sql("select session_id, session_date from pair_features").fetchall() == [("a", DAY)]
    assert lake.history("pair_features")[-1]["note"] == "x"


@pytest.mark.parametrize("character", "%#?[]^|\\")
def test_a_path_that_the_storage_layer_cannot_read_is_refused(tmp_path: Path, character: str) -> None:
    with pytest.raises(ValueError, match=r"the path of a lake must be free of .*; name another folder"):
        make_lake(tmp_path / f"a{character}b")


def test_replacing_a_day_changes_no_other_day(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    put_day(lake, "pair_features", pairs("a", "b"))
    put_day(lake, "pair_features", pairs("c", day=NEXT_DAY), NEXT_DAY)
    commit = put_day(lake, "pair_features", pairs("d"))
    assert (commit.version, commit.rows) == (3, 1)
    assert (sessions_of(lake, DAY), sessions_of(lake, NEXT_DAY)) == (["d"], ["c"])
    assert lake.days("pair_features") == [DAY, NEXT_DAY]


def test_a_rerun_changes_no_count(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    for _ in range(3):
        put_day(lake, "pair_features", pairs("a", "b"))
        assert (lake.slice("pair_features").row_count, sessions_of(lake)) == (2, ["a", "b"])


def test_a_day_may_become_empty(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    put_day(lake, "pair_features", pairs("a"))
    put_day(lake, "pair_features", pairs("b", day=NEXT_DAY), NEXT_DAY)
    assert put_day(lake, "pair_features", pairs()).rows == 0
    assert (lake.days("pair_features"), sessions_of(lake)) == ([NEXT_DAY], ["b"])


@pytest.mark.parametrize("stray", [NEXT_DAY, None])
def test_rows_of_another_day_are_refused_and_the_old_day_stays(tmp_path: Path, stray: dt.date | None) -> None:
    lake = make_lake(tmp_path)
    put_day(lake, "pair_features", pairs("old"))
    mixed = table_of("pair_features", [pair("new"), pair("new", session_date=stray)])
    with pytest.raises(ValueError, match=f"rows of pair_features must all be of {DAY}, got rows of {stray}"):
        put_day(lake, "pair_features", mixed)
    assert sessions_of(lake) == ["old"]


def test_rows_with_other_columns_are_refused_and_named(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    with pytest.raises(ValueError, match=r"pair_features has the columns .*'pairing'\], got \['session_id'"):
        put_day(lake, "pair_features", pairs("a").drop_columns(["pairing"]))
    assert lake.slice("pair_features").version == 0


@pytest.mark.parametrize("name", ["items", "text_vectors"])
def test_a_table_without_days_has_no_day_to_ask_for_or_to_replace(tmp_path: Path, name: str) -> None:
    lake, message = make_lake(tmp_path), f"{name} is not kept by day, asked for {DAY}"
    with pytest.raises(ValueError, match=message):
        lake.slice(name, DAY)
    with pytest.raises(ValueError, match=message):
        lake.slice(name).on(DAY)
    with pytest.raises(ValueError, match=message):
        put_day(lake, name, schemas.TABLES[name].empty())


def test_every_commit_states_what_it_was_made_from(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    put_day(lake, "pair_features", pairs("a"), made_from={"items": 3}, model="m")
    put_day(lake, "pair_features", pairs("a"), made_from={"items": 4})
    first, second = lake.history("pair_features", after=0)
    assert (first["version"], first["made_from"], first["model"]) == (1, '{"items": 3}', "m")
    assert (second["version"], second["made_from"]) == (2, '{"items": 4}')
    assert [entry["version"] for entry in lake.history("pair_features")] == [0, 1, 2]
    assert lake.history("pair_features", after=2) == []


def test_a_commit_that_comes_while_history_is_read_shifts_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = make_lake(tmp_path)
    for number in (1, 2):
        put_day(lake, "pair_features", pairs("a"), number=number)
    read, others = DeltaTable.history, [4, 3]

    def late(delta: DeltaTable, limit: int | None = None) -> list[dict[str, Any]]:
        if others:
            put_day(lake, "pair_features", pairs("a"), number=others.pop())
        return read(delta, limit)

    monkeypatch.setattr(deltalake.DeltaTable, "history", late)
    entries = lake.history("pair_features", after=0)
    assert [(entry["version"], entry["number"]) for entry in entries] == [(n, str(n)) for n in (1, 2, 3, 4)]


def test_rows_of_a_name_are_appended_once(tmp_path: Path) -> None:
    lake, rows = make_lake(tmp_path), table_of("session_events", [event("s", "a")])
    assert not lake.holds("session_events", "f")
    commit = lake.append_once("session_events", rows.to_batches, ["f", "g"], {"affected_days": [str(DAY)]})
    assert (commit.version, commit.rows, lake.holds("session_events", "f")) == (1, 1, True)
    for names in (["f"], ["new", "g"]):
        with pytest.raises(AlreadyDone, match=f"1 of {len(names)} are already in the table: {names[-1]}"):
            lake.append_once("session_events", rows.to_batches, names, {})
    assert (lake.slice("session_events").row_count, lake.holds("session_events", "new")) == (1, False)
    assert lake.history("session_events")[-1]["affected_days"] == f'["{DAY}"]'


def test_each_table_keeps_its_own_account_of_a_name(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.append_once("session_events", list, ["f"], {})
    assert (lake.holds("session_events", "f"), lake.holds("search_sessions", "f")) == (True, False)


def test_a_name_outlives_checkpoints_vacuum_and_the_clearing_of_the_log(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.append_once("items", table_of("items", [item("a")]).to_batches, ["first"], {})
    lake.merge_once("items", table_of("items", [item("a", "new")]), ["second"], {})
    for number in range(3):
        lake.append_once("items", list, [str(number)], {})
        lake.open("items").create_checkpoint()
    table = lake.open("items")
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    table.cleanup_metadata()
    assert all(lake.holds("items", name) for name in ("first", "second", "0", "1", "2"))
    with pytest.raises(AlreadyDone):
        lake.append_once("items", list, ["first"], {})


def test_rows_compared_with_an_older_version_are_not_written(tmp_path: Path) -> None:
    lake, rows = make_lake(tmp_path), table_of("items", [item("a")])
    lake.append_once("items", rows.to_batches, ["f"], {}, read_version=0)
    with pytest.raises(Overtaken, match="compared with version 0, the table is at 1"):
        lake.append_once("items", rows.to_batches, ["g"], {}, read_version=0)
    for put in (rows, rows.slice(1)):
        with pytest.raises(Overtaken):
            lake.merge_once("items", put, ["g"], {}, read_version=7)
    assert (lake.slice("items").row_count, lake.slice("items").version, lake.holds("items", "g")) == (1, 1, False)


def items_of(lake: Lake) -> dict[str, str]:
    return {row["item_id"]: row["text"] for row in lake.slice("items").to_table().to_pylist()}


def keys(*item_ids: str) -> pa.Table:
    return pa.table({"item_id": list(item_ids)}, pa.schema([("item_id", pa.string())]))


def test_rows_take_the_place_of_those_with_their_key_once(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.merge_once("items", table_of("items", [item("a", "red"), item("b", "blue")]), ["f"], {})
    commit = lake.merge_once("items", table_of("items", [item("b", "green", "o"), item("c", "grey")]), ["g"], {"n": 1})
    assert (commit.rows, lake.slice("items").row_count) == (2, 3)
    found = lake.slice("items").to_table().sort_by("item_id")
    assert found.select(["item_id", "text", "object_id"]).to_pydict() == {
        "item_id": ["a", "b", "c"], "text": ["red", "green", "grey"], "object_id": ["a", "o", "c"],
    }  # fmt: skip
    assert lake.history("items")[-1]["n"] == "1"
    with pytest.raises(AlreadyDone):
        lake.merge_once("items", table_of("items", [item("a", "black")]), ["f"], {})
    assert items_of(lake) == {"a": "red", "b": "green", "c": "grey"}


def test_one_merge_puts_changes_and_removes(tmp_path: Path) -> None:
    lake = make_lake(tmp_path, items=table_of("items", [item(name, "old") for name in "abc"]))
    version = lake.slice("items").version
    new = table_of("items", [item("a", "new"), item("d", "new")])
    commit = lake.merge_once("items", new, ["f"], {}, remove=keys("b", "never there"))
    assert (commit.version, commit.rows) == (version + 1, 2)
    assert items_of(lake) == {"a": "new", "c": "old", "d": "new"}


def test_a_row_moves_to_another_day_when_its_day_changes(tmp_path: Path) -> None:
    lake = make_lake(tmp_path, search_sessions=table_of("search_sessions", [session("s", "a"), session("t", "a")]))
    lake.merge_once("search_sessions", table_of("search_sessions", [session("s", "ab", day=NEXT_DAY)]), ["f"], {})
    by_day = {day: lake.slice("search_sessions", day).to_table()["session_id"].to_pylist() for day in (DAY, NEXT_DAY)}
    assert by_day == {DAY: ["t"], NEXT_DAY: ["s"]}


@pytest.mark.parametrize("remove", [None, keys(), keys("never there"), keys("a", "gone before")])
def test_a_merge_that_changes_little_or_nothing_carries_its_names(tmp_path: Path, remove: pa.Table | None) -> None:
    """Delta makes no commit of a merge that changes nothing: its names would stay new for ever."""
    lake = make_lake(tmp_path, items=table_of("items", [item("a"), item("b")]))
    version = lake.slice("items").version
    commit = lake.merge_once("items", schemas.ITEMS.empty(), ["f"], {"n": 1}, remove=remove)
    assert (commit.version, commit.rows, lake.holds("items", "f")) == (version + 1, 0, True)
    assert lake.history("items")[-1]["n"] == "1"
    assert set(items_of(lake)) == ({"b"} if remove is not None and "a" in remove["item_id"].to_pylist() else {"a", "b"})
    with pytest.raises(AlreadyDone):
        lake.merge_once("items", schemas.ITEMS.empty(), ["f"], {}, remove=remove)


CHANGES = {
    "append": lambda lake, name, item_id: lake.append_once("items", table_of("items", [item(item_id)]).to_batches, [name], {}),
    "merge": lambda lake, name, item_id: lake.merge_once("items", table_of("items", [item(item_id)]), [name], {}),
    "merge of nothing": lambda lake, name, item_id: lake.merge_once(
        "items", schemas.ITEMS.empty(), [name], {}, remove=keys("never there")
    ),
}


@pytest.mark.parametrize("ours", CHANGES)
@pytest.mark.parametrize("theirs", CHANGES)
@pytest.mark.parametrize("is_same", [True, False])
def test_a_commit_that_comes_in_between_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: str, theirs: str, is_same: bool
) -> None:
    """Another commits behind our look at the table: under our name it was us, under its own both stay."""
    lake = make_lake(tmp_path, items=table_of("items", [item("a")]))
    open_for, others = Lake._open_for, []

    def late(self: Lake, *args: Any) -> DeltaTable:
        delta = open_for(self, *args)
        if not others:
            others.append(theirs)
            CHANGES[theirs](self, "ours" if is_same else "theirs", "b")
        return delta

    monkeypatch.setattr(Lake, "_open_for", late)
    expected = {"a", *(["b"] if theirs != "merge of nothing" else [])}
    if is_same:
        with pytest.raises(AlreadyDone):
            CHANGES[ours](lake, "ours", "c")
    else:
        CHANGES[ours](lake, "ours", "c")
        expected |= {"c"} if ours != "merge of nothing" else set()
        assert lake.holds("items", "theirs")
    assert others
    assert lake.holds("items", "ours")
    assert lake.slice("items").row_count == len(expected)
    assert set(items_of(lake)) == expected


def test_a_commit_in_between_of_rows_that_were_compared_is_not_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake(tmp_path)
    open_for, others = Lake._open_for, []

    def late(self: Lake, *args: Any) -> DeltaTable:
        delta = open_for(self, *args)
        if not others:
            others.append("theirs")
            CHANGES["append"](self, "theirs", "b")
        return delta

    monkeypatch.setattr(Lake, "_open_for", late)
    version = lake.slice("items").version
    with pytest.raises(Overtaken):
        lake.append_once("items", table_of("items", [item("c")]).to_batches, ["ours"], {}, version)
    assert set(items_of(lake)) == {"b"}
    assert not lake.holds("items", "ours")


def test_a_table_that_another_version_made_is_refused_with_a_way_out(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    older = schemas.ITEMS.schema.remove(schemas.ITEMS.schema.get_field_index("text_hash"))
    DeltaTable.create(lake.uri("items"), schema=older)
    for use in (lambda: lake.open("items"), lambda: lake.slice("items"), lambda: lake.append("items", items_table(), {})):
        with pytest.raises(
            ValueError, match=r"must have the columns item_id, .*, it lacks text_hash: another version .* Move the lake"
        ):
            use()


def items_table() -> pa.Table:
    return table_of("items", [item("a")])


def test_a_table_whose_making_was_killed_is_made_again(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    log = Path(lake.uri("items"), "_delta_log")
    log.mkdir(parents=True)
    (log / "_commit_0123.json.tmp").write_text('{"commitInfo":')
    lake.append("items", items_table(), {})
    assert items_of(lake) == {"a": "text of a"}


def test_some_days_of_a_slice_are_those_days_however_they_are_read(tmp_path: Path) -> None:
    lake, third = make_lake(tmp_path), NEXT_DAY + dt.timedelta(days=1)
    for day, name in ((DAY, "a"), (NEXT_DAY, "b"), (third, "c")):
        put_day(lake, "pair_features", pairs(name, day=day), day)
    some = lake.slice("pair_features").of_days([DAY, third, dt.date(2020, 1, 1)])
    with duckdb.connect() as con:
        some.create_view(con)
        assert con.sql("select session_id, session_date from pair_features order by 1").fetchall() == [("a", DAY), ("c", third)]
    assert len(some.file_uris()) == 2
    assert sorted(some.to_table()["session_id"].to_pylist()) == ["a", "c"]
    none = lake.slice("pair_features").of_days([])
    assert (none.file_uris(), none.to_table().num_rows) == ([], 0)
    with pytest.raises(ValueError, match="items is not kept by day"):
        lake.slice("items").of_days([DAY])


def test_a_slice_is_a_version_and_sees_no_later_commit(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    put_day(lake, "pair_features", pairs("a"))
    before = lake.slice("pair_features", DAY)
    put_day(lake, "pair_features", pairs("b", "c"))
    assert (before.version, before.row_count, before.to_table()["session_id"].to_pylist()) == (1, 1, ["a"])
    assert lake.slice("pair_features", version=1).to_table()["session_id"].to_pylist() == ["a"]
    assert (lake.slice("pair_features").version, lake.slice("pair_features").row_count) == (2, 2)


def test_one_day_of_a_slice_is_that_day_however_it_is_read(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    put_day(lake, "pair_features", pairs("a", "b"))
    put_day(lake, "pair_features", pairs("c", day=NEXT_DAY), NEXT_DAY)
    one = lake.slice("pair_features").on(NEXT_DAY)
    with duckdb.connect() as con:
        one.create_view(con, "mine")
        assert con.sql("select session_id, session_date from mine").fetchall() == [("c", NEXT_DAY)]
        assert con.sql("from mine").columns == schemas.PAIR_FEATURES.column_names
    assert one.to_table().equals(pairs("c", day=NEXT_DAY))
    assert (one.row_count, len(one.file_uris()), one.head(5).num_rows) == (1, 1, 1)
    assert [fragment.count_rows() for fragment in one.fragments()] == [1]
    assert lake.slice("pair_features", dt.date(2020, 1, 1)).row_count == 0


@pytest.mark.parametrize("name", schemas.TABLES)
def test_a_view_of_an_empty_table_has_its_columns(tmp_path: Path, name: str) -> None:
    with duckdb.connect() as con:
        make_lake(tmp_path).slice(name).create_view(con)
        assert con.sql(f"from {name}").columns == schemas.TABLES[name].column_names
        assert con.sql(f"from {name}").fetchall() == []


def test_batches_are_no_longer_than_asked(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    found = slice_of(lake, "pair_features", [pair(f"s{n}") for n in range(95)])
    batches = list(found.batches(10, ["session_id"]))
    assert max(batch.num_rows for batch in batches) == 10
    assert sorted(pa.Table.from_batches(batches)["session_id"].to_pylist()) == sorted(f"s{n}" for n in range(95))


# Reading from outside


def test_read_table_reads_a_table_or_a_day_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FT_ASSETS_LAKE", raising=False)
    lake = Home.find(tmp_path).lake
    put_day(lake, "pair_features", pairs("a"))
    put_day(lake, "pair_features", pairs("b", day=NEXT_DAY), NEXT_DAY)
    assert read_table("pair_features", tmp_path).num_rows == 2
    assert read_table("pair_features", str(tmp_path), DAY).equals(pairs("a"))
    assert read_table("pair_features", tmp_path, NEXT_DAY.isoformat())["session_id"].to_pylist() == ["b"]
    monkeypatch.setenv("FT_ASSETS_HOME", str(tmp_path))
    assert read_table("pair_features").num_rows == 2
    monkeypatch.setenv("FT_ASSETS_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("FT_ASSETS_LAKE", lake.root)
    assert read_table("pair_features").num_rows == 2


def test_a_home_that_is_named_has_its_own_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FT_ASSETS_LAKE", "s3://production/lake")
    assert Home.find(tmp_path).lake.root == str(tmp_path / "lake")
    assert Home.find().lake.root == "s3://production/lake"


def test_read_table_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FT_ASSETS_LAKE", raising=False)
    with pytest.raises(KeyError, match="no table is named 'nope'; there are search_sessions"):
        read_table("nope", tmp_path)
    (tmp_path / "lake" / "items").mkdir(parents=True)
    for name in ("items", "pair_features"):
        with pytest.raises(FileNotFoundError, match=f"there is no table {name} under .*; materialize it first"):
            read_table(name, tmp_path)
    assert not Home.find(tmp_path).lake.exists("items"), "asking made it"
    Home.find(tmp_path).lake.open("items")
    with pytest.raises(ValueError, match="items is not kept by day"):
        read_table("items", tmp_path, DAY)
    with pytest.raises(ValueError, match="last tuesday"):
        read_table("items", tmp_path, "last tuesday")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FLOATS = st.floats(width=32, allow_nan=False)
RESULTS = st.lists(st.tuples(TEXT, st.none() | FLOATS), max_size=4)


@GENERAL
@given(rows=st.lists(st.tuples(TEXT, TEXT, RESULTS, st.booleans(), st.none() | TEXT), max_size=6))
def test_sessions_of_any_content_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, list[tuple[str, float | None]], bool, str | None]]
) -> None:
    lake = make_lake(tmp_path_factory.mktemp("round"))
    written = table_of(
        "search_sessions",
        [session(name, list(shown), query_text=query, marked_irrelevant=marked, user_id=user)
         for name, query, shown, marked, user in rows],
    )  # fmt: skip
    lake.append_once("search_sessions", written.to_batches, ["f"], {})
    found = lake.slice("search_sessions")
    assert found.to_table().equals(written)
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        found.create_view(con)
        viewed = con.sql("from search_sessions").to_arrow_table()
        assert (
            viewed.drop_columns(["started_at", "ingested_at"]).to_pylist()
            == written.drop_columns(["started_at", "ingested_at"]).to_pylist()
        )


@GENERAL
@given(rows=st.lists(st.tuples(TEXT, TEXT, st.floats(width=32), st.lists(FLOATS, max_size=5)), max_size=6))
def test_days_and_vectors_of_any_content_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, float, list[float]]]
) -> None:
    lake = make_lake(tmp_path_factory.mktemp("round"))
    written = table_of("pair_features", [pair(name, other, positive_rank=rank) for name, other, rank, _ in rows])
    put_day(lake, "pair_features", written)
    # As text, for NaN is unlike itself.
    assert str(lake.slice("pair_features", DAY).to_table().to_pylist()) == str(written.to_pylist())
    vectors = table_of(
        "text_vectors", [{"model": "m", "role": "query", "text_hash": name, "vector": v} for name, _, _, v in rows]
    )
    lake.append("text_vectors", vectors, {})
    assert lake.slice("text_vectors").to_table().equals(vectors)


# Writers in processes of their own


def run_together(target: Any, roots: list[str], count: int, *more: Any) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count)
    writers = [context.Process(target=target, args=(barrier, roots, number, *more)) for number in range(count)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * count


def test_four_writers_of_four_days_on_lakes_not_made_yet_lose_nothing(tmp_path: Path) -> None:
    roots = [str(tmp_path / f"lake{number}") for number in range(6)]
    run_together(lake_writers.write_one_day, roots, 4)
    for root in roots:
        lake, days = Lake(root), [DAY + dt.timedelta(days=number) for number in range(4)]
        assert lake.days("pair_features") == days
        for number, day in enumerate(days):
            assert sessions_of(lake, day) == [f"{number}-{row}" for row in range(number + 1)]
        assert sorted(e["writer"] for e in lake.history("pair_features") if "writer" in e) == ["0", "1", "2", "3"]


def test_of_three_writers_of_one_file_exactly_one_wins(tmp_path: Path) -> None:
    roots = [str(tmp_path / f"lake{number}") for number in range(6)]
    answers, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    run_together(lake_writers.append_one_file, roots, 3, theirs)
    said = [answers.recv() for _ in range(3 * len(roots))]
    for root in roots:
        winners = [number for where, number, rows in said if where == root and rows is not None]
        assert len(winners) == 1
        stored = Lake(root).slice("session_events").to_table()["event_id"].to_pylist()
        assert sorted(stored) == [f"{winners[0]}-{row}" for row in range(3)]


@pytest.mark.parametrize("moment", ["0", "2", "4", "all"])
def test_a_writer_killed_in_the_middle_leaves_the_old_day_and_a_rerun_repairs(tmp_path: Path, moment: str) -> None:
    lake, rows, batches = make_lake(tmp_path), 20_000, 5
    put_day(lake, "pair_features", pairs("old"))
    put_day(lake, "pair_features", pairs("other", day=NEXT_DAY), NEXT_DAY)
    command = [sys.executable, "-m", "ft_assets_tests.lake_writers", "slowly", lake.root, str(batches), str(rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if line.strip() == moment:
                break
        if moment != "all":  # while batches still stream
            time.sleep(0.01)
        writer.kill()
        said = writer.stdout.read()
    new = ["new"] * rows * batches
    assert sessions_of(lake, DAY) in ([["old"]] if moment != "all" else [["old"], new])
    assert "done" not in said or sessions_of(lake, DAY) == new
    assert sessions_of(lake, NEXT_DAY) == ["other"]
    put_day(lake, "pair_features", pairs("again"))
    assert (sessions_of(lake), lake.slice("pair_features").row_count) == (["again", "other"], 2)


def test_a_day_streams_through_memory_that_does_not_hold_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ft_assets_tests.lake_writers", "large", str(tmp_path / "lake"), "320"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    size, growth = map(float, done.stdout.split())
    assert size >= 320
    assert growth < 260, f"memory grew by {growth:.0f} MB for a day of {size:.0f} MB"


def test_the_builders_state_utc() -> None:
    assert NOW.tzinfo is dt.UTC
