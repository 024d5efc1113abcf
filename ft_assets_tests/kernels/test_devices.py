"""No kernel makes a tensor where its inputs are not, or waits for the device where the host can know."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ft_assets.kernels import (
    aggregate_max,
    aggregate_mean,
    aggregate_min,
    constant_confidences,
    cosine_similarity,
    dot_product,
    euclidean_distance,
    extract_pairs,
    keep_mask,
    sample_hashes,
    windowed_confidences,
)
from ft_assets.records import FineTuningFeatures
from ft_assets_tests.batches import packed, random_sessions, vectors

MOVES = {"aten::_to_copy", "aten::copy_"}
READS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::masked_select", "aten::unique_dim"}


class Watch(TorchDispatchMode):
    """Count operations that mix devices without being a copy, and reads back from the device under test."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self.mixed: list[str] = []
        self.waits: list[str] = []
        self.reads: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        tensors = [x for x in tree_leaves((args, kwargs or {})) if isinstance(x, Tensor)]
        places = {t.device.type for t in tensors}
        if len(places) > 1 and name not in MOVES:
            self.mixed.append(name)
        # A copy from the host that is waited for stops it until the device has done all that it was given.
        is_to_device = "cpu" in places and str((kwargs or {}).get("device", "cpu")).startswith(self.device)
        if self.device != "cpu" and name == "aten::_to_copy" and is_to_device and not kwargs.get("non_blocking"):
            self.waits.append(name)
        if self.device in places and name in READS:
            self.reads[name] += 1
        return func(*args, **(kwargs or {}))


def batch_and_vectors(device: str) -> tuple[Any, Tensor, Tensor, Tensor]:
    rng = random.Random(4)
    sessions = random_sessions(rng, 12, missing=True, unscorable=True)
    left = [i for i, s in enumerate(sessions) if not s.irrelevant]
    right = [i for i, s in enumerate(sessions) if s.irrelevant]
    partners = torch.tensor(list(zip(left, right, strict=False)))
    queries, items = vectors(rng)
    return packed(sessions), queries.to(device), items.to(device), partners


@pytest.mark.parametrize("ranker", [cosine_similarity, dot_product, euclidean_distance])
@pytest.mark.parametrize("aggregator", [aggregate_mean, aggregate_max, aggregate_min])
@pytest.mark.parametrize("calculator", [constant_confidences, windowed_confidences])
@pytest.mark.parametrize("gradient", [False, True])
def test_on_a_device_without_values_nothing_is_read_and_nothing_is_misplaced(
    ranker: Any, aggregator: Any, calculator: Any, gradient: bool
) -> None:
    """Meta tensors have no values: whatever needs one fails, and whatever lies elsewhere is seen."""
    batch, queries, items, partners = batch_and_vectors("meta")
    with Watch("meta") as watch:
        pairs = extract_pairs(
            batch, queries.requires_grad_(gradient), items, ranker=ranker, ranks_aggregator=aggregator,
            confidence_calculator=calculator, partners=partners,
        )  # fmt: skip
    assert not watch.mixed
    assert not watch.reads
    assert not watch.waits
    assert {pairs.positive_ranks.device.type, pairs.negative_confidences.device.type} == {"meta"}
    assert {pairs.positive_object.device.type, pairs.session.device.type} == {"cpu"}
    assert len(pairs) == len(pairs.positive_ranks) > 0


def test_the_watch_sees_a_read_and_a_misplaced_tensor() -> None:
    values = torch.ones(3)
    with Watch("cpu") as watch:
        values.sum().item()
        values.nonzero()
    assert watch.reads == {"aten::_local_scalar_dense": 1, "aten::nonzero": 1}
    with Watch("meta") as watch:
        torch.ones(3, device="meta").index_select(0, torch.tensor([0], device="meta"))
        torch.ops.aten.index_select(torch.ones(3, device="meta"), 0, torch.tensor([0]))
        torch.ones(3).to("meta")
        torch.ones(3).to("meta", non_blocking=True)
    assert watch.mixed == ["aten::index_select"]
    assert watch.waits == ["aten::_to_copy"]


def test_thinning_runs_where_its_hashes_are() -> None:
    hashes = torch.zeros(5, dtype=torch.int64, device="meta")
    with Watch("meta") as watch:
        mask = keep_mask(sample_hashes(0, hashes, hashes), torch.tensor([0, 2, 5]), 0.5)
    assert (mask.device.type, watch.mixed, watch.reads) == ("meta", [], {})


def test_the_clamp_is_read_back_once() -> None:
    rng = random.Random(0)
    ranks = torch.tensor([rng.random() for _ in range(50)])
    features = FineTuningFeatures(ranks, ranks.flip(0), torch.ones(50), torch.ones(50), torch.ones(50))
    with Watch("cpu") as watch:
        features.clamp_diff_in(0.1, 0.5)
    assert watch.reads == {"aten::nonzero": 1}
