"""All that Dagster is told, listed by hand."""

from __future__ import annotations

import dagster as dg

from ft_assets.defs.alerts import ALERT_SENSORS
from ft_assets.defs.assets import DAILY_ASSETS, ingestion
from ft_assets.defs.catalog import with_code_references
from ft_assets.defs.checks import ASSET_CHECKS
from ft_assets.defs.executors import executor
from ft_assets.defs.pulls import pull_job
from ft_assets.defs.requests import FEATURES_JOB, INGESTION_JOB
from ft_assets.defs.resources import ComputeResource, EncoderResource, HomeResource, lake_io_manager
from ft_assets.defs.sensors import SENSORS

defs = dg.Definitions(
    assets=with_code_references([ingestion, *DAILY_ASSETS]),
    asset_checks=ASSET_CHECKS,
    jobs=[
        dg.define_asset_job(
            INGESTION_JOB,
            selection=dg.AssetSelection.assets(ingestion),
            description="Landed files into the tables of the log, each exactly once.",
            tags={"ft_assets/ingestion": "true"},
        ),
        dg.define_asset_job(
            FEATURES_JOB,
            selection=dg.AssetSelection.assets(*DAILY_ASSETS),
            description="A day, from the tables of the log to clamped features.",
        ),
        pull_job,
    ],
    sensors=[*SENSORS, *ALERT_SENSORS],
    resources={
        "home": HomeResource(),
        "encoder": EncoderResource(),
        "compute": ComputeResource(),
        "io_manager": lake_io_manager,
    },
    executor=executor(),
)
