"""A group is read ahead: its lines are taken once, by whoever asks for these files, and nothing is lost where they are not."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from ft_assets import landing, reading
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
