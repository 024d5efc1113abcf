"""The tables as assets. A body is one call; what it calls knows no Dagster.

(Dagster reads the annotations of these functions, so they may not be postponed: no ``from __future__``.)
"""

import datetime as dt
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from ft_assets import engine, flags, lineage, schemas
from ft_assets.claims import Claims, device_turn
from ft_assets.defs import partitions
from ft_assets.defs.catalog import table_words
from ft_assets.defs.config import (
    ClampConfig,
    FlagsConfig,
    IngestionConfig,
    InputsConfig,
    PairsConfig,
    SamplingConfig,
    pairs_configuration,
    values,
)
from ft_assets.defs.metadata import ingestion_results, text_vectors_result
from ft_assets.defs.resources import ComputeResource, EncoderResource, HomeResource, provenance_of
from ft_assets.defs.settings import settled, settled_compute, settled_encoder
from ft_assets.lake import Home, Slice
from ft_assets.measuring import measured

if TYPE_CHECKING:
    from ft_assets.ingestion import Settings

GPU_POOL = "gpu"
PROGRESS = logging.getLogger("ft_assets.progress")
# No retries here: the lake retries its commits, object stores their requests, and the instance runs that died.


def _spec(table: schemas.Table, **settings: Any) -> dict[str, Any]:
    """What every asset says of its table."""
    return {
        "key": table.name,
        **table_words(table),
        "code_version": lineage.CODE_VERSION,
        **settings,
    }


def _daily(table: schemas.Table, kinds: set[str], **settings: Any) -> dict[str, Any]:
    return _spec(
        table,
        group_name="features",
        kinds=kinds,
        partitions_def=partitions.SESSION_DATE,
        **settings,
    )


