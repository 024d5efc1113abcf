"""The SQL files: each parses and is used; what they share; parameters are bound."""

from __future__ import annotations

import atexit
import datetime as dt
import hashlib
import re
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets import queries, schemas
from ft_assets.checks import checks
from ft_assets.readers import FORMATS
from ft_assets.rules import rules
from ft_assets_tests.builders import DAY, make_lake, pair, slice_of

ROOT = queries.sql_root()
FILES = sorted(str(path.relative_to(ROOT).with_suffix("")) for path in ROOT.rglob("*.sql"))
GENERAL = settings(deadline=None, derandomize=True, max_examples=40)
MOMENT = dt.datetime(2025, 1, 24, 9, 19, 29, 693_000, tzinfo=dt.UTC)


@pytest.mark.parametrize("name", FILES)
def test_every_file_parses(name: str) -> None:
    with duckdb.connect() as con:
        assert con.extract_statements(queries.read_sql(name))


@pytest.mark.parametrize("name", FILES)
def test_every_file_begins_by_saying_what_it_is(name: str) -> None:
    assert re.match(r"-- [A-Z_a-z].*", queries.read_sql(name))


def test_every_file_is_used() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (Path(queries.__file__).parent).rglob("*.py"))
    said = set(re.findall(r'f?"((?:anew|assets|forget|prepared|readers|reports|sources)/[a-z_/{}.]+)"', code))
    words = "|".join([*schemas.TABLES, *FORMATS, "[a-z_]+"])
    patterns = [re.sub(r"\{[^}]*\}", f"(?:{words})", name) for name in said]
    checked = {f"checks/{check.table}/{check.name}" for check in checks()} | {f"rules/{rule}" for rule in rules()}
    checked |= {f"prepared/{read.table}" for check in checks() for read in check.through}
    named = set(re.findall(r'"([a-z_]+)"', code))

    def is_used(name: str) -> bool:
        by_name = any(re.fullmatch(pattern, name) for pattern in patterns if pattern in said)
        by_pattern = name.rsplit("/", 1)[-1] in named or any(re.fullmatch(p, name) for p in patterns if "_" in p.split("/")[-1])
        return name == "macros" or name in checked or by_name or (name.startswith(("readers/", "sources/")) and by_pattern)

    assert [name for name in FILES if not is_used(name)] == []


def test_every_file_that_code_names_is_there() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (Path(queries.__file__).parent).rglob("*.py"))
    said = set(re.findall(r'"((?:anew|assets|forget|prepared|readers|reports|sources)/[a-z_]+)"', code))
    assert said - set(FILES) == set()
    with pytest.raises(FileNotFoundError):
        queries.read_sql("assets/nothing")


@pytest.mark.parametrize("word", ["it's", '"', "'; drop table t; --", "$model", "%", "\\", "\N{ESCAPE}", "é日"])
def test_a_value_is_bound_and_means_nothing_but_itself(word: str) -> None:
    rows = pa.table({"word": [word, "other"]})
    with queries.session({"t": rows}) as con:
        found = con.sql("select count(*) as n from t where word = $word", params={"word": word})
        assert queries.rows(found) == [{"n": 1}]
        assert queries.rows(con.sql("select count(*) as n from t")) == [{"n": 2}]


def test_a_parameter_that_is_not_given_is_an_error() -> None:
    with queries.session({"pair_features": schemas.PAIR_FEATURES.empty()}) as con, pytest.raises(duckdb.Error, match="max"):
        queries.query(con, "assets/fine_tuning_features", {"min": 0.0}).fetchall()


def test_a_session_sees_slices_and_tables_by_name_in_utc(tmp_path: Path) -> None:
    pairs = slice_of(make_lake(tmp_path), "pair_features", [pair("a"), pair("b")])
    with queries.session({"mine": pairs, "other": pa.table({"n": [1]})}) as con:
        assert queries.rows(con.sql("select count(*) as n, min(session_date) as day from mine")) == [{"n": 2, "day": DAY}]
        assert queries.rows(con.sql("select n, current_setting('timezone') as zone from other")) == [{"n": 1, "zone": "UTC"}]
    with pytest.raises(duckdb.Error):
        con.sql("select 1")


