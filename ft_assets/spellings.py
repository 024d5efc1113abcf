"""How logs spell what they say: tables beside the SQL, which a home may add to.

``sql/readers/ubi_fields.csv`` says under which paths each field stands, ``ubi_actions.csv`` what each action becomes and
``ubi_not_items.csv`` which objects are no items. A home's file of the same name is read before ours: what it says of a
path, an action or an object stands.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ft_assets.identity import Steps
from ft_assets.queries import sql_root

if TYPE_CHECKING:
    import duckdb

MAPPINGS = {"ubi": ("ubi_fields", "ubi_actions", "ubi_not_items")}  # what each format is read with

# The fields of a UBI document: what the macros of sql/readers/ubi_spellings.sql look for.
FIELDS = {
    "event_mark": "Whatever stands here, null included: the document is an event.",
    "query_mark": "No event, and whatever stands here: the document is a query. (A list of hits makes it one, too.)",
    "action": "What was done; `ubi_actions.csv` says what becomes of it.",
    "query_id": "Which query it belongs to. It becomes `session_id`.",
    "visit": "The visit, which UBI calls session. It becomes `visit_id`.",
    "user": "Who was logged in.",
    "client": "The browser or device, where nobody was.",
    "agent": "What the browser or robot calls itself.",
    "application": "Which search box or shop it was.",
    "time": "When: epoch seconds, milli-, micro- or nanoseconds, or ISO 8601.",
    "event_id": "The event's own id. Without one it is known by its content.",
    "object": "The item. The early `key_value` comes first: beside it `object_id` is the engine's own, which joins no list.",
    "object_field": "What kind of id that is; `ubi_not_items.csv` names those of no item.",
    "ordinal": "The place in the list, from 0 or from 1.",
    "message": "What a search event searched for.",
    "words": "The query as typed.",
    "engine_query": "The engine's own query, as JSON or as its text. What is no JSON is the query as typed.",
    "engine_words": "The query as typed within the engine's: `$..name` is a text behind the name, at any depth; "
    "`$..name.*` a text behind any name in the object behind it.",
    "hits": "The list that the engine returned.",
    "hit": "The id, where an entry of the list is an object.",
}
FATES = {
    "impression": "a place in the list that was shown",
    "event": "an interaction with an item",
    "search": "its message is the query as typed, if nothing else is",
    "none": "counted as of no interest",
}

_PATH = re.compile(r"""\$(\.([A-Za-z_][A-Za-z0-9_-]*|"[^"\\*\x00-\x1f]+")|\[[0-9]{1,9}\])+""")
_ENGINE_PATH = re.compile(r"\$\.\.[A-Za-z_][A-Za-z0-9_-]*(\.\*)?")
_STEP = re.compile(r"""\.(?:"([^"]+)"|([^."\[]+))""")
_PLACE = re.compile(r"[1-9][0-9]{0,5}")

Row = dict[str, str]


def _field_flaw(row: Row) -> str | None:
    if row["field"] not in FIELDS:
        return f"field must be one of {', '.join(FIELDS)}, got {row['field']!r}"
    if not _PLACE.fullmatch(row["place"]):
        return f"place must be a whole number from 1, got {row['place']!r}"
    if row["field"] == "engine_words" and not _ENGINE_PATH.fullmatch(row["path"]):
        return f"path must be like $..name or $..name.* for engine_words, got {row['path']!r}"
    if row["field"] != "engine_words" and not _PATH.fullmatch(row["path"]):
        return f'path must be like $.name, $.name.name, $."na me" or $.name[0], got {row["path"]!r}'
    return None


def _action_flaw(row: Row) -> str | None:
    if not row["action"]:
        return "action must be a name, got none"
    if row["becomes"] not in FATES:
        return f"becomes must be one of {', '.join(FATES)}, got {row['becomes']!r}"
    if row["event_type"] and row["becomes"] != "event":
        return f"event_type must be empty where becomes is {row['becomes']}, got {row['event_type']!r}"
    return None


def _object_flaw(row: Row) -> str | None:
    return None if row["object_id_field"] else "object_id_field must be a name, got none"


@dataclass(frozen=True)
class _Layout:
    """What a table of spellings looks like.

    Attributes:
        columns: their names, all of them in every file.
        key: the columns that a line speaks of; two lines of one file never share them, and a home's line wins over ours.
        flaw: what is wrong with a line, or None.
    """

    columns: tuple[str, ...]
    key: tuple[str, ...]
    flaw: Callable[[Row], str | None]


_LAYOUTS = {
    "ubi_fields": _Layout(("field", "place", "path", "spelling"), ("field", "path"), _field_flaw),
    "ubi_actions": _Layout(("action", "becomes", "event_type"), ("action",), _action_flaw),
    "ubi_not_items": _Layout(("object_id_field", "meaning"), ("object_id_field",), _object_flaw),
}