@dg.multi_asset(
    name="ingestion",
    description="Landed files, each exactly once and every record accounted for, into the tables of the log.",
    specs=[
        dg.AssetSpec(**_spec(table, group_name="clickstream", kinds={"deltalake", "duckdb"}))
        for table in schemas.TABLES.values()
        if not table.daily
    ],
)
def ingestion(
    context: dg.AssetExecutionContext, config: IngestionConfig, home: HomeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Read the landed files named, or all that are new."""
    from ft_assets.ingestion import ingest, named_files

    config = settled(config, context, home.home)
    files = named_files(home.lake, home.home.landing, config.files)
    with measured() as cost:
        done = ingest(home.lake, files, {"run_id": context.run.run_id}, ingestion_settings(config, home.home))
    done.unread.update(dict.fromkeys(set(config.files) - {file.name for file in files}, "it is not in the landing place"))
    for name, problem in done.unread.items():
        context.log.warning(f"{name} was left for the next ingestion: {problem}")
    context.instance.add_dynamic_partitions(
        str(partitions.SESSION_DATE.name), [partitions.key(day) for day in done.affected_days]
    )
    yield from ingestion_results(home.lake, done, cost, context.log.warning)


@dg.asset(**_daily(schemas.FLAGGED_SESSIONS, {"deltalake", "duckdb"}))
def flagged_sessions(
    context: dg.AssetExecutionContext,
    config: FlagsConfig,
    home: HomeResource,
    search_sessions: Slice,
    session_events: Slice,
) -> engine.DayRows:
    """Sessions that a rule takes for a bot's or for noise, in shadow mode or enforced."""
    sessions = search_sessions.on(partitions.day(context.partition_key))
    return flags.flagged_sessions(sessions, session_events, settled(config, context, home.home).rulebook())


@dg.asset(**_daily(schemas.FINE_TUNING_INPUTS, {"deltalake", "duckdb"}))
def fine_tuning_inputs(
    context: dg.AssetExecutionContext,
    config: InputsConfig,
    home: HomeResource,
    search_sessions: Slice,
    session_events: Slice,
    items: Slice,
    flagged_sessions: Slice,
) -> engine.DayRows:
    """One session: query, results, ranks, events."""
    sessions, config = search_sessions.on(partitions.day(context.partition_key)), settled(config, context, home.home)
    return engine.fine_tuning_inputs(sessions, session_events, items, flagged_sessions, config.event_types).made_with(
        values(config)
    )


@dg.asset(**_daily(schemas.SAMPLED_INPUTS, {"deltalake", "pytorch"}))
def sampled_inputs(
    context: dg.AssetExecutionContext, config: SamplingConfig, home: HomeResource, fine_tuning_inputs: Slice
) -> engine.DayRows:
    """Not-events thinned, object by object."""
    config = settled(config, context, home.home)
    return engine.sampled_inputs(fine_tuning_inputs, config.negative_downsampling_factor, config.seed).made_with(values(config))


@dg.asset(**_daily(schemas.TEXT_VECTORS, {"deltalake", "huggingface"}, pool=GPU_POOL))
def text_vectors(
    context: dg.AssetExecutionContext,
    sampled_inputs: Slice,
    items: Slice,
    home: HomeResource,
    encoder: EncoderResource,
    compute: ComputeResource,
) -> dg.MaterializeResult[Any]:
    """A vector for every text the day needs; a text that has one is not encoded again."""
    day, made_from = partitions.day(context.partition_key), engine.versions(sampled_inputs, items)
    encoder, compute = settled_encoder(encoder, context, home.home), settled_compute(compute, context, home.home)
    with measured(encoder.torch_device) as cost:
        with cost.part("loading_model"):
            model = encoder.load()
        provenance = provenance_of(day, made_from, encoder.configuration, model.fingerprint)
        with device_turn(home.home.claims, compute.device(encoder)):
            done = engine.text_vectors(
                home.lake,
                sampled_inputs,
                items,
                model,
                provenance,
                lambda progress: tell(context, str(progress)),
                claims=Claims(home.home.claims),
                encoding=compute.encoding(encoder, model.fingerprint),
            )
    return text_vectors_result(home.lake, done, made_from, encoder.configuration, model.fingerprint, cost)


@dg.asset(**_daily(schemas.PAIR_FEATURES, {"deltalake", "pytorch"}, pool=GPU_POOL))
def pair_features(
    context: dg.AssetExecutionContext,
    config: PairsConfig,
    home: HomeResource,
    sampled_inputs: Slice,
    items: Slice,
    text_vectors: Slice,
    encoder: EncoderResource,
    compute: ComputeResource,
) -> engine.DayRows:
    """Every pair: ranks, confidences, target."""
    config, encoder = settled(config, context, home.home), settled_encoder(encoder, context, home.home)
    compute, settings = settled_compute(compute, context, home.home), engine.PairSettings(**values(config))
    made = compute.pair_features(home.lake, sampled_inputs, items, text_vectors, encoder, settings)
    return made.made_with(pairs_configuration(config))


@dg.asset(**_daily(schemas.FINE_TUNING_FEATURES, {"deltalake", "duckdb"}))
def fine_tuning_features(
    context: dg.AssetExecutionContext, config: ClampConfig, home: HomeResource, pair_features: Slice
) -> engine.DayRows:
    """The pairs inside the clamp window."""
    config = settled(config, context, home.home)
    return engine.fine_tuning_features(
        pair_features, config.min_abs_difference_threshold, config.max_abs_difference_threshold
    ).made_with(values(config))


def tell(context: dg.AssetExecutionContext, words: str) -> None:
    """Say how far a step is: in the log of the run, and to ``ft-assets run``, which does not show that log."""
    context.log.info(words)
    PROGRESS.info(words)


def ingestion_settings(config: IngestionConfig, home: Home) -> "Settings":
    """What the launchpad says, as the ingestion takes it."""
    from ft_assets.ingestion import Settings

    return Settings(
        attribution=dt.timedelta(hours=config.attribution_hours),
        clock_skew=dt.timedelta(seconds=config.clock_skew_seconds),
        future=dt.timedelta(hours=config.future_hours),
        changed_texts_reopen_days=config.changed_texts.value == "reopen_days",
        spellings=home.path,
    )


DAILY_ASSETS = [flagged_sessions, fine_tuning_inputs, sampled_inputs, text_vectors, pair_features, fine_tuning_features]
