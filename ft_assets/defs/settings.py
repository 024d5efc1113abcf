"""What a run goes by: what it was given, for the rest what ``config.yaml`` of the home says, and else the defaults.

The sensors and ``ft-assets run`` give a run all of its settings, and say so by a tag. A run that somebody starts in the UI
was given what was typed there; its steps look the rest up in the home, so a day means the same however it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import yaml

from ft_assets import lineage, schemas
from ft_assets.checks import thresholds
from ft_assets.defs.config import (
    ChecksConfig,
    ClampConfig,
    FlagsConfig,
    IngestionConfig,
    InputsConfig,
    PairsConfig,
    SamplingConfig,
    pairs_configuration,
    values,
)
from ft_assets.defs.resources import ComputeResource, EncoderResource
from ft_assets.lake import Home
from ft_assets.rules import pseudonyms

OP_SUFFIX = "_checks"  # of the step that runs a table's checks, also in the configuration
GIVEN = "ft_assets/settings"  # tag of a run that was given all of its settings
C = TypeVar("C", bound=dg.Config)
StepContext = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


def settled(config: C, context: StepContext, home: Home) -> C:
    """The configuration of a step: what its run was given and, for the rest, what ``config.yaml`` of the home says.

    Args:
        config: what Dagster made of what the run was given, defaults where it was given nothing.
        context: of the step.
        home: the home.

    Raises:
        ValueError: the home's ``config.yaml`` says something that is not allowed.
    """
    return type(config)(**_settled(config.model_dump(mode="json"), context, home, "ops", context.op_execution_context.op.name))


def settled_encoder(encoder: EncoderResource, context: StepContext, home: Home) -> EncoderResource:
    """The encoder likewise."""
    return EncoderResource(**_settled(encoder.model_dump(mode="json"), context, home, "resources", "encoder"))


def settled_compute(compute: ComputeResource, context: StepContext, home: Home) -> ComputeResource:
    """Where a day is made likewise."""
    return ComputeResource(**_settled(compute.model_dump(mode="json"), context, home, "resources", "compute"))


def _settled(config: dict[str, Any], context: StepContext, home: Home, section: str, name: str) -> dict[str, Any]:
    if GIVEN in context.run.tags:
        return config
    given = _section(dict(context.run.run_config), section, name)
    said = _section(run_config(home), section, name)
    return {**config, **{setting: value for setting, value in said.items() if setting not in given}}


def _section(config: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    return (((config.get(section) or {}).get(name) or {}).get("config")) or {}


def run_config(home: Home) -> dict[str, Any]:
    """The home's ``config.yaml``, a run configuration as in the launchpad; nothing where there is no such file.

    Raises:
        ValueError: it is not a mapping with ops or resources, or a value in it is not allowed.
    """
    path = home.path / "config.yaml"
    return read_config(path) if path.exists() else {}


def read_config(path: Path) -> dict[str, Any]:
    """A run configuration from a YAML file.

    Users to be flagged are named in it by pseudonym, however the file names them.

    Raises:
        ValueError: it is not a mapping with ops or resources, or a value in it is not allowed.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no YAML: {error}") from error
    steps = ("ingestion", *lineage.DAILY, *(f"{table}{OP_SUFFIX}" for table in schemas.TABLES))
    sections = {"ops": steps, "resources": ("encoder", "compute")}
    if not isinstance(config, dict) or not set(config) <= set(sections):
        raise ValueError(f"{path} must be a mapping with the keys ops and resources, got {config!s:.200}")
    for section, names in sections.items():
        _check_section(path, section, config.get(section) or {}, names)
    try:
        configurations(config)
        check_settings(config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return _without_raw_users(config)


def _without_raw_users(config: dict[str, Any]) -> dict[str, Any]:
    """The same with pseudonyms for users: what a run is given stays in its record, where no raw id may stand."""
    ops = config.get("ops") or {}
    flags = (ops.get("flagged_sessions") or {}).get("config") or {}
    if not flags.get("users"):
        return config
    hidden = {"config": {**flags, "users": pseudonyms(flags["users"])}}
    return {**config, "ops": {**ops, "flagged_sessions": hidden}}


def _check_section(path: Path, section: str, entries: Any, names: Sequence[str]) -> None:
    """A section maps known names to ``{config: {...}}`` and to nothing else: a misspelt word would be passed over."""
    if not isinstance(entries, dict) or not set(entries) <= set(names):
        raise ValueError(f"{path}: {section} may name {', '.join(names)}, got {entries!s:.200}")
    for name, entry in entries.items():
        if not isinstance(entry, dict) or set(entry) != {"config"} or not isinstance(entry["config"], dict):
            raise ValueError(f"{path}: {section}.{name} must be {{config: {{setting: value}}}}, got {entry!s:.200}")
        if name == "ingestion" and "files" in entry["config"]:
            raise ValueError(
                f"{path}: which files an ingestion reads is the request's to say; take ingestion's files out of it"
            )


def config_for(config: dict[str, Any], tables: set[str]) -> dict[str, Any]:
    """The part of a run configuration that a run which makes these tables may be given, their checks' included."""
    ops = {name: value for name, value in (config.get("ops") or {}).items() if name.removesuffix(OP_SUFFIX) in tables}
    return {**({"ops": ops} if ops else {}), **({"resources": config["resources"]} if config.get("resources") else {})}


def configurations(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The configuration that each daily table is made with, from a run configuration.

    Args:
        config: ``ops`` and ``resources`` as in the launchpad; what is missing has its default.

    Raises:
        ValueError: a value is not allowed; the message says which and why.
    """
    ops, resources = config.get("ops") or {}, config.get("resources") or {}

    def parsed(kind: type[Any], section: dict[str, Any], name: str) -> Any:
        settings = (section.get(name) or {}).get("config") or {}
        unknown = set(settings) - set(kind.model_fields)
        if unknown:
            raise ValueError(f"{name} has the settings {', '.join(kind.model_fields)}; got {', '.join(sorted(unknown))}")
        return kind(**settings)

    parsed(IngestionConfig, ops, "ingestion")
    parsed(ComputeResource, resources, "compute")
    return {
        "flagged_sessions": parsed(FlagsConfig, ops, "flagged_sessions").rulebook().configuration,
        "fine_tuning_inputs": values(parsed(InputsConfig, ops, "fine_tuning_inputs")),
        "sampled_inputs": values(parsed(SamplingConfig, ops, "sampled_inputs")),
        "text_vectors": parsed(EncoderResource, resources, "encoder").configuration,
        "pair_features": pairs_configuration(parsed(PairsConfig, ops, "pair_features")),
        "fine_tuning_features": values(parsed(ClampConfig, ops, "fine_tuning_features")),
    }


def check_settings(config: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """The thresholds that a run configuration sets, by table and check.

    Raises:
        ValueError: a setting, a check or a parameter is none, or a value is of another type than its default.
    """
    found = {}
    for table in schemas.TABLES:
        settings = ((config.get("ops") or {}).get(f"{table}{OP_SUFFIX}") or {}).get("config") or {}
        if unknown := sorted(set(settings) - set(ChecksConfig.model_fields)):
            raise ValueError(
                f"{table}{OP_SUFFIX} has the settings {', '.join(ChecksConfig.model_fields)}; got {', '.join(unknown)}"
            )
        if values := thresholds(table, ChecksConfig(**settings).parameters):
            found[table] = values
    return found
