"""Print every table of the benchmark, as Markdown, and write docs/benchmarks.md of them (not with ``SIZE=small``)."""

import contextlib
import datetime as dt
import io
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks import extractor, ingestion, pipeline, steps, vectors

HISTORY = Path(__file__).with_name("history.md")
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
LIBRARIES = ("torch", "pyarrow", "duckdb", "deltalake", "dagster", "sentence-transformers", "numpy")


class _Both(io.StringIO):
    """Keeps what is printed, and prints it."""

    def write(self, text: str) -> int:
        sys.__stdout__.write(text)  # type: ignore[union-attr]
        return super().write(text)


def machine() -> str:
    """What it ran on."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) / 2**20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    processor = names[0] if names else platform.processor() or platform.machine()
    gib = f", {memory[0]:.0f} GiB of memory" if memory else ""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{os.cpu_count()} cores ({processor}){gib}, {gpu}, {platform.system()}"


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def introduction() -> str:
    """The head of the page."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        "# Benchmarks\n\n"
        f"Written by `make bench` on {dt.datetime.now(dt.UTC):%Y-%m-%d}: {machine()}, nothing else at work; Python "
        f"{platform.python_version()}, {versions}.\n\n"
        "Numbers to compare stand in one table and were taken in one run. `make bench SIZE=small` prints smaller tables within "
        "minutes and leaves this page alone; each part has a command of its own, named below.\n"
    )


def main() -> None:
    """Every part in turn."""
    torch.set_num_threads(extractor.THREADS)
    page = _Both()
    with contextlib.redirect_stdout(page):
        print(introduction())
        for part in (extractor, ingestion, vectors, steps, pipeline):
            part.main()
    if not extractor.SMALL:
        PAGE.write_text(page.getvalue().rstrip() + "\n\n" + HISTORY.read_text(encoding="utf-8"), encoding="utf-8")


if __name__ == "__main__":
    main()
