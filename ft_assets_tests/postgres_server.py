"""A PostgreSQL server of the tests' own: as an unprivileged user, in a temporary folder, on a free port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ft_assets_tests.dagster_ui import free_port

PASSWORD = "s3cret/%pass"


def binaries() -> Path | None:
    """Where the server's programs are; Debian keeps those of each version in a folder of its own."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql://ft_owner:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def execute(self, database: str, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each committed by itself; the rows of the last one."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as con:
            for statement in statements:
                found = con.execute(statement)
            return found.fetchall() if found.description else []


@contextmanager
def running() -> Iterator[Server]:
    """A server that ends with the block, and leaves nothing."""
    programs = binaries()
    assert programs is not None
    # The server refuses to run as root, and its user must be able to reach the folder.
    as_user: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="ft_pg_", dir="/tmp") as folder:
        data, port = Path(folder, "data"), free_port()
        if as_user:
            shutil.chown(folder, "nobody", "nogroup")
        Path(folder, "password").write_text(PASSWORD)
        Path(folder, "password").chmod(0o644)
        command = [
            str(programs / "initdb"),
            "-D",
            str(data),
            "-U",
            "ft_owner",
            "-A",
            "scram-sha-256",
            "--no-sync",
            "-E",
            "UTF8",
        ]
        command += ["--locale=C", f"--pwfile={folder}/password"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, **as_user)
        settings = [
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-c",
            "shared_buffers=16MB",
            "-c",
            "max_connections=20",
        ]
        with Path(folder, "log").open("wb") as log:
            command = [str(programs / "postgres"), "-D", str(data), "-k", folder, "-p", str(port), *settings]
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **as_user)
            try:
                server = Server(port)
                _wait(server, process, Path(folder, "log"))
                yield server
            finally:
                process.send_signal(2)  # fast shutdown: open connections end
                try:
                    process.wait(20)
                finally:
                    process.kill()
                    process.wait()


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    for _ in range(200):
        assert process.poll() is None, log.read_text()
        try:
            server.execute("postgres", "select 1")
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())
