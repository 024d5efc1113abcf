"""Pure torch on segments: nothing here knows a table, a model or a file.

A module imports only from its left: transfers, segments, sampling, aggregators, confidences,
rankers, sessions, pairing, pairs.
"""

from ft_assets.kernels.aggregators import aggregate_max, aggregate_mean, aggregate_min, any_clicked
from ft_assets.kernels.confidences import (
    ConfidenceCalculator,
    constant_confidences,
    windowed_confidences,
)
from ft_assets.kernels.pairing import pair_indices, scorable_objects, zip_indices
from ft_assets.kernels.pairs import (
    Aggregator,
    SessionPairs,
    clamp_mask,
    extract_pairs,
    object_confidences,
    object_scores,
)
from ft_assets.kernels.rankers import (
    Ranker,
    cosine_similarity,
    dot_product,
    euclidean_distance,
    ranker,
    score,
)
from ft_assets.kernels.sampling import id_hash, id_hashes, keep_mask, kept_objects, sample_hashes
from ft_assets.kernels.segments import (
    check_offsets,
    running_counts,
    segment_ids,
    segment_lengths,
    segment_max,
    segment_min,
    segment_positions,
)
from ft_assets.kernels.sessions import SessionBatch, number_objects
from ft_assets.kernels.transfers import Landing, moved, pinned

__all__ = [
    "Aggregator",
    "ConfidenceCalculator",
    "Landing",
    "Ranker",
    "SessionBatch",
    "SessionPairs",
    "aggregate_max",
    "aggregate_mean",
    "aggregate_min",
    "any_clicked",
    "check_offsets",
    "clamp_mask",
    "constant_confidences",
    "cosine_similarity",
    "dot_product",
    "euclidean_distance",
    "extract_pairs",
    "id_hash",
    "id_hashes",
    "keep_mask",
    "kept_objects",
    "moved",
    "number_objects",
    "object_confidences",
    "object_scores",
    "pair_indices",
    "pinned",
    "ranker",
    "running_counts",
    "sample_hashes",
    "scorable_objects",
    "score",
    "segment_ids",
    "segment_lengths",
    "segment_max",
    "segment_min",
    "segment_positions",
    "windowed_confidences",
    "zip_indices",
]
