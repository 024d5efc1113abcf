"""From the lake's tables to a training loop: sessions as inputs, the catalogue as an ItemsSet, pairs as features.

Two ways to train on a lake. On the features as they are: ``stream_features`` gives a day's pairs with the ranks and
confidences of the model of that day. On the sessions: ``LakeDataModule`` gives them to a ``FeaturesExtractor``, which
scores them with the model as it is now, with gradients; with the same factor and seed it thins them as the table does.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow.compute as pc
import torch

from ft_assets.datasets import FineTuningDataModule, PairedFineTuningInputs, Split, split_inputs
from ft_assets.features import FineTuningFeatures
from ft_assets.inputs import FineTuningInput
from ft_assets.lake import Home, Lake
from ft_assets.records import ItemsSet
from ft_assets.schemas import FINE_TUNING_FEATURES, FINE_TUNING_INPUTS, ITEMS

__all__ = ["LakeDataModule", "load_inputs", "load_items", "stream_features"]


def stream_features(
    lake: Lake, day: dt.date, batch_size: int = 8_192, device: torch.device | str = "cpu"
) -> Iterator[FineTuningFeatures]:
    """The pairs of a day of fine_tuning_features on a device, at most ``batch_size`` at a time.

    Raises:
        ValueError: batch_size is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    for batch in lake.slice(FINE_TUNING_FEATURES.name, day).batches(batch_size):
        if batch.num_rows:
            yield FineTuningFeatures.from_arrow(batch, device)


def load_inputs(lake: Lake, days: Iterable[dt.date]) -> list[FineTuningInput]:
    """The sessions of days of fine_tuning_inputs, in order of time, each with the results that have a text.

    Left out are those of which all events fell on results without one: they drew some, so they are not irrelevant, and
    no pair can be made of them.
    """
    rows = [row for day in days for row in lake.slice(FINE_TUNING_INPUTS.name, day).to_table().to_pylist()]
    rows.sort(key=lambda row: (row["started_at"], row["session_id"]))
    return [_input(row) for row in rows if row["is_irrelevant"] or any(row["clicked"])]


def _input(row: dict[str, Any]) -> FineTuningInput:
    shown = list(zip(row["item_ids"], row["object_ids"], row["ranks"], row["clicked"], strict=True))
    return FineTuningInput(
        query=row["query_text"],
        session_id=row["session_id"],
        results=row["item_ids"],
        events=[item for item, *_, clicked in shown if clicked],
        ranks={item: rank for item, _, rank, _ in shown},
        part_to_object_dict={item: object_ for item, object_, *_ in shown if item != object_},
        is_irrelevant=row["is_irrelevant"],
        timestamp=row["started_at"],
    )


def load_items(lake: Lake, inputs: Sequence[FineTuningInput]) -> ItemsSet:
    """The text of every item that the sessions show."""
    wanted = sorted({item for session in inputs for item in session.results})
    table = lake.slice(ITEMS.name).to_table(["item_id", "text"])
    table = table.filter(pc.is_in(table["item_id"], value_set=pc.cast(wanted, table["item_id"].type)))
    return ItemsSet(table["item_id"].to_pylist(), table["text"].to_pylist())


class LakeDataModule(FineTuningDataModule):
    """Sessions of a lake, split so that no query is on both sides, for a Trainer.

    Args:
        home: where the lake is; else FT_ASSETS_HOME, else .ft_assets in the working directory.
        days: the days to take; all by default.
        test_share, by_time: as ``split_inputs`` takes them.
        paired: give pairs of a session and an irrelevant one, as ``PairedFineTuningInputs`` makes them.
        batch_size: sessions (or pairs) a batch.
        seed: of the split and of the order.

    Attributes:
        items: after ``setup``, the texts of what the sessions show: the dataset that ``forward`` takes.
        split: after ``setup``, the sessions of either side.

    Raises:
        ValueError: the days hold no session, or a side of the split would be empty.
    """

    items: ItemsSet
    split: Split

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        days: Iterable[dt.date] | None = None,
        *,
        test_share: float = 0.2,
        by_time: bool = False,
        paired: bool = False,
        batch_size: int = 32,
        seed: int = 0,
    ) -> None:
        super().__init__((), batch_size=batch_size, seed=seed)
        self.lake = Home.find(home).lake
        self.days = None if days is None else list(days)
        self.test_share, self.by_time, self.paired = test_share, by_time, paired

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002 - Lightning's signature
        """Read the tables, once."""
        if hasattr(self, "items"):
            return
        days = self.lake.days(FINE_TUNING_INPUTS.name) if self.days is None else self.days
        inputs = load_inputs(self.lake, days)
        if not inputs:
            raise ValueError(f"{self.lake.root} holds no session of {', '.join(map(str, days)) or 'any day'}; run it first")
        self.items = load_items(self.lake, inputs)
        self.split = split_inputs(inputs, self.test_share, seed=self.seed, by_time=self.by_time)
        self.train, self.test = self.split.train, self.split.test
        if self.paired:
            self.train = PairedFineTuningInputs.from_inputs(self.split.train, seed=self.seed)
            self.test = PairedFineTuningInputs.from_inputs(self.split.test, seed=self.seed)
