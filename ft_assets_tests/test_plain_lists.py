"""Plain lists: what is taken for sound without a second look is sound, and keeps its words and numbers."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets import plain_lists

PARSED = pa.schema(
    [
        ("file_number", pa.int32()),
        ("record_number", pa.int64()),
        ("results", pa.list_(pa.struct([("object_id", pa.string()), ("rank", pa.float32())]))),
        ("words", pa.string()),
    ]
)
Result = dict[str, Any] | None


def parted(*lists: list[Result] | None, batch: int = 3) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows = [{"file_number": 0, "record_number": n, "results": shown, "words": f"w{n}"} for n, shown in enumerate(lists)]
    table = pa.Table.from_pylist(rows, PARSED)
    narrow, found = plain_lists.parted(table.to_reader(batch), "results")
    assert found.schema == plain_lists.PLACED_SCHEMA
    return narrow.to_pylist(), found.to_pylist()


def shown(*ids: str | None, rank: float | None = 2.5) -> list[Result]:
    return [{"object_id": id_, "rank": rank} for id_ in ids]


@pytest.mark.parametrize(
    "odd",
    [
        shown("a", None),
        shown("a", ""),
        shown("a", '{"b":1}'),
        shown("a", "[1]"),
        shown("a", "{b"),
        shown("a", "b", "a"),
        [*shown("a"), None],
        shown("a", rank=None),
        shown("a", rank=math.nan),
        shown("a", rank=math.inf),
        shown("a", rank=0.0),  # what false is cast to
        shown("a", rank=1.0),  # what true is cast to
        shown(*(f"i{n}" for n in range(101))),
        None,
    ],
)
def test_a_list_that_may_break_a_rule_is_not_plain_and_those_beside_it_are(odd: list[Result] | None) -> None:
    lines, found = parted(shown("a", "b"), odd, shown(), shown("b", "a", rank=-3.0))
    assert [line["is_plain"] for line in lines] == [True, False, True, True]
    assert [line["has_list"] for line in lines] == [True, odd is not None, True, True]
    assert [line["words"] for line in lines] == ["w0", "w1", "w2", "w3"]
    assert [(row["list_at"], row["record_number"], [each["item_id"] for each in row["results"]]) for row in found] == [
        (0, 0, ["a", "b"]),
        (1, 2, []),
        (2, 3, ["b", "a"]),
    ]


IDS = st.sampled_from(["a", "b", "c", "d", "e", "f", "", "{", '["a"]', "1", "null"]) | st.none()
RANKS = st.sampled_from([0.5, 7.0, -2.0, 0.0, 1.0, math.nan]) | st.none()
LISTS = st.lists(st.fixed_dictionaries({"object_id": IDS, "rank": RANKS}) | st.none(), max_size=4) | st.none()


@settings(deadline=None, derandomize=True, max_examples=60)
@given(lists=st.lists(LISTS, max_size=7))
def test_plain_is_what_breaks_no_rule_and_it_stands_as_it_was(lists: list[list[Result] | None]) -> None:
    lines, found = parted(*lists)
    kept = {row["record_number"]: row["results"] for row in found}
    for at, results in enumerate(lists):
        ids = [None if each is None else each["object_id"] for each in results or ()]
        ranks = [None if each is None else each["rank"] for each in results or ()]
        are_ids = all(id_ and id_[0] not in "{[" for id_ in ids) and len(set(ids)) == len(ids)
        are_ranks = all(rank is not None and math.isfinite(rank) and rank not in (0, 1) for rank in ranks)
        assert lines[at]["is_plain"] == (results is not None and are_ids and are_ranks)
        assert lines[at]["is_plain"] == (at in kept)
        if at in kept:
            assert kept[at] == [{"item_id": id_, "rank": rank} for id_, rank in zip(ids, ranks, strict=True)]


def test_rows_get_their_lists_plain_or_not_as_codes_of_the_same_words() -> None:
    table = pa.Table.from_pylist(
        [{"file_number": 0, "record_number": n, "results": shown(*ids)} for n, ids in enumerate(["ab", "cab", "", "d"])], PARSED
    )
    _, lists = plain_lists.parted(table.to_reader(2), "results")
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("results", pa.list_(pa.struct([("item_id", pa.string()), ("rank", pa.float32())]))),
            ("list_at", pa.int64()),
        ]
    )
    own = [{"item_id": "new", "rank": None}, {"item_id": "a", "rank": 1.0}]
    rows = [
        {"id": 0, "results": None, "list_at": 1},
        {"id": 1, "results": own, "list_at": None},
        {"id": 2, "results": None, "list_at": 0},
        {"id": 3, "results": [], "list_at": None},
        {"id": 4, "results": None, "list_at": 3},
    ]
    joiner = plain_lists.Lists(lists, pa.array(["a", "new", None, "unused"]))
    for batches in ([rows], [rows[:1], rows[1:2], rows[2:]]):
        joined = list(joiner.joined(pa.RecordBatch.from_pylist(part, schema) for part in batches))
        words = {tuple(batch["results"].values.field(0).dictionary.to_pylist()) for batch in joined}
        assert len(words) == 1, "a file of Arrow takes one dictionary"
        assert {batch.schema for batch in joined} == {joiner.schema(schema.remove(2))}
        found = {row["id"]: row["results"] for batch in joined for row in batch.to_pylist()}
        as_shown = {n: [{"item_id": id_, "rank": 2.5} for id_ in ids] for n, ids in {0: "cab", 2: "ab", 4: "d"}.items()}
        assert found == as_shown | {1: own, 3: []}
