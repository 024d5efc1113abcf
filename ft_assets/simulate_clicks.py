"""The click model of the simulation, and sessions drawn from it.

Letters: B sessions drawn at once, L places of the longest result list, Q queries, C candidates of a query.

The model is position-based: a result is clicked if it is examined and it attracts, independently of the others,

    P(click | query q, item d, position k) = examination(k) * attractiveness(grade(q, d))

(Craswell et al. 2008, "An Experimental Comparison of Click Position-Bias Models"; Chuklin, Markov and de Rijke
2015, "Click Models for Web Search", section 3.3). The grades are in simulate_catalogue.Catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np

from ft_assets.simulate_catalogue import MAX_GRADE, Catalogue

EXAMINATION_POWER = 0.6
CLICK_NOISE = 0.05
LIST_LENGTHS = (8, 10, 12, 16, 20)
CANDIDATES = 60
ENGINE_SEED = 7
MARKED_SHARE = (0.3, 0.005)  # marked irrelevant: of the sessions without a click, of those with one
UNRANKED_SHARE = 0.015  # sessions whose results have no engine rank at all
HALF_RANKED_SHARE = 0.005  # sessions with one rank missing
ANONYMOUS_SHARE = 0.3


def examination(positions: np.ndarray, power: float = EXAMINATION_POWER) -> np.ndarray:
    """Probability that a place on the page is looked at: position^-power.

    Args:
        positions: from 1, any shape.
        power: 0 (everything is seen) and up (the top is seen).

    Returns:
        float64 of the same shape, in (0, 1].

    Source: Joachims, Swaminathan and Schnabel 2017, "Unbiased Learning-to-Rank with Biased Feedback", section 6.

    Example:
        >>> examination(np.array([1, 4]), power=0.5).tolist()
        [1.0, 0.5]
    """
    seen: np.ndarray = np.asarray(positions, dtype=np.float64) ** -power
    return seen


def attractiveness(grades: np.ndarray, noise: float = CLICK_NOISE) -> np.ndarray:
    """Probability that a result draws a click once it is looked at: noise + (1 - noise) (2^g - 1) / 2^4.

    Args:
        grades: relevance g from 0 to 4, any shape.
        noise: how often something of no relevance is clicked, in [0, 1].

    Returns:
        float64 of the same shape.

    Source: the graded term is that of Chapelle et al. 2009, "Expected Reciprocal Rank for Graded Relevance",
        equation 3; the noise that of Joachims et al. 2017, section 6.

    Example:
        >>> attractiveness(np.array([0, 4])).tolist()
        [0.05, 0.940625]
    """
    gain = (2.0 ** np.asarray(grades) - 1) / 2**MAX_GRADE
    attracted: np.ndarray = noise + (1 - noise) * gain
    return attracted


@dataclass(frozen=True)
class World:
    """What stays the same from session to session: the shop, its engine, and how people look at a page.

    candidates: int64 [Q, C], the items that the engine finds, best first; scores: float64 [Q, C].
    attracts: float64 [Q, C], the attractiveness of each; seen: float64 [L], the examination of each place.
    """

    catalogue: Catalogue
    item_ids: np.ndarray
    candidates: np.ndarray
    scores: np.ndarray
    grades: np.ndarray
    attracts: np.ndarray
    seen: np.ndarray

    @classmethod
    def of(cls, catalogue: Catalogue, examination_power: float) -> World:
        """Give a shop its engine, and its visitors their attention."""
        rng = np.random.default_rng(ENGINE_SEED)
        # The engine knows relevance but errs, and errs the same way every time that it is asked.
        scores = 3.0 + 2.5 * catalogue.grades + rng.normal(0.0, 1.8, catalogue.grades.shape)
        candidates = np.argsort(-scores, axis=1, kind="stable")[:, :CANDIDATES]
        grades = np.take_along_axis(catalogue.grades, candidates, axis=1)
        return cls(
            catalogue=catalogue,
            item_ids=np.array([item.item_id for item in catalogue.items], dtype=object),
            candidates=candidates,
            scores=np.take_along_axis(scores, candidates, axis=1),
            grades=grades,
            attracts=attractiveness(grades),
            seen=examination(np.arange(1, max(LIST_LENGTHS) + 1), examination_power),
        )


def make_sessions(
    world: World, rng: np.random.Generator, ids: list[str], starts: np.ndarray
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Draw B sessions at once and yield each with its events."""
    block, found = len(ids), world.scores.shape[1]
    length = min(len(world.seen), found)
    queries = rng.choice(len(world.catalogue.queries), size=block, p=world.catalogue.popularity)
    lengths = np.minimum(rng.choice(LIST_LENGTHS, size=block), found)
    # The index moves a little from session to session, and the shop does not show quite the engine's order.
    scores = np.maximum(0.1, world.scores[queries] + rng.normal(0.0, 0.3, (block, found)))
    shown = np.argsort(-(scores + rng.normal(0.0, 0.4, scores.shape)), axis=1, kind="stable")[:, :length]
    there = np.arange(length) < lengths[:, None]
    attracts = np.take_along_axis(world.attracts[queries], shown, axis=1)
    clicked = (rng.random((block, length)) < world.seen[:length] * attracts) & there
    marked = rng.random(block) < np.where(clicked.any(axis=1), MARKED_SHARE[1], MARKED_SHARE[0])
    ranks = np.take_along_axis(scores, shown, axis=1).round(4)
    ranks[rng.random(block) < UNRANKED_SHARE] = np.nan
    ranks[rng.random(block) < HALF_RANKED_SHARE, 1] = np.nan
    users = np.where(rng.random(block) < ANONYMOUS_SHARE, -1, rng.integers(0, 5_000, block))
    items = world.item_ids[np.take_along_axis(world.candidates[queries], shown, axis=1)]
    grades = np.take_along_axis(world.grades[queries], shown, axis=1)
    for row, session_id in enumerate(ids):
        end = lengths[row]
        session = {
            "session_id": session_id,
            "search_query": world.catalogue.queries[queries[row]],
            "created_at": int(starts[row]),
            "user_id": f"user-{users[row]:04d}" if users[row] >= 0 else None,
            "search_meta": {},
            "search_results": [
                {"object_id": item, "rank": None if isnan(rank) else rank, "meta": {}}
                for item, rank in zip(items[row, :end].tolist(), ranks[row, :end].tolist(), strict=True)
            ],
        } | ({"is_irrelevant": True} if marked[row] else {})
        places = np.flatnonzero(clicked[row])
        yield session, _make_events(rng, session, items[row, places], grades[row, places])


def _make_events(
    rng: np.random.Generator, session: dict[str, Any], items: np.ndarray, grades: np.ndarray
) -> list[dict[str, Any]]:
    """Turn clicks into events: some go on to the cart, the better ones more often, and some of those are bought."""
    moment = session["created_at"]
    events: list[dict[str, Any]] = []
    for item, grade in zip(items.tolist(), grades.tolist(), strict=True):
        to_cart, to_buy = rng.random(2)
        carted = bool(to_cart < 0.02 + 0.06 * grade)
        types = ["click"] + ["add_to_cart"] * carted + ["purchase"] * bool(carted and to_buy < 0.4)
        for event_type in types:
            moment += int(rng.integers(3, 45))
            event_id = f"{session['session_id']}-{len(events)}"
            events.append({"event_id": event_id, "object_id": item, "event_type": event_type, "created_at": moment, "meta": {}})
    return events
