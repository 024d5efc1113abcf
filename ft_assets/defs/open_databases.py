"""Dagster's own SQLite databases, kept open while a process makes runs: opening one for every event costs more than events.

Dagster opens, commits and closes a database (a run's own, that of all runs, that of all assets) for each thing that it notes,
some thousand times a day of ours, and forgets each time how its statements are written. Here a database stays open. What is
written is the same, and is committed at the same moments; other processes read and write beside it as before.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS

# Of Dagster's own: a version without them opens its databases as it does.
PRIVATE = ("_connect", "_initialized_dbs", "_db_lock", "conn_string_for_shard")
OPEN = 6  # databases at once: each run has its own, and those of the runs before are closed


@contextmanager
def kept_open(instance: dg.DagsterInstance) -> Iterator[None]:
    """Keep the databases of an instance open in this process for the block; one that is not SQLite's stays as it is."""
    databases = _Databases()
    events, runs = instance.event_log_storage, instance.run_storage
    changed: list[tuple[Any, str]] = []
    try:
        if type(events) is SqliteEventLogStorage and all(hasattr(events, name) for name in PRIVATE):
            _replace(changed, events, "_connect", _of_events(events, databases))
            _replace(changed, events, "has_table", _remembered(events.has_table))
        if type(runs) is SqliteRunStorage and hasattr(runs, "_conn_string"):
            url = runs._conn_string
            _replace(changed, runs, "connect", lambda: databases.transaction(url))
        yield
    finally:
        for owner, name in changed:
            delattr(owner, name)
        databases.close()


class _Databases:
    """Engines by URL; the statements that one has compiled serve the others."""

    def __init__(self) -> None:
        self._engines: OrderedDict[str, db.Engine] = OrderedDict()
        self._compiled: dict[Any, Any] = {}
        self._lock = threading.Lock()

    @contextmanager
    def transaction(self, url: str) -> Iterator[db.Connection]:
        """A transaction, committed at the end of the block."""
        with self._of(url).connect() as con, con.begin():
            yield con

    def _of(self, url: str) -> db.Engine:
        """The engine of a database; those that were not asked for lately are closed."""
        with self._lock:
            if url not in self._engines:
                self._engines[url] = self._opened(url)
            self._engines.move_to_end(url)
            while len(self._engines) > OPEN:
                self._engines.popitem(last=False)[1].dispose()
            return self._engines[url]

    def _opened(self, url: str) -> db.Engine:
        engine = db.create_engine(
            url,
            poolclass=db.pool.QueuePool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        db.event.listen(engine, "connect", _set_up)
        return engine.execution_options(compiled_cache=self._compiled)

    def close(self) -> None:
        """Close them all."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()


def _set_up(connection: Any, _: object) -> None:
    """With a write-ahead log a commit survives the process without waiting for the disk; the lake tells what was made."""
    connection.execute("pragma synchronous = normal")


def _of_events(events: SqliteEventLogStorage, databases: _Databases) -> Callable[[str], Any]:
    """As ``SqliteEventLogStorage._connect``, which makes a run's database on first use."""
    opening = events._connect

    @contextmanager
    def connect(shard: str) -> Iterator[db.Connection]:
        if shard not in events._initialized_dbs:
            with opening(shard):
                pass
        with events._db_lock, databases.transaction(events.conn_string_for_shard(shard)) as con:
            yield con

    return connect


def _remembered(has_table: Callable[[str], bool]) -> Callable[[str], bool]:
    """A table that is there stays."""
    there: set[str] = set()

    def known(name: str) -> bool:
        if name not in there and has_table(name):
            there.add(name)
        return name in there

    return known


def _replace(changed: list[tuple[Any, str]], owner: Any, name: str, by: Any) -> None:
    setattr(owner, name, by)
    changed.append((owner, name))
