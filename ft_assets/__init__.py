"""Clickstream to trustworthy fine-tuning features: an asset pipeline and the library of its mathematics."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ft_assets.extractor import FeaturesExtractor
    from ft_assets.kernels import (
        constant_confidences,
        cosine_similarity,
        dot_product,
        euclidean_distance,
        windowed_confidences,
    )
    from ft_assets.lake import read_table
    from ft_assets.losses import cosine_prob_margin_ranking_loss, prob_margin_ranking_loss
    from ft_assets.records import FineTuningFeatures, FineTuningInput, ItemsSet

__version__ = "0.1.0"

# torch and Lightning take seconds to import: a public name is loaded when it is first used.
_HOME_OF = {
    "FeaturesExtractor": "extractor",
    "FineTuningFeatures": "records",
    "FineTuningInput": "records",
    "ItemsSet": "records",
    "constant_confidences": "kernels",
    "cosine_prob_margin_ranking_loss": "losses",
    "cosine_similarity": "kernels",
    "dot_product": "kernels",
    "euclidean_distance": "kernels",
    "prob_margin_ranking_loss": "losses",
    "read_table": "lake",
    "windowed_confidences": "kernels",
}

__all__ = [
    "FeaturesExtractor",
    "FineTuningFeatures",
    "FineTuningInput",
    "ItemsSet",
    "constant_confidences",
    "cosine_prob_margin_ranking_loss",
    "cosine_similarity",
    "dot_product",
    "euclidean_distance",
    "prob_margin_ranking_loss",
    "read_table",
    "windowed_confidences",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
