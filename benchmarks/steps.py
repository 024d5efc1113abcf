"""A day of pairs, part by part: how long extraction, clamping and writing take, each beside its yardstick in one run.

Run with ``python -m benchmarks.steps``; ``SIZE=small`` leaves the largest day out. Each day has a process of its own, every
part is timed after one turn that does not count, in seconds and in CPU seconds.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from deltalake import write_deltalake

from benchmarks.extractor import SMALL, peak_memory
from benchmarks.ingestion import write_log
from benchmarks.pipeline import ENCODER, fill_vectors, row, write_items
from benchmarks.vectors import timed
from ft_assets import engine
from ft_assets.day_files import write_day
from ft_assets.encoders import load_encoder
from ft_assets.flags import flagged_sessions
from ft_assets.found_vectors import let_go
from ft_assets.ingestion import ingest, new_files
from ft_assets.kernels import extract_pairs
from ft_assets.lake import Home, Lake, writer_of
from ft_assets.packing import pack_sessions
from ft_assets.queries import rebatched
from ft_assets.rules import rulebook
from ft_assets.schemas import PAIR_FEATURES, SAMPLED_INPUTS

DAY = dt.date(2026, 11, 1)
SESSIONS = (1_429, 14_286) if SMALL else (1_429, 14_286, 142_857)  # a seventh of the sizes of the pipeline
SETTINGS = engine.PairSettings(confidence="windowed")
TURNS = 2
INTRODUCTION = """\
One day of the pipeline's log, cosine, windowed confidences; the best of two turns after one that does not count.
Nothing is written in the rows of extraction and clamping, nothing is made in those of writing (`python -m
benchmarks.steps`).
"""


def a_day(home: Home, sessions: int) -> Lake:
    """A day up to its thinned inputs, with every text's vector."""
    landing, lake = Path(home.landing), home.lake
    write_log(landing, sessions, days=1)
    write_items(landing)
    fill_vectors(lake)
    ingest(lake, new_files(lake, landing))
    sessions_of_day, events, items = lake.slice("search_sessions", DAY), lake.slice("session_events"), lake.slice("items")
    flags = flagged_sessions(sessions_of_day, events, rulebook())
    lake.replace_day("flagged_sessions", DAY, flags.batches, {})
    ready = engine.fine_tuning_inputs(sessions_of_day, events, items, lake.slice("flagged_sessions", DAY), ["click"])
    lake.replace_day("fine_tuning_inputs", DAY, ready.batches, {})
    thinned = engine.sampled_inputs(lake.slice("fine_tuning_inputs", DAY), 1.0, 0)
    lake.replace_day("sampled_inputs", DAY, thinned.batches, {})
    return lake


def measure(sessions: int) -> dict[str, Any]:
    """Every part of one day, the best of some turns."""
    with tempfile.TemporaryDirectory(prefix="ft_assets_bench_") as folder:
        lake = a_day(Home(Path(folder) / "home"), sessions)
        before = peak_memory()
        inputs, items, vectors = (lake.slice(name) for name in ("sampled_inputs", "items", "text_vectors"))
        model = load_encoder(ENCODER).fingerprint
        made = engine.pair_features(inputs.on(DAY), items, vectors, model, SETTINGS)
        lake.replace_day("pair_features", DAY, made.batches, {})
        pairs = lake.slice("pair_features", DAY)
        extraction_peak = peak_memory()
        batches = list(made.batches())
        words = [pa.Table.from_batches([batch]).cast(PAIR_FEATURES.schema) for batch in batches]
        clamped = engine.fine_tuning_features(pairs, 0.0, 1.0)
        (file,) = (uri.removeprefix("file://") for uri in pairs.file_uris())
        root = Lake(f"{folder}/written").filesystem()
        kernels = _Kernels(engine.pair_maker(inputs.on(DAY), items, vectors, model, SETTINGS), inputs.on(DAY))
        parts: dict[str, Callable[[], int]] = {
            "kernels": kernels,
            "extraction": lambda: _extracted(made),
            "reading": lambda: _drained(pq.ParquetFile(file).iter_batches(65_536)),
            "clamping": lambda: _drained(clamped.batches()),
            "plain writing": lambda: _written_plainly(words, f"{folder}/plain.parquet"),
            "delta writing": lambda: _written_by_delta(words, f"{folder}/by_delta"),
            "writing": lambda: write_day(root, PAIR_FEATURES, DAY, iter(batches)).rows,
        }
        found: dict[str, Any] = {name: _best(work) for name, work in parts.items()}
        sizes = {"plain": Path(f"{folder}/plain.parquet").stat().st_size, "ours": Path(file).stat().st_size}
        return {"parts": found, "sizes": sizes, "peak": extraction_peak - before, "pairs": pairs.row_count}


