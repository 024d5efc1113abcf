"""Where the steps of a run are executed: in the run's own process, or each as a job on a Ray cluster."""

import os

import dagster as dg

EXECUTORS = ("in_process", "ray")
# What a step needs to find its home. No secrets: a job's environment can be read by whoever may look at the cluster.
TAKEN_ALONG = (
    *("DAGSTER_HOME", "FT_ASSETS_HOME", "FT_ASSETS_LAKE", "FT_ASSETS_LANDING", "FT_ASSETS_DUCKDB_MEMORY"),
    *("FT_ASSETS_EXECUTOR", "RAY_AUTH_MODE", "HF_HUB_OFFLINE"),
)


def executor() -> dg.ExecutorDefinition:
    """The executor that ``FT_ASSETS_EXECUTOR`` names; by default a run is one process.

    ``ray`` is the one of dagster-ray: ``RAY_ADDRESS`` says where the cluster takes jobs (http://head:8265). Every step of the
    default executor of Dagster would import torch anew; runs are what runs in parallel.

    Raises:
        ValueError: there is no executor of that name.
        ModuleNotFoundError: dagster-ray is not installed.
    """
    name = os.environ.get("FT_ASSETS_EXECUTOR") or "in_process"
    if name not in EXECUTORS:
        raise ValueError(f"FT_ASSETS_EXECUTOR must be one of {', '.join(EXECUTORS)}, got {name!r}")
    if name == "in_process":
        return dg.in_process_executor
    try:
        from dagster_ray import ray_executor
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "FT_ASSETS_EXECUTOR=ray needs dagster-ray, which is not installed: pip install 'ft_assets[ray]'"
        ) from error
    taken = [name for name in TAKEN_ALONG if name in os.environ]
    configured: dg.ExecutorDefinition = ray_executor.configured({"ray": {"env_vars": taken}}, name="ray")
    return configured
