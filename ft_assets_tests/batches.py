"""Random ragged batches of sessions, as plain lists and packed, and what the plain loops make of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ft_assets.kernels import SessionBatch
from ft_assets_tests import reference


@dataclass
class PlainSession:
    """One session; objects are numbered within it, in order of first appearance."""

    query: int
    items: list[int]
    objects: list[int]
    ranks: list[float | None]
    clicked: list[bool]
    scorable: list[bool]
    kept: list[bool]
    irrelevant: bool

    @property
    def size(self) -> int:
        return len(self.kept)


def random_sessions(
    rng: random.Random,
    count: int,
    *,
    longest: int = 7,
    parts: bool = True,
    missing: bool = False,
    unscorable: bool = False,
    queries: int = 3,
    items: int = 11,
) -> list[PlainSession]:
    """Sessions that are empty, single, all clicked, none clicked, or of shared parts, as chance has it."""
    sessions = []
    for _ in range(count):
        n = rng.choice([0, 1, longest, rng.randint(0, longest)])
        names: dict[int, int] = {}
        objects = [names.setdefault(rng.randint(0, n // 2) if parts else i, len(names)) for i in range(n)]
        clicks = rng.choice([0.0, 0.3, 0.3, 1.0])
        gone = missing and rng.random() < 0.5
        sessions.append(
            PlainSession(
                query=rng.randrange(queries),
                items=[rng.randrange(items) for _ in range(n)],
                objects=objects,
                ranks=[None if gone and rng.random() < 0.4 else float(torch.tensor(rng.random())) for _ in range(n)],
                clicked=[rng.random() < clicks for _ in range(n)],
                scorable=[not unscorable or rng.random() < 0.7 for _ in range(n)],
                kept=[rng.random() < 0.8 for _ in names],
                irrelevant=rng.random() < 0.3,
            )
        )
    return sessions


def packed(sessions: list[PlainSession]) -> SessionBatch:
    offsets, object_offsets, index = [0], [0], []
    for s in sessions:
        index += [object_offsets[-1] + o for o in s.objects]
        offsets.append(offsets[-1] + len(s.items))
        object_offsets.append(object_offsets[-1] + s.size)
    ranks = [float("nan") if r is None else r for s in sessions for r in s.ranks]
    scorable = torch.tensor([x for s in sessions for x in s.scorable], dtype=torch.bool)
    return SessionBatch(
        offsets=torch.tensor(offsets),
        object_offsets=torch.tensor(object_offsets),
        object_index=torch.tensor(index, dtype=torch.int64),
        query_index=torch.tensor([s.query for s in sessions], dtype=torch.int64),
        item_index=torch.tensor([i for s in sessions for i in s.items], dtype=torch.int64),
        ranks=torch.tensor(ranks, dtype=torch.float32),
        clicked=torch.tensor([c for s in sessions for c in s.clicked], dtype=torch.bool),
        kept=torch.tensor([k for s in sessions for k in s.kept], dtype=torch.bool),
        is_irrelevant=torch.tensor([s.irrelevant for s in sessions], dtype=torch.bool),
        scorable=None if scorable.all() else scorable,
    )


def vectors(rng: random.Random, dtype: torch.dtype = torch.float32, width: int = 5) -> tuple[Tensor, Tensor]:
    """3 queries and 11 items with positive entries: cosines stay away from 0, where confidences are rough."""
    queries = torch.tensor([[rng.uniform(0.1, 1) for _ in range(width)] for _ in range(3)])
    items = torch.tensor([[rng.uniform(0.1, 1) for _ in range(width)] for _ in range(11)])
    return queries.to(dtype), items.to(dtype)


@dataclass
class PlainPair:
    positive: int
    negative: int
    session: int
    irrelevant: bool
    positive_rank: float
    negative_rank: float
    positive_confidence: float
    negative_confidence: float


def plain_pairs(
    sessions: list[PlainSession],
    queries: Tensor,
    items: Tensor,
    *,
    rank: Callable[[list[float], list[float]], float] = reference.cosine,
    aggregate: Callable[[list[Any]], Any] = reference.mean,
    confidences: Callable[[list[float], list[bool]], list[float]] = reference.windowed,
    session_pairs: bool = True,
    partners: list[tuple[int, int]] | None = None,
) -> list[PlainPair]:
    """``extract_pairs`` by loops."""
    worked, start, rows = [], 0, []
    for s in sessions:
        scores: list[float | None] = []
        for o in range(s.size):
            seen = [i for i, own in enumerate(s.objects) if own == o and s.scorable[i]]
            found = [rank(queries[s.query].tolist(), items[s.items[i]].tolist()) for i in seen]
            scores.append(aggregate(found) if found else None)
        clicks = reference.aggregate(s.clicked, s.objects, s.size, any)
        ranks = reference.aggregate(s.ranks, s.objects, s.size, lambda r: None if None in r else aggregate(r))
        trust = reference.session_confidences(ranks, scores, clicks, confidences)
        worked.append((start, scores, trust, *reference.session_pairs(clicks, s.kept, [x is not None for x in scores])))
        start += s.size

    def row(a: int, p: int, b: int, n: int) -> PlainPair:
        (start_a, scores_a, trust_a, *_), (start_b, scores_b, trust_b, *_) = worked[a], worked[b]
        return PlainPair(start_a + p, start_b + n, a, a != b, scores_a[p], scores_b[n], trust_a[p], trust_b[n])

    for a, s in enumerate(sessions):
        if s.irrelevant:
            continue
        if session_pairs:
            rows += [row(a, p, a, n) for p, n in worked[a][5]]
        for left, b in partners or []:
            if left == a:
                rows += [row(a, p, b, n) for p, n in zip(worked[a][3], worked[b][4], strict=False)]
    return rows
