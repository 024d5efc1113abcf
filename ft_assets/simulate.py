"""Simulated search traffic: a catalogue, and days of sessions and events, as files of a landing place.

The shop is in simulate_catalogue, the click model and its sources in simulate_clicks.
"""

from __future__ import annotations

import filecmp
import gzip
import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import numpy as np

from ft_assets.simulate_catalogue import Catalogue, make_catalogue
from ft_assets.simulate_clicks import EXAMINATION_POWER, World, make_sessions

FIRST_DAY = date(2026, 11, 1)
LATE_SHARE = 0.02  # of the sessions with events, those whose last ones are delivered a day late
BLOCK = 2_000  # sessions made at a time: bounds memory
HOURS = np.array([2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 9, 9, 10, 9, 8, 8, 8, 9, 11, 13, 14, 12, 8, 4], dtype=float)
"""How busy each hour of the day is."""


def simulate(
    landing: Path,
    days: int,
    sessions: int,
    seed: int,
    first_day: date | None = None,
    *,
    objects: int = 480,
    examination_power: float = EXAMINATION_POWER,
) -> list[Path]:
    """Write a catalogue and days of traffic into a landing place; every file appears complete or not at all.

    The names of the files and the ids of sessions and events carry a digest of all arguments: simulations of other
    arguments lie beside each other as traffic of one shop. The same call again finds its files there and leaves them.

    What happens on a day depends on its date, the seed and the other numbers, not on how many days there are; except
    that about 2% of the sessions with events have their last ones in the file of the next day, if there is one.

    Args:
        landing: folder; the files go to ``items/`` and ``embedding_studio/`` in it.
        days: how many, at least 1.
        sessions: per day, at least 1.
        seed: 0 or more. The catalogue does not depend on it.
        first_day: 2026-11-01 by default, a fixed day so that the same call writes the same bytes.
        objects: size of the catalogue, see make_catalogue.
        examination_power: how steeply attention falls with the position, see examination.

    Returns:
        The files, written or found: the catalogue, then sessions and events day by day.

    Raises:
        ValueError: a number outside its range.
        FileExistsError: a name is taken by other content; it stays.
    """
    for name, value, least in (("days", days, 1), ("sessions", sessions, 1), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if examination_power < 0:
        raise ValueError(f"examination_power must be at least 0, got {examination_power}")
    first_day = first_day or FIRST_DAY
    world = World.of(make_catalogue(objects), examination_power)
    settings = (days, sessions, seed, first_day.isoformat(), objects, float(examination_power))
    name = f"{seed}-{_digest(settings)}"
    written = [landing / "items" / f"simulated-{objects}.ndjson.gz"]
    with _landing_file(written[0]) as file:
        file.writelines(_catalogue_lines(world.catalogue))
    late: list[str] = []
    for index in range(days):
        day = first_day + timedelta(days=index)
        rng = np.random.default_rng([seed, day.toordinal()])
        paths = [landing / "embedding_studio" / f"{kind}-{day}-seed{name}.ndjson.gz" for kind in ("sessions", "events")]
        late = _write_day(world, rng, day, sessions, f"sim{name}", paths, late, is_last=index == days - 1)
        written += paths
    return written


def _digest(settings: tuple[Any, ...]) -> str:
    return hashlib.sha256(" ".join(map(str, settings)).encode()).hexdigest()[:8]


def _write_day(
    world: World,
    rng: np.random.Generator,
    day: date,
    sessions: int,
    name: str,
    paths: list[Path],
    late: list[str],
    *,
    is_last: bool,
) -> list[str]:
    """Write the two files of a day, with what yesterday delivers late; return what this day delivers late."""
    starts = _draw_starts(rng, day, sessions)
    is_late = (rng.random(sessions) < LATE_SHARE) & (not is_last)
    delivered_late: list[str] = []
    with _landing_file(paths[0]) as sessions_file, _landing_file(paths[1]) as events_file:
        events_file.writelines(late)
        for begin in range(0, sessions, BLOCK):
            numbers = range(begin, min(begin + BLOCK, sessions))
            ids = [f"{name}-{day:%Y%m%d}-{number:06d}" for number in numbers]
            drawn = make_sessions(world, rng, ids, starts[begin : begin + BLOCK])
            for number, (session, events) in zip(numbers, drawn, strict=True):
                sessions_file.write(_line(session))
                # the first event of several is on time, so that some sessions get more events later
                on_time = min(1, len(events) - 1) if events and is_late[number] else len(events)
                events_file.writelines(_event_lines(session["session_id"], events[:on_time]))
                delivered_late += _event_lines(session["session_id"], events[on_time:])
    return delivered_late


def _draw_starts(rng: np.random.Generator, day: date, sessions: int) -> np.ndarray:
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    hours = rng.choice(24, size=sessions, p=HOURS / HOURS.sum())
    return np.sort(midnight + hours * 3600 + rng.integers(0, 3600, size=sessions))


def _catalogue_lines(catalogue: Catalogue) -> Iterator[str]:
    for item in catalogue.items:
        parted = {"object_id": item.object_id} if item.object_id != item.item_id else {}
        yield _line({"item_id": item.item_id, "text": item.text} | parted)


def _event_lines(session_id: str, events: list[dict[str, Any]]) -> list[str]:
    return [_line({"session_id": session_id, "events": events})] if events else []


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


@contextmanager
def _landing_file(path: Path) -> Iterator[IO[str]]:
    """Open a .gz file that appears under its name when it is complete; its bytes carry neither time nor name.

    A file that has the name already stays, and is an error where it has other content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with (
            unfinished.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as packed,
            io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as text,
        ):
            yield text
        _give_name(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _give_name(unfinished: Path, path: Path) -> None:
    try:
        os.link(unfinished, path)  # unlike a rename it never replaces what is there
    except OSError as error:
        if not path.exists():  # a file system without links
            unfinished.rename(path)
        elif not filecmp.cmp(unfinished, path, shallow=False):
            raise FileExistsError(f"{path} is there with other content than this simulation writes; it stays") from error
