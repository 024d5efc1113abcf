"""Several processes need the same new texts: each is encoded once, and stored once, whoever dies."""

import subprocess
import sys
from collections import Counter

import pyarrow as pa
import pytest

from ft_assets.lake import Lake
from ft_assets.new_vectors import NewVectors
from ft_assets.schemas import TEXT_VECTORS
from ft_assets_tests.vector_writers import AT_ONCE, MODEL, TEXTS


def written_together(folder, claims, processes, dying=0):
    """How often each text was encoded, and how often it was stored."""
    lake = Lake(str(folder / "lake"))
    lake.open("text_vectors")
    command = [sys.executable, "-m", "ft_assets_tests.vector_writers", str(folder), claims]
    writers = [
        subprocess.Popen([*command, "dies" if n < dying else "lives"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(processes)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for number, writer in enumerate(writers):
        writer.stdin.write("go\n")
        writer.stdin.flush()
        if number < dying:
            assert writer.stdout.readline() == "encoding\n"
    for writer in writers:
        writer.communicate(timeout=120)
    assert [writer.returncode for writer in writers] == [-9] * dying + [0] * (processes - dying)
    encoded = Counter(text for log in folder.glob("encoded-*") for text in log.read_text().splitlines())
    return encoded, Counter(lake.slice("text_vectors").to_table()["text_hash"].to_pylist())


def test_a_text_that_four_processes_need_is_encoded_by_one_and_they_share_the_work(tmp_path):
    encoded, stored = written_together(tmp_path, "claims", 4)
    assert set(encoded.values()) == set(stored.values()) == {1}
    assert len(encoded) == len(stored) == TEXTS
    assert len(list(tmp_path.glob("encoded-*"))) == 4
    assert sum(log.stat().st_size > 0 for log in tmp_path.glob("encoded-*")) > 1


def test_what_a_dead_process_had_not_committed_is_all_that_is_encoded_again(tmp_path):
    encoded, stored = written_together(tmp_path, "claims", 3, dying=1)
    assert set(stored.values()) == {1}
    assert len(stored) == TEXTS
    assert Counter(encoded.values()) == {1: TEXTS - AT_ONCE, 2: AT_ONCE}
    assert not list((tmp_path / "claims").glob("*.claim"))


def test_without_a_place_for_claims_a_text_is_still_stored_once(tmp_path):
    encoded, stored = written_together(tmp_path, "none", 3)
    assert max(encoded.values()) > 1  # so the comparison before the commit is what holds
    assert set(stored.values()) == {1}
    assert len(stored) == TEXTS


@pytest.mark.parametrize("model", [MODEL, "another"])
def test_vectors_of_another_model_are_no_vectors_of_this_one(tmp_path, model):
    lake = Lake(str(tmp_path / "lake"))
    new = NewVectors(lake, lake.slice("text_vectors"), MODEL)
    row = {"role": "item", "text_hash": "h", "vector": [1.0]}
    lake.append("text_vectors", pa.Table.from_pylist([{"model": model, **row}], TEXT_VECTORS.schema), {})
    added = new.append(pa.Table.from_pylist([{"model": MODEL, **row}], TEXT_VECTORS.schema), {})
    assert added == (model != MODEL)
