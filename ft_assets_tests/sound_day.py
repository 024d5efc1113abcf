"""A sound day in storage, made as the assets make it, for tests of checks: each spoils a copy of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ft_assets import engine, flags
from ft_assets.encoders import load_encoder
from ft_assets.lake import Lake
from ft_assets.rules import rulebook
from ft_assets_tests.builders import DAY, NEXT_DAY, event, ingested_file, item, make_lake, part, session, table_of, waiting

NOW = dt.datetime.now(dt.UTC)  # what waits is compared with the clock
LOG_FILE, UBI_FILE = "embedding_studio/a.ndjson", "ubi/a.ndjson"
SETTINGS = engine.PairSettings(confidence="windowed", not_irrelevant_only=False)
WINDOW = {"min_abs_difference_threshold": 0.0, "max_abs_difference_threshold": 10.0}


def sound_day(folder: Path, factor: float = 0.5, settings: engine.PairSettings = SETTINGS, ranked: str = "") -> Lake:
    """A sound day, made as the assets make it: parts, a thinned session, irrelevant ones, flagged ones.

    Args:
        folder: where the lake is made.
        factor: share of not-event objects that stay.
        settings: how pairs are made.
        ranked: sessions whose results have a rank of the engine.
    """
    shown = ["a1", "b", "a2", "c", "d", "e"]
    sessions = [session("s1", shown), session("s2", shown[1:]), session("s3", ["e", "f"])]
    for row in sessions:
        if row["session_id"] in ranked:
            row["results"] = [{**one, "rank": 3.0 - 0.7 * place**1.5} for place, one in enumerate(row["results"])]
    # Enough of them that one may be flagged in shadow mode and one be left out.
    sessions += [session(f"t{n:02}", ["e", "f"], user_agent="" if n else "A Spider") for n in range(28)]
    # One shows something without a text, on which its only click fell; the lists of the day are long enough for one such.
    sessions += [session("t28", ["e", "no text"]), session("z of the next day", ["e"], day=NEXT_DAY)]
    events = [event("t28", "no text"), event("s1", "a2"), event("s2", "c"), event("t01", "e"), event("t01", "f")]
    lake = make_lake(
        folder,
        search_sessions=table_of("search_sessions", sessions),
        session_events=table_of("session_events", events),
        items=table_of("items", [item(name, None, name[0]) for name in [*shown, "f"]]),
        waiting_records=table_of("waiting_records", [waiting("s9", "a1", ingested_at=NOW)]),
        session_parts=table_of("session_parts", [part("u1", ingested_at=NOW)]),
        ingested_files=table_of(
            "ingested_files",
            [
                ingested_file(
                    LOG_FILE, fates={"accepted": {"sessions": len(sessions), "events": len(events), "waiting events": 1}}
                ),
                ingested_file(UBI_FILE, fates={"accepted": {"queries": 1}, "no_interest": {"filter": 2}}, headers=3, lines=6),
                ingested_file("items/a.ndjson", fates={"accepted": {"items": 7}, "duplicate": {"items": 1}}),
            ],
        ),
    )
    encoder, items = load_encoder("hashing:32"), lake.slice("items")

    def keep(name: str, made: engine.DayRows, **configuration: Any) -> Any:
        facts = {"session_date": str(DAY), "made_from": made.made_from, "configuration": configuration, "model": made.model}
        facts = {key: value for key, value in facts.items() if value is not None}
        lake.replace_day(name, DAY, made.batches, facts)
        return lake.slice(name, DAY)

    log = lake.slice("search_sessions", DAY), lake.slice("session_events")
    rules = rulebook(["listed_agent"], {"every_result_clicked": {"results": 2}}, agents=["spider"])
    flagged = keep("flagged_sessions", flags.flagged_sessions(*log, rules))
    made = keep("fine_tuning_inputs", engine.fine_tuning_inputs(*log, items, flagged, ["click"]), event_types=["click"])
    made = keep("sampled_inputs", engine.sampled_inputs(made, factor, 7), negative_downsampling_factor=factor, seed=7)
    facts = {"session_date": str(DAY), "made_from": {}, "configuration": {}, "model": encoder.fingerprint}
    engine.text_vectors(lake, made, items, encoder, facts)
    said = {name: value for name, value in asdict(settings).items() if name not in ("sessions_per_batch", "device")}
    made = engine.pair_features(made, items, lake.slice("text_vectors"), encoder.fingerprint, settings)
    made = keep("pair_features", made, **said)
    keep("fine_tuning_features", engine.fine_tuning_features(made, *WINDOW.values()), **WINDOW)
    return lake