def read_mappings(con: duckdb.DuckDBPyConnection, format: str, home: Path | None = None) -> None:  # noqa: A002
    """Give a connection the tables of spellings that a format is read with; some formats have none.

    Args:
        con: where the format's SQL will run.
        format: one of ``readers.FORMATS``.
        home: a folder whose files of the same names, where it has them, are read before ours.

    Raises:
        ValueError: as ``mapping_rows``.
    """
    for name in MAPPINGS.get(format, ()):
        read_mapping(con, name, None if home is None else home / f"{name}.csv")


def read_mapping(con: duckdb.DuckDBPyConnection, name: str, extra: Path | None = None) -> None:
    """Give a connection one table of spellings, under its name.

    Args:
        con: where the SQL that asks for the table will run.
        name: one of ``MAPPINGS``.
        extra: a file of the same columns that is read before ours, if it is there.

    Raises:
        ValueError: as ``mapping_rows``.
    """
    rows = mapping_rows(name, extra)
    table = pa.table({column: pa.array([row[column] or None for row in rows], pa.string()) for column in rows[0]})
    if "place" in table.column_names:
        table = table.set_column(table.column_names.index("place"), "place", table["place"].cast(pa.int32()))
    con.register(name, table)


def mapping_rows(name: str, extra: Path | None = None) -> list[Row]:
    """The lines of a table of spellings, an extra file's first; each thing is said once.

    Args:
        name: one of ``MAPPINGS``.
        extra: a file of the same columns, if it is there.

    Returns:
        A dictionary of texts for each line. ``place``, where there is one, counts from 1 within the field over both files.

    Raises:
        ValueError: a file is not UTF-8 or no CSV, has other columns, or a line says what cannot be; it names file and line.
    """
    ours = sql_root() / "readers" / f"{name}.csv"
    said: dict[tuple[str, ...], Row] = {}
    for path in (extra, ours):
        if path is not None and path.is_file():
            for key, row in _read(path, _LAYOUTS[name]).items():
                said.setdefault(key, row)
    rows = list(said.values())
    places: Counter[str] = Counter()
    for row in rows:
        if "place" in row:
            places[row["field"]] += 1
            row["place"] = str(places[row["field"]])
    return rows


def user_paths(home: Path | None = None) -> frozenset[Steps]:
    """Where a UBI document says who: what no table may show as it was logged, and what forgetting looks for.

    Args:
        home: a folder whose ``ubi_fields.csv``, where it has one, is read before ours.

    Returns:
        The names on each path; places in lists are passed over.

    Raises:
        ValueError: as ``mapping_rows``.
    """
    return _paths_of({"user", "client"}, home)


def session_paths(home: Path | None = None) -> frozenset[Steps]:
    """Where a UBI document says of which session it is, as ``user_paths`` says who."""
    return _paths_of({"query_id"}, home)


def _paths_of(fields: set[str], home: Path | None) -> frozenset[Steps]:
    rows = mapping_rows("ubi_fields", None if home is None else home / "ubi_fields.csv")
    steps = (tuple(a or b for a, b in _STEP.findall(row["path"])) for row in rows if row["field"] in fields)
    return frozenset(path for path in steps if path)


def _read(path: Path, layout: _Layout) -> dict[tuple[str, ...], Row]:
    """The sound lines of a file by what they speak of; those of a field in the order of their places."""
    found: dict[tuple[str, ...], Row] = {}
    taken: dict[tuple[str, ...], int] = {}
    for line, row in _lines(path, layout.columns):
        flaw = layout.flaw(row)
        keys = [layout.key, ("field", "place")] if "place" in row else [layout.key]
        for key in keys:
            said = (*key, *(row[column] for column in key))
            first = taken.setdefault(said, line)
            if first != line:
                flaw = flaw or f"{' and '.join(key)} must differ from those of line {first}, got {', '.join(said[len(key) :])}"
        if flaw:
            raise ValueError(f"{path}, line {line}: {flaw}")
        found[tuple(row[column] for column in layout.key)] = row
    return dict(sorted(found.items(), key=lambda said: int(said[1].get("place", 0))))


def _lines(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Row]]:
    """The lines of a CSV file below its first, without empty ones, with their numbers; blanks around a value are cut off."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            names = [name.strip() for name in next(reader, [])]
            if sorted(names) != sorted(columns):
                raise ValueError(f"{path}, line 1: the columns must be {', '.join(columns)}, got {', '.join(names) or 'none'}")
            for values in reader:
                if any(value.strip() for value in values):
                    if len(values) != len(names):
                        raise ValueError(
                            f"{path}, line {reader.line_num}: a line must have {len(names)} values, got {len(values)}"
                        )
                    yield reader.line_num, _row(dict(zip(names, values, strict=True)))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: the file must be UTF-8, got byte {error.object[error.start]:#04x}") from error
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: the line must be CSV: {error}") from error


def _row(values: Row) -> Row:
    """Actions are compared in lower case, as they are in a log."""
    row = {name: value.strip() for name, value in values.items()}
    return row | {"action": row["action"].lower()} if "action" in row else row
