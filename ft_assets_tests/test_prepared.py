"""What checks read through is made once, and says of every session and every vector what looking at each would say."""

from __future__ import annotations

import math
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from ft_assets import queries
from ft_assets.check_files import Read, check_in, checks
from ft_assets.checks import StoredTable
from ft_assets.found_vectors import let_go
from ft_assets.lake import Lake
from ft_assets.prepared import prepared
from ft_assets.vectors_of_the_day import vectors_of_the_day
from ft_assets_tests.builders import DAY, inputs, item, make_lake, pair, table_of, text_hash, vector
from ft_assets_tests.sound_day import sound_day

Row = dict[str, Any]
NAN = float("nan")
HEAD = "-- A rule.\n-- To do: a thing.\n-- blocks; "


def test_a_check_reads_through_what_is_made_of_the_tables_that_it_reads() -> None:
    words = "reads pair_features, sampled_inputs; through doubtful_sessions"
    check = check_in("pair_features", "x", f"{HEAD}{words}\nfrom doubtful_sessions")
    assert (check.reads, check.through) == (("pair_features", "sampled_inputs"), (Read("doubtful_sessions"),))


@pytest.mark.parametrize(
    ("words", "said"),
    {
        "reads pair_features; through sums": "x.sql may read through .*doubtful_sessions.*; got 'sums'",
        "reads pair_features; through": "x.sql must end its comment with '-- blocks; reads",
        "reads pair_features; through doubtful_sessions": "reads through doubtful_sessions, so it must read sampled_inputs too",
        "reads pair_features, sampled_inputs as read; through doubtful_sessions": "must read sampled_inputs too",
    }.items(),
)
def test_what_cannot_be_read_through_is_refused_by_name(words: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_in("pair_features", "x", f"{HEAD}{words}\nselect 1")


def test_a_file_that_does_not_say_what_it_reads_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "mine.sql").write_text("-- What it holds.\nselect 1")
    monkeypatch.setattr(queries, "sql_root", lambda: tmp_path)
    with pytest.raises(ValueError, match=r"sql/prepared/mine.sql must end its comment with '-- reads <table>"):
        prepared.__wrapped__()


def test_what_several_checks_read_through_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, made, asked = sound_day(tmp_path), Counter[str](), queries.query

    def counted(con: Any, name: str, *rest: Any) -> Any:
        made[name] += 1
        return asked(con, name, *rest)

    monkeypatch.setattr(queries, "query", counted)
    let_go()  # of what making the day has found
    for table in ("text_vectors", "pair_features"):
        with StoredTable(lake, table, DAY) as stored:
            readers = [check for check in checks() if check.table == table and check.through]
            assert all(stored.run(check).outcome.passed for check in readers)
            assert len(readers) > 1
    # Both tables' checks read through the vectors' numbers; they are counted for the first of them.
    texts_of_the_day = {"assets/queries_of_the_day": 1, "assets/items_of_the_day": 1}
    assert made == {**texts_of_the_day, "prepared/doubtful_sessions": 1}


