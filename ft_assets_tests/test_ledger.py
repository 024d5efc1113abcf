"""The ledger of landed files: what is known of a file by its name, its state and its content."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ft_assets.books import Books
from ft_assets.lake import Lake
from ft_assets.landing import LandedFile, landed_files
from ft_assets.ledger import Ledger
from ft_assets_tests.builders import make_lake, table_of
from ft_assets_tests.test_journal import book

FIRST, COPY = "ubi/first", "ubi/copy"
CONTENT = "0123456789abcdef"


def put(lake: Lake, *rows: dict[str, Any]) -> Ledger:
    lake.append("ingested_files", table_of("ingested_files", rows), {})
    return Ledger(lake)


@pytest.fixture
def file(tmp_path: Path) -> LandedFile:
    path = tmp_path / "landing" / FIRST
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    (file,) = landed_files(tmp_path / "landing")
    return file


def test_an_empty_ledger_knows_nothing(tmp_path: Path, file: LandedFile) -> None:
    ledger = Ledger(make_lake(tmp_path))
    assert (ledger.version, ledger.holds(file), ledger.source_of("ubi", CONTENT), ledger.is_again(FIRST)) == (
        0,
        False,
        None,
        False,
    )
    assert ledger.source_file(FIRST, CONTENT) == FIRST
    assert ledger.books_of("ubi", [CONTENT]) == ledger.books_of("ubi", []) == {}


def test_a_file_is_known_by_its_name_its_size_and_its_time(tmp_path: Path, file: LandedFile) -> None:
    ledger = put(make_lake(tmp_path), book(FIRST, bytes=file.bytes, modified_at=file.modified_at))
    assert ledger.holds(file)
    for change in (
        {"name": COPY},
        {"bytes": file.bytes + 1},
        {"modified_at": file.modified_at + dt.timedelta(microseconds=1)},
    ):
        assert not ledger.holds(dataclasses.replace(file, **change))


def test_every_state_in_which_a_file_was_ingested_is_known(tmp_path: Path, file: LandedFile) -> None:
    later = file.modified_at + dt.timedelta(days=1)
    rows = [book(FIRST, bytes=file.bytes, modified_at=at) for at in (file.modified_at, later)]
    ledger = put(make_lake(tmp_path), *rows)
    assert ledger.holds(file)
    assert ledger.holds(dataclasses.replace(file, modified_at=later))


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_a_content_is_of_the_file_that_brought_it_first_never_of_a_copy(tmp_path: Path, order: tuple[int, ...]) -> None:
    rows = [book(FIRST, content=CONTENT), *(book(f"{COPY}{n}", content=CONTENT, copy_of=FIRST) for n in range(2))]
    lake = make_lake(tmp_path)
    for at in order:
        ledger = put(lake, rows[at])
    assert ledger.source_of("ubi", CONTENT) == FIRST
    assert ledger.is_again(f"{COPY}0")


def test_a_name_that_comes_again_with_another_content_is_marked(tmp_path: Path) -> None:
    ledger = put(make_lake(tmp_path), book(FIRST))
    assert ledger.source_file(FIRST, CONTENT) == f"{FIRST}#01234567"
    assert ledger.source_file("ubi/other", CONTENT) == "ubi/other"


def test_the_books_of_a_content_are_those_of_the_file_that_brought_it(tmp_path: Path) -> None:
    books = Books(3, 1, 0, 2, 1, accepted=Counter({"sessions": 1}), rejected=Counter({"not_json": 1}))
    rows = [
        book(COPY, content=CONTENT, copy_of=FIRST, **books.as_copy().as_row()),
        book(FIRST, content=CONTENT, **books.as_row()),
        book("ubi/other", content="other"),
    ]
    ledger = put(make_lake(tmp_path), *rows)
    assert ledger.books_of("ubi", [CONTENT, "unknown"]) == {CONTENT: books}


def test_a_ledger_stays_at_its_version(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    before = Ledger(lake)
    after = put(lake, book(FIRST, content=CONTENT))
    assert (before.version, after.version) == (0, 1)
    assert (before.is_again(FIRST), before.books_of("ubi", [CONTENT])) == (False, {})
