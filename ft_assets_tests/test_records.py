"""Records: what is checked, what stays aligned."""

from __future__ import annotations

import copy
import json
import math
import pickle
import random
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets.kernels import aggregate_mean
from ft_assets.records import FineTuningFeatures, FineTuningInput, ItemsSet, SessionBatch, pack_inputs
from ft_assets_tests import reference
from ft_assets_tests.sessions import FIELDS, assert_same, random_input, session

GOLDEN = json.loads((Path(__file__).parent / "golden" / "extractor.json").read_text())["clamp"]


def features(*rows: float, **fields: Any) -> FineTuningFeatures:
    ranks = torch.tensor(rows)
    ones = torch.ones(len(rows))
    return FineTuningFeatures(**{"positive_ranks": ranks, "negative_ranks": ranks / 2, "target": ones,
        "positive_confidences": ones, "negative_confidences": ones / 4} | fields)  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_another_type_is_refused_by_name(field: str) -> None:
    with pytest.raises(TypeError, match=f"{field} must be a tensor or None, got list"):
        FineTuningFeatures(**{field: [1.0]})
    made = features(1.0)
    with pytest.raises(TypeError, match=f"{field} must be a tensor or None, got float"):
        setattr(made, field, 1.0)
    with pytest.raises(ValueError, match=rf"{field} must be \[P\], got \[1, 1\]"):
        setattr(made, field, torch.ones(1, 1))


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_another_length_is_refused_with_the_lengths(field: str) -> None:
    made = features(1.0, 2.0)
    with pytest.raises(ValueError, match=f"lengths must be one, got .*{field} 3"):
        setattr(made, field, torch.ones(3))
    assert len(made) == 2
    with pytest.raises(ValueError, match=f"lengths must be one, got .*{field} 3"):
        features(1.0, 2.0, **{field: torch.ones(3)})


def test_replace_sets_several_fields_at_once_checked_together() -> None:
    made = features(1.0)
    new = {name: torch.zeros(3) for name in FIELDS}
    assert made.replace(**new) is made
    assert len(made) == 3
    with pytest.raises(TypeError, match=r"fields must be of positive_ranks, .*, got ranks"):
        made.replace(ranks=torch.zeros(3))
    with pytest.raises(ValueError, match="lengths must be one"):
        made.replace(target=torch.zeros(2), positive_ranks=torch.zeros(2))
    assert len(made) == 3


def test_accumulate_joins_both_or_takes_the_one_or_none() -> None:
    a, b = torch.ones(1), torch.zeros(2)
    assert FineTuningFeatures._accumulate(a, b).tolist() == [1.0, 0.0, 0.0]
    assert FineTuningFeatures._accumulate(a, None) is a
    assert FineTuningFeatures._accumulate(None, b) is b
    assert FineTuningFeatures._accumulate(None, None) is None


def test_adding_features_appends_rows_and_adding_none_changes_nothing() -> None:
    made, before = features(1.0, 2.0), features(1.0, 2.0)
    made += FineTuningFeatures()
    assert_same(made, before)
    made += features(3.0)
    assert_same(made, features(1.0, 2.0, 3.0))
    empty = FineTuningFeatures()
    empty += made
    assert_same(empty, made)
    with pytest.raises(ValueError, match="lengths must be one"):
        made += FineTuningFeatures(negative_ranks=torch.ones(1))
    assert len(made) == 3
    with pytest.raises(TypeError):
        made += 1


@pytest.mark.parametrize("case", GOLDEN)
def test_the_clamp_keeps_the_rows_that_the_published_one_kept(case: dict[str, Any]) -> None:
    made = FineTuningFeatures(**{name: torch.tensor(case[name]) for name in FIELDS if name in case})
    made.clamp_diff_in(case["min"], case["max"])
    for name in FIELDS:
        if name in case:
            assert getattr(made, name).tolist() == torch.tensor(case[f"kept_{name}"]).tolist()


def test_the_clamp_filters_whatever_is_there_and_needs_a_window() -> None:
    made = features(1.0, 0.2, 3.0, target=None)
    made.clamp_diff_in(0.2, 1.0)
    assert made.positive_ranks.tolist() == [1.0]
    assert made.target is None
    negatives = FineTuningFeatures(negative_ranks=torch.ones(2))
    negatives.clamp_diff_in(0.0, 1.0)
    assert len(negatives) == 2
    for low, high in ((0.5, 0.5), (1.0, 0.0)):
        with pytest.raises(ValueError, match=f"min must be below max, got {low} and {high}"):
            made.clamp_diff_in(low, high)


