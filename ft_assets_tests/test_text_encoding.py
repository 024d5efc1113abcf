"""Vectors on their way into the table: read ahead, committed as they come, told of now and then, kept when a run dies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ft_assets import engine, text_encoding
from ft_assets.claims import Claims
from ft_assets.encoders import load_encoder
from ft_assets.lake import Lake
from ft_assets.text_encoding import Progress
from ft_assets_tests.builders import DAY, item, make_lake, sampled, slice_of, table_of, text_hash

WORDS = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff", "ggggggg"]
ROWS = [sampled("s", [f"i{n}" for n in range(len(WORDS))], query_text="q")]


class Stream:
    """Streams two texts at a time, the second before the first; may end early, or fail before some text."""

    device, description, dimension = "cpu", {}, 32

    def __init__(self, fails_at: str = "", leaves_out: str = "") -> None:
        self.inner = load_encoder("hashing:32")
        self.fingerprint, self.fails_at, self.leaves_out = self.inner.fingerprint, fails_at, leaves_out
        self.read: list[str] = []

    def encode(self, texts: Any, role: Any) -> np.ndarray:
        raise AssertionError("an encoder that streams is given a stream")

    def encode_batches(self, texts: Iterable[str], role: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        waiting: list[tuple[int, str]] = []
        for place, text in enumerate(texts):
            self.read.append(text)
            if text == self.fails_at:
                raise MemoryError("the machine is full")
            if text != self.leaves_out:
                waiting.insert(0, (place, text))
            if len(waiting) == 2:
                yield self._encoded(waiting, role)
                waiting = []
        if waiting:
            yield self._encoded(waiting, role)

    def _encoded(self, waiting: list[tuple[int, str]], role: Any) -> tuple[np.ndarray, np.ndarray]:
        return np.array([place for place, _ in waiting]), self.inner.encode([text for _, text in waiting], role)


def lake_of(tmp_path: Path) -> Lake:
    return make_lake(tmp_path, items=table_of("items", [item(f"i{n}", word) for n, word in enumerate(WORDS)]))


def encode(lake: Lake, encoder: Any, **more: Any) -> engine.Encoded:
    day = slice_of(lake, "sampled_inputs", ROWS)
    return engine.text_vectors(lake, day, lake.slice("items"), encoder, {"session_date": str(DAY)}, **more)


def stored(lake: Lake) -> dict[str, list[float]]:
    return {row["text_hash"]: row["vector"] for row in lake.slice("text_vectors").to_table().to_pylist()}


def test_a_stream_is_fed_the_longest_text_first_and_each_vector_is_stored_with_its_text(tmp_path: Path) -> None:
    lake, encoder = lake_of(tmp_path), Stream()
    assert encode(lake, encoder).encoded == {"query": 1, "item": 7}
    assert encoder.read == [*reversed(WORDS), "q"]
    expected = {text_hash(t): encoder.inner.encode([t], "query" if t == "q" else "item")[0].tolist() for t in [*WORDS, "q"]}
    assert stored(lake) == expected


@pytest.mark.parametrize(("settings", "commits"), [({}, 1), ({"texts_per_commit": 3}, 3), ({"seconds_per_commit": 0.0}, 5)])
def test_vectors_are_committed_when_they_are_many_or_have_waited_long(
    tmp_path: Path, settings: dict[str, Any], commits: int
) -> None:
    """Two at a time, of items and then queries: all 8 at the end; 4, 3 and 1; or each batch by itself."""
    lake = lake_of(tmp_path)
    encode(lake, Stream(), **settings)
    assert len(stored(lake)) == 8
    written = [entry for entry in lake.history("text_vectors") if entry["operation"] == "WRITE"]
    assert len(written) == commits + 1, "the last one says that the day is made"


def test_a_run_that_dies_keeps_what_it_had_encoded_and_the_next_one_does_the_rest(tmp_path: Path) -> None:
    lake = lake_of(tmp_path)
    with pytest.raises(MemoryError, match="the machine is full"):
        encode(lake, Stream(fails_at="bb"))
    assert sorted(stored(lake)) == sorted(text_hash(word) for word in ["ggggggg", "ffffff", "eeeee", "dddd"])
    again = Stream()
    assert encode(lake, again).encoded == {"query": 1, "item": 3}
    assert again.read == ["ccc", "bb", "a", "q"]


def test_a_commit_that_fails_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = lake_of(tmp_path)

    def refuse(*args: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(lake, "append", refuse)
    with pytest.raises(OSError, match="the disk is full"):
        encode(lake, Stream(), texts_per_commit=2)


def test_an_encoder_that_leaves_a_text_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must give 7 vectors of role item, gave 6"):
        encode(lake_of(tmp_path), Stream(leaves_out="ccc"))


def test_progress_is_told_with_a_rate_and_the_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_encoding, "SECONDS_BETWEEN_WORDS", 0.0)
    told: list[Progress] = []
    encode(lake_of(tmp_path), Stream(), progress=told.append)
    assert [sum(one.encoded.values()) for one in told] == [2, 4, 6, 7, 8, 8]
    # by characters, each text with one more than it has: 8 + 7 of 8 + 7 + 6 + 5 + 4 + 3 + 2 + 2
    assert [round(one.share * 37) for one in told] == [15, 26, 33, 35, 37, 37]
    half = Progress({"query": 0, "item": 500}, {"query": 500, "item": 1_500}, 0.25, 10.0)
    assert (half.texts_per_second, half.seconds_left) == (50.0, 30.0)
    assert str(half) == "encoded 500 of 2,000 texts (25%), 50 a second, 30 s left"


def test_nothing_is_told_where_nothing_is_missing(tmp_path: Path) -> None:
    lake, told = lake_of(tmp_path), list[Progress]()
    encode(lake, Stream())
    assert encode(lake, Stream(), progress=told.append).encoded == {"query": 0, "item": 0}
    assert told == []


def test_who_encodes_in_its_place_is_given_what_is_claimed_and_makes_the_same_vectors(tmp_path: Path) -> None:
    lakes, encoder = [lake_of(tmp_path / name) for name in ("here", "elsewhere")], Stream()
    given: list[list[str]] = []

    def elsewhere(texts: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        given.append(texts["text"].to_pylist())
        claim = [path.read_text() for path in (tmp_path / "claims").glob("*.claim")]
        assert [sorted(name.split()[-1] for name in one.split("\n")) for one in claim] == [sorted(map(text_hash, given[-1]))]
        return text_encoding.vectors_of(encoder, texts)

    encode(lakes[0], encoder, texts_per_commit=2)
    there = engine.Encoding(elsewhere, batches=2)
    done = encode(lakes[1], encoder, texts_per_commit=2, claims=Claims(tmp_path / "claims"), encoding=there)
    assert given == [["ggggggg", "ffffff", "eeeee", "dddd"], ["ccc", "bb", "a"], ["q"]]
    assert done.encoded == {"query": 1, "item": 7}
    assert stored(lakes[0]) == stored(lakes[1])
