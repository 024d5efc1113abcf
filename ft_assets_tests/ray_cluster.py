"""A Ray cluster of several nodes on this machine, for as long as some tests need it."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

STORE_BYTES = 100 * 1024 * 1024
QUICK = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}


@contextmanager
def ray_cluster(nodes: int, jobs: bool = False) -> Iterator[Any]:
    """A head that computes nothing, and nodes with two logical CPUs each; the driver is connected to the head.

    Args:
        nodes: beside the head.
        jobs: whether the cluster takes jobs, at ``http://<webui_url>``.
    """
    import ray
    from ray.cluster_utils import Cluster

    # Sockets have short paths only.
    folders = tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True)
    with folders as folder, pytest.MonkeyPatch.context() as env:
        env.setenv("RAY_AUTH_MODE", "disabled")
        env.setenv("RAY_TMPDIR", folder)
        env.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # a step of Dagster is a command: dagster api
        env.setenv("RAY_USAGE_STATS_ENABLED", "0")
        (Path(folder) / "ray").mkdir()
        head = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": jobs}
        cluster = Cluster(initialize_head=True, head_node_args={**head, "_system_config": QUICK})
        try:
            for _ in range(nodes):
                cluster.add_node(num_cpus=2, object_store_memory=STORE_BYTES)
            ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def node_of(cluster: Any, node_id: str) -> Any:
    """The node of the cluster that has this id."""
    return next(node for node in cluster.worker_nodes if node.node_id == node_id)


@contextmanager
def when(told: Path, act: Callable[[str], None]) -> Iterator[None]:
    """Act once, on what a worker writes into a file."""
    over, failed = threading.Event(), []

    def watch() -> None:
        while not over.is_set():
            if told.exists() and (text := told.read_text()):
                try:
                    act(text)
                except BaseException as error:
                    failed.append(error)
                return
            time.sleep(0.05)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not failed, failed
