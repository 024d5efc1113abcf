"""How fast the library is: features of precomputed vectors against loops over sessions, side by side in one run.

Run with ``python -m benchmarks.extractor``; ``SIZE=small`` takes a minute. Two threads, 384-wide float32 vectors, 20
results and two events a session, windowed confidences, batches of 4,096 sessions, no gradients.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from ft_assets.extractor import FeaturesExtractor
from ft_assets.kernels import cosine_similarity, euclidean_distance, score, windowed_confidences
from ft_assets.records import FineTuningInput, InputBatch, ItemsSet
from ft_assets_tests.reference import loop_extract, loop_windowed, plain_windowed

THREADS, WIDTH, RESULTS, BATCH, ITEMS = 2, 384, 20, 4096, 5000
SMALL = os.environ.get("SIZE") == "small"
INTRODUCTION = f"""\
Precomputed {WIDTH}-wide float32 vectors of {ITEMS:,} items, {RESULTS} results and two events a session, batches of
{BATCH:,}, windowed confidences, no gradients, {THREADS} threads; the rows of the first table are timed in turns. The
loops are `loop_extract` of `ft_assets_tests/reference.py`: torch within a session, Python across sessions. The plain
one takes confidences result by result, as the published classes do; the other vectorises them within the session, which
is the harder yardstick. (A list of `FineTuningInput` objects costs more to pack than its features: pack once, with
`FeaturesExtractor.pack`, what is seen in every epoch. `python -m benchmarks.extractor`)
"""


class PrecomputedModel:
    """Looks vectors up; items come as vectors already."""

    def __init__(self, queries: Tensor) -> None:
        self.queries = queries

    def forward_query(self, query: int) -> Tensor:
        """The vector of one query."""
        return self.queries[query]

    def forward_queries(self, queries: list[int]) -> Tensor:
        """The vectors of queries."""
        return self.queries.index_select(0, torch.tensor(queries))

    def forward_items(self, items: Tensor) -> Tensor:
        """The items themselves."""
        return items


def vectors(rows: int, seed: int) -> Tensor:
    return torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed))


def catalogue(items: int) -> ItemsSet:
    return ItemsSet([f"item-{row}" for row in range(items)], vectors(items, 1))


def sessions(count: int, items: int) -> list[FineTuningInput]:
    rng = random.Random(0)
    names = [f"item-{row}" for row in range(items)]
    made = []
    for query in range(count):
        results = rng.sample(names, RESULTS)
        ranks = {name: 1 - 0.04 * place + 0.01 * rng.random() for place, name in enumerate(results)}
        made.append(FineTuningInput(query=query, events=rng.sample(results, 2), results=results, ranks=ranks))
    return made


def seconds(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """(Best, median) of the repeats, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times), median(times)


