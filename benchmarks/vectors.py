"""Encoding beside sentence-transformers' own ``encode``, looking a day up in a large store, and what half precision does.

Run with ``python -m benchmarks.vectors``; ``SIZE=small`` takes a few minutes. The texts are those of ``FT_ASSETS_REAL_DATA``
(the plots of msrd) where it names them, else simulated ones. Encodings alternate in one process, so that a busy machine is
busy for both, and are told in CPU seconds too; a lookup has a process of its own.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.extractor import SMALL, peak_memory
from ft_assets.compaction import compact_vectors
from ft_assets.day_texts import texts_of_the_day
from ft_assets.day_vectors import DayVectors
from ft_assets.encoders import load_encoder
from ft_assets.found_vectors import FoundVectors
from ft_assets.half_encoder import rounded
from ft_assets.lake import Home, Lake
from ft_assets.schemas import TEXT_VECTORS, table_named

TEXTS, ROUNDS = (300, 1) if SMALL else (1_500, 2)
STORED = 100_000 if SMALL else 1_000_000
WIDTH, DAY, MODEL = 384, dt.date(2026, 11, 1), "model"
INTRODUCTION = """\
all-MiniLM-L6-v2 beside sentence-transformers' own `encode` on the same texts, in turns; the order of pairs of items
after rounding; a day's texts looked up in a large store (`python -m benchmarks.vectors`; docs/vectors.md says more).
"""


def texts() -> tuple[str, list[str]]:
    """Distinct texts of items, real ones where they are at hand, and what they are."""
    plots = Path(os.environ.get("FT_ASSETS_REAL_DATA", "/nowhere")) / "msrd" / "items.ndjson.gz"
    if plots.exists():
        with gzip.open(plots) as lines:
            return "msrd plots", list(dict.fromkeys(json.loads(line)["text"] for line in lines))[:TEXTS]
    from ft_assets.simulate import simulate

    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder), days=1, sessions=100, seed=0)
        with gzip.open(next(Path(folder).glob("items/*.gz"))) as lines:
            return "simulated items", list(dict.fromkeys(json.loads(line)["text"] for line in lines))[:TEXTS]


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds, CPU seconds, and what it gave."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - wall, time.process_time() - cpu, found


def encoding() -> Iterator[str]:
    """Rows: CPU seconds and seconds of both, for real texts and for short ones, and the greatest difference of a number."""
    encoder: Any = load_encoder(device="cpu")
    name, whole = texts()
    short = list(dict.fromkeys(" ".join(text.split()[:5]) for text in whole))
    yield "| texts | | ft_assets, CPU s | encode, CPU s | of it | ft_assets, s | encode, s | of it | differ by |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for what, some in ((name, whole), ("their first five words", short)):
        encoder.encode(some[:64], "item")
        ours, theirs, differ = [], [], 0.0
        for _ in range(ROUNDS):
            ours.append(timed(partial(encoder.encode, some, "item")))
            theirs.append(timed(partial(encoder.model.encode, some, batch_size=64, show_progress_bar=False)))
            differ = max(differ, float(np.abs(ours[-1][2] - theirs[-1][2]).max()))
        (wall, cpu), (wall_, cpu_) = ((min(t[0] for t in times), min(t[1] for t in times)) for times in (ours, theirs))
        yield (
            f"| {what} | {len(some):,} | {cpu:.1f} | {cpu_:.1f} | {cpu / cpu_:.2f} | {wall:.1f} | {wall_:.1f} "
            f"| {wall / wall_:.2f} | {differ:.0e} |"
        )


def precision() -> Iterator[str]:
    """Rows: what rounding does to the cosine of queries and items, and to the order of pairs of items."""
    import torch

    encoder = load_encoder(device="cpu")
    _, whole = texts()
    items = encoder.encode(whole, "item")
    queries_ = encoder.encode([" ".join(text.split()[:3]) for text in whole[:500]], "query")
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, len(items), (len(queries_), 400, 2))

    def cosines(left: Any, right: Any) -> Any:
        unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (left, right)]
        return np.take_along_axis(unit[0] @ unit[1].T, pairs.reshape(len(queries_), -1), 1).reshape(pairs.shape)

    def as_bfloat16(vectors: Any) -> Any:
        return torch.from_numpy(vectors).bfloat16().float().numpy()

    exact = cosines(queries_.astype(np.float64), items.astype(np.float64))
    yield "| vectors | greatest difference of a cosine | pairs whose order turns | bytes a number in the table |"
    yield "|---|---|---|---|"
    for name, change in (("float32", lambda v: v), ("float16", rounded), ("bfloat16 (scoring)", as_bfloat16)):
        found = cosines(change(queries_), change(items))
        turned = (np.sign(exact[..., 0] - exact[..., 1]) != np.sign(found[..., 0] - found[..., 1])).mean()
        size = "-" if name.startswith("bfloat16") else f"{stored_bytes(change(items)):.2f}"
        yield f"| {name} | {np.abs(found - exact).max():.1e} | {turned:.4%} | {size} |"


def stored_bytes(vectors: Any) -> float:
    """Bytes a number takes in the table's files."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(f"{folder}/lake")
        lake.append(TEXT_VECTORS.name, rows_of(hashes(len(vectors)), vectors), {})
        sizes = pa.table(lake.open(TEXT_VECTORS.name).get_add_actions(flatten=True))["size_bytes"].to_pylist()
        return float(sum(sizes) / vectors.size)


