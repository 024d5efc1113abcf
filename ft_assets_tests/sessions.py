"""Sessions, catalogues and models for the tests of the library."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor, nn

from ft_assets.records import FineTuningFeatures, FineTuningInput, ItemsSet

FIELDS = ("positive_ranks", "negative_ranks", "target", "positive_confidences", "negative_confidences")


class TableModel(nn.Module):
    """Looks vectors up: queries and items are rows of two tables. It counts what it is asked."""

    def __init__(self, queries: Tensor, items: Tensor) -> None:
        super().__init__()
        self.queries, self.items = nn.Parameter(queries), nn.Parameter(items)
        self.asked: list[tuple[str, int]] = []

    def forward_query(self, query: int) -> Tensor:
        self.asked.append(("query", 1))
        return self.queries[query]

    def forward_items(self, items: list[int]) -> Tensor:
        self.asked.append(("items", len(items)))
        return self.items[torch.as_tensor(items)]


class BatchedModel(TableModel):
    """The same, which can encode all queries at once."""

    def forward_queries(self, queries: list[int]) -> Tensor:
        self.asked.append(("queries", len(queries)))
        return self.queries[torch.as_tensor(queries)]


def catalogue(items: int = 12) -> ItemsSet:
    return ItemsSet([f"i{row}" for row in range(items)], range(items))


def model(kind: type[TableModel] = BatchedModel, queries: int = 4, items: int = 12, width: int = 5) -> TableModel:
    generator = torch.Generator().manual_seed(0)
    return kind(torch.rand(queries, width, generator=generator) + 0.1, torch.rand(items, width, generator=generator) + 0.1)


def session(results: str, events: str = "", query: Any = 0, **fields: Any) -> FineTuningInput:
    """``session("abc", "b")``: results and events by letter, ranks falling from 1."""
    ids = [f"i{ord(letter) - ord('a')}" for letter in results]
    return FineTuningInput(
        **{
            "query": query,
            "results": ids,
            "events": [f"i{ord(letter) - ord('a')}" for letter in events],
            "ranks": {name: 1 - 0.1 * place for place, name in enumerate(ids)},
        }
        | fields
    )


def random_input(rng: random.Random, parts: bool = True, missing: bool = True) -> FineTuningInput:
    count = rng.choice([0, 1, rng.randint(2, 8)])
    letters = rng.sample("abcdefghijkl", count)
    clicked = [x for x in letters if rng.random() < rng.choice([0.0, 0.3, 1.0])]
    made = session("".join(letters), "".join(clicked), rng.randrange(4))
    ranks = {name: None if missing and rng.random() < 0.1 else rng.uniform(0.1, 1) for name in made.results}
    objects = {name: f"o{rng.randrange(4)}" for name in made.results if parts and rng.random() < 0.5}
    return FineTuningInput(
        query=made.query, results=made.results, events=made.events, ranks=ranks, part_to_object_dict=objects,
        is_irrelevant=rng.random() < 0.2, session_id=f"s{rng.randrange(10**6)}",
    )  # fmt: skip


def assert_same(found: FineTuningFeatures, expected: FineTuningFeatures, tolerance: float = 0.0) -> None:
    assert len(found) == len(expected)
    for name in FIELDS:
        a, b = getattr(found, name), getattr(expected, name)
        if len(expected) or (a is not None and b is not None):
            torch.testing.assert_close(a, b, atol=tolerance, rtol=tolerance)


def joined(parts: list[FineTuningFeatures]) -> FineTuningFeatures:
    whole = FineTuningFeatures()
    for part in parts:
        whole += part
    return whole
