"""Which commits change rows of a day: those of other days, and those that only arrange rows anew, do not."""

import pytest
from deltalake import write_deltalake

from ft_assets.row_changes import row_changes
from ft_assets_tests.builders import DAY, NEXT_DAY, make_lake, pair, put_day, session, table_of, vector
from ft_assets_tests.days import made

FIRST, SECOND = DAY.isoformat(), NEXT_DAY.isoformat()


@pytest.fixture
def lake(tmp_path):
    """A table with a day in two files, then another day."""
    lake = make_lake(tmp_path)
    made(lake, "pair_features", [pair("s", "a", "b")])
    lake.append("pair_features", table_of("pair_features", [pair("t", "a", "b")]), {})
    made(lake, "pair_features", [pair("u", "a", "b", session_date=NEXT_DAY)], NEXT_DAY)
    return lake


def test_another_day_leaves_a_day_as_it_is(lake):
    changes = row_changes(lake, "pair_features")
    assert (changes.newest, changes.by_day) == (3, {FIRST: 2, SECOND: 3})
    assert [changes.since(version, FIRST) for version in (1, 2, 3)] == [True, False, False]
    assert [changes.since(version) for version in (2, 3)] == [True, False]
    assert row_changes(lake, "pair_features", after=2).by_day == {SECOND: 3}
    assert changes.since(9, FIRST), "a version that the table has not reached is of another table"


def test_rows_that_are_only_arranged_anew_and_files_that_are_deleted_are_no_change(lake):
    before = len(lake.slice("pair_features", DAY).file_uris())
    lake.open("pair_features").optimize.compact()
    lake.open("pair_features").vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert len(lake.slice("pair_features", DAY).file_uris()) == 1 < before
    changes = row_changes(lake, "pair_features", after=3)
    assert changes.newest > 3
    assert not changes.since(3)


@pytest.mark.parametrize("past_the_guards", ["overwrite", "delete"])
def test_a_commit_past_the_guards_changes_its_day(lake, past_the_guards):
    if past_the_guards == "delete":
        lake.open("pair_features").delete(f"session_date = '{FIRST}'")
    else:
        put_day(lake, "pair_features", table_of("pair_features", [pair("s", "a", "c")]), DAY)
    changes = row_changes(lake, "pair_features")
    assert (changes.since(3, FIRST), changes.since(3, SECOND)) == (True, False)


def test_a_day_that_is_made_anew_without_rows_was_made_anew(lake):
    empty = DAY.replace(day=9)
    made(lake, "pair_features", [], empty)
    assert row_changes(lake, "pair_features").by_day[empty.isoformat()] == 4


def test_a_log_that_was_cut_off_says_nothing(lake, tmp_path):
    (log,) = tmp_path.rglob("pair_features/_delta_log/00000000000000000002.json")
    lake.open("pair_features").create_checkpoint()
    log.unlink()
    changes = row_changes(lake, "pair_features")
    assert (changes.since(1, SECOND), changes.since(2, FIRST)) == (True, False)


def test_vectors_of_other_days_leave_those_of_a_day_as_they_are_and_a_stranger_does_not(tmp_path):
    lake = make_lake(tmp_path)
    said = {"made_from": "{}", "configuration": "{}", "model": "m"}
    commits: list[tuple[str, dict[str, object]]] = [
        ("tea", {"session_date": FIRST, **said}), ("cup", {"model": "m"}), ("pot", {"session_date": SECOND, **said}),
        ("lid", {"forgotten": True}),
    ]  # fmt: skip
    for words, metadata in commits:
        lake.append("text_vectors", table_of("text_vectors", [vector(words)]), metadata)
    changes = row_changes(lake, "text_vectors")
    assert (changes.anywhere, changes.by_day) == (-1, {FIRST: 1, SECOND: 3})
    write_deltalake(lake.open("text_vectors"), table_of("text_vectors", [vector("lid")]), mode="append")
    assert row_changes(lake, "text_vectors").anywhere == 5


def test_a_table_of_the_log_is_one(tmp_path):
    lake = make_lake(tmp_path, search_sessions=table_of("search_sessions", [session("s", ["a"])]))
    before = lake.slice("search_sessions").version
    lake.append("search_sessions", table_of("search_sessions", [session("t", ["a"], day=NEXT_DAY)]), {})
    changes = row_changes(lake, "search_sessions")
    assert (changes.since(before), changes.since(before + 1)) == (True, False)
