"""``<home>/sources.yaml``: which tables of which databases are pulled, and how their columns are named.

The file holds no credentials: it names the environment variable in which a connection URL stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

FILE = "sources.yaml"
OVERLAP_SECONDS, OVERLAP_IDS = 600, 10_000
FORMATS = {"items": "items", "sessions": "embedding_studio", "events": "embedding_studio"}
# Per feed: our field -> the key of the landed line. A session is there before its events where both are new.
REQUIRED = {
    "items": {"item_id": "item_id", "text": "text"},
    "sessions": {
        "session_id": "session_id",
        "query": "search_query",
        "started_at": "created_at",
        "results": "search_results",
    },
    "events": {"session_id": "session_id", "item_id": "object_id", "event_type": "event_type", "occurred_at": "created_at"},
}
OPTIONAL = {
    "items": {"object_id": "object_id"},
    "sessions": {"user_id": "user_id", "visit_id": "visit_id", "is_irrelevant": "is_irrelevant"},
    "events": {"event_id": "event_id"},
}
CREDENTIALS = {"url", "uri", "dsn", "password", "user", "username", "passfile"}


class _Settings(BaseModel):
    # What came is not repeated in errors: it may be a password in the wrong place.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SourceTable(_Settings):
    """A table or view to pull.

    Attributes:
        relation: its name, ``table`` or ``schema.table``, as the database spells it.
        watermark: the column that grows with every new or changed row: a time or a whole number.
        overlap: how far below the watermark reached to read again, in seconds or numbers; None: ``OVERLAP_SECONDS`` or
            ``OVERLAP_IDS``.
        columns: our field -> their column, where it is named otherwise; null leaves an optional field out.
        result_keys: the keys ``item_id`` and ``rank`` of an entry of a JSON list of results, where they are named otherwise.
    """

    relation: str = Field(min_length=1)
    watermark: str = Field(min_length=1)
    overlap: int | None = Field(default=None, ge=0)
    columns: dict[str, str | None] = Field(default_factory=dict)
    result_keys: dict[str, str] = Field(default_factory=dict)

    @field_validator("relation")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not re.fullmatch(r"[^.\s]+(\.[^.\s]+)?", value):
            raise ValueError("a relation is 'table' or 'schema.table'; where its name holds more dots or spaces, make a view")
        return value

    @field_validator("result_keys")
    @classmethod
    def _are_keys_of_results(cls, value: dict[str, str]) -> dict[str, str]:
        if not set(value) <= {"item_id", "rank"}:
            raise ValueError(f"the keys of an entry are item_id and rank, got {', '.join(sorted(value))}")
        return value


class Source(_Settings):
    """A database and what is pulled from it.

    Attributes:
        name: names its landed files and its pulls.
        url_env: the environment variable that holds the connection URL.
        items, sessions, events: what is pulled; at least one.
        statement_timeout: seconds after which the database gives up a statement.
        batch_rows: rows in memory at once.
        rows_per_file: rows after which a landed file is closed and the pull's progress is kept.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")
    url_env: str
    items: SourceTable | None = None
    sessions: SourceTable | None = None
    events: SourceTable | None = None
    statement_timeout: int = Field(default=600, ge=1, le=2_000_000)
    batch_rows: int = Field(default=2_000, ge=1)
    rows_per_file: int = Field(default=100_000, ge=1)

    @field_validator("url_env")
    @classmethod
    def _is_a_variable(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
            raise ValueError("must be the name of an environment variable that holds the URL, never the URL itself")
        return value

    @model_validator(mode="after")
    def _fields_are_known(self) -> Source:
        if not self.tables:
            raise ValueError(f"at least one of {', '.join(FORMATS)} must be there")
        for feed, table in self.tables.items():
            known = {**REQUIRED[feed], **OPTIONAL[feed]}
            unknown = sorted(set(table.columns) - set(known))
            if unknown:
                raise ValueError(f"{feed}.columns: unknown field {', '.join(unknown)}; the fields are {', '.join(known)}")
            left_out = sorted(field for field in REQUIRED[feed] if table.columns.get(field, field) is None)
            if left_out:
                raise ValueError(f"{feed}.columns: {', '.join(left_out)} cannot be left out")
            if table.result_keys and feed != "sessions":
                raise ValueError(f"{feed}.result_keys: only sessions have results")
        return self

    @property
    def tables(self) -> dict[str, SourceTable]:
        """What is pulled, by feed, in the order in which it is."""
        found = {feed: getattr(self, feed) for feed in FORMATS}
        return {feed: table for feed, table in found.items() if table is not None}


def read_sources(home: Path) -> list[Source]:
    """The sources of a home; none where it has no ``sources.yaml``.

    Raises:
        ValueError: the file is not a list of sources; the message names the file, the place and what must hold.
    """
    path = home / FILE
    if not path.exists():
        return []
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)  # the error itself would quote the line
        raise ValueError(f"{path} is no YAML{f': see line {mark.line + 1}' if mark else ''}") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{path} must be a list of sources, each a mapping with name, url_env and tables")
    sources = [_source(path, number, entry) for number, entry in enumerate(entries, 1)]
    names = [source.name for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: a source's name must be its own, {', '.join(twice)} is there twice")
    return sources


def named_sources(home: Path, names: Sequence[str]) -> list[Source]:
    """The sources of these names, or all where none is named.

    Raises:
        FileNotFoundError: the home has no ``sources.yaml``.
        ValueError: the file is not a list of sources, or none of them has that name.
    """
    if not (home / FILE).exists():
        raise FileNotFoundError(f"there is no {home / FILE}; it lists the databases to pull from")
    there = {source.name: source for source in read_sources(home)}
    unknown = [name for name in names if name not in there]
    if unknown:
        raise ValueError(f"{home / FILE} has no source {', '.join(unknown)}; there are {', '.join(there) or 'none'}")
    return [there[name] for name in dict.fromkeys(names or there)]


def _source(path: Path, number: int, entry: dict[str, Any]) -> Source:
    try:
        return Source(**{str(key): value for key, value in entry.items()})
    except ValidationError as error:
        problems = [_problem(str(number), problem) for problem in error.errors(include_input=False, include_url=False)]
    raise ValueError(f"{path}: " + "; ".join(problems))


def _problem(number: str, problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    place = f"source {number}{f', {where}' if where else ''}"
    if problem["type"] != "extra_forbidden":
        return f"{place}: {problem['msg'].removeprefix('Value error, ')}"
    if problem["loc"][-1] in CREDENTIALS:
        return f"{place}: credentials never stand in this file; put the URL into an environment variable, named by url_env"
    kind = Source if len(problem["loc"]) == 1 else SourceTable
    return f"{place}: unknown key; the keys are {', '.join(kind.model_fields)}"
