"""Inputs for a training loop: pairs of sessions, a split without leakage, batches of sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from ft_assets.inputs import FineTuningInput
from ft_assets.kernels import id_hashes, keep_mask, sample_hashes

__all__ = ["FineTuningDataModule", "PairedFineTuningInputs", "Split", "split_inputs"]

Pair = tuple[FineTuningInput, FineTuningInput | None]


class PairedFineTuningInputs(Dataset[Pair]):
    """Not-irrelevant sessions, each with an irrelevant one: row k is (k-th, k-th), the shorter list cycled.

    Args:
        not_irrelevant: sessions with events.
        irrelevant: sessions without; if there are none, every row is (session, None).
        shuffle: whether each list is shuffled beforehand.
        seed: of the shuffle; one seed is one order, everywhere.
        count: the number of rows; None is the length of the longer list.

    Raises:
        ValueError: a session in the wrong list, no not-irrelevant session, or a negative count.

    Example:
        >>> one = FineTuningInput(query="tea", events=["a"], results=["a"], ranks={"a": 1})
        >>> none = FineTuningInput(query="tee", events=[], results=["a"], ranks={"a": 1})
        >>> pairs = PairedFineTuningInputs([one], [none, none])
        >>> len(pairs), pairs[1] == (one, none)
        (2, True)
    """

    def __init__(
        self,
        not_irrelevant: Sequence[FineTuningInput],
        irrelevant: Sequence[FineTuningInput] = (),
        *,
        shuffle: bool = False,
        seed: int = 0,
        count: int | None = None,
    ) -> None:
        for name, sessions, expected in (("not_irrelevant", not_irrelevant, False), ("irrelevant", irrelevant, True)):
            wrong = next((row for row, s in enumerate(sessions) if s.is_irrelevant is not expected), None)
            if wrong is not None:
                raise ValueError(f"{name} must be sessions with is_irrelevant {expected}, got another at {wrong}")
        if not not_irrelevant and (irrelevant or count):
            raise ValueError("not_irrelevant must have a session to pair with, got none")
        if count is not None and count < 0:
            raise ValueError(f"count must not be negative, got {count}")
        generator = torch.Generator().manual_seed(seed)
        self.not_irrelevant = _shuffled(not_irrelevant, generator) if shuffle else list(not_irrelevant)
        self.irrelevant = _shuffled(irrelevant, generator) if shuffle else list(irrelevant)
        self.count = max(len(not_irrelevant), len(irrelevant)) if count is None else count

    @classmethod
    def from_inputs(cls, inputs: Sequence[FineTuningInput], **settings: Any) -> PairedFineTuningInputs:
        """Sort sessions into the two lists by ``is_irrelevant``; settings as in the constructor."""
        kinds = ([s for s in inputs if s.is_irrelevant is kind] for kind in (False, True))
        return cls(*kinds, **settings)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> Pair:
        if not -self.count <= row < self.count:
            raise IndexError(f"row must be in [0, {self.count}), got {row}")
        row %= self.count
        first = self.not_irrelevant[row % len(self.not_irrelevant)]
        return first, self.irrelevant[row % len(self.irrelevant)] if self.irrelevant else None


class Split(NamedTuple):
    """Sessions to learn from, sessions to test on, and those that would leak from one to the other."""

    train: list[FineTuningInput]
    test: list[FineTuningInput]
    left_out: list[FineTuningInput]


def split_inputs(
    inputs: Sequence[FineTuningInput],
    test_share: float = 0.2,
    *,
    seed: int = 0,
    by_time: bool = False,
    query_key: Callable[[Any], str] = str,
) -> Split:
    """Split sessions so that no query is on both sides.

    By query: of Q distinct queries the ``max(1, floor(test_share * Q))`` with the lowest hash of (seed, query)
    are tested. By time: of S sessions the latest ``max(1, floor(test_share * S))`` are tested (sessions of one instant stay
    together), less those whose query was seen before, which are left out: a model is judged on queries of the
    future that it has not met. Neither depends on the order of the inputs, the process or PYTHONHASHSEED.

    Args:
        inputs: sessions.
        test_share: in (0, 1).
        seed: of the hash, by query.
        by_time: split by ``timestamp``.
        query_key: what makes two queries one.

    Raises:
        ValueError: test_share is outside (0, 1), a side would be empty, or a timestamp is missing.

    Example:
        >>> sessions = [FineTuningInput(query=q, events=[1], results=[1], ranks={1: 1}) for q in "abcab"]
        >>> split = split_inputs(sessions, 0.4)
        >>> sorted(s.query for s in split.train), [s.query for s in split.test], split.left_out
        (['a', 'a', 'c'], ['b', 'b'], [])
    """
    if not 0.0 < test_share < 1.0:
        raise ValueError(f"test_share must be in (0, 1), got {test_share}")
    keys = [query_key(session.query) for session in inputs]
    split = _by_time(inputs, keys, test_share) if by_time else _by_query(inputs, keys, test_share, seed)
    if not split.train or not split.test:
        raise ValueError(
            "both sides must have a session, "
            f"got {len(split.train)} to train, {len(split.test)} to test, {len(split.left_out)} left out"
        )
    return split


class FineTuningDataModule(LightningDataModule):
    """Batches of sessions for a Trainer: lists of inputs or of pairs, as ``FeaturesExtractor.forward`` takes them.

    Args:
        train: a sequence or map-style dataset of inputs or pairs.
        test: the same, for validation and test.
        batch_size: sessions (or pairs) a batch.
        seed: of the order in which training batches come.

    Raises:
        ValueError: batch_size is below 1.
    """

    def __init__(self, train: Any, test: Any = (), *, batch_size: int = 32, seed: int = 0) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.train, self.test, self.batch_size, self.seed = train, test, batch_size, seed

    def train_dataloader(self) -> DataLoader[Any]:
        """Every session once an epoch, in an order that the seed decides."""
        generator = torch.Generator().manual_seed(self.seed)
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True, generator=generator, collate_fn=list)

    def val_dataloader(self) -> DataLoader[Any]:
        """The test side, in order."""
        return DataLoader(self.test, batch_size=self.batch_size, collate_fn=list)

    def test_dataloader(self) -> DataLoader[Any]:
        """The test side, in order."""
        return self.val_dataloader()


def _by_query(inputs: Sequence[FineTuningInput], keys: list[str], share: float, seed: int) -> Split:
    names = sorted(set(keys))
    hashes = sample_hashes(seed, id_hashes([""] * len(names)), id_hashes(names))
    marks = keep_mask(hashes, torch.tensor([0, len(names)]), share).tolist()
    tested = {name for name, mark in zip(names, marks, strict=True) if mark}
    sides: tuple[list[FineTuningInput], list[FineTuningInput]] = ([], [])
    for session, key in zip(inputs, keys, strict=True):
        sides[key in tested].append(session)
    return Split(*sides, [])


def _by_time(inputs: Sequence[FineTuningInput], keys: list[str], share: float) -> Split:
    times: list[Any] = [session.timestamp for session in inputs]
    if None in times:
        raise ValueError(f"timestamp must be there to split by time, got none at {times.index(None)}")
    first = sorted(times)[-max(1, int(share * len(times)))] if times else None
    seen = {key for key, time in zip(keys, times, strict=True) if time < first}
    split = Split([], [], [])
    for session, key, time in zip(inputs, keys, times, strict=True):
        side = split.train if time < first else split.left_out if key in seen else split.test
        side.append(session)
    return split


def _shuffled(sessions: Sequence[FineTuningInput], generator: torch.Generator) -> list[FineTuningInput]:
    return [sessions[row] for row in torch.randperm(len(sessions), generator=generator).tolist()]
