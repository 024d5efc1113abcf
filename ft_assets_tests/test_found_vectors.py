"""What is found of a day's vectors is what is stored, and is kept only as long as it is."""

from __future__ import annotations

import random
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from ft_assets import found_vectors as module
from ft_assets import stored_vectors as store
from ft_assets.day_texts import DayTexts, name_of
from ft_assets.found_vectors import FoundVectors, found_vectors, let_go, vectors_of_some
from ft_assets.lake import Lake
from ft_assets_tests.builders import inputs, item, make_lake, table_of, text_hash, vector

NAN = float("nan")
QUERIES = [f"query {number}" for number in range(12)]
ITEMS = {f"i{number}": f"text {number % 15}" for number in range(20)}
TEXTS = DayTexts.of(
    pa.table({"query_hash": [text_hash(words) for words in QUERIES], "session_id": QUERIES}),
    pa.table({"item_id": list(ITEMS), "text_hash": [text_hash(words) for words in ITEMS.values()]}),
)


def a_vector(chance: random.Random) -> list[float | None] | None:
    width = chance.choice([3, 3, 3, 3, 2, 5, 0])
    kinds = [lambda: chance.uniform(-1, 1)] * 8 + [lambda: 0.0, lambda: -0.0, lambda: NAN, lambda: None]
    return None if chance.random() < 0.1 else [chance.choice(kinds)() for _ in range(width)]


def a_store(lake: Lake, chance: random.Random) -> list[dict[str, Any]]:
    """Rows of text_vectors in several files, of the day's texts and of others."""
    names = [*QUERIES, *set(ITEMS.values()), "query 99", "text 99"]
    rows = [
        vector(chance.choice(names), chance.choice(["query", "item"]), model=chance.choice(["model-a"] * 4 + ["model-b"]))
        | {"vector": a_vector(chance)}
        for _ in range(150)
    ]
    for at in range(0, len(rows), 40):
        lake.append("text_vectors", table_of("text_vectors", rows[at : at + 40]), {})
    return rows


def words(numbers: Any) -> str:
    """A vector to compare by: as float32, of which 0.0 is not -0.0, a null as NaN."""
    return "none" if numbers is None else str(np.array([NAN if n is None else n for n in numbers], np.float32).tolist())


def named(vectors: Iterator[tuple[Any, pa.ListArray]], names: pa.Array) -> Counter[tuple[str, str]]:
    """Vectors with the names of their texts, but for those that are null."""
    rows = [(names[int(p)].as_py(), v.as_py()) for at, some in vectors for p, v in zip(at, some, strict=True)]
    return Counter((name, words(numbers)) for name, numbers in rows if numbers is not None)


