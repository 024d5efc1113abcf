"""Runs of Dagster on a Ray cluster: a day made there is the same day, and its steps may be jobs of the cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ft_assets.headless import instance_of, run_until_nothing_is_new
from ft_assets.lake import Home
from ft_assets.simulate import simulate
from ft_assets_tests.ray_cluster import ray_cluster
from ft_assets_tests.ray_days import bits

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]  # Ray's own warnings are not ours
pytest.importorskip("ray.data", reason="Ray is not installed: make test-ray installs it")

ON_RAY = {"engine": "ray", "workers": 2, "cpus_per_worker": 1.0}
SETTINGS = {
    "ops": {"pair_features": {"config": {"confidence": "windowed", "not_irrelevant_only": False, "sessions_per_batch": 16}}},
    "resources": {"encoder": {"config": {"model": "hashing:64"}}},
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_cluster(nodes=2, jobs=True) as found:
        yield found


def a_home(path: Path, compute: dict[str, Any] | None = None) -> Home:
    path.mkdir()
    resources = {**SETTINGS["resources"], **({"compute": {"config": compute}} if compute else {})}
    (path / "config.yaml").write_text(yaml.safe_dump({**SETTINGS, "resources": resources}))
    simulate(Home(path).path / "landing", days=2, sessions=120, seed=0)
    return Home(path)


def tables(home: Home) -> dict[str, Any]:
    """The tables that come of encoding and extraction, sorted: storage keeps no order of rows."""
    found = {}
    for name in ("text_vectors", "pair_features", "fine_tuning_features"):
        rows = home.lake.slice(name).to_table()
        found[name] = bits(rows.sort_by([(c, "ascending") for c in rows.schema.names if c != "vector"]))
    return found


def test_days_made_on_ray_are_the_same_days_and_no_day_is_out_of_date_for_it(cluster: Any, tmp_path: Path) -> None:
    said: list[str] = []
    made = {}
    for name, compute in (("local", None), ("ray", ON_RAY)):
        home = a_home(tmp_path / name, compute)
        with instance_of(home) as instance:
            assert run_until_nothing_is_new(home, instance, said.append).succeeded
            made[name] = tables(home)
            if name == "ray":
                (home.path / "config.yaml").write_text(yaml.safe_dump(SETTINGS))
                assert run_until_nothing_is_new(home, instance, said.append).runs == 0
    assert made["ray"] == made["local"]
    assert made["ray"]["pair_features"].num_rows > 0


INGEST = """
import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository
from ft_assets.headless import instance_of
from ft_assets.lake import Home

if __name__ == "__main__":
    job = ReconstructableRepository.for_module("ft_assets.definitions", "defs").get_reconstructable_job("ingestion_job")
    with instance_of(Home.find()) as instance:
        assert dg.execute_job(job, instance, op_selection=["ingestion"]).success
"""


def test_the_steps_of_a_run_are_jobs_of_the_cluster(cluster: Any, tmp_path: Path) -> None:
    from ray.job_submission import JobSubmissionClient

    home, address = a_home(tmp_path / "home"), f"http://{cluster.webui_url}"
    # In a process of its own: the executor is chosen when the definitions are loaded.
    chosen = {
        "FT_ASSETS_EXECUTOR": "ray",
        "FT_ASSETS_HOME": str(home.path),
        "RAY_ADDRESS": address,
        "RAY_AUTH_MODE": "disabled",
    }
    done = subprocess.run([sys.executable, "-c", INGEST], env=os.environ | chosen, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert home.lake.slice("search_sessions").row_count == 240
    client = JobSubmissionClient(address)

    def steps() -> list[str]:
        return [job.status.value for job in client.list_jobs() if (job.submission_id or "").startswith("dagster-step")]

    # Dagster knows from the step itself that it is done; the process of the job ends a little later.
    end = time.monotonic() + 60
    while "RUNNING" in steps() and time.monotonic() < end:
        time.sleep(0.2)
    assert steps() == ["SUCCEEDED"] * len(steps()) != []
