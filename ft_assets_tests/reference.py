"""Every kernel again as plain loops: the oracle of the tests; and the extractor as one loop over sessions in torch.

The loops follow DESIGN's words one by one and share no code with the kernels. ``loop_extract`` is what a careful
reader of the published classes would write: torch within a session, Python across sessions. It is the benchmark's
yardstick, so nothing in it is slower than it need be.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

MASK = 2**64 - 1


def id_hash(name: str) -> int:
    """Unsigned 64 bits."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8"), digest_size=8).digest(), "little")


def mix(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def sample_hash(seed: int, session: int, obj: int) -> int:
    """Unsigned 64 bits of (seed, session hash, object hash)."""
    step = 0x9E3779B97F4A7C15
    x = mix((seed + step) & MASK)
    x = mix(((x ^ session) + step) & MASK)
    return mix(((x ^ obj) + step) & MASK)


def keep_count(factor: float, n: int) -> int:
    if factor == 0 or n == 0:
        return 0
    return max(1, math.floor(factor * n))


def keep(hashes: Sequence[int], factor: float) -> list[bool]:
    """Which of one session's not-events stay; hashes are unsigned."""
    order = sorted(range(len(hashes)), key=lambda i: hashes[i])
    lowest = set(order[: keep_count(factor, len(hashes))])
    return [i in lowest for i in range(len(hashes))]


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    na, nb = math.sqrt(sum(x * x for x in a)), math.sqrt(sum(x * x for x in b))
    return dot(a, b) / (max(na, 1e-8) * max(nb, 1e-8))


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def euclidean(a: Sequence[float], b: Sequence[float]) -> float:
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def aggregate(values: Sequence[Any], index: Sequence[int], size: int, function: Callable[[list[Any]], Any]) -> list[Any]:
    """One value for each object; ``function`` sees the values of its parts."""
    return [function([v for v, i in zip(values, index, strict=True) if i == o]) for o in range(size)]


def windowed(ranks: Sequence[float], clicks: Sequence[bool], window_size: int = 3) -> list[float]:
    """Windowed confidences of one session."""
    n, half, raw = len(ranks), window_size // 2, []
    for i in range(n):
        low, high = max(0, i - half), min(n, i + half + 1)
        m = sum(ranks[low:high]) / (high - low)
        p = sum(map(bool, clicks[low:high])) / (high - low)
        d = abs(ranks[i] - m) / (abs(m) + 1e-9)
        value = (1 - d) * p + (1 - p) * d if clicks[i] else (1 - p) * (1 - d) + p * d
        raw.append(value * (math.exp(-3 * (i + 1) / n - 0.3) + 0.25))
    if not raw or max(raw) - min(raw) <= 1e-6:
        return [1.0] * n
    return [(x - min(raw)) / (max(raw) - min(raw)) for x in raw]


def session_confidences(
    ranks: Sequence[float | None],
    scores: Sequence[float | None],
    clicks: Sequence[bool],
    calculator: Callable[[list[float], list[bool]], list[float]],
) -> list[float]:
    """Confidences of one session's objects, from the engine's ranks or, where one is missing, the model's.

    ``ranks`` and ``scores`` are an object's, None where it has none.
    """
    if all(rank is not None for rank in ranks):
        return calculator([r for r in ranks if r is not None], list(clicks))
    listed = [i for i, s in enumerate(scores) if s is not None]
    found = calculator([s for s in scores if s is not None], [clicks[i] for i in listed])
    out = [0.0] * len(ranks)
    for i, confidence in zip(listed, found, strict=True):
        out[i] = confidence
    return out


def session_pairs(
    clicks: Sequence[bool], kept: Sequence[bool], scorable: Sequence[bool]
) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """(positives, negatives, every positive with every negative) of one session's objects."""
    positives = [i for i, c in enumerate(clicks) if c and scorable[i]]
    negatives = [i for i, c in enumerate(clicks) if not c and kept[i] and scorable[i]]
    return positives, negatives, [(p, n) for p in positives for n in negatives]


# From here on: torch within a session, one session after the other.


def loop_windowed(ranks: Tensor, clicks: Tensor, window_size: int = 3) -> Tensor:
    """Windowed confidences of one session, without a loop over its results."""
    n, half = ranks.shape[0], window_size // 2
    place = torch.arange(n)
    low, high = (place - half).clamp(min=0), (place + half + 1).clamp(max=n)
    running = torch.zeros(2, n + 1, dtype=torch.float64)
    running[:, 1:] = torch.stack((ranks.double(), clicks.double())).cumsum(1)
    m, p = (running[:, high] - running[:, low]) / (high - low)
    d = (ranks - m).abs() / (m.abs() + 1e-9)
    q = torch.where(clicks, p, 1 - p)
    raw = (q * (1 - d) + (1 - q) * d) * (torch.exp(-3 * (place + 1) / n - 0.3) + 0.25)
    least, most = raw.aminmax()
    return torch.ones(n) if most - least <= 1e-6 else ((raw - least) / (most - least)).float()


def plain_windowed(ranks: Tensor, clicks: Tensor, window_size: int = 3) -> Tensor:
    """Windowed confidences of one session, result by result, as the formula reads and the published classes do."""
    n, half = ranks.shape[0], window_size // 2
    raw = torch.zeros(n)
    for i in range(n):
        low, high = max(0, i - half), min(n, i + half + 1)
        m, p = ranks[low:high].mean(), clicks[low:high].float().mean()
        d = (ranks[i] - m).abs() / (m.abs() + 1e-9)
        value = (1 - d) * p + (1 - p) * d if clicks[i] else (1 - p) * (1 - d) + p * d
        raw[i] = value * (math.exp(-3 * (i + 1) / n - 0.3) + 0.25)
    least, most = raw.aminmax()
    return torch.ones(n) if most - least <= 1e-6 else (raw - least) / (most - least)


def loop_objects(session: Any) -> tuple[Tensor, int] | None:
    """(object of each result, number of objects); None where every result is its own."""
    if not session.part_to_object_dict:
        return None
    rows: dict[str, int] = {}
    index = [rows.setdefault(session.get_object_id(name), len(rows)) for name in session.results]
    return torch.tensor(index), len(rows)


def loop_mean(values: Tensor, objects: tuple[Tensor, int] | None) -> Tensor:
    if objects is None:
        return values
    index, size = objects
    sums = values.new_zeros(size).index_add(0, index, values)
    return sums / values.new_zeros(size).index_add(0, index, torch.ones_like(values))


def loop_session(
    session: Any, model: Any, dataset: Any, confidences: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The four columns of one session, not clamped: cosine, mean over parts, nothing thinned."""
    items, _ = dataset.items_by_ids(session.results)
    query = model.forward_query(session.query).reshape(1, -1)
    scores = torch.cosine_similarity(query, model.forward_items(items), dim=1)
    events = set(session.events)
    clicks = torch.tensor([name in events for name in session.results])
    ranks = torch.tensor([session.ranks[name] for name in session.results])
    objects = loop_objects(session)
    scores, ranks, clicks = loop_mean(scores, objects), loop_mean(ranks, objects), loop_mean(clicks.float(), objects) > 0
    trust = confidences(ranks, clicks)
    positive, negative = clicks.nonzero().squeeze(1), (~clicks).nonzero().squeeze(1)
    left, right = positive.repeat_interleave(len(negative)), negative.repeat(len(positive))
    return scores[left], scores[right], trust[left], trust[right]


def loop_extract(
    batch: Sequence[Any],
    model: Any,
    dataset: Any,
    confidences: Callable[[Tensor, Tensor], Tensor] = loop_windowed,
    low: float = 0.0,
    high: float = 1.0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(positive ranks, negative ranks, positive confidences, negative confidences) of a batch, clamped."""
    parts = [loop_session(session, model, dataset, confidences) for session in batch if not session.is_irrelevant]
    columns = [torch.cat(column) for column in zip(*parts, strict=True)]
    difference = (columns[0] - columns[1]).abs()
    kept = ((difference > low) & (difference < high)).nonzero().squeeze(1)
    positive, negative, likely, unlikely = (column[kept] for column in columns)
    return positive, negative, likely, unlikely
