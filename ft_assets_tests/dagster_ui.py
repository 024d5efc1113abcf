"""Start Dagster's UI and daemon on a home as ``make ui`` does, and end just what was started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ft_assets.lake import Home


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def dagster_ui(home: Home, log: Path, seconds: float = 90) -> Iterator[str]:
    """The address of a UI that answers; its process group ends with the block."""
    port = free_port()
    command = [sys.executable, "-m", "ft_assets.cli", "--home", str(home.path), "ui", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, start_new_session=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
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
