"""A connection to a PostgreSQL database whose URL stands in the environment, for reading at one moment.

What goes wrong is told in one line without the password, whatever the library said.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ft_assets.sources import Source

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS = 10


class SourceFailed(ValueError):  # noqa: N818 (what happened, in the words of this module)
    """A database could not be read; the message names the source, and never the password."""


def _library() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise SourceFailed(
            f"to pull from PostgreSQL, psycopg must be installed: pip install 'ft_assets[postgres]' ({error})"
        ) from None
    return psycopg


def _settings(source: Source, psycopg: Any) -> Mapping[str, Any]:
    """Where the database is and who we are there, from the environment."""
    url = os.environ.get(source.url_env)
    if not url:
        raise SourceFailed(
            f"{source.name}: the environment variable {source.url_env} must hold a connection URL, it is not set"
        )
    try:
        settings: dict[str, Any] | None = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        settings = None  # the error repeats the URL
    if settings is None:
        raise SourceFailed(
            f"{source.name}: {source.url_env} must hold a connection URL such as postgresql://user:password@host/database"
        )
    return {"connect_timeout": CONNECT_SECONDS, "application_name": "ft-assets pull", **settings, "client_encoding": "utf8"}


@contextmanager
def snapshot(source: Source) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection in a read-only transaction that sees the database as it is at one moment, in UTC."""
    psycopg = _library()
    settings, failure = _settings(source, psycopg), None
    try:
        with psycopg.connect(**settings, prepare_threshold=None) as con:
            con.read_only, con.isolation_level = True, psycopg.IsolationLevel.REPEATABLE_READ
            con.execute(
                "select set_config('statement_timeout', %s, true), set_config('timezone', 'UTC', true)",
                [str(source.statement_timeout * 1000)],
            )
            yield con
    except psycopg.Error as error:
        failure = " ".join(str(error).split())
    if failure is not None:
        password = settings.get("password")
        raise SourceFailed(f"{source.name}: {failure.replace(password, '***') if password else failure}")
