"""Tables that several checks of one table read, each made once: ``sql/prepared/``, and ``vectors_of_the_day``.

A file begins with a comment that says what its rows are and ends ``-- reads pair_features, sampled_inputs``; a check that reads
``through`` it reads these tables too, so that its outcome names the versions that it stands on.
"""

from __future__ import annotations

from functools import cache

from ft_assets import queries
from ft_assets.parameters import comment_and_body, used_in
from ft_assets.vectors_of_the_day import READS

VECTORS = "vectors_of_the_day"
UNCOPIED, ARE_COPIES = "uncopied_sessions", "are_copies"  # what the one is told, ``column_bytes`` finds out
# What is told whether items are their own objects, as ``column_bytes`` finds out of the table that it is made from.
LISTS_OF, ARE_OBJECTS = ("session_lists", "sampled_lists"), "are_objects"
# What is made of the items that sampled_inputs lists, counted beforehand under this name.
LISTED, COUNTED = "listed_items", "counted_items"
# What sampled_inputs takes over from fine_tuning_inputs, as sessions_are_all_there compares it.
COPIED = (
    *("session_id", "query_hash", "started_at", "is_irrelevant"),
    *("item_ids", "object_ids", "ranks", "clicked", "event_weight"),
)


@cache
def prepared() -> dict[str, tuple[str, ...]]:
    """What there is to read through: the tables that each is made from, by its name.

    Raises:
        ValueError: a file does not say what it reads; the message names the file.
    """
    files = sorted((queries.sql_root() / "prepared").glob("*.sql"))
    return {**{path.stem: _reads(path.stem) for path in files}, VECTORS: READS}


def asked_by(name: str) -> set[str]:
    """Which facts of the day it asks for, as its checks may: see ``check_files.FACTS``."""
    if name == VECTORS:
        return {"model"}
    _, body = comment_and_body(queries.read_sql(f"prepared/{name}"))
    return used_in(body) - {ARE_COPIES, ARE_OBJECTS}


def _reads(name: str) -> tuple[str, ...]:
    comment, _ = comment_and_body(queries.read_sql(f"prepared/{name}"))
    if not comment or not comment[-1].startswith("reads "):
        raise ValueError(f"sql/prepared/{name}.sql must end its comment with '-- reads <table>, ...'")
    return tuple(table.strip() for table in comment[-1].removeprefix("reads ").split(","))
