"""Processes that die: a clean process forks one after another, each is killed, and what they leave is theirs alone.

Starting Python and importing the libraries takes longer than an ingestion; a fork of a process that has only imported them
is as much a process of its own. It prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from ft_assets import ingestion, journal
from ft_assets.lake import Lake


def forked(work: Callable[[], None]) -> int:
    """Do it in a process of its own; its id."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return child


def ended(child: int) -> bool:
    """Wait for its end; whether it came to it by itself, and well."""
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status == 0


def lake_of(folder: Path) -> Lake:
    """Its own, or the one that ``FT_ASSETS_LAKE`` names."""
    return Lake(os.environ.get("FT_ASSETS_LAKE") or str(folder / "lake"))


def ingest_one_by_one(folder: Path, names: list[str] | None = None) -> None:
    """Every new file, or those named; each is an ingestion."""
    ingestion.GROUP_FILES = 1
    ingest(folder, names)


def ingest(folder: Path, names: list[str] | None = None) -> None:
    """Every new file, or those named."""
    lake = lake_of(folder)
    files = [file for file in ingestion.new_files(lake, folder / "landing") if names is None or file.name in names]
    ingestion.ingest(lake, files)


def die_behind(reached: Callable[[str], bool]) -> None:
    """In this process, ask behind every step of an ingestion whether to die there.

    A step is named with the file that is ingested; once that counts, with the name of the ingestion.
    """
    at = [""]

    def die(step: str) -> None:
        if reached(step):
            os.kill(os.getpid(), signal.SIGKILL)

    def deadly(owner: Any, name: str, step: Callable[..., str]) -> None:
        method = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            done = method(*args, **kwargs)
            die(step(*args))
            return done

        setattr(owner, name, call)

    def committed(_: Lake, table: str, rows: Any, names: Any, metadata: Any, *rest: Any) -> str:
        return f"commit {table} {at[0] if table == 'ingested_files' else metadata['ingestion']}"

    class Files(pafs.SubTreeFileSystem):  # type: ignore[misc]
        def delete_file(self, path: str) -> None:
            super().delete_file(path)
            die(f"remove a file {path.split('/')[1]}")

        def delete_dir(self, path: str) -> None:
            super().delete_dir(path)
            die(f"remove the folder {path.split('/')[1]}")

    whole = Lake.filesystem

    def filesystem(lake: Lake) -> pafs.FileSystem:
        if "://" in lake.root:
            return whole(lake)
        Path(lake.root).mkdir(parents=True, exist_ok=True)
        return Files(lake.root, pafs.LocalFileSystem())

    begin = ingestion._Ingestion.__init__

    def named(self: Any, lake: Lake, group: Any, *args: Any) -> None:
        at[0] = group[0].name
        begin(self, lake, group, *args)

    ingestion._Ingestion.__init__ = named  # type: ignore[method-assign]
    Lake.filesystem = filesystem  # type: ignore[method-assign]
    deadly(journal.Staging, "__init__", lambda *_: f"make a folder {at[0]}")
    deadly(journal.Staging, "put", lambda _, table, *rest: f"stage {table} {at[0]}")
    for method in ("append_once", "merge_once"):
        deadly(Lake, method, committed)


def every_step(folder: Path, file: str) -> dict[str, Any]:
    """Die once behind each step that an ingestion of the landed files takes, then end it.

    What is staged is nothing yet, whoever's it is: each of those steps is taken for one file, the last for all.
    """
    last = f"stage {ingestion.TABLES[-1]}"
    steps: list[str] = []
    while True:
        reading, writing = os.pipe()

        def work(writing: int = writing) -> None:
            def reached(step: str) -> bool:
                is_staging = step.startswith(("stage ", "make "))
                if step in steps or (is_staging and not step.endswith(f" {file}") and not step.startswith(last)):
                    return False
                os.write(writing, step.encode())
                return True

            die_behind(reached)
            ingest_one_by_one(folder)

        whole = ended(forked(work))
        os.close(writing)
        with os.fdopen(reading) as stream:
            steps.append(stream.read())
        if whole:
            return {"steps": steps[:-1]}