def speed() -> Iterator[str]:
    """Rows: sessions a second of the loops and of the extractor, and how many times each loop that is."""
    batch, items = sessions(BATCH, ITEMS), catalogue(ITEMS)
    model = PrecomputedModel(vectors(BATCH, 2))
    extractor = FeaturesExtractor(model, confidence_calculator=windowed_confidences)
    packed = extractor.pack(batch)
    few = batch[: BATCH // 16]
    rows: dict[str, tuple[Callable[[], object], int]] = {
        "loop, confidences result by result": (lambda: loop_extract(few, model, items, plain_windowed), len(few)),
        "loop, vectorised within a session": (lambda: loop_extract(few, model, items, loop_windowed), len(few)),
        "forward of a list of inputs": (lambda: extractor(batch, items), BATCH),
        "forward of a packed batch": (lambda: extractor(packed, items), BATCH),
        "packing alone": (lambda: extractor.pack(batch), BATCH),
    }
    with torch.no_grad():
        times = rounds({name: work for name, (work, _) in rows.items()}, 5 if SMALL else 40)
    rates = {name: count / min(times[name]) for name, (_, count) in rows.items()}
    plain, tight = list(rates.values())[:2]
    yield "| | sessions/s, best | sessions/s, median | times the plain loop | times the vectorised loop |"
    yield "|---|---|---|---|---|"
    for name, (_, count) in rows.items():
        rate = rates[name]
        yield f"| {name} | {rate:,.0f} | {count / median(times[name]):,.0f} | {rate / plain:,.0f} | {rate / tight:,.0f} |"


def rounds(work: dict[str, Callable[[], object]], count: int) -> dict[str, list[float]]:
    """Seconds of each, taken in turns: whatever else the machine does then falls on all of them alike."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(count + 1):
        for name, run in work.items():
            start = time.perf_counter()
            run()
            if turn:  # the first turn warms up
                times[name].append(time.perf_counter() - start)
    return times


def bandwidth() -> Iterator[str]:
    """Rows: bytes of item vectors that scoring asks for in a second, beside a plain read of memory."""
    repeats = 5 if SMALL else 20
    size = (1 if SMALL else 4) * 2**29
    read = size / seconds(torch.ones(size // 4).sum, repeats)[0] / 1e9
    query_index = torch.arange(BATCH).repeat_interleave(RESULTS)
    asked = query_index.shape[0] * WIDTH * 4 / 1e9
    yield "| scoring 81,920 results | ms | GB/s | share of a streaming read |"
    yield "|---|---|---|---|"
    yield f"| plain read of {size / 2**30:g} GiB | | {read:.1f} | 1.00 |"
    with torch.no_grad():
        for kind, items in ((cosine_similarity, ITEMS), (cosine_similarity, query_index.shape[0]), (euclidean_distance, ITEMS)):
            queries, table = vectors(BATCH, 2), vectors(items, 1)
            index = torch.randint(items, query_index.shape, generator=torch.Generator().manual_seed(3))
            best, _ = seconds(lambda q=queries, t=table, i=index, k=kind: score(q, t, query_index, i, k), repeats)  # type: ignore[misc]
            rate = asked / best
            name = getattr(kind, "__name__", "")
            yield f"| {name}, {items:,} items | {best * 1e3:.2f} | {rate:.1f} | {rate / read:.2f} |"


def stream(count: int) -> None:
    """Print the seconds in forward (in all, and a session's in the median batch) and the peak MiB.

    ``count`` sessions come in batches that are let go.
    """
    items, generator = catalogue(ITEMS), torch.Generator().manual_seed(0)
    extractor = FeaturesExtractor(PrecomputedModel(vectors(BATCH, 2)), confidence_calculator=windowed_confidences)
    times = []
    with torch.no_grad():
        extractor(drawn(BATCH, items, generator), items)
        for start in range(0, count, BATCH):
            batch = drawn(min(BATCH, count - start), items, generator)
            begin = time.perf_counter()
            extractor(batch, items)
            times.append((time.perf_counter() - begin) / len(batch))
    print(sum(times[:-1]) * BATCH + times[-1] * len(batch), median(times), peak_memory())


def peak_memory() -> float:
    """MiB, of this process alone: the counter of getrusage would be inherited from the one that started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024


def drawn(count: int, items: ItemsSet, generator: torch.Generator) -> InputBatch:
    """A batch packed from random numbers, two events a session."""
    total = count * RESULTS
    clicked = torch.zeros(count, RESULTS, dtype=torch.bool)
    clicked.scatter_(1, torch.rand(count, RESULTS, generator=generator).topk(2, dim=1).indices, True)
    offsets = torch.arange(0, total + 1, RESULTS)
    return InputBatch(
        offsets=offsets, object_offsets=offsets, object_index=torch.arange(total), query_index=torch.arange(count),
        item_index=torch.randint(len(items), (total,), generator=generator),
        ranks=torch.rand(total, generator=generator), clicked=clicked.view(-1),
        kept=torch.ones(total, dtype=torch.bool), is_irrelevant=torch.zeros(count, dtype=torch.bool),
        queries=range(count), item_ids=items.ids,
    )  # fmt: skip


def growth() -> Iterator[str]:
    """Rows: time and peak memory of ever more sessions, each number in a process of its own."""
    yield "| sessions | seconds in forward | microseconds a session | of them in the median batch | peak memory, MiB |"
    yield "|---|---|---|---|---|"
    for count in (10**3, 10**4, 10**5, *(() if SMALL else (10**6,))):
        command = [sys.executable, "-m", "benchmarks.extractor", str(count)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        spent, middle, peak = map(float, printed.split())
        yield f"| {count:,} | {spent:.3f} | {spent / count * 1e6:.2f} | {middle * 1e6:.2f} | {peak:,.0f} |"


def main() -> None:
    """Print the tables, as Markdown."""
    print("## The library\n")
    print(INTRODUCTION)
    for table in (speed, bandwidth, growth):
        for line in table():
            print(line, flush=True)
        print()


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    stream(int(sys.argv[1])) if len(sys.argv) > 1 else main()
