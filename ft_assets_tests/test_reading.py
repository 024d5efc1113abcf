"""A group is read and parsed ahead: it is taken once, by whoever asks for these files, and nothing is lost where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_assets import ingestion, landing, parsing, reading
from ft_assets.reading import ReadAhead
from ft_assets_tests.shop import Shop, click, session


def landed(folder: Path, **texts: str) -> list[landing.LandedFile]:
    (folder / "items").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / "items" / f"{name}.ndjson").write_text(text)
    return sorted(landing.landed_files(folder), key=lambda file: file.name)


def not_taken(_: list[pa.RecordBatch]) -> None:
    raise AssertionError("it fits memory")


def raw(lines: reading.GroupLines) -> list[str]:
    return [words for batch in lines.batches for words in batch["raw"].to_pylist()]


def test_what_is_read_ahead_is_what_is_read_and_is_handed_over_once(tmp_path: Path) -> None:
    files = landed(tmp_path, a="1\n2\n", b="3\n")
    with ReadAhead() as ahead:
        ahead.begin(files)
        found = ahead.take(files)
        assert found is not None
        expected = reading.read_group(files, not_taken)
        assert (raw(found), found.contents, found.problems) == (["1", "2", "3"], expected.contents, {})
        assert ahead.take(files) is None


def test_other_files_than_those_begun_are_not_handed_over(tmp_path: Path) -> None:
    files = landed(tmp_path, a="1\n", b="2\n")
    with ReadAhead() as ahead:
        ahead.begin(files)
        assert ahead.take(files[:1]) is None
        ahead.begin([])
        assert ahead.take([]) is None


def test_a_file_that_changed_since_it_was_listed_leaves_a_problem_and_no_line(tmp_path: Path) -> None:
    files = landed(tmp_path, a="1\n", b="2\n", c="3\n")
    landed(tmp_path, a="1\n11\n")
    files[2].path.unlink()  # type: ignore[union-attr]
    with ReadAhead() as ahead:
        ahead.begin(files)
        found = ahead.take(files)
    assert found is not None
    assert (raw(found), list(found.contents)) == (["2"], [1])
    assert found.problems[0].startswith("it was still being written: 2 bytes of")
    assert found.problems[2] == reading.VANISHED


def log(shop: Shop) -> None:
    """Three files of sessions and events, a fourth that brings the second again, a fifth with what is no plain list."""
    shown = [{"object_id": "a", "rank": 2}, {"object_id": "b", "rank": 0.5}]
    for part in range(3):
        sessions = [session(f"s{part}{n}", shown=shown) for n in range(3)]
        shop.put(f"embedding_studio/{part}.ndjson", [*sessions, click(f"e{part}", session_id=f"s{part}0"), {"odd": "line"}])
    shop.put("embedding_studio/3.ndjson", (shop.landing / "embedding_studio/1.ndjson").read_text().splitlines())
    odd = [session("t0", shown=[{"object_id": "a", "rank": True}]), session("t1", shown=[*shown, *shown])]
    shop.put("embedding_studio/4.ndjson", [*odd, session("t2", shown=[{"object_id": "c", "rank": 7}]), click("f", "t2", "c")])


def outcome(shop: Shop) -> tuple[ingestion.Ingested, dict[str, list[dict[str, Any]]]]:
    done = shop.ingest()
    done.versions.clear()
    return done, {table: shop.rows(table) for table in ("search_sessions", "session_events", "rejected_records")}


@pytest.mark.parametrize(("group", "has_room"), [(2, True), (3, True), (3, False)])
def test_groups_that_were_parsed_ahead_end_in_the_rows_of_one_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int, has_room: bool
) -> None:
    """Of a group that was parsed ahead a file may bring what the group before it brought; and what fails ahead is no matter."""
    taken: list[bool] = []
    take, parsed_alone = ReadAhead.take, parsing.parsed_alone

    def noted(self: ReadAhead, files: Any) -> reading.GroupLines | None:
        found = take(self, files)
        taken.append(found is not None and found.parsed is not None)
        return found

    def parse(batches: list[pa.RecordBatch]) -> parsing.ParsedLines:
        if not has_room:
            raise MemoryError("no room for a second database")
        return parsed_alone(batches)

    whole, parts = Shop(tmp_path / "whole"), Shop(tmp_path / "parts")
    for shop in (whole, parts):
        log(shop)
    expected = outcome(whole)
    monkeypatch.setattr(ingestion, "GROUP_FILES", group)
    monkeypatch.setattr(ReadAhead, "take", noted)
    monkeypatch.setattr(reading, "parsed_alone", parse)
    assert outcome(parts) == expected
    assert expected[0].copies == {"embedding_studio/3.ndjson": "embedding_studio/1.ndjson"}
    assert taken == [False, has_room, has_room][: -(-5 // group)]


@pytest.mark.parametrize("held", [1, 400])
def test_what_memory_should_not_hold_is_not_read_ahead_and_gives_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    sessions = [session(f"s{n}", shown=[{"object_id": "a", "rank": n}, {"object_id": "b"}]) for n in range(30)]
    records = [*sessions, {"search_query": "q"}, *(click(f"e{n}", session_id=f"s{n}") for n in range(30))]
    rows = []
    for limit in (reading.HELD_BYTES, held):
        monkeypatch.setattr(reading, "HELD_BYTES", limit)
        shop = Shop(tmp_path / str(limit))
        for part in range(3):
            shop.put(f"embedding_studio/{part}.ndjson", records[part::3])
        assert not shop.ingest().unread
        rows.append({table: shop.rows(table) for table in ("search_sessions", "session_events", "rejected_records")})
    assert rows[0] == rows[1]
    assert [len(found) for found in rows[0].values()] == [30, 30, 1]