class Day:
    """Some sessions with their pairs; a few of them spoilt."""

    def __init__(self, seed: int) -> None:
        self.chance, self.sessions, self.pairs = random.Random(seed), list[Row](), list[Row]()
        for number in range(30):
            self._add(f"s{number}")
        for _ in range(5):
            self._spoil(self.chance.choice(self.pairs))
        for row in self.chance.sample(self.sessions, 5):
            self._spoil_session(row)
        self.chance.shuffle(self.pairs)

    def _add(self, name: str) -> None:
        objects = [f"o{k}" for k in self.chance.sample(range(40), self.chance.randrange(7))]
        row = inputs(name, objects, [o for o in objects if self.chance.random() < 0.4])
        row["kept"] = [click or self.chance.random() < 0.8 for click in row["clicked"]]
        self.sessions.append(row)
        value = {o: (self.chance.random(), self.chance.random()) for o in objects}
        marks = list(zip(objects, row["clicked"], row["kept"], strict=True))
        for x in [o for o, click, _ in marks if click]:
            for y in [o for o, click, kept in marks if kept and not click]:
                self.pairs.append(
                    pair(name, x, y, positive_rank=value[x][0], positive_confidence=value[x][1])
                    | {"negative_rank": value[y][0], "negative_confidence": value[y][1]}
                )

    def _spoil(self, row: Row) -> None:
        column = self.chance.choice(
            ["session_id", "query_hash", "positive_id", "negative_id", "positive_rank", "negative_rank"]
        )
        other = self.chance.choice([self.chance.choice(self.pairs)[column], None, *([NAN] if "rank" in column else [])])
        how = self.chance.choice(["changed", "doubled", "lost"])
        if how == "doubled":
            self.pairs.append(dict(row))
        elif how == "lost":
            self.pairs.remove(row)
        else:
            row[column] = other

    def _spoil_session(self, row: Row) -> None:
        how = self.chance.choice(["twice", "irrelevant", "shorter", "click", "null", "repeated", "lost"])
        if how == "twice":
            self.sessions.append(dict(row))
        elif how == "lost":
            self.sessions.remove(row)
        elif how == "irrelevant":
            row["is_irrelevant"] = not row["is_irrelevant"]
        elif row["object_ids"]:
            row["object_ids"], row["clicked"] = [*row["object_ids"]], [*row["clicked"]]
            if how == "shorter":
                row["object_ids"].pop()
            elif how == "repeated":
                row["object_ids"][0] = row["object_ids"][-1]
            else:
                row["clicked"][0] = None if how == "null" else not row["clicked"][0]

    def in_order(self) -> set[str | None]:
        """Sessions of one row, not irrelevant, whose pairs are as they should be; and what has neither row nor pair."""
        return {name for name in {row["session_id"] for row in (*self.sessions, *self.pairs)} if self._is_in_order(name)}

    def _is_in_order(self, name: str | None) -> bool:
        rows = [row for row in self.sessions if row["session_id"] == name]
        pairs = [row for row in self.pairs if row["session_id"] == name]
        if rows and all(row["is_irrelevant"] for row in rows):
            return not pairs
        if len(rows) != 1 or name is None:
            return False
        (row,) = rows
        objects = row["object_ids"]
        if len(set(objects)) < len(objects) or len({len(row[of]) for of in ("object_ids", "clicked", "kept")}) > 1:
            return False
        marks = list(zip(objects, row["clicked"], row["kept"], strict=True))
        if any(None in of_one or (of_one[1] and not of_one[2]) for of_one in marks):
            return False  # whatever its pairs: what is clicked should be kept
        xs = [o for o, click, _ in marks if click]
        ys = [o for o, click, kept in marks if kept and not click]
        values = {(p[f"{side}_id"], str(p[f"{side}_rank"]), p[f"{side}_confidence"])
                  for p in pairs for side in ("positive", "negative")}  # fmt: skip
        hashes = {p["query_hash"] for p in pairs} - {None}
        return (
            sorted((str(p["positive_id"]), str(p["negative_id"])) for p in pairs) == sorted((x, y) for x in xs for y in ys)
            and len(values) == (len(xs) + len(ys) if pairs else 0)
            and hashes == ({row["query_hash"]} if pairs else set())
        )


@pytest.mark.parametrize("seed", range(12))
def test_a_session_is_doubtful_where_its_pairs_are_not_as_they_should_be(seed: int) -> None:
    day = Day(seed)
    tables = {"sampled_inputs": table_of("sampled_inputs", day.sessions), "pair_features": table_of("pair_features", day.pairs)}
    with queries.session(tables) as con:
        found = [name for (name,) in queries.query(con, "prepared/doubtful_sessions").fetchall()]
    names = {row["session_id"] for row in (*day.sessions, *day.pairs)}
    assert set(found) == names - day.in_order() != set()
    assert len(found) < 25  # the others need not be looked at


def sessions_of_any_kind(seed: int) -> list[Row]:
    """Sessions whose items are their own objects, some with nulls, repeats or lists of other lengths, or without lists."""
    chance, rows = random.Random(seed), []
    for number in range(40):
        items = [chance.choice([None, *"abcdefghijkl"]) for _ in range(chance.randrange(7))]
        row = inputs(f"s{number}", [f"{item}" for item in items])
        marks = {name: [chance.choice([True, False, None]) for _ in items] for name in ("clicked", "kept")}
        if chance.random() < 0.2:
            marks["kept"].append(True)
        shown: Any = None if chance.random() < 0.1 else items
        rows.append({**row, **marks, "item_ids": shown, "object_ids": shown})
    return rows


@pytest.mark.parametrize(
    ("table", "name"), [("fine_tuning_inputs", "session_lists"), ("sampled_inputs", "sampled_lists")], ids=["inputs", "sampled"]
)
def test_lists_say_the_same_where_the_ids_of_objects_are_not_read(table: str, name: str) -> None:
    for seed in range(5):
        rows = table_of(table, sessions_of_any_kind(seed))
        with queries.session({table: rows}) as con:
            read, unread = (
                queries.rows(queries.query(con, f"prepared/{name}", {"are_objects": told})) for told in (False, True)
            )
        assert len(read) == 40
        assert read == unread