def hashes(count: int, first: int = 0) -> list[str]:
    """Hashes of texts."""
    return [hashlib.md5(f"text {number}".encode()).hexdigest() for number in range(first, first + count)]


def rows_of(keys: list[str], vectors: Any) -> pa.Table:
    """Rows of text_vectors, in the order in which they are committed."""
    offsets = pa.array(np.arange(len(keys) + 1, dtype=np.int32) * vectors.shape[1])
    lists = pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel()))
    columns = [pa.array([MODEL] * len(keys)), pa.array(["item"] * len(keys)), pa.array(keys), lists]
    return pa.table(columns, schema=TEXT_VECTORS.schema).sort_by("text_hash")


def fill(lake: Lake) -> None:
    """A store of many texts, committed 8,192 at a time, and a day that shows every fifth of them, 20 a session."""
    rng = np.random.default_rng(0)
    for first in range(0, STORED, 8_192):
        count = min(8_192, STORED - first)
        lake.append(TEXT_VECTORS.name, rows_of(hashes(count, first), rng.standard_normal((count, WIDTH), np.float32)), {})
    keys, names = hashes(STORED), pa.array([f"i{number}" for number in range(STORED)])
    put(lake, "items", STORED, item_id=names, object_id=names, text=names, text_hash=pa.array(keys))
    shown = rng.choice(STORED, STORED // 5, replace=False)
    sessions = len(shown) // 20
    offsets = pa.array(np.arange(sessions + 1, dtype=np.int32) * 20)
    lists = pa.ListArray.from_arrays(offsets, names.take(pa.array(shown[: sessions * 20])))
    put(lake, "sampled_inputs", sessions, session_date=pa.array([DAY] * sessions), item_ids=lists)


def put(lake: Lake, name: str, rows: int, **columns: Any) -> None:
    """Rows of a table, nothing in the columns that are not said."""
    schema = table_named(name).schema
    arrays = [columns.get(field.name, pa.nulls(rows, field.type)) for field in schema]
    lake.append(name, pa.table(arrays, schema=schema), {})


def look_up(root: str) -> None:
    """Print how long it takes to find the vectors of the day, and what memory, in a process that does nothing else."""
    lake = Lake(root)
    inputs, items, vectors = (lake.slice(name) for name in ("sampled_inputs", "items", "text_vectors"))
    before = peak_memory()
    texts = texts_of_the_day(inputs, items)
    wall, cpu, found = timed(lambda: DayVectors.of(FoundVectors.read(texts, vectors, MODEL), "item"))
    print(json.dumps({"wall": wall, "cpu": cpu, "found": len(found.keys), "peak": peak_memory() - before}))


def lookups() -> Iterator[str]:
    """Rows: a day looked up in files as they were committed, and in files that were joined."""
    with tempfile.TemporaryDirectory(prefix="ft_assets_bench_") as folder:
        lake = Home(Path(folder)).lake
        fill(lake)
        yield f"| {STORED:,} texts in | found | CPU s | s | memory, MiB | MiB on disk |"
        yield "|---|---|---|---|---|---|"
        joins = []
        for _ in range(2):
            files = pa.table(lake.open(TEXT_VECTORS.name).get_add_actions(flatten=True))["size_bytes"].to_pylist()
            command = [sys.executable, "-m", "benchmarks.vectors", lake.root]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
            yield (
                f"| {len(files)} files | {found['found']:,} | {found['cpu']:.1f} | {found['wall']:.1f} | {found['peak']:,.0f} "
                f"| {sum(files) / 2**20:,.0f} |"
            )
            joins.append(timed(lambda: compact_vectors(lake, MODEL, 2)))
        wall, cpu, joined = joins[0]
        yield f"\nJoining {joined} files takes {cpu:.1f} CPU s, {wall:.1f} s."


def main() -> None:
    """Print the tables, as Markdown."""
    print("## Vectors\n")
    print(INTRODUCTION)
    for title, table in (("Encoding", encoding), ("Half precision", precision), ("Looking up a fifth of a store", lookups)):
        print(f"### {title}\n")
        for line in table():
            print(line, flush=True)
        print()


if __name__ == "__main__":
    look_up(sys.argv[1]) if len(sys.argv) > 1 else main()