def _best(work: Callable[[], int]) -> dict[str, float]:
    turns = [timed(work) for _ in range(TURNS + 1)][1:]
    return {"seconds": min(t[0] for t in turns), "cpu": min(t[1] for t in turns)}


def _extracted(made: engine.DayRows) -> int:
    let_go()  # of the vectors that the turn before has read
    return _drained(made.batches())


def _drained(batches: Any) -> int:
    return sum(batch.num_rows for batch in batches)


class _Kernels:
    """The day's sessions packed, and its vectors in memory: what is left is the mathematics."""

    def __init__(self, maker: engine.PairMaker, sessions: Any) -> None:
        self.vectors = [torch.from_numpy(side.matrix[:]) for side in (maker.query_vectors, maker.item_vectors)]
        self.kernels = SETTINGS.kernels()
        self.batches = []
        for batch in rebatched(sessions.batches(), SETTINGS.sessions_per_batch):
            packed = pack_sessions(batch.cast(SAMPLED_INPUTS.schema), maker.query_vectors, maker.item_vectors)
            self.batches.append(packed.to_session_batch(packed.query_rows, packed.item_rows))

    def __call__(self) -> int:
        with torch.inference_mode():
            return sum(len(extract_pairs(batch, *self.vectors, **self.kernels._asdict())) for batch in self.batches)


def _written_plainly(tables: list[pa.Table], path: str) -> int:
    with pq.ParquetWriter(path, tables[0].schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
    return sum(table.num_rows for table in tables)


def _written_by_delta(tables: list[pa.Table], path: str) -> int:
    write_deltalake(path, pa.concat_tables(tables), mode="overwrite", writer_properties=writer_of(PAIR_FEATURES.name))
    return sum(table.num_rows for table in tables)


def tables(found: dict[int, dict[str, Any]]) -> Iterator[str]:
    """A column for each day."""
    days = list(found.values())

    def of(part: str) -> list[str]:
        return [f"{day['parts'][part]['seconds']:.2f} ({day['parts'][part]['cpu']:.2f})" for day in days]

    def times(part: str, yardstick: str) -> list[str]:
        return [f"{day['parts'][part]['cpu'] / day['parts'][yardstick]['cpu']:.2f}" for day in days]

    yield row("seconds (CPU seconds)", [f"{sessions:,} sessions" for sessions in found])
    yield "|---|" + "---|" * len(days)
    yield row("pairs", [f"{day['pairs']:,}" for day in days])
    yield row("kernels alone: sessions packed, vectors in memory", of("kernels"))
    yield row("extraction: stored sessions and vectors to rows", of("extraction"))
    yield row("CPU times the kernels alone", times("extraction", "kernels"))
    yield row("pairs extracted a second", [f"{day['pairs'] / day['parts']['extraction']['seconds']:,.0f}" for day in days])
    yield row("memory that extraction and writing add, MiB", [f"{day['peak']:,.0f}" for day in days])
    yield row("plain read of the pairs, every column", of("reading"))
    yield row("clamping: stored pairs to rows", of("clamping"))
    yield row("CPU times the plain read", times("clamping", "reading"))
    yield row("plain writing by pyarrow", of("plain writing"))
    yield row("writing by deltalake", of("delta writing"))
    yield row("writing", of("writing"))
    yield row("CPU times plain writing", times("writing", "plain writing"))
    yield row("MB on disk, plain", [f"{day['sizes']['plain'] / 1e6:.1f}" for day in days])
    yield row("MB on disk", [f"{day['sizes']['ours'] / 1e6:.1f}" for day in days])


def main() -> None:
    """Print the table, as Markdown."""
    print("## A day, part by part\n")
    print(INTRODUCTION)
    found = {}
    for sessions in SESSIONS:
        command = [sys.executable, "-m", "benchmarks.steps", str(sessions)]
        printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        found[sessions] = json.loads(printed.splitlines()[-1])
    for line in tables(found):
        print(line, flush=True)
    print()


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1])))) if len(sys.argv) > 1 else main()
