"""What the UI shows of a table and of a materialization."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

import ft_assets
from ft_assets import schemas
from ft_assets.books import FATES, REASONS
from ft_assets.engine import Encoded
from ft_assets.lake import Lake
from ft_assets.log_pictures import records_picture
from ft_assets.measuring import Measured
from ft_assets.pictures import PAIR_TABLES, Picture, of_day, pictures_of_day
from ft_assets.sample_rows import Cell, first_rows, sample_columns, sample_rows
from ft_assets.statistics import pair_numbers

SHOWN_FILES = 100

if TYPE_CHECKING:
    from ft_assets.ingestion import Ingested


def table_metadata(table: schemas.Table) -> dict[str, Any]:
    """The columns with their units, where Dagster's UI looks for them."""
    columns = [
        dg.TableColumn(
            column["name"],
            column["type"],
            column["description"],
            constraints=dg.TableColumnConstraints(nullable=column["nullable"], unique=table.key == (column["name"],)),
            tags={"unit": column["unit"]} if column["unit"] else {},
        )
        for column in schemas.column_metadata(table)
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}


def day_metadata(lake: Lake, name: str, day: dt.date, warn: Callable[[str], None]) -> dict[str, Any]:
    """A day of a table as it is stored: numbers, which the UI plots over the days, its pictures, and a few rows.

    Args:
        lake: where the tables are.
        name: the table.
        day: the day.
        warn: told what could not be shown.
    """
    shown = _Shown(warn)

    def look() -> dict[str, Any]:
        with of_day(lake, name, day) as con:
            if name in PAIR_TABLES:
                shown.add("numbers", lambda: pair_numbers(con))
            shown.add("pictures", lambda: _pictures(pictures_of_day(con, lake, name, day)))
            shown.add("sample rows", lambda: _sample(name, first_rows(con, name)))
        return {}

    shown.add("rows", look)  # the tables themselves may not open
    return shown.metadata


def _pictures(pictures: Iterable[Picture]) -> dict[str, Any]:
    return {picture.name: dg.MetadataValue.md(picture.markdown()) for picture in pictures}


class _Shown:
    """What is shown of rows that are written. What of it fails is said, and no reason for the run to fail.

    The checks, which stand behind a materialization, say what is wrong with the rows. (The error's own words may hold
    values of the rows.)
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.metadata: dict[str, Any] = {}
        self._warn = warn

    def add(self, what: str, make: Callable[[], dict[str, Any]]) -> None:
        try:
            self.metadata.update(make())
        except Exception as error:
            said = f"{what}: {type(error).__name__}, they cannot be shown of the rows as they are; see the checks"
            self.metadata["not_drawn"] = "; ".join(filter(None, (self.metadata.get("not_drawn"), said)))
            self._warn(said)


def sample_metadata(lake: Lake, name: str, day: dt.date | None = None) -> dict[str, Any]:
    """A few rows, without what is personal; nothing where there are none."""
    return _sample(name, sample_rows(lake, name, day))


def _sample(name: str, rows: Sequence[Mapping[str, Cell]]) -> dict[str, Any]:
    if not rows:
        return {}
    columns = [dg.TableColumn(column.name, schemas.type_name(column.type)) for column in sample_columns(schemas.TABLES[name])]
    schema = dg.TableSchema(columns=columns)
    return {"sample_rows": dg.MetadataValue.table([dg.TableRecord(row) for row in rows], schema)}


def ingestion_results(
    lake: Lake, done: Ingested, cost: Measured, warn: Callable[[str], None]
) -> Iterator[dg.MaterializeResult[Any]]:
    """One result per table of the log, each with the books of the whole ingestion; plain numbers, so that the UI plots them."""
    books = done.as_metadata()
    books.update({name: _first(books[name]) for name in ("files", "copies", "unread")})
    books["files_ingested"], books["files_unread"] = len(done.files), len(done.unread)
    books["waiting"], books["waiting_rows"] = done.books.accepted["waiting events"], lake.slice("waiting_records").row_count
    books["released_events"] = done.released.total()
    books["books_by_file"] = dg.MetadataValue.table(_book_records(done), _BOOK_SCHEMA)
    books.update(cost.as_metadata())
    added = {**done.rows, schemas.INGESTED_FILES.name: len(done.files)}
    for table in (table for table in schemas.TABLES.values() if not table.daily):
        state, shown = lake.slice(table.name), _Shown(warn)
        if table.name == schemas.INGESTED_FILES.name:
            shown.add("pictures", lambda: _picture_of_records(done))
        shown.add("sample rows", partial(sample_metadata, lake, table.name))
        yield dg.MaterializeResult(
            asset_key=table.name,
            metadata={
                **books,
                **(_reasons(done) if table.name == schemas.REJECTED_RECORDS.name else {}),
                **shown.metadata,
                "rows_added": added.get(table.name, 0),
                "dagster/row_count": state.row_count,
                "dagster/uri": lake.uri(table.name),
                "table_version": state.version,
                "affected_days": dg.MetadataValue.json([day.isoformat() for day in done.affected_days]),
                "code_version": ft_assets.__version__,
            },
        )


def _reasons(done: Ingested) -> dict[str, int]:
    """Every reason with its records, those of none too: the UI plots a number that is there every time."""
    return {f"rejected_{reason}": done.books.rejected[reason] for reason in REASONS}


def _picture_of_records(done: Ingested) -> dict[str, Any]:
    """What became of the records of this ingestion."""
    books: dict[str, Any] = {"files": len(done.files), "records": done.books.read}
    for fate in FATES:
        books[fate] = done.books.of(fate).total()
        books["rejected_by_reason" if fate == "rejected" else f"{fate}_by_kind"] = done.books.of(fate)
    picture = records_picture(books)
    return _pictures([picture])


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
    lake: Lake, done: Encoded, made_from: dict[str, int], configuration: dict[str, Any], model: str, cost: Measured
) -> dg.MaterializeResult[Any]:
    """What was needed, what was encoded and what was there already, how fast, on what."""
    encoded = sum(done.encoded.values())
    counts: dict[str, int] = {}
    for role, name in (("query", "query_texts"), ("item", "item_texts")):
        texts, now = done.texts[role], done.encoded[role]  # type: ignore[index] # a role is one of the two
        counts |= {name: texts, f"{name}_encoded": now, f"{name}_reused": texts - now}
    return dg.MaterializeResult(
        metadata={
            **counts,
            "seconds_encoding": round(done.seconds, 3),
            "texts_per_second": round(encoded / done.seconds, 1) if encoded else 0.0,
            **cost.as_metadata(),
            "dagster/uri": lake.uri(schemas.TEXT_VECTORS.name),
            "table_version": done.version,
            "model": model,
            "made_from": dg.MetadataValue.json(made_from),
            "configuration": dg.MetadataValue.json(configuration),
            "code_version": ft_assets.__version__,
        }
    )