@pytest.mark.parametrize(("mine", "theirs", "length"), [(2, 3, 2), (3, 2, 2), (2, 0, 0), (0, 2, 0)])
def test_use_positive_from_is_cut_to_the_shorter(mine: int, theirs: int, length: int) -> None:
    made = FineTuningFeatures(negative_ranks=torch.arange(mine) / 10, negative_confidences=torch.rand(mine))
    other = features(*(float(row) for row in range(theirs)), positive_confidences=torch.full((theirs,), 0.75))
    made.use_positive_from(other)
    assert len(made) == length
    assert torch.equal(made.positive_ranks, other.positive_ranks[:length])
    assert torch.equal(made.positive_confidences, other.positive_confidences[:length])
    assert torch.equal(made.target, other.target[:length])
    assert torch.equal(made.negative_ranks, torch.arange(length) / 10)


def test_use_positive_from_nothing_leaves_no_pairs() -> None:
    made = FineTuningFeatures(negative_ranks=torch.ones(2))
    made.use_positive_from(FineTuningFeatures())
    assert (len(made), made.positive_ranks) == (0, None)


def test_features_move_between_devices_and_through_pickle() -> None:
    made = features(1.0, 2.0)
    assert made.to("meta") is made
    assert {getattr(made, name).device.type for name in FIELDS} == {"meta"}
    assert_same(pickle.loads(pickle.dumps(features(1.0))), features(1.0))
    assert_same(copy.deepcopy(features(1.0)), features(1.0))
    assert repr(FineTuningFeatures(torch.ones(2))) == "FineTuningFeatures(pairs=2, fields=['positive_ranks'])"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("rows", [0, 3])
def test_features_come_back_from_arrow_and_pandas(dtype: torch.dtype, rows: int) -> None:
    made = features(*[0.5, -1.0, 2.0][:rows], target=-torch.ones(rows))
    for name in FIELDS:
        if name != "target":
            setattr(made, name, getattr(made, name).to(dtype).requires_grad_())
    table = made.to_arrow()
    width = pa.float64() if dtype == torch.float64 else pa.float32()
    assert table.schema.field("positive_rank").type == width
    assert table.schema.field("target").type == pa.int8()
    for back in (FineTuningFeatures.from_arrow(table), FineTuningFeatures.from_pandas(made.to_pandas())):
        for name in FIELDS:
            assert getattr(back, name).tolist() == getattr(made, name).tolist()


def test_from_arrow_takes_the_columns_it_knows_and_no_nulls() -> None:
    table = pa.table({"session_id": ["a"], "positive_rank": pa.array([0.5], pa.float32())})
    back = FineTuningFeatures.from_arrow(table)
    assert (back.positive_ranks.tolist(), back.negative_ranks) == ([0.5], None)
    with pytest.raises(ValueError, match="positive_rank must have no nulls, got 1"):
        FineTuningFeatures.from_arrow(pa.table({"positive_rank": pa.array([0.5, None])}))


def test_ids_of_any_kind_become_strings() -> None:
    uuid = UUID(int=5)
    made = FineTuningInput(query="q", events=[uuid], results=[1, uuid], ranks={1: 0.5, uuid: 1},
        part_to_object_dict={1: 7}, session_id=3)  # fmt: skip
    assert (made.results, made.events, made.session_id) == (["1", str(uuid)], [str(uuid)], "3")
    assert made.ranks == {"1": 0.5, str(uuid): 1.0}
    assert (made.get_object_id("1"), made.get_object_id(str(uuid))) == ("7", str(uuid))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"results": ["i0", "i0"]}, "results must be unique, got more than once: i0"),
        ({"events": ["i9"]}, "events must be of results, got others: i9"),
        ({"ranks": {"i0": 1}}, "ranks must have every result .*, not: i1"),
        ({"without_text": ["i9"]}, "without_text must be of results, got others: i9"),
        ({"ranks": {"i0": 1, "i1": float("inf")}}, "ranks must be finite, got inf for i1"),
        ({"event_types": ["click", "click"]}, "event_types must be one for each of 1 events, got 2"),
        ({"event_types": "click"}, "event_types must be a list, got 'click'"),
        ({"event_types": [None]}, r"an event type must be something that str\(\) names, got None"),
        ({"results": "i0"}, "ids must be a list, got 'i0'"),
        ({"events": [None]}, r"an id must be something that str\(\) names, got None"),
        ({"event": []}, "Extra inputs are not permitted"),
    ],
)
def test_an_input_that_does_not_hold_together_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FineTuningInput(**{"query": "q", "results": ["i0", "i1"], "events": ["i0"], "ranks": {"i0": 1, "i1": 0}} | fields)