def test_rows_stream_in_batches_of_the_size_asked() -> None:
    with queries.session() as con:
        sizes = [batch.num_rows for batch in queries.stream(con.sql("from range(10_000)"), 2_048)]
    assert (max(sizes), sum(sizes)) == (2_048, 10_000)


@cache
def shared_session() -> duckdb.DuckDBPyConnection:
    """One session for all that is asked of the macros: to make one takes longer than to ask."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(queries.session())


def apply(macro: str, words: Sequence[str | None]) -> list[Any]:
    con = shared_session()
    con.register("given", pa.table({"place": range(len(words)), "words": pa.array(words, pa.string())}))
    return [row["value"] for row in queries.rows(con.sql(f"select {macro}(words) as value from given order by place"))]


def log_time(*words: str | None) -> list[dt.datetime | None]:
    return apply("log_time", words)


@pytest.mark.parametrize(
    "words",
    [
        "2025-01-24T09:19:29.693+0000",
        "2025-01-24T09:19:29.693+00:00",
        "2025-01-24T09:19:29.693Z",
        "2025-01-24T09:19:29.693",
        "2025-01-24 09:19:29.693",
        "2025-01-24T11:19:29.693+02:00",
        "2025-01-24T11:19:29.693+0200",
        "2025-01-24T04:49:29.693-0430",
        " 2025-01-24T09:19:29.693Z ",
        "1737710369.693",
        "1.737710369693e9",
        "1737710369693",
        "1737710369693.0",
        "1737710369693000",
        "1737710369693000000",
    ],
)
def test_every_spelling_of_a_moment_is_that_moment(words: str) -> None:
    assert log_time(words) == [MOMENT]


def test_a_fraction_finer_than_its_unit_is_kept_to_the_microsecond() -> None:
    found = log_time(
        "1737710369.693123", "1737710369693.123", "1737710369693123456", "1737710369693123999", "2025-01-24T09:19:29.693123Z"
    )
    assert found == [MOMENT.replace(microsecond=693_123)] * 5


@pytest.mark.parametrize(
    "words",
    ["", " ", "x", "null", "nan", "inf", "infinity", "-infinity", "epoch", "now", "today", "0", "-5", "1e300", "12:30",
     "2025-13-45T00:00:00Z", "24/01/2025", "{}", None],
)  # fmt: skip
def test_what_is_no_moment_is_null(words: str | None) -> None:
    assert log_time(words) == [None]


@GENERAL
@given(st.lists(st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2200, 1, 1)), min_size=1, max_size=20))
def test_epochs_of_every_unit_and_iso_agree(moments: list[dt.datetime]) -> None:
    moments = [moment.replace(microsecond=0, tzinfo=dt.UTC) for moment in moments]
    seconds = [int(moment.timestamp()) for moment in moments]
    units = (1, 1_000, 1_000_000, 1_000_000_000)
    spelled = [str(second * unit) for unit in units for second in seconds] + [moment.isoformat() for moment in moments]
    assert log_time(*spelled) == moments * 5


@GENERAL
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_text_hash_is_md5_of_utf_8(texts: list[str]) -> None:
    assert apply("text_hash", texts) == [hashlib.md5(text.encode()).hexdigest() for text in texts]


def test_a_repeat_is_a_value_twice_in_a_list_of_any_length() -> None:
    lists: list[list[str | None] | None] = [None, [], [None, None], ["a", None, None, "b"], ["", ""]]
    for length in (1, 2, 20, 49, 50, 51, 52, 100):
        once: list[str | None] = [f"item {n}" for n in range(length)]
        lists += [once, [*once[:-1], once[0]], [once[-1], *once[1:]], [None, *once[1:-1], None]]
    wanted = [words is not None and len({*words} - {None}) < len(words) - words.count(None) for words in lists]
    assert wanted.count(True) > 10 < wanted.count(False)
    listed = pa.table({"words": pa.array(lists, pa.list_(pa.string())), "place": range(len(lists))})
    with queries.session({"listed": listed}) as con:
        found = con.sql("select coalesce(has_repeats(words), false) from listed order by place").fetchall()
    assert [value for (value,) in found] == wanted


def others_of(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """What a database holds that is not this session's own: schemas, and their tables and views."""
    query = """
        select schema_name, table_name
        from duckdb_schemas() left join information_schema.tables on schema_name = table_schema
        where schema_name like 'session%' and schema_name <> current_schema()
        order by all
    """
    found: list[tuple[Any, ...]] = con.sql(query).fetchall()
    return found


