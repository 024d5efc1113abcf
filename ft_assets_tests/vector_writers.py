"""What the writers of test_new_vectors.py do in processes of their own: encode texts that all of them need."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from ft_assets.claims import Claims
from ft_assets.lake import Lake
from ft_assets.new_vectors import NewVectors
from ft_assets.schemas import TEXT_VECTORS

MODEL, TEXTS, AT_ONCE = "test/model: 1", 160, 20


def texts() -> Iterator[pa.RecordBatch]:
    hashes = [f"hash {number:03}" for number in range(TEXTS)]
    for start in range(0, TEXTS, AT_ONCE):
        some = hashes[start : start + AT_ONCE]
        yield pa.RecordBatch.from_pydict({"role": ["item"] * AT_ONCE, "text_hash": some, "text": some})


def encode_all(folder: Path, claims: Claims | None, dies: bool) -> None:
    """Encode every text without a vector, with a note of each before; one dies behind those of its first share."""
    lake = Lake(str(folder / "lake"))
    known = lake.slice(TEXT_VECTORS.name)
    print("ready", flush=True)
    sys.stdin.readline()
    new = NewVectors(lake, known, MODEL, claims)
    with (folder / f"encoded-{os.getpid()}").open("a") as log:
        for share in new.shares(texts()):
            log.write("".join(f"{text}\n" for text in share["text"].to_pylist()))
            log.flush()
            print("encoding", flush=True)
            time.sleep(1 if dies else 0.15)  # the others meet its claim before it dies
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
            vectors = pa.array([[1.0, 2.0]] * share.num_rows, pa.list_(pa.float32()))
            columns = [pa.array([MODEL] * share.num_rows), share["role"], share["text_hash"], vectors]
            new.append(pa.table(columns, schema=TEXT_VECTORS.schema), {"model": MODEL})


if __name__ == "__main__":
    place, claims, dies = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    encode_all(place, Claims(place / "claims") if claims == "claims" else None, dies == "dies")