def test_event_types_of_any_kind_become_strings() -> None:
    class Kind(str, Enum):  # noqa: UP042 - str() of a StrEnum is its value anyway
        CLICK = "click"

    made = session("abcd", "abcd", event_types=[1, UUID(int=5), Kind.CLICK, "view"])
    assert made.event_types == ["1", str(UUID(int=5)), "click", "view"]
    assert {type(kind) for kind in made.event_types} == {str}
    assert session("a", "a").event_types is None


def test_entries_of_what_was_not_shown_are_dropped() -> None:
    ranks = {"i9": float("inf"), "i1": 0.5, "i0": 1}
    made = session("ab", "a", ranks=ranks, part_to_object_dict={"i0": "x", "i9": "y"})
    assert (made.ranks, made.part_to_object_dict) == ({"i0": 1.0, "i1": 0.5}, {"i0": "x"})
    assert made.get_object_id("i9") == "i9"
    assert list(made.ranks) == made.results
    assert made == session("ab", "a", ranks={"i0": 1, "i1": 0.5}, part_to_object_dict={"i0": "x"})


def test_a_session_is_irrelevant_without_events_or_when_marked_so() -> None:
    assert session("ab").is_irrelevant
    assert session("ab", is_irrelevant=False).is_irrelevant
    assert session("ab", "a", is_irrelevant=True).is_irrelevant
    assert not session("ab", "a", is_irrelevant=None).is_irrelevant


def test_not_events_are_the_results_of_objects_without_an_event() -> None:
    made = session("abcde", "b", part_to_object_dict={"i0": "x", "i1": "x", "i3": "y", "i4": "y"})
    assert made.not_events == ["i2", "i3", "i4"]
    assert session("ab", "ab").not_events == []
    assert len(session("abc")) == 3


def test_remove_results_keeps_every_field_aligned() -> None:
    made = session("abc", "bc", event_types=["click", "purchase"], part_to_object_dict={"i1": "x", "i0": "y"},
        without_text=["i1", "i2"])  # fmt: skip
    made.remove_results(["i1", "i9"])
    assert (made.results, made.events, made.event_types) == (["i0", "i2"], ["i2"], ["purchase"])
    assert (set(made.ranks), made.part_to_object_dict) == ({"i0", "i2"}, {"i0": "y"})
    assert made.without_text == {"i2"}
    assert FineTuningInput(**made.model_dump()) == made
    made.remove_results([2, "i2"])
    assert made.is_irrelevant
    with pytest.raises(ValueError, match="ids must be a list, got 'i0'"):
        made.remove_results("i0")


def test_a_missing_rank_may_be_none_or_nan() -> None:
    made = session("ab", "a", ranks={"i0": None, "i1": float("nan")})
    assert made.ranks == {"i0": None, "i1": None}
    assert pack_inputs([made]).ranks.isnan().tolist() == [True, True]


def test_items_are_found_by_id_and_a_missing_one_is_named() -> None:
    items = ItemsSet([1, "b"], ["one", "two"])
    assert items.items_by_ids(["b", 1, "b"]) == (["two", "one", "two"], ["b", "1", "b"])
    assert len(items) == 2
    with pytest.raises(KeyError, match="item 'c' is not among the 2 items of the set"):
        items.items_by_ids(["b", "c"])
    with pytest.raises(ValueError, match="ids must be unique, got 'a' more than once"):
        ItemsSet(["a", "b", "a"], [1, 2, 3])
    with pytest.raises(ValueError, match="ids and items must be of one length, got 1 and 2"):
        ItemsSet(["a"], [1, 2])


