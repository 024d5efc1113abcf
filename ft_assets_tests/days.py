"""A few days of every table, drawn at random and not bound to agree with one another: what is stored is what is counted."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ft_assets.lake import Lake
from ft_assets_tests.builders import DAY, NEXT_DAY, flag, item, make_lake, pair, put_day, sampled, session, table_of

WINDOW = {"min_abs_difference_threshold": 0.1, "max_abs_difference_threshold": 0.6}
TEXTS = [f"i{k}" for k in range(12)]  # of the fifteen items that lists name
Tables = dict[str, list[dict[str, Any]]]


def made(lake: Lake, name: str, rows: Sequence[Mapping[str, Any]], day: dt.date = DAY, **configuration: Any) -> None:
    """A day of a daily table as a run makes it, with what its log says."""
    said = {"session_date": day.isoformat(), "made_from": "{}", "configuration": json.dumps(configuration)}
    put_day(lake, name, table_of(name, rows), day, **said)


def random_days(seed: int) -> dict[dt.date, Tables]:
    """Rows of two days: some sessions flagged, irrelevant, without a text, or not gone on with."""
    rng = random.Random(seed)
    days: dict[dt.date, Tables] = {}
    for day in (DAY, NEXT_DAY):
        tables: Tables = {name: [] for name in ("search_sessions", "flagged_sessions", "fine_tuning_inputs")}
        tables |= {"sampled_inputs": [], "pair_features": [], "fine_tuning_features": []}
        for k in range(rng.randrange(12)):
            _add_session(rng, tables, f"{day.day}-{k}", day)
        tables["fine_tuning_features"] = [row for row in tables["pair_features"] if rng.random() < 0.7]
        days[day] = tables
    return days


def _add_session(rng: random.Random, tables: Tables, name: str, day: dt.date) -> None:
    shown = [f"i{rng.randrange(15)}" for _ in range(rng.choice([0, 1, 3, 8, 12]))]
    tables["search_sessions"].append(session(name, shown, day=day, marked_irrelevant=rng.random() < 0.1))
    if rng.random() < 0.2:
        rules = rng.sample(["listed_user", "listed_agent"], rng.randrange(1, 3))
        tables["flagged_sessions"] += [flag(name, rule, rng.random() < 0.7, session_date=day) for rule in rules]
    ready = [each for each in dict.fromkeys(shown) if each in TEXTS]
    if not ready or rng.random() < 0.1:
        return
    clicked = [each for each in ready if rng.random() < 0.3]
    objects = [f"o{int(each[1:]) // 2}" for each in ready]
    drew = {o for o, each in zip(objects, ready, strict=True) if each in clicked}
    stays = {o: o in drew or rng.random() < 0.6 for o in objects}
    row = sampled(name, ready, clicked, day=day, object_ids=objects, kept=[stays[o] for o in objects])
    tables["sampled_inputs"] += [row] if rng.random() < 0.95 else []
    tables["fine_tuning_inputs"].append({key: value for key, value in row.items() if key != "kept"})
    for positive in sorted(drew):
        for negative in sorted(o for o in stays if stays[o] and o not in drew):
            tables["pair_features"].append(
                pair(
                    name,
                    positive,
                    negative,
                    session_date=day,
                    positive_rank=rng.choice([0.5, 0.8, rng.uniform(-1, 1)]),
                    negative_rank=rng.choice([0.4, 0.2, rng.uniform(-1, 1)]),
                    positive_confidence=rng.choice([0.0, 1.0, rng.random()]),
                    negative_confidence=rng.random(),
                )
            )


def lake_of(path: Path, days: Mapping[dt.date, Tables]) -> Lake:
    """A lake of these days, each made in full, and a catalogue of ``TEXTS``."""
    lake = make_lake(path, items=table_of("items", [item(name) for name in TEXTS]))
    for day, tables in days.items():
        for name, rows in tables.items():
            if name == "search_sessions":
                lake.append(name, table_of(name, rows), {})
            else:
                made(lake, name, rows, day, **(WINDOW if name == "fine_tuning_features" else {}))
    return lake
