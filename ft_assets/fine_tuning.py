"""A worked example: fine-tune a sentence-transformers model on sessions.

``FeaturesExtractor`` makes the pairs with gradients, a loss of :mod:`ft_assets.losses` judges them, Lightning
does the rest: schedulers, early stopping, checkpoints and devices are its Trainer's.

::

    model = SentenceEncoder.load("all-MiniLM-L6-v2")
    tuning = FineTuning(FeaturesExtractor(model), items, learning_rate=2e-5)
    Trainer(max_epochs=3).fit(tuning, FineTuningDataModule(split.train, split.test))

Letters: K texts, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn

from ft_assets.encoder_contract import Role
from ft_assets.encoders import DEFAULT_MODEL, model_folder
from ft_assets.extractor import FeaturesExtractor, Items
from ft_assets.features import FineTuningFeatures
from ft_assets.losses import prob_margin_ranking_loss
from ft_assets.sentence_encoder import load_model, prompts_by_role

__all__ = ["FineTuning", "SentenceEncoder"]


class SentenceEncoder(nn.Module):
    """A sentence-transformers model as the extractor asks for one, with gradients.

    With the prompts that a table's encoder is configured with, its vectors are that table's.

    Args:
        model: a ``sentence_transformers.SentenceTransformer``.
        batch_size: texts encoded at a time.
        query_prompt: put before every query; None takes the model's own, an empty string takes none.
        item_prompt: put before every item; None and the empty string likewise.

    Raises:
        ValueError: batch_size is below 1.
    """

    def __init__(
        self,
        model: nn.Module,
        batch_size: int = 256,
        *,
        query_prompt: str | None = None,
        item_prompt: str | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.model: Any = model
        self.batch_size = batch_size
        self.prompts = prompts_by_role(self.model, query_prompt, item_prompt)

    @classmethod
    def load(
        cls,
        name: str = DEFAULT_MODEL,
        *,
        batch_size: int = 256,
        query_prompt: str | None = None,
        item_prompt: str | None = None,
        **settings: Any,
    ) -> SentenceEncoder:
        """Load a model, in evaluation mode: without dropout, until ``train()`` is called.

        Args:
            name: ``all-MiniLM-L6-v2`` (its files come with a package: no network), another model's, or a folder.
            batch_size: as the constructor takes it.
            query_prompt: likewise.
            item_prompt: likewise.
            settings: for sentence-transformers.

        Raises:
            ModuleNotFoundError: the package that carries the default model is not installed.
        """
        model = load_model(name, model_folder(name), **settings)
        return cls(model, batch_size, query_prompt=query_prompt, item_prompt=item_prompt)

    def forward_query(self, query: str) -> Tensor:
        """Encode a query, [D]."""
        return self.forward_queries([query])[0]

    def forward_queries(self, queries: Sequence[str]) -> Tensor:
        """Encode queries, float [K, D], with gradients."""
        return self._encode(queries, "query")

    def forward_items(self, items: Sequence[str]) -> Tensor:
        """Encode items, float [K, D], with gradients."""
        return self._encode(items, "item")

    def _encode(self, texts: Sequence[str], role: Role) -> Tensor:
        """What ``encode_query`` and ``encode_document`` of sentence-transformers give, which have no gradients."""
        prompt, task = self.prompts[role], {"query": "query", "item": "document"}[role]
        vectors = []
        for start in range(0, len(texts), self.batch_size):
            tokens = self.model.preprocess(list(texts[start : start + self.batch_size]), prompt=prompt, task=task)
            tokens = {k: v.to(self.model.device) if isinstance(v, Tensor) else v for k, v in tokens.items()}
            # The model may have been told to cut its vectors; that is not part of its forward.
            vectors.append(self.model(tokens, task=task)["sentence_embedding"][:, : self.model.truncate_dim])
        return torch.cat(vectors)


class FineTuning(LightningModule):
    """Fine-tune the model of an extractor.

    Args:
        extractor: makes pairs of a batch; its ``model`` is trained and must be a module.
        dataset: the catalogue.
        loss: (features) -> scalar.
        learning_rate: of AdamW.

    Raises:
        TypeError: the extractor's model has no weights to train.
    """

    def __init__(
        self,
        extractor: FeaturesExtractor,
        dataset: Items,
        loss: Callable[[FineTuningFeatures], Tensor] = prob_margin_ranking_loss,
        learning_rate: float = 2e-5,
    ) -> None:
        super().__init__()
        if not isinstance(extractor.model, nn.Module):
            raise TypeError(f"the extractor's model must be a torch module, got {type(extractor.model).__name__}")
        self.extractor = extractor
        self.dataset = dataset
        self.loss = loss
        self.learning_rate = learning_rate

    def training_step(self, batch: Any, batch_index: int) -> Tensor:  # noqa: ARG002 - Lightning's signature
        """Loss of a batch of sessions, logged as ``train_loss`` with the number of its pairs."""
        return self._step(batch, "train")

    def validation_step(self, batch: Any, batch_index: int) -> Tensor:  # noqa: ARG002 - Lightning's signature
        """Loss of a batch of sessions, logged as ``val_loss``."""
        return self._step(batch, "val")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; a subclass adds a schedule."""
        return torch.optim.AdamW(self.extractor.parameters(), lr=self.learning_rate)

    def _step(self, batch: Any, name: str) -> Tensor:
        features = self.extractor(batch, self.dataset)
        loss = self.loss(features)
        # Weighed by pairs: a batch of few should not count as much as one of many.
        self.log(f"{name}_loss", loss, batch_size=max(1, len(features)), on_step=False, on_epoch=True)
        return loss