def test_sessions_within_each_other_see_only_what_is_theirs() -> None:
    with queries.session({"t": pa.table({"a": [1]})}) as outer:
        outer.sql("select a + 10 as b from t").create("u")
        outer.execute("create temp table v as select 5 as c; set variable w = 7")
        with queries.session({"t": pa.table({"a": [2]})}) as inner:
            inner.sql("select a + 20 as b from t").create("u")
            assert inner.sql("select a, b, getvariable('w') from t, u").fetchall() == [(2, 22, None)]
            with pytest.raises(duckdb.CatalogException, match="v"):
                inner.sql("from v")
        assert outer.sql("select a, b, c, getvariable('w') from t, u, v").fetchall() == [(1, 11, 5, 7)]


@pytest.mark.parametrize("is_alone", [False, True])
def test_what_a_session_made_is_gone_with_it_also_where_it_failed(*, is_alone: bool) -> None:
    with queries.session() as con:
        before = others_of(con)
    for problem in (None, ValueError("of the caller")):
        with ExitStack() as caught:
            if problem:
                caught.enter_context(pytest.raises(ValueError, match="of the caller"))
            with queries.session({"t": pa.table({"a": [1]})}, is_alone=is_alone) as con:
                con.sql("from range(100_000) as r(a)").create("u")
                con.sql("select a from u").create_view("v")
                assert con.sql("select count(*) from v").to_arrow_reader(10).read_next_batch().num_rows == 1  # left open
                if problem:
                    raise problem
        with queries.session() as con:
            assert others_of(con) == before


def test_a_session_keeps_to_the_limits_that_are_set_when_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def limits() -> tuple[str, int]:
        with queries.session() as con:
            found: tuple[str, int] = con.sql("select current_setting('memory_limit'), current_setting('threads')").fetchall()[0]
            return found

    monkeypatch.delenv("FT_ASSETS_DUCKDB_THREADS", raising=False)
    before = limits()
    monkeypatch.setenv("FT_ASSETS_DUCKDB_MEMORY", "1GiB")
    monkeypatch.setenv("FT_ASSETS_DUCKDB_THREADS", "3")
    assert limits() == ("1.0 GiB", 3)
    monkeypatch.delenv("FT_ASSETS_DUCKDB_MEMORY")
    monkeypatch.delenv("FT_ASSETS_DUCKDB_THREADS")
    assert limits() == before


def test_behind_a_fatal_error_comes_another_database() -> None:
    def fails() -> None:
        with queries.session() as con:
            con.execute("create macro main.marked() as 1")
            raise duckdb.FatalException("the database has been invalidated")

    with pytest.raises(duckdb.FatalException):
        fails()
    with queries.session() as con, pytest.raises(duckdb.CatalogException, match="marked"):
        con.sql("select marked()")


def test_a_session_alone_may_set_what_holds_for_a_database() -> None:
    with queries.session(is_alone=True) as con:
        con.execute("set preserve_insertion_order = false")
        with queries.session() as other:
            assert other.sql("select current_setting('preserve_insertion_order')").fetchall() == [(True,)]