@pytest.mark.parametrize("seed", range(6))
def test_every_vector_of_the_days_texts_is_found_as_it_is_stored(tmp_path: Path, seed: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(store, "ROWS_AT_ONCE", 7)
    lake = make_lake(tmp_path)
    rows = a_store(lake, random.Random(seed))
    found = FoundVectors.read(TEXTS, lake.slice("text_vectors"), "model-a")
    wanted = {("query", text_hash(w)) for w in QUERIES} | {("item", text_hash(w)) for w in ITEMS.values()}
    stored = [row for row in rows if row["model"] == "model-a" and (row["role"], row["text_hash"]) in wanted]
    of_row = dict.fromkeys(range(len(found.places)), "none")
    for kind, vectors in found.kinds():
        of_row |= {v: words(numbers) for v, numbers in zip(vectors, found.matrices[kind].tolist(), strict=True)}
        assert found.rows[vectors].tolist() == list(range(len(found.matrices[kind])))
    names = found.texts.names.to_pylist()
    seen = [(names[place], of_row[v], int(found.nulls[v])) for v, place in enumerate(found.places)]
    assert Counter(seen) == Counter(
        (f"{row['role']} {row['text_hash']}", words(row["vector"]), (row["vector"] or []).count(None)) for row in stored
    )
    first = {names[t]: int(v) for t, v in enumerate(found.first()) if v >= 0}
    assert first == {name: v for v, (name, _, _) in reversed(list(enumerate(seen)))}
    some = found.texts.names.take(pa.array([13, 3, 20, 7]))
    of_store = store.stored_vectors(lake.slice("text_vectors"), "model-a", some)
    assert named(found.vectors_of(some), some) == named(of_store, some) != Counter()
    have = store.have_vectors(lake.slice("text_vectors"), "model-a", found.texts.names)
    assert have.tolist() == (found.first() >= 0).tolist()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    let_go()
    lake = make_lake(tmp_path, items=table_of("items", [item(name) for name in "ab"]))
    day = table_of("sampled_inputs", [inputs("s", ["a"], kept=[True])])
    write_deltalake(lake.open("sampled_inputs"), day, mode="append", partition_by=["session_date"])
    lake.append("text_vectors", table_of("text_vectors", [vector("text of a"), vector("query of s", "query")]), {})
    return lake


def found_in(lake: Lake, model: str = "model-a") -> FoundVectors:
    return found_vectors(*(lake.slice(name) for name in ("sampled_inputs", "items", "text_vectors")), model)


def test_they_are_read_once_as_long_as_the_tables_have_the_same_files(lake: Lake, monkeypatch: Any) -> None:
    found = found_in(lake)
    lake.append("text_vectors", table_of("text_vectors", []), {})  # a commit of no rows
    assert found_in(lake) is found
    name = name_of(pa.scalar("item"), pa.array([text_hash("text of a")]))
    other = name_of(pa.scalar("item"), pa.array([text_hash("text of b")]))
    asked = []
    monkeypatch.setattr(module, "stored_vectors", lambda *args: asked.append(args[2].to_pylist()) or iter(()))
    vectors = lake.slice("text_vectors")
    assert sum(named(vectors_of_some(vectors, "model-a", name), name).values()) == 1
    assert asked == [], "what is kept is not read again"
    for model, names in (("model-b", name), ("model-a", other)):
        assert list(vectors_of_some(vectors, model, names)) == []
    assert asked == [name.to_pylist(), other.to_pylist()], "but another model and other texts are"
    lake.append("text_vectors", table_of("text_vectors", [vector("text of a", values=[9, 9])]), {})
    assert list(vectors_of_some(lake.slice("text_vectors"), "model-a", name)) == []
    assert asked[2:] == [name.to_pylist()], "and so are other files"


@pytest.mark.parametrize("changed", ["text_vectors", "sampled_inputs", "items", "the model"])
def test_what_is_kept_ends_where_a_table_changes(lake: Lake, changed: str) -> None:
    found = found_in(lake)
    kept = weakref.ref(found.matrices["item", 2])
    del found
    assert kept() is not None
    if changed == "text_vectors":
        lake.open(changed).delete("role = 'item'")
    elif changed == "items":
        lake.append(changed, table_of(changed, [item("c")]), {})
    elif changed == "sampled_inputs":
        day = table_of(changed, [inputs("s", ["a", "b"], kept=[True, True])])
        write_deltalake(lake.open(changed), day, mode="overwrite")
    found = found_in(lake, "model-b" if changed == "the model" else "model-a")
    assert kept() is None
    shown = {"text_vectors": (1, 1), "sampled_inputs": (2, 2), "items": (2, 1), "the model": (0, 1)}[changed]
    assert (len(found.places), len(found.texts.item_ids)) == shown


def test_nothing_is_left_once_it_is_let_go(lake: Lake) -> None:
    kept = weakref.ref(found_in(lake).matrices["query", 2])
    assert kept() is not None
    let_go()
    assert kept() is None


def test_a_text_without_a_hash_is_a_text_of_its_role_that_is_not_found(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    asked = pa.table({"query_hash": pa.array([None, "q"], pa.string()), "session_id": ["s", "t"]})
    shown = pa.table({"item_id": ["c", "b", "a"], "text_hash": pa.array([None, "h", None], pa.string())})
    texts = DayTexts.of(asked, shown)
    assert texts.counts == {"query": 1, "item": 1}
    lake.append("text_vectors", table_of("text_vectors", [vector("x") | {"text_hash": "h"}, vector("x")]), {})
    found = FoundVectors.read(texts, lake.slice("text_vectors"), "model-a")
    assert found.first().tolist() == [-1, -1, -1, 0]
    told = texts.to_table().to_pylist()
    assert [(row["role"], row["text_hash"], row["session_id"], row["item_id"]) for row in told] == [
        ("query", None, "s", None), ("query", "q", "t", None), ("item", None, None, "a"), ("item", "h", None, "b"),
    ]  # fmt: skip
    assert not found.has(pc.cast(pa.array([None]), pa.string()))
