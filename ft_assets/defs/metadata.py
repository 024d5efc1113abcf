"""What the UI shows of a table and of a materialization."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

import ft_assets
from ft_assets import queries, schemas
from ft_assets.checks import PAIR_TABLES
from ft_assets.engine import Encoded
from ft_assets.lake import Lake

SHOWN_FILES = 100

if TYPE_CHECKING:
    from ft_assets.ingestion import Ingested


def table_metadata(table: schemas.Table) -> dict[str, Any]:
    """The columns, where Dagster's UI looks for them."""
    columns = [
        dg.TableColumn(
            column["name"],
            column["type"],
            column["description"],
            constraints=dg.TableColumnConstraints(nullable=column["nullable"]),
        )
        for column in schemas.column_metadata(table)
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}


def pair_metadata(lake: Lake, name: str, day: dt.date, configuration: dict[str, Any]) -> dict[str, Any]:
    """Numbers over a day's pairs, which the UI plots over the days, and a picture of the clamp window."""
    if name not in PAIR_TABLES:
        return {}
    with queries.session({"pairs": lake.slice(name, day)}) as con:
        numbers = queries.rows(queries.query(con, "reports/pair_statistics"))[0]
    metadata: dict[str, Any] = {key: value for key, value in numbers.items() if value is not None}
    if name == schemas.FINE_TUNING_FEATURES.name:
        from ft_assets.reports import clamp_picture

        with queries.session({"pairs": lake.slice(schemas.PAIR_FEATURES.name, day)}) as con:
            differences = queries.query(con, "reports/pair_differences").to_arrow_table()["difference"].to_numpy()
        low, high = configuration["min_abs_difference_threshold"], configuration["max_abs_difference_threshold"]
        metadata["clamp_window"] = dg.MetadataValue.md(clamp_picture(differences, low, high))
    return metadata


def ingestion_results(lake: Lake, done: Ingested) -> Iterator[dg.MaterializeResult[Any]]:
    """One result per table of the log, each with the books of the whole ingestion; plain numbers, so that the UI plots them."""
    books = done.as_metadata()
    books.update({name: _first(books[name]) for name in ("files", "copies", "unread")})
    books["files_ingested"], books["files_unread"] = len(done.files), len(done.unread)
    books["waiting"], books["waiting_rows"] = done.books.accepted["waiting events"], lake.slice("waiting_records").row_count
    books["released_events"] = done.released.total()
    books["books_by_file"] = dg.MetadataValue.table(_book_records(done), _BOOK_SCHEMA)
    added = {**done.rows, schemas.INGESTED_FILES.name: len(done.files)}
    for table in (table for table in schemas.TABLES.values() if not table.daily):
        state = lake.slice(table.name)
        yield dg.MaterializeResult(
            asset_key=table.name,
            metadata={
                **books,
                "rows_added": added.get(table.name, 0),
                "dagster/row_count": state.row_count,
                "dagster/uri": lake.uri(table.name),
                "table_version": state.version,
                "affected_days": dg.MetadataValue.json([day.isoformat() for day in done.affected_days]),
                "code_version": ft_assets.__version__,
            },
        )


def _first(named: list[str] | dict[str, str]) -> list[str] | dict[str, str]:
    """So many as can be read; ten thousand small files make a long list."""
    left = len(named) - SHOWN_FILES
    if left <= 0:
        return named
    if isinstance(named, list):
        return [*named[:SHOWN_FILES], f"and {left} more: see ingested_files"]
    return {**dict(list(named.items())[:SHOWN_FILES]), "...": f"and {left} more: see ingested_files"}


_BOOK_COLUMNS = ("lines", "read", "accepted", "duplicate", "no_interest", "rejected")
_BOOK_SCHEMA = dg.TableSchema(
    columns=[dg.TableColumn("file", "string"), *(dg.TableColumn(name, "int") for name in _BOOK_COLUMNS)]
)


def _book_records(done: Ingested) -> list[dg.TableRecord]:
    """A line for each file: read = accepted + duplicate + no_interest + rejected."""
    records = []
    for name, books in list(done.books_by_file.items())[:SHOWN_FILES]:
        counts = books.as_metadata()
        records.append(dg.TableRecord({"file": name, **{column: counts[column] for column in _BOOK_COLUMNS}}))
    return records


def text_vectors_result(
    lake: Lake, done: Encoded, made_from: dict[str, int], configuration: dict[str, Any], model: str
) -> dg.MaterializeResult[Any]:
    """What was needed, what was encoded, how fast."""
    encoded = sum(done.encoded.values())
    return dg.MaterializeResult(
        metadata={
            "query_texts": done.texts["query"],
            "item_texts": done.texts["item"],
            "query_texts_encoded": done.encoded["query"],
            "item_texts_encoded": done.encoded["item"],
            "seconds_encoding": round(done.seconds, 3),
            "texts_per_second": round(encoded / done.seconds, 1) if encoded else 0.0,
            "dagster/uri": lake.uri(schemas.TEXT_VECTORS.name),
            "table_version": done.version,
            "model": model,
            "made_from": dg.MetadataValue.json(made_from),
            "configuration": dg.MetadataValue.json(configuration),
            "code_version": ft_assets.__version__,
        }
    )
