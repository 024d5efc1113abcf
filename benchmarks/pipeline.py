"""How fast a day goes from landed files to features, and that memory follows the batch rather than the day.

Run with ``python -m benchmarks.pipeline``; ``SIZE=small`` takes a minute. Simulated sessions, the small hashing encoder
(a real one's speed is its own), each size in a process of its own, beside a plain read of the same landed files.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.extractor import SMALL, peak_memory
from ft_assets import engine, flags
from ft_assets.encoders import load_encoder
from ft_assets.ingestion import ingest, new_files
from ft_assets.lake import Home
from ft_assets.rules import rulebook

DAY = dt.date(2026, 11, 1)
SIZES = (2_000, 8_000) if SMALL else (10_000, 40_000, 160_000)


def steps(home: Home) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each step of a day, in order."""
    lake, encoder = home.lake, load_encoder("hashing")
    settings = engine.PairSettings(confidence="windowed")

    def store(name: str, rows: engine.DayRows) -> object:
        return lake.replace_day(name, DAY, rows.batches, {})

    def day(name: str) -> engine.Slice:
        return lake.slice(name, DAY)

    yield "plain read: gunzip, json.loads", lambda: read_plainly(home.landing)
    yield "ingestion", lambda: ingest(lake, new_files(lake, home.landing))
    yield (
        "flagged_sessions",
        lambda: store(
            "flagged_sessions", flags.flagged_sessions(day("search_sessions"), lake.slice("session_events"), rulebook())
        ),
    )
    yield (
        "fine_tuning_inputs",
        lambda: store(
            "fine_tuning_inputs",
            engine.fine_tuning_inputs(
                day("search_sessions"), lake.slice("session_events"), lake.slice("items"), day("flagged_sessions"), ["click"]
            ),
        ),
    )
    yield "sampled_inputs", lambda: store("sampled_inputs", engine.sampled_inputs(day("fine_tuning_inputs"), 0.5, 0))
    yield "text_vectors", lambda: engine.text_vectors(lake, day("sampled_inputs"), lake.slice("items"), encoder, {})
    yield (
        "pair_features",
        lambda: store(
            "pair_features",
            engine.pair_features(
                day("sampled_inputs"), lake.slice("items"), lake.slice("text_vectors"), encoder.fingerprint, settings
            ),
        ),
    )
    yield (
        "fine_tuning_features",
        lambda: store("fine_tuning_features", engine.fine_tuning_features(day("pair_features"), 0.0, 1.0)),
    )


def read_plainly(landing: Path) -> int:
    """What reading the files costs anyone: decompress each line and parse it."""
    return sum(len(json.loads(line)) for path in landing.rglob("*.gz") for line in gzip.open(path))


def measure(sessions: int) -> None:
    """Print the seconds of each step, the rows of pair_features, and the peak memory of this process in MiB."""
    with tempfile.TemporaryDirectory(prefix="ft_assets_bench_") as folder:
        home = Home(Path(folder) / "home")
        command = "import sys; from pathlib import Path; from ft_assets.simulate import simulate as s; "
        command += f"s(Path(sys.argv[1]), days=1, sessions={sessions}, seed=0)"
        subprocess.run([sys.executable, "-c", command, str(home.landing)], check=True)
        times = {}
        for name, step in steps(home):
            start = time.perf_counter()
            step()
            times[name] = time.perf_counter() - start
        pairs = home.lake.slice("pair_features", DAY).row_count
        print(json.dumps({"times": times, "pairs": pairs, "peak": peak_memory()}))


def tables() -> Iterator[str]:
    """Rows: seconds a step at each size, and what they come to."""
    found = {}
    for sessions in SIZES:
        command = [sys.executable, "-m", "benchmarks.pipeline", str(sessions)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ.copy()).stdout
        found[sessions] = json.loads(printed.splitlines()[-1])
    yield "| seconds | " + " | ".join(f"{sessions:,} sessions" for sessions in SIZES) + " |"
    yield "|---|" + "---|" * len(SIZES)
    for name in next(iter(found.values()))["times"]:
        yield f"| {name} | " + " | ".join(f"{found[sessions]['times'][name]:.2f}" for sessions in SIZES) + " |"
    totals = {s: sum(list(f["times"].values())[1:]) for s, f in found.items()}
    plain = {s: next(iter(f["times"].values())) for s, f in found.items()}
    rows = {
        "all steps": [f"{totals[s]:.2f}" for s in SIZES],
        "times the plain read": [f"{totals[s] / plain[s]:.1f}" for s in SIZES],
        "microseconds a session": [f"{totals[s] / s * 1e6:.0f}" for s in SIZES],
        "rows of pair_features": [f"{found[s]['pairs']:,}" for s in SIZES],
        "peak memory, MiB": [f"{found[s]['peak']:,.0f}" for s in SIZES],
    }
    for name, cells in rows.items():
        yield f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table, as Markdown."""
    print("## A day, from landed files to features\n")
    for line in tables():
        print(line, flush=True)
    print()


if __name__ == "__main__":
    measure(int(sys.argv[1])) if len(sys.argv) > 1 else main()
