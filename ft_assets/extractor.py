"""FeaturesExtractor: from sessions, a model and a catalogue to the pairs that a loss is taken of.

It packs a batch into segments and calls the kernels that the tables use; between the packing and the loss there
is no loop over sessions, items or pairs. Letters: Q queries, K items, D width, P pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from lightning import LightningModule
from torch import Tensor

from ft_assets.features import FineTuningFeatures
from ft_assets.inputs import FineTuningInput, InputBatch, pack_inputs
from ft_assets.kernels import (
    ConfidenceCalculator,
    Ranker,
    SessionBatch,
    aggregate_mean,
    any_clicked,
    constant_confidences,
    cosine_similarity,
    extract_pairs,
    object_confidences,
    object_scores,
    scorable_objects,
)

__all__ = ["Batch", "EmbeddingModel", "FeaturesExtractor", "Items"]

Aggregator = Callable[[Tensor, Tensor, int], Tensor]
Pair = tuple[FineTuningInput, FineTuningInput | None]
Batch = Sequence[FineTuningInput] | Sequence[Pair] | InputBatch


@runtime_checkable
class EmbeddingModel(Protocol):
    """What is fine-tuned. It may also have ``forward_queries(list) -> [Q, D]``, which is then asked once."""

    def forward_query(self, query: Any, /) -> Tensor:
        """[D] or [1, D]."""
        ...

    def forward_items(self, items: list[Any], /) -> Tensor:
        """[K, D]."""
        ...


class Items(Protocol):
    """A catalogue: an ItemsSet, or what looks items up as it does."""

    def items_by_ids(self, ids: Any, /) -> tuple[Any, list[str]]:
        """The items of these ids, in their order, and the ids; a KeyError names one that is missing."""
        ...


class FeaturesExtractor(LightningModule):
    """Extract pairs from sessions.

    Args:
        model: gives ``forward_query`` and ``forward_items``, and may give ``forward_queries``.
        ranker: scores rows; it carries its target.
        is_similarity: whether a higher rank is nearer; None takes the ranker's word.
        not_irrelevant_only: leave irrelevant sessions out; else each is paired with one that is not.
        negative_downsampling_factor: the share of a session's not-event objects that stays, in [0, 1].
        min_abs_difference_threshold: keep pairs whose ranks differ by more than this.
        max_abs_difference_threshold: and by less than this.
        confidence_calculator: (ranks [N], clicks [N], offsets [S + 1]) -> [N].
        ranks_aggregator: from the ranks of an object's parts to its own.
        clicks_aggregator: from the clicks on an object's parts to its own.
        seed: of the hash that says which not-events stay.

    Raises:
        TypeError: the model lacks a method, a function cannot be called, or a setting is of another type.
        ValueError: a factor outside [0, 1], thresholds that leave no window, or an ``is_similarity`` that
            contradicts the ranker.

    Example:
        >>> from ft_assets.records import ItemsSet
        >>> class Model:
        ...     def forward_query(self, query): return torch.tensor([1.0, 0.0])
        ...     def forward_items(self, items): return torch.tensor(items)
        >>> items = ItemsSet(["a", "b"], [[0.6, 0.8], [0.0, 1.0]])
        >>> session = FineTuningInput(query="tea", events=["a"], results=["b", "a"], ranks={"a": 1, "b": 2})
        >>> features = FeaturesExtractor(Model())([session], items)
        >>> features.positive_ranks, features.negative_ranks
        (tensor([0.6000]), tensor([0.]))
    """

    def __init__(
        self,
        model: EmbeddingModel,
        ranker: Ranker = cosine_similarity,
        is_similarity: bool | None = None,
        not_irrelevant_only: bool = True,
        negative_downsampling_factor: float = 1.0,
        min_abs_difference_threshold: float = 0.0,
        max_abs_difference_threshold: float = 1.0,
        confidence_calculator: ConfidenceCalculator = constant_confidences,
        ranks_aggregator: Aggregator = aggregate_mean,
        clicks_aggregator: Aggregator = any_clicked,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for method in ("forward_query", "forward_items"):
            if not callable(getattr(model, method, None)):
                raise TypeError(f"model must have {method}, got {type(model).__name__} without it")
        _check_callable(
            ranker=ranker,
            confidence_calculator=confidence_calculator,
            ranks_aggregator=ranks_aggregator,
            clicks_aggregator=clicks_aggregator,
        )
        _check_settings(not_irrelevant_only, negative_downsampling_factor, seed)
        if not min_abs_difference_threshold < max_abs_difference_threshold:
            raise ValueError(
                "min_abs_difference_threshold must be below max_abs_difference_threshold, "
                f"got {min_abs_difference_threshold} and {max_abs_difference_threshold}"
            )
        self.model = model
        self.ranker = ranker
        self.is_similarity = _target(ranker, is_similarity) == 1
        self.not_irrelevant_only = not_irrelevant_only
        self.negative_downsampling_factor = negative_downsampling_factor
        self.min_abs_difference_threshold = min_abs_difference_threshold
        self.max_abs_difference_threshold = max_abs_difference_threshold
        self.confidence_calculator = confidence_calculator
        self.ranks_aggregator = ranks_aggregator
        self.clicks_aggregator = clicks_aggregator
        self.seed = seed

    def pack(self, batch: Sequence[FineTuningInput] | Sequence[Pair]) -> InputBatch:
        """Pack a batch as ``forward`` would: irrelevant sessions left out or paired, not-events thinned.

        Packing depends on no weight of the model, so a batch that is seen again need not be packed again.

        Raises:
            TypeError: an entry is neither an input nor a tuple of two.
        """
        entries: Sequence[Any] = batch
        arranged = _together if _is_paired(entries) else _alone
        return self._pack(*arranged(entries, self.not_irrelevant_only))

    def forward(self, batch: Batch, dataset: Items) -> FineTuningFeatures:
        """The pairs of a batch inside the clamp window.

        Args:
            batch: inputs; or (not-irrelevant, irrelevant or None) tuples; or either, packed by :meth:`pack`.
                Of a plain list, unless ``not_irrelevant_only``, the irrelevant inputs are paired with the
                others in order, the shorter list cycled.
            dataset: the catalogue.

        Returns:
            Features of P pairs: a batch equals its parts, joined. Ranks carry gradients into the model.

        Raises:
            KeyError: a result that is not in the catalogue, unless its session says so in ``without_text``.
            TypeError: a batch of something else.
            ValueError: vectors of another shape than the model promises.
        """
        packed = batch if isinstance(batch, SessionBatch) else self.pack(batch)
        if not isinstance(packed, InputBatch):
            raise TypeError("a packed batch must have its queries and item ids; FeaturesExtractor.pack makes one")
        features = self._features(packed, dataset)
        features.clamp_diff_in(self.min_abs_difference_threshold, self.max_abs_difference_threshold)
        return features

    def _confidences(
        self,
        input: FineTuningInput,  # noqa: A002 - the published name
        not_events: Sequence[str],
    ) -> tuple[Tensor, Tensor]:
        """Confidences of the events and of these not-events, each that of its object in the whole list.

        Args:
            input: a session.
            not_events: ids of results.

        Returns:
            (float32 [len(input.events)], float32 [len(not_events)]).

        Raises:
            ValueError: an engine rank is missing, and there is no model here to stand in.
            KeyError: a not-event that is no result.
        """
        missing = [name for name, rank in input.ranks.items() if rank is None]
        if missing:
            raise ValueError(f"ranks must be there for every result, got none for {', '.join(missing)}")
        batch = self._pack([input], None)
        clicked = self.clicks_aggregator(batch.clicked, batch.object_index, batch.objects)
        nothing = torch.zeros(batch.objects)  # the dtype that forward has, and with it its confidences
        confidences = object_confidences(batch, clicked, nothing, self.ranks_aggregator, self.confidence_calculator)
        objects = dict(zip(input.results, batch.object_index.tolist(), strict=True))
        events, others = ([objects[name] for name in ids] for ids in (input.events, not_events))
        return confidences[torch.tensor(events).long()], confidences[torch.tensor(others).long()]

    def _downsample_not_events(self, input: FineTuningInput) -> list[str]:  # noqa: A002 - the published name
        """The not-events that stay after thinning, ids in result order; an object's parts go together."""
        batch = self._pack([input], None)
        stay = dict(zip(input.results, batch.kept[batch.object_index].tolist(), strict=True))
        return [name for name in input.not_events if stay[name]]

    def _get_fine_tuning_features(
        self,
        input: FineTuningInput,  # noqa: A002 - the published name
        dataset: Items,
    ) -> FineTuningFeatures:
        """A session's own pairs, not clamped; of an irrelevant session its negatives, which have no positives."""
        batch = self._pack([input], None)
        if not input.is_irrelevant:
            return self._features(batch, dataset)
        if not batch.item_ids:
            return FineTuningFeatures()
        queries, items = self._vectors(batch, dataset)
        scores = object_scores(batch, queries, items, self.ranker, self.ranks_aggregator)
        clicked = self.clicks_aggregator(batch.clicked, batch.object_index, batch.objects)
        confidences = object_confidences(batch, clicked, scores, self.ranks_aggregator, self.confidence_calculator)
        rows = (~clicked & batch.kept & scorable_objects(batch)).nonzero().squeeze(1).to(scores.device)
        return FineTuningFeatures(
            negative_ranks=scores.index_select(0, rows), negative_confidences=confidences.index_select(0, rows)
        )

    def _get_paired_inputs_features(
        self, not_irrelevant: FineTuningInput, irrelevant: FineTuningInput | None, dataset: Items
    ) -> FineTuningFeatures:
        """A session's own pairs, then its positives with the negatives of an irrelevant session; not clamped."""
        return self._features(self._pack(*_together([(not_irrelevant, irrelevant)], False)), dataset)

    def _pack(self, inputs: list[FineTuningInput], partners: Tensor | None) -> InputBatch:
        return pack_inputs(
            inputs,
            factor=self.negative_downsampling_factor,
            seed=self.seed,
            clicks_aggregator=self.clicks_aggregator,
            partners=partners,
        )

    def _features(self, batch: InputBatch, dataset: Items) -> FineTuningFeatures:
        if not batch.item_ids:
            return FineTuningFeatures()
        pairs = extract_pairs(
            batch,
            *self._vectors(batch, dataset),
            ranker=self.ranker,
            ranks_aggregator=self.ranks_aggregator,
            clicks_aggregator=self.clicks_aggregator,
            confidence_calculator=self.confidence_calculator,
            partners=batch.partners,
        )
        return FineTuningFeatures(
            pairs.positive_ranks,
            pairs.negative_ranks,
            torch.full_like(pairs.positive_ranks, 1 if self.is_similarity else -1, requires_grad=False),
            pairs.positive_confidences,
            pairs.negative_confidences,
        )

    def _vectors(self, batch: InputBatch, dataset: Items) -> tuple[Tensor, Tensor]:
        """The vectors of the distinct queries and items: the model is asked once for each kind."""
        items, _ = dataset.items_by_ids(batch.item_ids)
        item_vectors = self.model.forward_items(items)
        together = getattr(self.model, "forward_queries", None)
        if callable(together):
            query_vectors = together(list(batch.queries))
        else:
            query_vectors = torch.cat([self.model.forward_query(query).reshape(1, -1) for query in batch.queries])
        for name, vectors, rows in (
            ("queries", query_vectors, len(batch.queries)),
            ("items", item_vectors, len(batch.item_ids)),
        ):
            if not isinstance(vectors, Tensor) or vectors.ndim != 2 or vectors.shape[0] != rows:
                came = list(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
                raise ValueError(f"the model's {name} must be a tensor [{rows}, D], got {came}")
        return query_vectors, item_vectors


def _is_paired(batch: Sequence[Any]) -> bool:
    """Whether a batch is of tuples; a batch of anything but inputs or pairs of them is refused."""
    # By the types that occur: there are few, however long the batch.
    if all(issubclass(kind, FineTuningInput) for kind in {type(entry) for entry in batch}):
        return False
    for entry in batch:
        if not isinstance(entry, tuple | list) or len(entry) != 2:
            raise TypeError(f"a batch must be all of FineTuningInput, or all of tuples of two, got {entry!r}")
        first, second = entry
        if not isinstance(first, FineTuningInput) or not isinstance(second, FineTuningInput | None):
            raise TypeError(f"a tuple must be (FineTuningInput, FineTuningInput or None), got {entry!r}")
    return True


def _alone(batch: Sequence[FineTuningInput], only: bool) -> tuple[list[FineTuningInput], Tensor | None]:
    """Inputs of a plain list and who is paired with whom: the k-th partnership cycles both kinds in order."""
    if only:
        return [entry for entry in batch if not entry.is_irrelevant], None
    irrelevant = torch.tensor([entry.is_irrelevant for entry in batch], dtype=torch.bool)
    right, left = irrelevant.nonzero().squeeze(1), (~irrelevant).nonzero().squeeze(1)
    if not len(left) or not len(right):
        return list(batch), None
    count = torch.arange(max(len(left), len(right)))
    return list(batch), torch.stack((left[count % len(left)], right[count % len(right)]), dim=1)


def _together(batch: Sequence[Pair], only: bool) -> tuple[list[FineTuningInput], Tensor | None]:
    """Inputs of tuples, each followed by its partner."""
    inputs: list[FineTuningInput] = []
    partners: list[tuple[int, int]] = []
    for first, second in batch:
        if second is not None and not second.is_irrelevant:
            raise ValueError("the second of a tuple must be irrelevant, got one with events")
        if only and first.is_irrelevant:
            continue
        inputs.append(first)
        if second is not None and not only:
            inputs.append(second)
            if not first.is_irrelevant:
                partners.append((len(inputs) - 2, len(inputs) - 1))
    return inputs, torch.tensor(partners) if partners else None


def _target(ranker: Ranker, is_similarity: bool | None) -> int:
    carried: int | None = getattr(ranker, "target", None)
    asked = carried if is_similarity is None else (1 if is_similarity else -1)
    if asked is None:
        raise ValueError("is_similarity must be given for a ranker that carries no target")
    if carried not in (None, asked):
        name = getattr(ranker, "__name__", type(ranker).__name__)
        kind = "similarity" if carried == 1 else "distance"
        raise ValueError(f"is_similarity must agree with the ranker: {name} is a {kind}, got {is_similarity}")
    return asked


def _check_callable(**functions: object) -> None:
    for name, function in functions.items():
        if not callable(function):
            raise TypeError(f"{name} must be a function, got {type(function).__name__}")


def _check_settings(not_irrelevant_only: object, factor: float, seed: object) -> None:
    if not isinstance(not_irrelevant_only, bool):
        raise TypeError(f"not_irrelevant_only must be a bool, got {type(not_irrelevant_only).__name__}")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise TypeError(f"seed must be an integer, got {type(seed).__name__}")
    if not 0.0 <= factor <= 1.0:
        raise ValueError(f"negative_downsampling_factor must be in [0, 1], got {factor}")
