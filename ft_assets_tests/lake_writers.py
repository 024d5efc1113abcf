"""What the writers of test_lake.py do in processes of their own."""

from __future__ import annotations

import datetime as dt
import itertools
import resource
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

import numpy as np
import pyarrow as pa

from ft_assets.lake import AlreadyDone, Lake
from ft_assets.schemas import PAIR_FEATURES, SESSION_EVENTS
from ft_assets_tests.builders import DAY, NOW, event, pair, table_of


def write_one_day(barrier: Barrier, roots: list[str], number: int) -> None:
    """In each lake, which does not exist yet, the day of that number."""
    day = DAY + dt.timedelta(days=number)
    rows = table_of("pair_features", [pair(f"{number}-{row}", session_date=day) for row in range(number + 1)])
    for root in roots:
        barrier.wait()
        Lake(root).replace_day("pair_features", day, rows.to_batches, {"writer": number})


def append_one_file(barrier: Barrier, roots: list[str], number: int, answers: Connection) -> None:
    """In each lake, the same file as the other writers."""
    rows = table_of("session_events", [event("s", f"i{row}", event_id=f"{number}-{row}") for row in range(3)])
    for root in roots:
        barrier.wait()
        try:
            answers.send((root, number, Lake(root).append_once(SESSION_EVENTS.name, rows.to_batches, ["f"], {}).rows))
        except AlreadyDone:
            answers.send((root, number, None))


def replace_slowly(root: str, batches: int, rows: int) -> None:
    """Replace a day, saying before each batch how many came before it."""
    table = table_of("pair_features", [pair("new", negative_id=f"n{row}") for row in range(rows)])

    def make() -> Iterator[pa.RecordBatch]:
        for number in range(batches):
            print(number, flush=True)
            time.sleep(0.02)
            yield from table.to_batches()
        print("all", flush=True)

    Lake(root).replace_day("pair_features", DAY, make, {})
    print("done", flush=True)


def stream_a_large_day(root: str, megabytes: int) -> None:
    """Replace a day by so much data that does not compress; print its size and how far memory grew, in MB."""
    rows, random, made = 16_384, np.random.default_rng(0), 0
    day = pa.array([DAY] * rows)

    def column(field: pa.Field) -> pa.Array:
        if field.name == "session_date":
            return day
        if field.type == pa.string():
            noise = random.bytes(12 * rows).hex()
            return pa.array([noise[start : start + 24] for start in range(0, 24 * rows, 24)])
        return pa.array(random.random(rows)).cast(field.type, safe=False)

    # As many as make up a row group, over and over: making more noise would take longer than writing it.
    batches = [
        pa.RecordBatch.from_arrays([column(field) for field in PAIR_FEATURES.schema], schema=PAIR_FEATURES.schema)
        for _ in range(8)
    ]

    def make() -> Iterator[pa.RecordBatch]:
        nonlocal made
        for batch in itertools.cycle(batches):
            made += batch.nbytes
            yield batch
            if made >= megabytes * 2**20:
                return

    lake = Lake(root)
    lake.replace_day("pair_features", DAY, lambda: table_of("pair_features", [pair()]).to_batches(), {})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lake.replace_day("pair_features", DAY, make, {"at": str(NOW)})
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(made / 2**20, (after - before) / 2**10)


if __name__ == "__main__":
    {"slowly": lambda root, *n: replace_slowly(root, *map(int, n)), "large": lambda root, n: stream_a_large_day(root, int(n))}[
        sys.argv[1]
    ](*sys.argv[2:])
