"""The simulated shop: its items, the queries put to it, and how well each item answers each query.

Letters: Q queries, I items.

The shop is the same for every seed of the simulation, and a larger one begins with the objects of a smaller one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from ft_assets.simulate_vocabulary import BRANDS, CATEGORIES, ELSEWHERE, MODELS, REVIEWS, Category

CATALOGUE_SEED = 20261101
MAX_GRADE = 4
PARTED_SHARE = 0.2
"""Share of objects whose page has parts (overview, care, reviews) that are found one by one."""
POPULARITY_POWER = 0.8  # the r-th most frequent query is asked in proportion to r^-0.8 (Zipf)


@dataclass(frozen=True)
class Item:
    """A part of an object with its text; most objects are one item, and the two ids are the same."""

    item_id: str
    object_id: str
    text: str


@dataclass(frozen=True)
class Intent:
    """What a query asks for: a category and any of its looks, traits and uses; None where it does not say."""

    query: str
    category: int | None
    wanted: tuple[str | None, str | None, str | None]


@dataclass(frozen=True)
class Catalogue:
    """The shop and the truth about it.

    Attributes:
        items: I items.
        queries: Q distinct query texts.
        popularity: float64 [Q], the probability of each query; sums to 1.
        grades: int8 [Q, I], how well an item answers a query: 0 (another kind of thing) to MAX_GRADE.
    """

    items: list[Item]
    queries: list[str]
    popularity: np.ndarray
    grades: np.ndarray


def make_catalogue(objects: int = 480) -> Catalogue:
    """Make a shop.

    Args:
        objects: how many products; at least one of each category.

    Returns:
        The shop: about 1.3 items an object and 372 queries.

    Raises:
        ValueError: fewer objects than categories.

    Example:
        >>> make_catalogue(14).items[2].item_id
        'p00001'
    """
    if objects < len(CATEGORIES):
        raise ValueError(f"objects must be at least {len(CATEGORIES)}, one of each category, got {objects}")
    made = [_make_object(index) for index in range(objects)]
    intents = _make_intents()
    items = [item for parts, _, _ in made for item in parts]
    of_object = np.array([place for place, (parts, _, _) in enumerate(made) for _ in parts])
    categories = np.array([category for _, category, _ in made])
    qualities = np.array([values for _, _, values in made])
    grades = np.stack([_grades(intent, categories, qualities) for intent in intents])
    order = np.random.default_rng(CATALOGUE_SEED).permutation(len(intents))
    weights = (order + 1.0) ** -POPULARITY_POWER
    return Catalogue(items, [each.query for each in intents], weights / weights.sum(), grades[:, of_object])


def _make_object(index: int) -> tuple[list[Item], int, tuple[str, str, str]]:
    """Make object number index: its items, its category, and its look, trait and use."""
    rng = np.random.default_rng([CATALOGUE_SEED, index])
    number = index % len(CATEGORIES)
    category = CATEGORIES[number]
    look, trait, use = (str(rng.choice(values)) for values in (category.looks, category.traits, category.uses))
    first, second = rng.permutation(len(category.sentences))[:2]
    name = f"{rng.choice(BRANDS)} {rng.choice(MODELS)} {rng.integers(1, 100)} {category.nouns[0]}"
    text = f"{name}, {trait}, {look}, {use}. {category.sentences[first]} {category.sentences[second]}"
    object_id = f"p{index:05d}"
    if rng.random() >= PARTED_SHARE:
        return [Item(object_id, object_id, text)], number, (look, trait, use)
    parts = [
        Item(f"{object_id}-overview", object_id, text),
        Item(f"{object_id}-care", object_id, f"Care for the {name}: {category.care}"),
    ]
    if rng.random() < 0.5:
        parts.append(Item(f"{object_id}-review", object_id, f"Review of the {name}, {trait}. {rng.choice(REVIEWS)}"))
    return parts, number, (look, trait, use)


def _make_intents() -> list[Intent]:
    """Every noun alone, every single wish, and every eighth combination of wishes, of every category."""
    intents = [
        intent
        for number, category in enumerate(CATEGORIES)
        for index, intent in enumerate(_wishes(number, category))
        if intent.wanted.count(None) >= 2 or index % 8 == 0
    ]
    return intents + [Intent(query, None, (None, None, None)) for query in ELSEWHERE]


def _wishes(number: int, category: Category) -> Iterator[Intent]:
    for noun in category.nouns[1:]:
        yield Intent(noun, number, (None, None, None))
    # the noun turns with the combination, so that synonyms of the shop's own word are asked for too
    wishes = product((None, *category.looks), (None, *category.traits), (None, *category.uses))
    for index, (look, trait, use) in enumerate(wishes):
        words = (trait, look, category.nouns[index % len(category.nouns)], use)
        yield Intent(" ".join(word for word in words if word), number, (look, trait, use))


def _grades(intent: Intent, categories: np.ndarray, qualities: np.ndarray) -> np.ndarray:
    """int8 [objects]: 0 for another category, else 1 (no wish met) to 4 (all met); 3 where none was uttered."""
    if intent.category is None:
        return np.zeros(len(categories), dtype=np.int8)
    wanted = [(place, wish) for place, wish in enumerate(intent.wanted) if wish is not None]
    met = sum((qualities[:, place] == wish).astype(float) for place, wish in wanted)
    share = met / len(wanted) if wanted else np.full(len(categories), 2 / 3)
    return np.where(categories == intent.category, 1 + np.floor((MAX_GRADE - 1) * share), 0).astype(np.int8)
