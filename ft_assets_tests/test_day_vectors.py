"""A day's vectors come out of a store that holds other days', other roles' and other models'."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ft_assets.day_texts import DayTexts
from ft_assets.day_vectors import DayVectors
from ft_assets.found_vectors import FoundVectors
from ft_assets.lake import Lake
from ft_assets_tests.builders import make_lake, table_of, text_hash, vector

ITEMS = {"i1": "one", "i2": "two", "i3": "one", "i4": "none"}


def texts(items: dict[str, str]) -> DayTexts:
    asked = pa.table({"query_hash": [text_hash("one")], "session_id": ["s"]})
    hashes = pa.array([text_hash(words) for words in items.values()], pa.string())
    return DayTexts.of(asked, pa.table({"item_id": pa.array(list(items), pa.string()), "text_hash": hashes}))


def loaded(lake: Lake, items: dict[str, str], width: int = 0) -> DayVectors:
    return DayVectors.of(FoundVectors.read(texts(items), lake.slice("text_vectors"), "model-a"), "item", width)


def filled(lake: Lake) -> Lake:
    commits = (
        [vector("another day's", values=(9, 9)), vector("one", values=(1, 0))],
        [vector("two", "query", values=(8, 8)), vector("one", values=(7, 7)), vector("two", values=(0, 1))],
        [vector("two", values=(6, 6), model="model-b"), vector("not this day's", values=(5, 5))],
    )
    for rows in commits:
        lake.append("text_vectors", table_of("text_vectors", rows), {})
    return lake


def test_each_key_has_the_vector_of_its_text_under_the_model_in_its_role(tmp_path: Path) -> None:
    found = loaded(filled(make_lake(tmp_path)), ITEMS)
    rows = found.rows_of(pa.array(["i3", "i4", "unknown", "i2", "i1"]))
    assert rows[[1, 2]].tolist() == [-1, -1]
    taken, place = found.take(rows[[0, 3, 4]])
    one = taken[place[0]].tolist()
    assert one in ([1.0, 0.0], [7.0, 7.0])  # either of two vectors of one text
    assert taken[place].tolist() == [one, [0.0, 1.0], one]
    assert (found.matrix.shape, found.width) == ((3, 2), 2)  # with the second one


def test_a_day_without_texts_of_a_role_has_no_vectors(tmp_path: Path) -> None:
    found = loaded(filled(make_lake(tmp_path)), {}, 2)
    assert (found.matrix.shape, found.width) == ((0, 2), 2)
    assert found.rows_of(pa.array(["i1"])).tolist() == [-1]
    assert found.take(np.array([], dtype=np.int64))[0].shape == (0, 2)


def test_vectors_of_two_widths_are_refused(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    rows = [vector("one", values=(1, 0)), vector("two", values=(1, 0, 0))]
    lake.append("text_vectors", table_of("text_vectors", rows), {})
    with pytest.raises(ValueError, match="must all be 2 wide, got"):
        loaded(lake, ITEMS)
