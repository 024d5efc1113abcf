"""Thinning of not-events by hash."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets.kernels import id_hash, id_hashes, keep_mask, sample_hashes
from ft_assets_tests import reference

INT64 = st.integers(-(2**63), 2**63 - 1)


def test_the_hash_is_the_one_that_stored_tables_were_made_with() -> None:
    assert id_hash("") == -5426141060434712860
    assert id_hash("item-1") == 8406168460641299428
    assert id_hash("Привет") == -4710918413714935771
    assert sample_hashes(0, id_hashes(["s"]), id_hashes(["o"])).tolist() == [897308357306576187]
    assert sample_hashes(-1, torch.tensor([0]), torch.tensor([-1])).tolist() == [-7888687059392298341]


@settings(deadline=None, derandomize=True)
@given(st.integers(-(2**70), 2**70), INT64, INT64)
def test_sample_hashes_equal_python_integers(seed: int, session: int, obj: int) -> None:
    found = sample_hashes(seed, torch.tensor([session]), torch.tensor([obj])).item()
    assert found % 2**64 == reference.sample_hash(seed, session % 2**64, obj % 2**64)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.lists(INT64, max_size=12, unique=True), max_size=5), st.floats(0, 1))
def test_the_lowest_unsigned_hashes_stay(segments: list[list[int]], factor: float) -> None:
    offsets = torch.tensor([0, *(len(s) for s in segments)]).cumsum(0)
    flat = torch.tensor([h for s in segments for h in s], dtype=torch.int64)
    expected = [k for s in segments for k in reference.keep([h % 2**64 for h in s], factor)]
    assert keep_mask(flat, offsets, factor).tolist() == expected


@pytest.mark.parametrize(("factor", "n", "kept"), [(0.29, 100, 28), (0.57, 100, 56), (0.3, 100, 30), (1 - 1e-12, 5, 4)])
def test_the_share_is_floored_as_the_product_of_doubles_has_it(factor: float, n: int, kept: int) -> None:
    assert int(factor * n) == kept
    assert int(keep_mask(torch.arange(n), torch.tensor([0, n]), factor).sum()) == kept


@pytest.mark.parametrize(("factor", "kept"), [(0.0, 0), (1e-12, 1), (0.5, 3), (1.0, 7)])
def test_at_least_one_stays_unless_the_factor_is_zero(factor: float, kept: int) -> None:
    assert int(keep_mask(torch.arange(7), torch.tensor([0, 7, 7]), factor).sum()) == kept


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.floats(0, 1), st.floats(0, 1))
def test_a_smaller_factor_keeps_a_subset(seed: int, a: float, b: float) -> None:
    hashes = torch.randint(-(2**62), 2**62, (40,), generator=torch.Generator().manual_seed(seed))
    offsets = torch.tensor([0, 9, 9, 40])
    few, many = keep_mask(hashes, offsets, min(a, b)), keep_mask(hashes, offsets, max(a, b))
    assert not bool((few & ~many).any())


def test_row_order_does_not_matter() -> None:
    names = [f"o{i}" for i in range(30)]
    hashes = dict(zip(names, sample_hashes(7, id_hashes(["s"] * 30), id_hashes(names)).tolist(), strict=True))

    def kept(order: list[str]) -> set[str]:
        mask = keep_mask(torch.tensor([hashes[n] for n in order]), torch.tensor([0, 30]), 0.4)
        return {n for n, k in zip(order, mask.tolist(), strict=True) if k}

    shuffled = random.Random(0).sample(names, 30)
    assert kept(names) == kept(shuffled)


def test_a_batch_is_its_parts_joined() -> None:
    hashes = torch.randint(-(2**62), 2**62, (20,), generator=torch.Generator().manual_seed(0))
    parts = [keep_mask(hashes[a:b], torch.tensor([0, b - a]), 0.3) for a, b in ((0, 5), (5, 5), (5, 20))]
    assert torch.equal(keep_mask(hashes, torch.tensor([0, 5, 5, 20]), 0.3), torch.cat(parts))


def test_the_hash_does_not_depend_on_pythonhashseed() -> None:
    code = "from ft_assets.kernels import id_hashes as i, sample_hashes as h; print(h(3, i(['s']), i(['o'])).item())"

    def run(seed: str) -> str:
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": "."}
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    runs = [run("0"), run("1")]
    assert runs[0] == runs[1] == f"{sample_hashes(3, id_hashes(['s']), id_hashes(['o'])).item()}\n"


@pytest.mark.parametrize("factor", [-0.1, 1.1, float("nan")])
def test_a_factor_outside_0_to_1_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match=r"factor must be in \[0, 1\], got"):
        keep_mask(torch.arange(3), torch.tensor([0, 3]), factor)


def test_hashes_of_another_kind_are_refused() -> None:
    with pytest.raises(TypeError, match="an id must be str, got int"):
        id_hash(1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"object_hashes must be int64, got torch.float32"):
        sample_hashes(0, torch.zeros(1).long(), torch.zeros(1))
    with pytest.raises(ValueError, match=r"must have one shape, got \[1\] and \[2\]"):
        sample_hashes(0, torch.zeros(1).long(), torch.zeros(2).long())
    with pytest.raises(ValueError, match="offsets must run from 0 to 3"):
        keep_mask(torch.arange(3), torch.tensor([0, 2]), 0.5)
