"""Dagster's UI on a home, started as ``make ui`` does, and what is done in it in a real browser.

``test_ui.py`` looks at it; ``docs/screenshots.py`` takes its pictures.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import write_deltalake

from ft_assets.lake import Home, Lake

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]  # fmt: skip
GRAPH = "/asset-groups/?expanded=global%40global%3Aclickstream%2Cglobal%40global%3Afeatures"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def dagster_ui(home: Home, log: Path, seconds: float = 90, command: Sequence[str] | None = None) -> Iterator[str]:
    """The address of a UI that answers; its process group ends with the block.

    Args:
        home: the home.
        log: where it writes what it says.
        seconds: how long it may take to answer.
        command: what starts it, but for the port; ``ft-assets ui`` by default.
    """
    port = free_port()
    command = command or [sys.executable, "-m", "ft_assets.cli", "--home", str(home.path), "ui"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=out,
            stderr=out,
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    try:
        yield _answers(f"http://127.0.0.1:{port}", process, log, seconds)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _answers(address: str, process: subprocess.Popen[bytes], log: Path, seconds: float) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5):
                return address
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"no UI at {address} after {seconds} s; its log: {log.read_text()[-3000:]}")


@contextmanager
def browser_page(width: int = 2300, height: int = 1000) -> Iterator[Page]:
    """A page of a headless chromium, which has two minutes for whatever it waits for: a run is a process of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(120_000)
        yield page
        browser.close()


def ask(address: str, query: str, **variables: object) -> Any:
    """The data that the UI's GraphQL answers with."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        answered = json.load(answer)
    assert "errors" not in answered, answered
    return answered["data"]


def materialize(page: Page, address: str, place: str, day: dt.date, ends: str) -> str:
    """Materialize a day from an asset's or a job's page, follow the run to the status it must end in, and give its id."""
    page.goto(f"{address}/{place}")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_text("Select a partition or create one").click()
    # In the dialog: a table of sample rows behind it may show the day as well.
    page.locator(".bp5-portal").get_by_text(day.isoformat(), exact=True).locator("visible=true").last.click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Launch 1 run").click()
    return follow_launched_run(page, ends)


def follow_launched_run(page: Page, ends: str) -> str:
    """From the note that a run was launched to its page, until it has ended so; its id."""
    page.get_by_text("Launched run").wait_for()
    page.get_by_text("View", exact=True).last.click()
    page.wait_for_url("**/runs/*")
    page.get_by_text(ends, exact=True).first.wait_for()
    return page.url.rpartition("/")[2].partition("?")[0]


def spoil(lake: Lake, name: str, day: dt.date, column: str, value: Any, rows: int = 2) -> list[str]:
    """Plant a value into the first rows of a day, past the lake's own guards; the sessions that now hold it."""
    sound = lake.slice(name, day).to_table().sort_by("session_id")
    values = sound[column].to_pylist()
    values[:rows] = [value(old) for old in values[:rows]]
    place = sound.schema.get_field_index(column)
    spoilt = sound.set_column(place, column, pa.array(values, sound.schema.field(column).type))
    write_deltalake(lake.open(name), spoilt, mode="overwrite", predicate=f"session_date = '{day.isoformat()}'")
    return [str(session) for session in sound["session_id"].to_pylist()[:rows]]