def one_step(folder: Path, step: str) -> dict[str, Any]:
    """Die behind the first step whose name begins so."""

    def work() -> None:
        die_behind(lambda here: here.startswith(f"{step} "))
        ingest_one_by_one(folder)

    return {"whole": ended(forked(work))}


def killed_at_any_moment(folder: Path, work: Callable[[Path], None], kills: int, longest: float) -> dict[str, Any]:
    """Do it in the folder, undisturbed; then in copies of it, each until it ends, killed at any moment, so often in all.

    Args:
        folder: with a landing place, and what else the work needs.
        work: what is done there.
        kills: how often to kill it at least.
        longest: the latest moment of a kill, as a share of the time that it takes undisturbed.
    """
    homes, moments = list[Path](), list[float]()

    def another() -> Path:
        homes.append(folder.with_name(f"{folder.name}-{len(homes)}"))
        shutil.copytree(folder, homes[-1])
        return homes[-1]

    chance, began, whole = random.Random(4), time.perf_counter(), another()
    assert ended(forked(lambda: work(whole)))
    took = time.perf_counter() - began
    while len(moments) < kills:
        home = another()
        while len(moments) < kills:
            moment = chance.uniform(0, longest * took)
            child = forked(lambda home=home: work(home))  # type: ignore[misc]
            time.sleep(moment)
            os.kill(child, signal.SIGKILL)
            if ended(child):
                break
            moments.append(moment)
        else:
            assert ended(forked(lambda home=home: work(home)))  # type: ignore[misc]
    return {"took": took, "moments": moments, "homes": [str(home) for home in homes]}


def runs(folder: Path, kills: int) -> dict[str, Any]:
    """``ft-assets run``, killed at any moment."""
    from ft_assets import cli, definitions, engine, headless  # noqa: F401 (loaded once, before the forks)

    def run(home: Path) -> None:
        with home.with_suffix(".txt").open("a") as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            cli.main(["--home", str(home), "run"], standalone_mode=False)

    return killed_at_any_moment(folder, run, kills, 0.3)


def together(folder: Path, shares: list[list[str]]) -> dict[str, Any]:
    """One process for each share of the landed files, all at the same time."""
    return {
        "whole": [
            ended(child) for child in _at_once([lambda names=names: ingest_one_by_one(folder, names) for names in shares])
        ]
    }  # type: ignore[misc]


def applied_together(folder: Path, count: int) -> dict[str, Any]:
    """So many processes that finish what a dead one left, all at the same time; who made which commits."""
    pipes = [os.pipe() for _ in range(count)]

    def work(writing: int) -> None:
        done = journal.apply_pending(lake_of(folder))
        os.write(writing, json.dumps(sorted(done.commits)).encode())

    whole = [ended(child) for child in _at_once([lambda writing=writing: work(writing) for _, writing in pipes])]  # type: ignore[misc]
    for _, writing in pipes:
        os.close(writing)
    said = []
    for reading, _ in pipes:
        with os.fdopen(reading) as stream:
            said.append(json.loads(stream.read()))
    return {"whole": whole, "commits": said}


def _at_once(works: list[Callable[[], None]]) -> list[int]:
    """Fork them all, then let them go."""
    reading, writing = os.pipe()

    def waiting(work: Callable[[], None]) -> None:
        os.close(writing)
        os.read(reading, 1)  # until the other end is closed
        work()

    children = [forked(lambda work=work: waiting(work)) for work in works]  # type: ignore[misc]
    os.close(writing)
    os.close(reading)
    return children


if __name__ == "__main__":
    command, folder, *rest = sys.argv[1:]
    work = {
        "steps": lambda: every_step(Path(folder), *rest),
        "step": lambda: one_step(Path(folder), *rest),
        "moments": lambda: killed_at_any_moment(Path(folder), ingest, int(rest[0]), 0.6),
        "together": lambda: together(Path(folder), json.loads(rest[0])),
        "applied": lambda: applied_together(Path(folder), int(rest[0])),
        "runs": lambda: runs(Path(folder), int(rest[0])),
    }[command]
    print(json.dumps(work()))
