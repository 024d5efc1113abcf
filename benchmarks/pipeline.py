"""The whole pipeline, from JSON lines to fine_tuning_features by real Dagster runs, with every text's vector there before.

Run with ``python -m benchmarks.pipeline``; ``SIZE=small`` leaves the million out. Sessions of 20 results and one or two clicks
each, of 100,000 items, over seven days; windowed confidences; checks and pictures as they are by default.
Each size runs in a process of its own, which makes days at once in workers as ``ft-assets run`` does. The small hashing encoder
fills text_vectors beforehand, unmeasured, so that the runs encode nothing.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from benchmarks.extractor import SMALL
from benchmarks.ingestion import DAYS
from ft_assets.encoders import load_encoder
from ft_assets.lake import Home, Lake
from ft_assets.schemas import TABLES, TEXT_VECTORS

if TYPE_CHECKING:
    import dagster as dg

SIZES = (10_000, 100_000) if SMALL else (10_000, 100_000, 1_000_000)
ITEMS, QUERIES = 100_000, 50_000
ENCODER = "hashing:384"
CONFIG = {
    "ops": {"pair_features": {"config": {"confidence": "windowed"}}},
    "resources": {"encoder": {"config": {"model": ENCODER}}},
}
INTRODUCTION = f"""\
JSON lines to fine_tuning_features by real Dagster runs, {DAYS} days, sessions of 20 results and one or two clicks each,
of {ITEMS:,} items, windowed confidences, nothing thinned, all checks and pictures as they are by default; every text
has its vector beforehand (`python -m benchmarks.pipeline`).
"""


def text_of(item: int) -> str:
    """What stands in the catalogue."""
    return f"a thing of number {item} with words {item % 977} and {item % 31}"


def write_items(landing: Path) -> None:
    """Land the catalogue."""
    (landing / "items").mkdir(parents=True)
    lines = (json.dumps({"item_id": f"item-{item}", "text": text_of(item)}) for item in range(ITEMS))
    (landing / "items" / "items.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def fill_vectors(lake: Lake) -> None:
    """Give every text of the benchmark a vector."""
    encoder = load_encoder(ENCODER)
    texts = {
        "query": [f"red shoes number {number}" for number in range(QUERIES)],
        "item": [text_of(item) for item in range(ITEMS)],
    }
    for role, all_of_role in texts.items():
        for start in range(0, len(all_of_role), 8_192):
            some = all_of_role[start : start + 8_192]
            matrix = encoder.encode(some, role)  # type: ignore[arg-type] # a role is one of the two
            offsets = pa.array(np.arange(len(some) + 1, dtype=np.int32) * matrix.shape[1])
            vectors = pa.ListArray.from_arrays(offsets, pa.array(matrix.astype(np.float32).ravel()))
            hashes = pa.array([hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for text in some])
            names = [pa.array([word] * len(some)) for word in (encoder.fingerprint, role)]
            rows = pa.table([*names, hashes, vectors], schema=TEXT_VECTORS.schema)
            lake.append(TEXT_VECTORS.name, rows, {"model": encoder.fingerprint})


def family(process: int | str = "self") -> Iterator[Path]:
    """The folders in which the system tells of a process and of those that it started."""
    folder = Path("/proc", str(process))
    yield folder
    with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
        for children in [(task / "children").read_text().split() for task in (folder / "task").iterdir()]:
            for child in children:
                yield from family(child)


def told(file: str, *names: str) -> float:
    """MiB that the system tells by these names, of the family."""
    kib = 0
    for folder in family():
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            for line in (folder / file).read_text().splitlines():
                name, _, words = line.partition(":")
                kib += int(words.split()[0]) if name in names else 0
    return kib / 1024


@contextmanager
def highest_memory(every: float = 0.25, files_every: float = 5.0) -> Iterator[list[float]]:
    """The highest memory of this process and its workers so far, in MiB.

    What is theirs alone is looked at often. Pages of files, which they share and which are to be counted once, only now and
    then: to tell how many they are the system walks through all of a process's pages, and keeps it waiting meanwhile.
    (The system's own mark will not do: each step lets it begin anew, to tell its own.)
    """
    highest, ended = [0.0], threading.Event()

    def watch() -> None:
        files, looked = 0.0, -math.inf
        while not ended.wait(every):
            if time.perf_counter() - looked > files_every:
                files, looked = told("smaps_rollup", "Pss_File"), time.perf_counter()
            highest[0] = max(highest[0], told("status", "RssAnon", "RssShmem") + files)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield highest
    finally:
        ended.set()
        thread.join()


def measure(sessions: int, vectors: Path) -> dict[str, Any]:
    """Run the pipeline on a fresh home; what it took."""
    from ft_assets import headless

    with tempfile.TemporaryDirectory(prefix="ft_assets_bench_") as folder:
        home = Home(Path(folder) / "home")
        command = "import sys; from pathlib import Path; from benchmarks.ingestion import write_log as w; "
        command += f"print(w(Path(sys.argv[1]), {sessions}))"
        landed = subprocess.run([sys.executable, "-c", command, str(home.landing)], check=True, capture_output=True).stdout
        write_items(Path(home.landing))
        shutil.copytree(vectors / "lake" / TEXT_VECTORS.name, Path(home.lake.root) / TEXT_VECTORS.name)
        with headless.instance_of(home) as instance, highest_memory() as highest:
            start = time.perf_counter()
            done = headless.run_until_nothing_is_new(home, instance, lambda line: print(line, file=sys.stderr), CONFIG)
            seconds = time.perf_counter() - start
            if not done.succeeded:
                raise RuntimeError(f"the runs must end well, got {done}")
            steps, between, encoded = _steps(instance)
        if encoded:
            raise RuntimeError(f"every text must have its vector beforehand, {encoded} were encoded")
        return {
            "seconds": seconds,
            "steps": steps,
            "between": between,
            "runs": done.runs,
            "pairs": home.lake.slice("pair_features").row_count,
            "features": home.lake.slice("fine_tuning_features").row_count,
            "landed": int(landed),
            "stored": {
                name: sum(Path(uri.removeprefix("file://")).stat().st_size for uri in home.lake.slice(name).file_uris())
                for name in TABLES
            },
            "peak": highest[0],
        }


def _steps(instance: dg.DagsterInstance) -> tuple[dict[str, list[float]], float, int]:
    """Seconds of every step by name (of a table's rows alone as ``<table> rows``), of runs between steps, and texts encoded.

    Runs overlap, so these seconds add up to more than passed; within a run, one step follows another.
    """
    found: dict[str, list[float]] = defaultdict(list)
    between, encoded = 0.0, 0
    for record in instance.get_run_records():
        run_id = record.dagster_run.run_id
        took = [(s.step_key, (s.end_time or 0.0) - (s.start_time or 0.0)) for s in instance.get_run_step_stats(run_id)]
        for name, seconds in took:
            found[name].append(seconds)
        whole = (record.end_time or 0.0) - record.create_timestamp.timestamp()
        between += whole - sum(seconds for _, seconds in took)
        for entry in instance.all_logs(run_id):
            event = entry.dagster_event
            if event is None or not event.is_step_materialization:
                continue
            metadata = event.step_materialization_data.materialization.metadata
            name = event.step_key or ""
            if name in TABLES and "seconds" in metadata:
                found[f"{name} rows"].append(float(metadata["seconds"].value))  # type: ignore[arg-type] # a number
            for role in ("query", "item"):
                count = metadata.get(f"{role}_texts_encoded")
                encoded += int(str(count.value)) if count else 0
    return dict(found), between, encoded


def row(name: str, cells: list[str]) -> str:
    """A row of a table in Markdown."""
    return f"| {name} | " + " | ".join(cells) + " |"


def tables(found: dict[int, dict[str, Any]]) -> Iterator[str]:
    """A column for each size."""
    sizes = list(found)

    def of_steps(name: str) -> list[float]:
        return [sum(found[size]["steps"].get(name, [])) for size in sizes]

    yield row("", [f"{size:,} sessions" for size in sizes])
    yield "|---|" + "---|" * len(sizes)
    daily = [name for name, table in TABLES.items() if table.daily]
    in_steps = [0.0] * len(sizes)
    for name in ("ingestion", *daily):
        took, rows_alone = of_steps(name), of_steps(f"{name} rows")
        in_steps = [a + b for a, b in zip(in_steps, took, strict=True)]
        alone = any(rows_alone)
        cells = [f"{a:.1f} ({b:.1f})" if alone else f"{a:.1f}" for a, b in zip(took, rows_alone, strict=True)]
        yield row(f"{name}, s" + (" (its rows alone)" if alone else ""), cells)
    checks = {name: of_steps(f"{name}_checks") for name in TABLES}
    checking = [sum(seconds) for seconds in zip(*checks.values(), strict=True)]
    for name in daily:
        yield row(f"checks of {name}, s", [f"{seconds:.1f}" for seconds in checks[name]])
    of_log = zip(*(seconds for name, seconds in checks.items() if name not in daily), strict=True)
    yield row("checks of the log, s", [f"{sum(seconds):.1f}" for seconds in of_log])
    own = [found[size]["between"] for size in sizes]
    count = [sum(len(t) for name, t in found[size]["steps"].items() if not name.endswith(" rows")) for size in sizes]
    yield row("Dagster between the steps, s (a step)", [f"{o:.1f} ({o / c:.3f})" for o, c in zip(own, count, strict=True)])
    busy = [a + b + o for a, b, o in zip(in_steps, checking, own, strict=True)]
    yield row("busy in runs, of several at once, s", [f"{seconds:.1f}" for seconds in busy])
    yield row("**all, from start to end, s**", [f"**{found[size]['seconds']:.1f}**" for size in sizes])
    yield row("sessions a second", [f"{size / found[size]['seconds']:,.0f}" for size in sizes])
    yield row("pairs", [f"{found[size]['pairs']:,}" for size in sizes])
    yield row("pairs a second", [f"{found[size]['pairs'] / found[size]['seconds']:,.0f}" for size in sizes])
    yield row("landed, MB", [f"{found[size]['landed'] / 1e6:,.0f}" for size in sizes])
    yield row("stored, MB", [f"{sum(found[size]['stored'].values()) / 1e6:,.0f}" for size in sizes])
    yield row(
        "of them fine_tuning_features, MB", [f"{found[size]['stored']['fine_tuning_features'] / 1e6:,.0f}" for size in sizes]
    )
    yield row("peak memory of all processes, MiB", [f"{found[size]['peak']:,.0f}" for size in sizes])
    yield ""
    for least, most in itertools.pairwise(sizes):
        powers = [math.log(found[most][of] / found[least][of]) / math.log(most / least) for of in ("seconds", "peak")]
        yield (
            f"From {least:,} to {most:,} sessions the time grows with the power {powers[0]:.2f} of their number, "
            f"the memory with the power {powers[1]:.2f}."
        )


def main() -> None:
    """Print the table, as Markdown."""
    print("## The whole pipeline\n")
    print(INTRODUCTION)
    found = {}
    with tempfile.TemporaryDirectory(prefix="ft_assets_bench_") as folder:
        fill_vectors(Home(Path(folder)).lake)
        for sessions in SIZES:
            command = [sys.executable, "-m", "benchmarks.pipeline", str(sessions), folder]
            printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ.copy()).stdout
            found[sessions] = json.loads(printed.splitlines()[-1])
    for line in tables(found):
        print(line, flush=True)
    print()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]), Path(sys.argv[2]))))
    else:
        main()