def test_ids_of_objects_that_are_not_the_items_are_read(tmp_path: Path) -> None:
    parts = inputs("s", ["a", "b", "c"], ["a", "b"]) | {"object_ids": ["x", "x", "y"], "kept": [True] * 3}
    lake = make_lake(tmp_path, sampled_inputs=table_of("sampled_inputs", [parts]))
    check = next(check for check in checks() if (check.table, check.name) == ("sampled_inputs", "sessions_give_pairs"))
    with StoredTable(lake, "sampled_inputs", DAY) as stored:
        assert stored.run(check).numbers["pairs"] == 1  # one object clicked, one not: of items it would be two


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    rows = [
        vector("query of s", "query", [0.6, 0.8, 0.0]),
        vector("query of s", "query", [0.6, 0.8, -0.0]),  # a second one, and it is equal
        vector("query of s", "item", [9.0, 9.0, 9.0]),  # in another role
        vector("text of a", values=[3.0, 0.0, 4.0]),
        vector("text of b", values=[0.0, -0.0, 0.0]),
        vector("text of c", values=[1.0, math.inf, 0.0]),
        vector("text of d", values=[1.0, NAN]),
        vector("text of e", values=[]),
        vector("text of f") | {"vector": None},
        vector("text of g") | {"vector": [3.0, None, 4.0]},
        vector("text of g") | {"vector": [3.0, 0.0, 4.0]},
        vector("text of h", model="another"),
        vector("never shown"),
    ]
    shown = list("abcdefgh")
    lake = make_lake(tmp_path, items=table_of("items", [item(name) for name in [*shown, "z"]]))
    for batch in (rows[:4], rows[4:]):
        lake.append("text_vectors", table_of("text_vectors", batch), {})
    day = table_of("sampled_inputs", [inputs("s", shown, kept=[True] * 8)])
    write_deltalake(lake.open("sampled_inputs"), day, mode="append", partition_by=["session_date"])
    return lake


def numbers_of(lake: Lake, model: str = "model-a") -> Iterator[Row]:
    inputs_, items, vectors = (lake.slice(name) for name in ("sampled_inputs", "items", "text_vectors"))
    yield from vectors_of_the_day(inputs_, items, vectors, model).to_pylist()


def test_each_vector_of_the_day_has_its_numbers_and_a_text_without_any_a_row(lake: Lake) -> None:
    rows = list(numbers_of(lake))
    said = ("is_there", "width", "numbers", "is_finite", "is_zero", "length")
    found = sorted((row["session_id"] or row["item_id"], *(str(row[name]) for name in said)) for row in rows)
    assert found == [
        ("a", "True", "3", "3", "True", "False", "5.0"),
        ("b", "True", "3", "3", "True", "True", "0.0"),
        ("c", "True", "3", "3", "False", "False", "inf"),
        ("d", "True", "2", "2", "False", "False", "nan"),
        ("e", "True", "0", "0", "False", "False", "None"),
        ("f", "True", "None", "0", "False", "False", "None"),
        ("g", "True", "3", "2", "True", "False", "5.0"),
        ("g", "True", "3", "3", "True", "False", "5.0"),
        ("h", "False", "None", "None", "None", "None", "None"),
        ("s", "True", "3", "3", "True", "False", str(math.hypot(*pa.array([0.6, 0.8], pa.float32()).to_pylist()))),
        ("s", "True", "3", "3", "True", "False", str(math.hypot(*pa.array([0.6, 0.8], pa.float32()).to_pylist()))),
    ]
    hashes = [(row["session_id"] or row["item_id"], row["hash"]) for row in rows]
    assert len({hash_ for name, hash_ in hashes if name == "s"}) == 1, "equal vectors, equal hashes"
    of_vectors = [hash_ for _, hash_ in set(hashes) if hash_ is not None]
    assert len(set(of_vectors)) == len(of_vectors) - 1, "others of others: but a's is the whole one of g's"
    assert {name for name, hash_ in hashes if hash_ is None} == {"f", "h"}


def test_the_numbers_are_of_the_files_and_the_model_that_are_asked_for(lake: Lake, tmp_path: Path) -> None:
    before = list(numbers_of(lake))
    assert [row["item_id"] for row in numbers_of(lake, "another") if row["is_there"]] == ["h"]
    lake.append("text_vectors", table_of("text_vectors", [vector("text of h")]), {})
    assert len(list(numbers_of(lake))) == len(before)
    assert all(row["is_there"] for row in numbers_of(lake))
    copy = shutil.copytree(lake.root, tmp_path / "copy")
    write_deltalake(str(copy / "text_vectors"), table_of("text_vectors", []), mode="overwrite")
    assert not any(row["is_there"] for row in numbers_of(Lake(str(copy))))
    assert {row["text_hash"] for row in before} >= {text_hash("text of a"), text_hash("query of s")}
