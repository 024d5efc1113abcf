"""What can be set in the launchpad, or in ``config.yaml`` of the home. Defaults are those of the library's classes."""

from __future__ import annotations

from enum import Enum
from typing import Any

import dagster as dg
from pydantic import Field, model_validator

from ft_assets.rules import CRAWLERS, Rulebook, rulebook


class ChangedTexts(Enum):
    """What a new text of an item does to the days that show it."""

    reopen_days = "reopen_days"
    keep_days = "keep_days"


class IngestionConfig(dg.Config):
    """Which landed files to read, and what to take for granted of them."""

    files: list[str] = Field(
        default=[],
        description="Files to ingest, named relative to the landing place (ubi/log.ndjson.gz). Empty: all that are not in "
        "the tables yet. A file is ingested exactly once however often it is named.",
    )
    attribution_hours: float = Field(
        default=168.0,
        gt=0.0,
        le=876_000.0,
        description="How long after its session an event may still be due to it; a later one is rejected (event_too_late).",
    )
    clock_skew_seconds: float = Field(
        default=60.0,
        ge=0.0,
        le=86_400.0,
        description="How much earlier than its session an event may say it was, clocks being what they are; one that is still "
        "earlier is rejected (event_before_session).",
    )
    future_hours: float = Field(
        default=24.0,
        ge=0.0,
        le=876_000.0,
        description="How far ahead of this machine's clock a log may be; what is later is rejected (time_in_future).",
    )
    changed_texts: ChangedTexts = Field(
        default=ChangedTexts.reopen_days,
        description="A new text of an item is encoded, alone. reopen_days: the days that show the item are made anew with it. "
        "keep_days: they stay as they are. Items that had no text before always re-open their days.",
    )


class FlagsConfig(dg.Config):
    """Which sessions are taken for bots or noise, and which of them are left out."""

    enforced: list[str] = Field(
        default=[],
        description="Rules whose sessions are left out of fine_tuning_inputs. The others are in shadow mode: they flag and "
        "count, and leave nothing out.",
    )
    parameters: dict[str, dict[str, Any]] = Field(
        default={},
        description="Per rule, parameters other than the defaults in its file: {too_many_events_a_minute: {limit: 100}}.",
    )
    users: list[str] = Field(
        default=[],
        description="Users that listed_user flags: ids as the log has them, which need FT_ASSETS_USER_KEY, or "
        "pseudonym:<user_id as the tables have it>. What is typed here stays in the run's record, so use the second form; "
        "of config.yaml only the pseudonyms reach a run.",
    )
    agents: list[str] = Field(
        default=list(CRAWLERS),
        description="Regular expressions (RE2) that listed_agent looks for in user_agent, in capitals or not.",
    )

    def rulebook(self) -> Rulebook:
        """The rules with these settings.

        Raises:
            ValueError: a setting is not allowed; the message says which and why.
        """
        return rulebook(self.enforced, self.parameters, self.users, self.agents)


class InputsConfig(dg.Config):
    """Which events count."""

    event_types: list[str] = Field(
        default=["click", "add_to_cart", "purchase"],
        description="Event types that count as positive evidence.",
        min_length=1,
    )


class SamplingConfig(dg.Config):
    """How not-events are thinned."""

    negative_downsampling_factor: float = Field(
        default=1.0,
        ge=0.0,
        le=1.0,
        description="Share of a session's not-event objects that stay, in [0, 1]: max(1, floor(factor * n)) of n; none for 0.",
    )
    seed: int = Field(
        default=0, description="With session and object id, all that the choice depends on: the same seed, the same choice."
    )


class RankerName(Enum):
    """How a query vector is compared with an item vector."""

    cosine = "cosine"
    dot = "dot"
    euclidean = "euclidean"


class AggregatorName(Enum):
    """How an object's rank follows from those of its parts."""

    mean = "mean"
    max = "max"
    min = "min"


class ConfidenceName(Enum):
    """How far an event or its absence is believed."""

    constant = "constant"
    windowed = "windowed"


class ScoringPrecision(Enum):
    """How exactly the compared vectors are taken."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class PairsConfig(dg.Config):
    """How pairs are made and scored."""

    ranker: RankerName = Field(
        default=RankerName.cosine, description="cosine and dot: higher is nearer (target 1); euclidean: lower is (target -1)."
    )
    ranks_aggregator: AggregatorName = Field(
        default=AggregatorName.mean, description="How an object's rank follows from those of its parts."
    )
    confidence: ConfidenceName = Field(
        default=ConfidenceName.constant,
        description="constant: 1. windowed: agreement of clicks and ranks in a window around each result.",
    )
    window_size: int = Field(default=3, ge=1, description="Results in the window of windowed confidences.")
    not_irrelevant_only: bool = Field(
        default=True,
        description="Leave irrelevant sessions out; else their not-events are negatives for other sessions' positives.",
    )
    precision: ScoringPrecision = Field(
        default=ScoringPrecision.float32,
        description="Of the vectors that are compared. bfloat16 halves what a GPU moves and gathers; docs/vectors.md has what "
        "it does to ranks.",
    )
    sessions_per_batch: int = Field(default=8192, ge=1, description="Sessions in memory at once.")


class ClampConfig(dg.Config):
    """The clamp window: pairs with min < |positive_rank - negative_rank| < max are kept."""

    min_abs_difference_threshold: float = Field(default=0.0, ge=0.0, description="Lower end of the window, excluded.")
    max_abs_difference_threshold: float = Field(default=1.0, gt=0.0, description="Upper end of the window, excluded.")

    @model_validator(mode="after")
    def _window_is_not_empty(self) -> ClampConfig:
        low, high = self.min_abs_difference_threshold, self.max_abs_difference_threshold
        if not low < high:
            raise ValueError(
                "min_abs_difference_threshold must be less than max_abs_difference_threshold, "
                f"got {low} and {high}: no pair could be kept"
            )
        return self


class ChecksConfig(dg.Config):
    """The thresholds of a table's checks."""

    parameters: dict[str, dict[str, Any]] = Field(
        default={},
        description="Per check that warns, thresholds other than the defaults in its file, which docs/checks.md lists: "
        "{share_ordered_right: {least: 0.6}}.",
    )


def values(config: dg.Config, *without: str) -> dict[str, Any]:
    """The configuration as plain values, less what changes no number."""
    return {
        name: value.value if isinstance(value, Enum) else value
        for name, value in config.model_dump().items()
        if name not in without
    }


def pairs_configuration(config: PairsConfig) -> dict[str, Any]:
    """What changes the numbers of pair_features.

    The precision is said only where it is not the default: days that were made before there was a choice stay up to date.
    """
    default = config.precision == ScoringPrecision.float32
    return values(config, "sessions_per_batch", *(["precision"] if default else []))