def test_items_that_are_vectors_come_as_vectors() -> None:
    found, _ = ItemsSet(["a", "b"], torch.eye(2)).items_by_ids(["b", "a"])
    assert found.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert ItemsSet(["a"], torch.eye(1)).items_by_ids([])[0].shape == (0, 1)


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 1.0]))
def test_packing_says_what_the_inputs_say(seed: int, factor: float) -> None:
    rng = random.Random(seed)
    inputs = [random_input(rng) for _ in range(rng.randint(0, 5))]
    batch = pack_inputs(inputs, factor=factor, seed=3)
    assert isinstance(batch, SessionBatch)
    kept: list[bool] = []
    names: list[str] = []
    for made in inputs:
        objects = list(dict.fromkeys(map(made.get_object_id, made.results)))
        clicked = {made.get_object_id(name) for name in made.events}
        free = [name for name in objects if name not in clicked]
        own = reference.id_hash(made.session_id)
        stay = reference.keep([reference.sample_hash(3, own, reference.id_hash(n)) for n in free], factor)
        kept += [name in clicked or stay[free.index(name)] for name in objects]
        names += objects
    assert batch.kept.tolist() == kept
    index = iter(batch.object_index.tolist())
    for place, made in enumerate(inputs):
        a, b = batch.offsets[place : place + 2].tolist()
        assert [batch.item_ids[row] for row in batch.item_index[a:b].tolist()] == made.results
        assert [names[next(index)] for _ in made.results] == list(map(made.get_object_id, made.results))
        assert [n for n, c in zip(made.results, batch.clicked[a:b].tolist(), strict=True) if c] == [
            name for name in made.results if name in made.events
        ]
        assert batch.queries[batch.query_index[place]] == made.query
        found = [None if math.isnan(rank) else rank for rank in batch.ranks[a:b].tolist()]
        assert found == [None if made.ranks[n] is None else torch.tensor(made.ranks[n]).item() for n in made.results]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.integers(0, 2**32))
def test_results_without_a_text_change_nothing_but_what_can_be_scored(seed: int) -> None:
    rng = random.Random(seed)
    inputs = [random_input(rng) for _ in range(3)]
    gone = [frozenset(name for name in made.results if rng.random() < 0.4) for made in inputs]
    lacking = [made.model_copy(update={"without_text": names}) for made, names in zip(inputs, gone, strict=True)]
    whole, batch = pack_inputs(inputs, factor=0.5), pack_inputs(lacking, factor=0.5)
    for name in ("offsets", "object_offsets", "object_index", "query_index", "clicked", "kept", "is_irrelevant"):
        assert torch.equal(getattr(batch, name), getattr(whole, name))
    torch.testing.assert_close(batch.ranks, whole.ranks, equal_nan=True, atol=0, rtol=0)
    shown = [(name, name not in made.without_text) for made in lacking for name in made.results]
    assert (batch.scorable is None) == all(has for _, has in shown)
    assert batch.scorable is None or batch.scorable.tolist() == [has for _, has in shown]
    assert sorted(batch.item_ids) == sorted({name for name, has in shown if has})
    for (name, has), row in zip(shown, batch.item_index.tolist(), strict=True):
        assert not has or batch.item_ids[row] == name


def test_queries_without_a_hash_are_each_their_own() -> None:
    batch = pack_inputs([session("a", query=["x"]), session("a", query=["x"])])
    assert (batch.queries, batch.query_index.tolist()) == ([["x"], ["x"]], [0, 1])


def test_without_a_session_id_query_and_results_name_the_session_in_whatever_order() -> None:
    one, two = session("abcdefgh", "a"), session("hgfedcba", "a")
    stay = [
        {i.results[n] for n in range(8) if pack_inputs([i], factor=0.5).kept[n] and i.results[n] != "i0"} for i in (one, two)
    ]
    assert stay[0] == stay[1]
    assert len(stay[0]) == 3


def test_packing_refuses_a_factor_outside_0_to_1() -> None:
    with pytest.raises(ValueError, match=r"factor must be in \[0, 1\], got 2.0"):
        pack_inputs([session("ab", "a")], factor=2.0)


def test_a_batch_of_parts_aggregates_as_its_sessions_do() -> None:
    parts = session("abc", "a", part_to_object_dict={"i0": "x", "i2": "x"})
    batch = pack_inputs([session("ab", "a"), parts])
    assert batch.object_index.tolist() == [0, 1, 2, 3, 2]
    assert aggregate_mean(batch.ranks, batch.object_index, batch.objects).tolist() == pytest.approx([1, 0.9, 0.9, 0.9])


def test_kernels_and_records_import_nothing_heavy() -> None:
    code = (
        "import sys, ft_assets.kernels, ft_assets.records;"
        "print([m for m in ('lightning', 'pandas', 'pyarrow', 'sentence_transformers', 'dagster') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
