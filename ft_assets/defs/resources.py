"""The lake, the encoder and the IO manager as Dagster resources.

(Dagster reads the annotations of these classes, so they may not be postponed: no ``from __future__``.)
"""

import datetime as dt
import json
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

import ft_assets
from ft_assets import engine, lineage, on_ray
from ft_assets.claims import device_turn
from ft_assets.defs import partitions
from ft_assets.defs.metadata import day_metadata
from ft_assets.engine import DayRows, Encoding, PairSettings
from ft_assets.lake import Home, Lake, Slice
from ft_assets.measuring import measured
from ft_assets.on_ray import RayCluster

if TYPE_CHECKING:
    from ft_assets.encoders import Encoder


class Precision(Enum):
    """How exactly vectors are stored."""

    float32 = "float32"
    float16 = "float16"


class HomeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where landed files and tables are."""

    path: str = Field(default="", description="The home; empty: FT_ASSETS_HOME, else .ft_assets in the working directory.")

    @property
    def home(self) -> Home:
        """The home."""
        return Home.find(self.path or None)

    @property
    def lake(self) -> Lake:
        """The tables."""
        return self.home.lake


class EncoderResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The model that turns texts into vectors."""

    model: str = Field(
        default="all-MiniLM-L6-v2",
        description="A sentence-transformers model by name or path; the default is carried by a package and needs no network.",
    )
    device: str = Field(default="auto", description="auto (cuda, else mps, else cpu), or one of them by name.")
    batch_tokens: int = Field(
        default=0,
        ge=0,
        description="Padded tokens encoded at once; 0: 4,096 on a cpu, 65,536 on a GPU. Halved where they do not fit.",
    )
    precision: Precision = Field(
        default=Precision.float32,
        description="Of the stored vectors. float16 takes half the room, under a fingerprint of its own: docs/vectors.md has "
        "what it does to ranks.",
    )
    query_prompt: str = Field(default="", description="Put before every query; empty: the model's own.")
    item_prompt: str = Field(default="", description="Put before every item text; empty: the model's own.")

    def load(self) -> "Encoder":
        """The encoder; loaded once per process."""
        from ft_assets.encoders import load_encoder

        return load_encoder(**self.arguments)

    @property
    def arguments(self) -> dict[str, Any]:
        """What ``load_encoder`` is called with."""
        return {
            "model": self.model,
            "device": self.device,
            "batch_tokens": self.batch_tokens,
            "precision": self.precision.value,
            "query_prompt": self.query_prompt or None,
            "item_prompt": self.item_prompt or None,
        }

    @property
    def torch_device(self) -> str:
        """The device that it runs on, where the kernels then run too."""
        from ft_assets.encoders import resolve_device

        return resolve_device(self.device)

    @property
    def configuration(self) -> dict[str, Any]:
        """What changes its numbers."""
        set_ = {"model": self.model, "query_prompt": self.query_prompt, "item_prompt": self.item_prompt}
        # Said only where it is not the default: days that were made before there was a choice stay up to date.
        return set_ if self.precision == Precision.float32 else {**set_, "precision": self.precision.value}


class ComputeEngine(Enum):
    """What a day's encoding and extraction run on."""

    local = "local"
    ray = "ray"


class ComputeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where a day is encoded and its pairs are made. It changes no number, so no day is out of date for it."""

    engine: ComputeEngine = Field(
        default=ComputeEngine.local, description="local: the run's own process. ray: a Ray cluster (the extra ft_assets[ray])."
    )
    address: str = Field(
        default="auto",
        description="The Ray cluster as ray.init takes it: auto (the one that this machine is part of), local (one on this "
        "machine, for as long as it is needed), or host:port of its head.",
    )
    workers: int = Field(default=2, ge=1, description="Actors that share a day.")
    cpus_per_worker: float = Field(default=1.0, ge=0.0, description="CPUs set aside for each.")
    gpus_per_worker: float = Field(default=0.0, ge=0.0, description="GPUs set aside for each; may be a fraction.")

    @property
    def cluster(self) -> RayCluster | None:
        """The Ray cluster, where one is asked for."""
        if self.engine is ComputeEngine.local:
            return None
        return RayCluster(self.address, self.workers, self.cpus_per_worker, self.gpus_per_worker)

    def device(self, encoder: EncoderResource) -> str | None:
        """The device of this process that is needed; None where workers compute."""
        return encoder.torch_device if self.cluster is None else None

    def encoding(self, encoder: EncoderResource, fingerprint: str) -> Encoding | None:
        """Who encodes the texts of a day; None: the encoder itself, in this process."""
        return None if self.cluster is None else on_ray.encoding(self.cluster, on_ray.Model(encoder.arguments, fingerprint))

    def pair_features(
        self, lake: Lake, inputs: Slice, items: Slice, vectors: Slice, encoder: EncoderResource, settings: PairSettings
    ) -> DayRows:
        """The pairs of a day, made there."""
        model = encoder.load().fingerprint
        if self.cluster is None:
            return engine.pair_features(inputs, items, vectors, model, replace(settings, device=encoder.torch_device))
        settings = replace(settings, device=encoder.device)  # what that is, each worker says
        return on_ray.pair_features(self.cluster, on_ray.DayOfPairs(lake, inputs, items, vectors, model, settings))


class LakeIOManager(dg.IOManager):
    """Hands assets their tables as slices, not read yet, and replaces a day by the rows that an asset returns."""

    def __init__(self, home: HomeResource) -> None:
        self.home = home

    def load_input(self, context: dg.InputContext) -> Slice:
        """The table, or the one day of it that the run is about."""
        name = context.asset_key.path[-1]
        lake = self.home.lake
        daily = "session_date" in lake.slice(name).table.partition_by and context.has_asset_partitions
        return lake.slice(name, partitions.day(context.asset_partition_key) if daily else None)

    def handle_output(self, context: dg.OutputContext, obj: DayRows) -> None:
        """Replace the day in one commit that says what it was made from."""
        name, day = context.asset_key.path[-1], partitions.day(context.asset_partition_key)
        # What is stated is filled in while the rows are made, and committed behind them.
        provenance = {**provenance_of(day, obj.made_from, obj.configuration, obj.model), "stated": obj.stated}
        with device_turn(self.home.home.claims, obj.device), measured(obj.device) as cost:
            commit = self.home.lake.replace_day(name, day, obj.batches, provenance)
        context.add_output_metadata(
            {
                **day_metadata(self.home.lake, name, day, context.log.warning),
                **cost.as_metadata(),
                **{count: int(value) for count, value in obj.counts.items()},
                "dagster/partition_row_count": commit.rows,
                "dagster/uri": self.home.lake.uri(name),
                "table_version": commit.version,
                "made_from": dg.MetadataValue.json(obj.made_from),
                "configuration": dg.MetadataValue.json(obj.configuration),
                "code_version": ft_assets.__version__,
                **({"model": obj.model} if obj.model else {}),
            }
        )


@dg.io_manager(required_resource_keys={"home"}, description="Slices of Delta tables; a day is replaced in one commit.")
def lake_io_manager(context: dg.InitResourceContext) -> LakeIOManager:
    """The IO manager of the run's own home."""
    return LakeIOManager(context.resources.home)


def provenance_of(
    day: dt.date, made_from: dict[str, int], configuration: dict[str, Any], model: str | None = None
) -> dict[str, str]:
    """What a daily table's log keeps of a commit."""
    return {
        "session_date": day.isoformat(),
        "made_from": json.dumps(made_from, sort_keys=True),
        "configuration": json.dumps(configuration, sort_keys=True),
        "code_version": lineage.CODE_VERSION,
        "ft_assets_version": ft_assets.__version__,
        **({"model": model} if model else {}),
    }
