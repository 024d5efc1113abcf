"""A day of sessions to be cut into shards, and what the loop makes of it."""

from __future__ import annotations

import datetime as dt
import random

import pyarrow as pa

from ft_assets import engine
from ft_assets.encoders import load_encoder
from ft_assets.engine import PairSettings
from ft_assets.lake import Lake
from ft_assets.on_ray import DayOfPairs
from ft_assets.schemas import PAIR_FEATURES
from ft_assets_tests.builders import DAY, at_noon, item, put_day, sampled, table_of, words_of

MODEL = "hashing:64"


def a_day(lake: Lake, sessions: int, shares: tuple[float, float] = (0.5, 0.3), encode: bool = True) -> DayOfPairs:
    """A day, shuffled in storage; its shares of sessions with a click and of irrelevant ones, the others being neither."""
    chance, names = random.Random(0), [f"i{number}" for number in range(40)]
    words = ["red", "blue", "shoe", "hat", "coat", "wool", "summer", "warm"]
    objects = {name: f"o{number % 5}" if number % 3 == 0 else name for number, name in enumerate(names)}
    texts = [item(name, " ".join(chance.choices(words, k=4)), objects[name]) for name in names]
    rows = []
    for number in range(sessions):
        shown = chance.sample(names, k=chance.choice([2, 5, 12]))
        kind = chance.choices(["click", "irrelevant", "neither"], [*shares, max(0.0, 1 - sum(shares))])[0]
        clicked = chance.sample(shown, k=1 + chance.randrange(2)) if kind == "click" else []
        stays = {objects[name]: chance.random() < 0.8 for name in shown}
        drew = {objects[name] for name in clicked}
        rows.append(
            sampled(
                f"s{number:05}",
                shown,
                clicked,
                query_text=f"query {number % 17} of {chance.choice(words)}",
                started_at=at_noon(DAY) + dt.timedelta(seconds=number // 7),  # several at one time
                object_ids=[objects[name] for name in shown],
                kept=[stays[objects[name]] or objects[name] in drew for name in shown],
                ranks=[chance.choice([None, chance.random()]) for _ in shown],
                is_irrelevant=kind == "irrelevant",
            )
        )
    chance.shuffle(rows)
    lake.append("items", table_of("items", texts), {})
    put_day(lake, "sampled_inputs", table_of("sampled_inputs", rows))
    inputs, encoder = lake.slice("sampled_inputs", DAY), load_encoder(MODEL)
    if encode:
        engine.text_vectors(lake, inputs, lake.slice("items"), encoder, {})
    return DayOfPairs(lake, inputs, lake.slice("items"), lake.slice("text_vectors"), encoder.fingerprint)


def pairs_by_the_loop(day: DayOfPairs, settings: PairSettings) -> tuple[pa.Table, dict[str, int]]:
    """The pairs of a day in the loop's order, and its counts."""
    loop = engine.pair_features(day.inputs, day.items, day.vectors, day.model, settings)
    return words_of(loop.batches(), PAIR_FEATURES.schema), loop.counts


def bits(rows: pa.Table) -> pa.Table:
    """The same with numbers as they are stored: 0.0 is not -0.0."""
    whole = rows.combine_chunks()
    for place, column in enumerate(whole.schema):
        if column.type == pa.float32():
            stored = pa.chunked_array([chunk.view(pa.int32()) for chunk in whole[column.name].chunks], pa.int32())
            whole = whole.set_column(place, column.name, stored)
    return whole
