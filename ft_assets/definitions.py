"""All that Dagster is told, listed by hand."""

from __future__ import annotations

import dagster as dg

from ft_assets.defs.assets import DAILY_ASSETS, ingestion
from ft_assets.defs.checks import ASSET_CHECKS
from ft_assets.defs.resources import EncoderResource, HomeResource, LakeIOManager
from ft_assets.defs.sensors import FEATURES_JOB, INGESTION_JOB, SENSORS

HOME = HomeResource()

defs = dg.Definitions(
    assets=[ingestion, *DAILY_ASSETS],
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
    ],
    sensors=SENSORS,
    resources={"home": HOME, "encoder": EncoderResource(), "io_manager": LakeIOManager(home=HOME)},
    # One process a run: each step of the default executor would import torch anew. Runs are what runs in parallel.
    executor=dg.in_process_executor,
)
