"""Choosing Ray, without Ray: what is told to those who have not installed it or misspelt something."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from ft_assets.defs.executors import executor
from ft_assets.defs.resources import ComputeResource, EncoderResource
from ft_assets.defs.settings import GIVEN, configurations, read_config, settled_compute
from ft_assets.lake import Home
from ft_assets.on_ray import RayCluster


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'ft_assets\[ray\]'"), RayCluster().connected():
        raise AssertionError("connected without Ray")
    monkeypatch.setitem(sys.modules, "dagster_ray", None)
    monkeypatch.setenv("FT_ASSETS_EXECUTOR", "ray")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'ft_assets\[ray\]'"):
        executor()


def test_the_executor_is_one_process_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FT_ASSETS_EXECUTOR", raising=False)
    assert executor() is dg.in_process_executor
    monkeypatch.setenv("FT_ASSETS_EXECUTOR", "rays")
    with pytest.raises(ValueError, match="must be one of in_process, ray, got 'rays'"):
        executor()


def test_where_a_day_is_made_is_no_part_of_what_it_is_made_with(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("resources: {compute: {config: {engine: ray, workers: 3, gpus_per_worker: 0.5}}}")
    assert configurations(read_config(path)) == configurations({})
    path.write_text("resources: {compute: {config: {engine: spark}}}")
    with pytest.raises(ValueError, match="'local' or 'ray'"):
        read_config(path)
    path.write_text("resources: {compute: {config: {worker: 3}}}")
    with pytest.raises(ValueError, match=r"compute has the settings .*; got worker"):
        read_config(path)


def test_a_worker_without_a_gpu_takes_the_cpu_unless_told_otherwise() -> None:
    assert [RayCluster(gpus_per_worker=gpus).device("auto") for gpus in (0.0, 0.5)] == ["cpu", "auto"]
    assert RayCluster().device("mps") == "mps"
    assert ComputeResource().cluster is None
    assert ComputeResource(engine="ray", workers=3).cluster == RayCluster("auto", 3, 1.0, 0.0)


def test_a_run_that_was_given_no_settings_is_made_where_the_home_says(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("resources: {compute: {config: {engine: ray, workers: 3, address: here:1}}}")

    def settled(tags: dict[str, str], **given: Any) -> RayCluster | None:
        run = SimpleNamespace(tags=tags, run_config={"resources": {"compute": {"config": given}}})
        context: Any = SimpleNamespace(run=run)
        return settled_compute(ComputeResource(**given), context, Home(tmp_path)).cluster

    assert settled({}) == RayCluster("here:1", 3)
    assert settled({}, workers=5) == RayCluster("here:1", 5)
    assert settled({}, engine="local") is None
    assert settled({GIVEN: "given"}) is None


def test_a_run_on_a_cluster_takes_no_turn_at_a_device_of_its_own() -> None:
    encoder = EncoderResource(device="cpu")
    assert [ComputeResource(engine=engine).device(encoder) for engine in ("local", "ray")] == ["cpu", None]
