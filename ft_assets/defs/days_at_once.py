"""Several days at once, each in a process of its own, for ``ft-assets run``: how many, and what they are told of each other."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import dagster as dg
import pyarrow as pa

from ft_assets.day_order import Made
from ft_assets.defs import partitions
from ft_assets.defs.day_runs import Outcome
from ft_assets.defs.gates import mark_failed
from ft_assets.defs.resources import ComputeResource, EncoderResource
from ft_assets.devices import may_have_gpu
from ft_assets.lake import Home
from ft_assets.queries import MEMORY_MIB
from ft_assets.workers import Worker, Workers

RUNS_AT_ONCE = 4  # as in dagster.yaml
MIB_A_DAY = 2_048  # what a day of 142,857 sessions takes at its highest, and some
JOBS = "FT_ASSETS_JOBS"
THREADS = "FT_ASSETS_DUCKDB_THREADS"  # read by every connection anew
SHARED = "FT_ASSETS_THREADS_ARE_SHARED"  # a worker's threads are its share of the cores, not what somebody has set
MAKER = "ft_assets.headless:DayMaker"
LARGE_BYTES = 4 << 20  # of landed files: to ingest these takes about as long as to start a process


@dataclass(frozen=True)
class DayTask:
    """A day to make.

    Attributes:
        home: where.
        request: what to run.
        to_come: tables of other days that are still to be made, by day.
        is_last: whether no day waits behind it: it will have the machine to itself.
    """

    home: Home
    request: dg.RunRequest
    to_come: Mapping[dt.date, Collection[str]]
    is_last: bool = False


def jobs_at_once(config: Mapping[str, Any]) -> int:
    """How many days to make at once: ``FT_ASSETS_JOBS``, else as many as there are cores and memory for.

    On a GPU, and where a Ray cluster computes, a day has all of it to itself.

    Args:
        config: the run configuration of the days.

    Raises:
        ValueError: ``FT_ASSETS_JOBS`` is no number of days.
    """
    if said := os.environ.get(JOBS):
        if not said.isdecimal() or not 1 <= int(said) <= RUNS_AT_ONCE:
            raise ValueError(f"{JOBS} must be a number from 1 to {RUNS_AT_ONCE}, got {said!r}")
        return int(said)
    set_ = {name: (entry or {}).get("config") or {} for name, entry in (config.get("resources") or {}).items()}
    if ComputeResource(**set_.get("compute", {})).cluster is not None:
        return 1
    # torch is asked only where there may be one: to load it takes longer than a small day.
    if may_have_gpu() and EncoderResource(**set_.get("encoder", {})).torch_device != "cpu":
        return 1
    return max(1, min(RUNS_AT_ONCE, cores(), memory_mib() // MIB_A_DAY))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_mib() -> int:
    """Memory that is free for us, as far as the system tells; else enough."""
    free = [1 << 30]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free += [int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:")]
        group = Path("/sys/fs/cgroup")
        most, now = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        free += [] if most == "max" else [(int(most) - int(now)) >> 20]
    except (OSError, ValueError):  # another system, or no such limit
        pass
    return max(0, min(free))


def environment_of(at_once: int) -> dict[str, str]:
    """What each of so many processes may use of the machine; what somebody has set stays."""
    threads = str(max(1, cores() // at_once))
    shares = {
        "FT_ASSETS_DUCKDB_MEMORY": f"{MEMORY_MIB // at_once}MiB",
        **dict.fromkeys((THREADS, "OMP_NUM_THREADS", "RAYON_NUM_THREADS", "TOKIO_WORKER_THREADS"), threads),
    }
    if THREADS not in os.environ:
        shares[SHARED] = "true"
    return {name: value for name, value in shares.items() if name not in os.environ}


def take_all_cores() -> None:
    """Let this process, a worker, query and read on all cores: no day waits any more."""
    if SHARED in os.environ:
        os.environ[THREADS] = str(cores())
        pa.set_cpu_count(cores())


def tables_of(request: dg.RunRequest) -> list[str]:
    """The tables that a request makes."""
    return [key.path[-1] for key in request.asset_selection or []]


def day_of(request: dg.RunRequest, number: int, of: int) -> str:
    """A day in words, with its place among those that are made."""
    return f"day {request.partition_key} ({number} of {of})"


class DayWorkers:
    """Processes to make days with, for the length of a ``with`` block.

    What they import takes them some seconds: beside a large ingestion, which leaves cores idle, they are started before it is
    known which days there are to make.

    Args:
        count: tells how many the machine has room for.
    """

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._open = ExitStack()
        self._workers: Workers | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: Any) -> None:
        self._open.__exit__(*raised)

    def beside_ingestion(self, size: int) -> None:
        """Start them, if so many bytes of landed files will take longer."""
        if size >= LARGE_BYTES and self._workers is None and (count := self._count()) > 1:
            self._start(count)

    def for_days(self, days: int) -> Workers | None:
        """Those that make so many days, started by now; None where the days are made in this process, one by one."""
        count = min(days, self._count()) if days > 1 else 1
        if count == 1:
            return None
        if self._workers is None or sum(worker.is_alive for worker in self._workers.all) != count:
            self._start(count)  # as many as there are share the machine
        return self._workers

    def _start(self, count: int) -> None:
        self._open.close()
        self._workers = self._open.enter_context(Workers(MAKER, environment_of(count)))
        for _ in range(count):
            self._workers.start()


def made_at_once(
    home: Home,
    instance: dg.DagsterInstance,
    wanted: list[dg.RunRequest],
    workers: Workers,
    say: Callable[[str], None],
) -> list[Outcome]:
    """Make days, several at a time; one that fails stops no other.

    Args:
        home: where.
        instance: where the runs are recorded.
        wanted: a request for each day, in the order of the days.
        workers: started, to be given days.
        say: told when a day begins and ends, and how far long steps are.

    Returns:
        What came of each day, in the order of the days.
    """
    making = _Making(home, instance, wanted, say, workers)
    for worker in list(workers.all):
        making.give(worker)
    while making.under_way:
        making.hear(*workers.heard())
    return [making.outcomes[number] for number in sorted(making.outcomes)]


@dataclass
class _Making:
    """Which worker makes which day, and what has become of the others."""

    home: Home
    instance: dg.DagsterInstance
    wanted: list[dg.RunRequest]
    say: Callable[[str], None]
    workers: Workers
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    under_way: dict[Worker, int] = field(default_factory=dict)
    began: dict[int, float] = field(default_factory=dict)
    to_come: dict[dt.date, set[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.to_come = {_date(request): set(tables_of(request)) for request in self.wanted}

    def give(self, worker: Worker) -> None:
        """Have a worker make the next day, if there is one."""
        number = len(self.began)
        if number == len(self.wanted):
            worker.dismiss()  # to end takes it a second, beside the others
            return
        request = self.wanted[number]
        self.under_way[worker], self.began[number] = number, time.perf_counter()
        self.say(f"{day_of(request, number + 1, len(self.wanted))}: {', '.join(tables_of(request))}")
        to_come = {day: set(tables) for day, tables in self.to_come.items()}
        worker.do(DayTask(self.home, request, to_come, is_last=len(self.began) == len(self.wanted)))

    def hear(self, worker: Worker, kind: str, what: Any) -> None:
        """Take note of what a worker says."""
        number = self.under_way.get(worker)
        if number is None:
            return
        if kind == "told" and isinstance(what, Made):
            self.spread(what)
        elif kind == "told":
            self.say(f"  {self.wanted[number].partition_key}: {what}")
        elif kind == "done":
            self.ended(worker, what)
            self.give(worker)
        else:
            self.ended(worker, self.dead(number, what))
            if len(self.began) < len(self.wanted):
                self.give(self.workers.start())

    def ended(self, worker: Worker, outcome: Outcome) -> None:
        """A day has come to its end."""
        number = self.under_way.pop(worker)
        self.outcomes[number] = outcome
        self.say(f"{day_of(self.wanted[number], number + 1, len(self.wanted))} {outcome.words}")
        self.spread(Made(_date(self.wanted[number])))

    def spread(self, made: Made) -> None:
        """Let every process know what has been made."""
        if made.table is None:
            self.to_come.pop(made.day, None)
        else:
            self.to_come.get(made.day, set()).discard(made.table)
        for worker in self.under_way:
            worker.tell(made)

    def dead(self, number: int, status: int) -> Outcome:
        """What a day came to whose process died."""
        request = self.wanted[number]
        day = str(request.partition_key)
        runs = mark_failed(self.instance, {"dagster/partition": day})
        return Outcome(
            run_id=runs[0] if runs else f"of {day}",
            day=day,
            succeeded=False,
            reason=f"the process that made it ended with status {status}",
            seconds=time.perf_counter() - self.began[number],
        )


def _date(request: dg.RunRequest) -> dt.date:
    return partitions.day(str(request.partition_key))
