"""How fast landed files become rows of the log, and that memory follows the group of files rather than the log.

Run with ``python -m benchmarks.ingestion``; ``SIZE=small`` takes a minute. Sessions of 20 results and one or two clicks each,
as plain JSON lines of seven days, each size in a process of its own, beside DuckDB's bare ``read_json`` of the same files:
the least that reading them costs.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from benchmarks.extractor import SMALL, peak_memory
from ft_assets.ingestion import ingest, new_files
from ft_assets.lake import Lake

SIZES = (10_000, 100_000) if SMALL else (10_000, 100_000, 1_000_000)
DAYS = 7
SESSIONS = """
    copy (
        select
            's-' || i as session_id,
            'red shoes number ' || hash(i, 3) % 50000 as search_query,
            strftime(timestamp '2026-11-01 00:00:00' + to_seconds(moment), '%Y-%m-%dT%H:%M:%S.%fZ') as created_at,
            'u-' || hash(i, 1) % 100000 as user_id,
            list_transform(
                range(20),
                lambda p: {
                    'object_id': 'item-' || (hash(i, 7) + p * 7919) % 100000,
                    'rank': round(20.0 - p + hash(i, p) % 1000 / 1000.0, 3)
                }
            ) as search_results
        from (
            select i, ($day::int * 86400 + (i - $first::int) * 86000.0 / ($last::int - $first::int))::double as moment
            from range($first::int, $last::int) as t(i)
        )
    ) to $path (format json)
"""
EVENTS = """
    copy (
        select
            'e-' || i || '-' || k as event_id,
            's-' || i as session_id,
            'item-' || (hash(i, 7) + hash(i, k, 11) % 20 * 7919) % 100000 as object_id,
            'click' as event_type,
            strftime(timestamp '2026-11-01 00:00:30' + to_seconds(moment), '%Y-%m-%dT%H:%M:%S.%fZ') as created_at
        from (
                select i, ($day::int * 86400 + (i - $first::int) * 86000.0 / ($last::int - $first::int))::double as moment
                from range($first::int, $last::int) as t(i)
            ) as s,
            unnest(range(1 + (hash(i, 5) % 2)::int)) as u(k)
    ) to $path (format json)
"""
BARE = {
    "sessions": "session_id: 'VARCHAR', search_query: 'VARCHAR', created_at: 'VARCHAR', user_id: 'VARCHAR', "
    "search_results: 'STRUCT(object_id VARCHAR, rank FLOAT)[]'",
    "events": "session_id: 'VARCHAR', event_id: 'VARCHAR', created_at: 'VARCHAR', object_id: 'VARCHAR', event_type: 'VARCHAR'",
}
INTRODUCTION = """\
Sessions of 20 results with one or two clicks each, plain JSON lines of seven days, into the tables of the log, every
record accounted for; beside it what DuckDB's bare `read_json` takes to parse the same files with declared columns and
keep nothing (`python -m benchmarks.ingestion`).
"""


def write_log(landing: Path, sessions: int, days: int = DAYS) -> int:
    """Write the log of so many sessions over so many days; its size in bytes."""
    folder = landing / "embedding_studio"
    folder.mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        for day in range(days):
            span = {"day": day, "first": sessions * day // days, "last": sessions * (day + 1) // days}
            for kind, query in (("sessions", SESSIONS), ("events", EVENTS)):
                con.execute(query, {**span, "path": str(folder / f"2026-11-0{day + 1}-{kind}.jsonl")})
    return sum(path.stat().st_size for path in folder.iterdir())


def read_plainly(landing: Path) -> float:
    """Seconds that DuckDB takes to parse the files into columns, and to keep nothing."""
    start = time.perf_counter()
    with duckdb.connect() as con:
        for kind, columns in BARE.items():
            files = f"{landing}/embedding_studio/*-{kind}.jsonl"
            parsed = f"read_json($1, format = 'newline_delimited', columns = {{{columns}}})"
            con.execute(f"select count(*), max(c) from (select hash(columns(*)) as c from {parsed})", [files]).fetchall()
    return time.perf_counter() - start


def measure(sessions: int) -> None:
    """Print the seconds of both, the bytes read, the rows written and the peak memory of this process in MiB."""
    with tempfile.TemporaryDirectory(prefix="ft_assets_bench_") as folder:
        landing, lake = Path(folder) / "landing", Lake(str(Path(folder) / "lake"))
        command = "import sys; from pathlib import Path; from benchmarks.ingestion import write_log as w; "
        command += f"print(w(Path(sys.argv[1]), {sessions}))"
        size = int(subprocess.run([sys.executable, "-c", command, str(landing)], check=True, capture_output=True).stdout)
        start = time.perf_counter()
        done = ingest(lake, new_files(lake, landing))
        seconds = time.perf_counter() - start
        peak = peak_memory()
        assert done.rows["search_sessions"] == sessions, done.rows
        stored = sum(path.stat().st_size for path in Path(folder, "lake").rglob("*.parquet"))
        print(
            json.dumps(
                {
                    "seconds": seconds,
                    "plain": read_plainly(landing),
                    "bytes": size,
                    "events": done.rows["session_events"],
                    "peak": peak,
                    "stored": stored,
                }
            )
        )


def tables() -> Iterator[str]:
    """A column for each size."""
    found = {}
    for sessions in SIZES:
        command = [sys.executable, "-m", "benchmarks.ingestion", str(sessions)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ.copy()).stdout
        found[sessions] = json.loads(printed.splitlines()[-1])
    rows = {
        "landed, MB": [f"{found[s]['bytes'] / 1e6:,.0f}" for s in SIZES],
        "events": [f"{found[s]['events']:,}" for s in SIZES],
        "DuckDB's bare read_json, s": [f"{found[s]['plain']:.2f}" for s in SIZES],
        "ingestion, s": [f"{found[s]['seconds']:.2f}" for s in SIZES],
        "times the bare read": [f"{found[s]['seconds'] / found[s]['plain']:.1f}" for s in SIZES],
        "sessions a second": [f"{s / found[s]['seconds']:,.0f}" for s in SIZES],
        "MB a second": [f"{found[s]['bytes'] / 1e6 / found[s]['seconds']:.0f}" for s in SIZES],
        "stored, MB": [f"{found[s]['stored'] / 1e6:,.0f}" for s in SIZES],
        "peak memory, MiB": [f"{found[s]['peak']:,.0f}" for s in SIZES],
    }
    yield "| | " + " | ".join(f"{sessions:,} sessions" for sessions in SIZES) + " |"
    yield "|---|" + "---|" * len(SIZES)
    for name, cells in rows.items():
        yield f"| {name} | " + " | ".join(cells) + " |"
    least, most = SIZES[-2], SIZES[-1]
    growth = math.log(found[most]["seconds"] / found[least]["seconds"]) / math.log(most / least)
    yield f"\nFrom {least:,} to {most:,} sessions the time grows with the power {growth:.2f} of their number."


def main() -> None:
    """Print the table, as Markdown."""
    print("## Ingestion\n")
    print(INTRODUCTION)
    for line in tables():
        print(line, flush=True)
    print()


if __name__ == "__main__":
    measure(int(sys.argv[1])) if len(sys.argv) > 1 else main()
