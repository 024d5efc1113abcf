"""Landing and reading: files appear whole or not at all, and every line of them is there with its number."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets import lines, readers

SESSION = {"session_id": "s1", "search_query": "red shoes", "created_at": 1793493579, "search_results": []}
EVENTS = {"session_id": "s1", "events": []}
ITEM = {"item_id": "a", "text": "a shoe"}
UBI_EVENT = {"action_name": "click", "query_id": "q1", "timestamp": "2025-01-01T00:00:00Z"}
UBI_QUERY = {"query_id": "q1", "user_query": "red shoes", "timestamp": 1717527762025}


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def raws(path: Path) -> list[str]:
    return [line.raw for line in lines.read_lines(path)]


def problems(path: Path) -> dict[int, str]:
    return {line.number: line.problem for line in lines.read_lines(path) if line.problem}


# Landing


def test_landed_files_are_sorted_and_named_below_the_landing_place(tmp_path: Path) -> None:
    for name in ("ubi/b.tsv.gz", "ubi/2025/a.ndjson", "items/i.ndjson", "embedding_studio/s.ndjson"):
        write(tmp_path / name, "{}\n")
    found = readers.landed_files(tmp_path)
    names = ["embedding_studio/s.ndjson", "items/i.ndjson", "ubi/2025/a.ndjson", "ubi/b.tsv.gz"]
    assert [file.name for file in found] == names
    assert [file.format for file in found] == ["embedding_studio", "items", "ubi", "ubi"]
    assert all(file.path == tmp_path / file.name for file in found)


@pytest.mark.parametrize("name", ["ubi/.a", "ubi/a.tmp", "ubi/.hidden/a", "ubi/half.tmp/a"])
def test_a_pending_name_is_not_there_yet_at_any_level(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, "{}\n")
    assert readers.landed_files(tmp_path) == []


def test_an_empty_or_absent_landing_place_holds_nothing(tmp_path: Path) -> None:
    assert readers.landed_files(tmp_path / "absent") == []
    assert readers.unknown_folders(tmp_path / "absent") == []


def test_a_folder_of_no_known_format_is_told_and_does_not_crash(tmp_path: Path) -> None:
    write(tmp_path / "ubii/a.ndjson", "{}\n")
    write(tmp_path / "ubi/a.ndjson", "{}\n")
    write(tmp_path / ".DS_Store", "")
    assert readers.unknown_folders(tmp_path) == ["ubii"]
    assert [file.name for file in readers.landed_files(tmp_path)] == ["ubi/a.ndjson"]


def test_landing_copies_files_and_walks_folders(tmp_path: Path) -> None:
    one = write(tmp_path / "one.ndjson", "1\n")
    write(tmp_path / "dir/deep/two.ndjson", "2\n")
    write(tmp_path / "dir/.pending", "no\n")
    landing = tmp_path / "landing"
    landed = readers.land(landing, "items", [one, tmp_path / "dir"])
    assert landed == [landing / "items/one.ndjson", landing / "items/deep/two.ndjson"]
    assert [file.path.read_text() for file in readers.landed_files(landing)] == ["2\n", "1\n"]
    assert [path.name for path in landing.rglob("*") if path.is_file()].count(".pending") == 0
    assert not list(landing.rglob("*.tmp"))


def test_landing_the_same_content_again_changes_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "a.ndjson", "1\n")
    (target,) = readers.land(tmp_path / "landing", "ubi", [source])
    before = target.stat()
    assert readers.land(tmp_path / "landing", "ubi", [source]) == [target]
    assert target.stat().st_mtime_ns == before.st_mtime_ns


def test_a_name_taken_by_other_content_is_refused_before_anything_is_copied(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    readers.land(landing, "ubi", [write(tmp_path / "a.ndjson", "old\n")])
    fresh, other = write(tmp_path / "x/0.ndjson", "0\n"), write(tmp_path / "x/a.ndjson", "new\n")
    with pytest.raises(FileExistsError, match=r"a\.ndjson is there with other content"):
        readers.land(landing, "ubi", [fresh, other])
    assert [file.path.read_text() for file in readers.landed_files(landing)] == ["old\n"]


def test_two_sources_of_one_name_and_other_content_are_refused(tmp_path: Path) -> None:
    sources = [write(tmp_path / f"{at}/a.ndjson", at) for at in ("1", "2")]
    with pytest.raises(FileExistsError):
        readers.land(tmp_path / "landing", "ubi", sources)
    assert readers.landed_files(tmp_path / "landing") == []


def test_what_cannot_be_landed_is_refused_before_anything_is_copied(tmp_path: Path) -> None:
    good = write(tmp_path / "a.ndjson", "1\n")
    with pytest.raises(ValueError, match="must be one of embedding_studio, items, ubi, got 'csv'"):
        readers.land(tmp_path / "landing", "csv", [good])
    with pytest.raises(FileNotFoundError, match=r"absent\.ndjson"):
        readers.land(tmp_path / "landing", "ubi", [good, tmp_path / "absent.ndjson"])
    with pytest.raises(ValueError, match="is never read"):
        readers.land(tmp_path / "landing", "ubi", [good, write(tmp_path / "b.tmp", "1\n")])
    assert not (tmp_path / "landing").exists()


# Guessing


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (json.dumps(SESSION), "embedding_studio"),
        (json.dumps(EVENTS), "embedding_studio"),
        (json.dumps({"session_id": "s", "event_id": "e", "object_id": "a", "event_type": "click"}), "embedding_studio"),
        (json.dumps(ITEM), "items"),
        (json.dumps(UBI_EVENT), "ubi"),
        (json.dumps(UBI_QUERY), "ubi"),
        ('{"index": {"_index": "ubi_events"}}\n' + json.dumps(UBI_EVENT), "ubi"),
        ("ubi_queries\t" + json.dumps(UBI_QUERY), "ubi"),
        (json.dumps({"_index": "ubi_events", "_source": UBI_EVENT}), "ubi"),
        ("\n\nnot json\n" + json.dumps(ITEM), "items"),
        ("a,b\n1,2\n", None),
        ("[1]\n{}\n", None),
        ("", None),
    ],
)
def test_the_first_records_tell_the_format(tmp_path: Path, content: str, expected: str | None) -> None:
    assert readers.guess_format(write(tmp_path / "plain", content)) == expected
    assert readers.guess_format(write(tmp_path / "packed.gz", gzip.compress(content.encode()))) == expected


def test_landing_by_guess_keeps_the_path_below_the_folder(tmp_path: Path) -> None:
    folder, landing = tmp_path / "dump", tmp_path / "landing"
    for year in (2024, 2025):
        write(folder / f"{year}/log.ndjson", json.dumps({**SESSION, "session_id": str(year)}))
    write(folder / "2025/ubi.tsv", json.dumps(UBI_QUERY))
    alone = write(tmp_path / "shop/items.ndjson", json.dumps(ITEM))
    names = [
        "embedding_studio/2024/log.ndjson",
        "embedding_studio/2025/log.ndjson",
        "ubi/2025/ubi.tsv",
        "items/items.ndjson",
    ]
    assert readers.land_by_guess(landing, [folder, alone]) == [landing / name for name in names]
    assert [file.name for file in readers.landed_files(landing)] == sorted(names)
    assert (landing / names[1]).read_bytes() == (folder / "2025/log.ndjson").read_bytes()
    assert readers.land_by_guess(landing, [folder]) == [landing / name for name in names[:3]]


@pytest.mark.parametrize(
    ("count", "named"), [(1, "0.csv; land"), (5, "3.csv, .*4.csv; land"), (7, r"3.csv, .*4.csv, \.\.\.; land")]
)
def test_all_files_of_no_known_format_are_told_at_once(tmp_path: Path, count: int, named: str) -> None:
    write(tmp_path / "dump/0.ndjson", json.dumps(ITEM))
    for at in range(count):
        write(tmp_path / f"dump/{at}.csv", "a,b\n")
    with pytest.raises(ValueError, match=f"the format of {count} of {count + 1} files: .*{named}") as told:
        readers.land_by_guess(tmp_path / "landing", [tmp_path / "dump"])
    assert str(told.value).count(".csv") == min(count, 5)
    assert not (tmp_path / "landing").exists()


def test_a_conflict_in_one_format_keeps_every_format_from_landing(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    write(landing / "ubi/z.ndjson", json.dumps(UBI_EVENT))
    sources = [write(tmp_path / "a.ndjson", json.dumps(ITEM)), write(tmp_path / "z.ndjson", json.dumps(UBI_QUERY))]
    with pytest.raises(FileExistsError, match=r"z\.ndjson is there with other content"):
        readers.land_by_guess(landing, sources)
    assert [file.name for file in readers.landed_files(landing)] == ["ubi/z.ndjson"]
    with pytest.raises(FileNotFoundError, match="absent"):
        readers.land_by_guess(landing, [sources[0], tmp_path / "absent"])
    assert [file.name for file in readers.landed_files(landing)] == ["ubi/z.ndjson"]


@pytest.mark.parametrize("is_landed", [True, False])
def test_a_file_where_a_folder_must_be_is_refused_before_anything_is_copied(tmp_path: Path, is_landed: bool) -> None:
    write(tmp_path / "dump/0.ndjson", json.dumps(ITEM))
    write(tmp_path / "dump/2024/log.ndjson", json.dumps(ITEM))
    file = write(tmp_path / "other/2024", json.dumps(ITEM))
    landing = tmp_path / "landing"
    before = readers.land(landing, "items", [file] if is_landed else [])
    with pytest.raises(FileExistsError, match=r"items/2024 must be a folder to hold .*2024/log\.ndjson, it is a file"):
        readers.land_by_guess(landing, [tmp_path / "dump"] if is_landed else [tmp_path / "dump", file])
    assert [found.path for found in readers.landed_files(landing)] == before


# Lines


def test_plain_and_gzip_are_told_by_their_bytes_not_by_their_name(tmp_path: Path) -> None:
    assert raws(write(tmp_path / "a.gz", "1\n2\n")) == ["1", "2"]
    assert raws(write(tmp_path / "a.ndjson", gzip.compress(b"1\n2\n"))) == ["1", "2"]


def test_line_ends_blank_lines_and_a_byte_order_mark(tmp_path: Path) -> None:
    assert raws(write(tmp_path / "a", b"\xef\xbb\xbfone\r\n\n\xe2\x80\xa8two\nlast")) == ["one", "", "\u2028two", "last"]
    assert raws(write(tmp_path / "empty", b"")) == []


def test_several_gzip_members_with_padding_are_one_file(tmp_path: Path) -> None:
    content = gzip.compress(b"1\n2") + gzip.compress(b"3\n4\n") + b"\0" * 16
    assert raws(write(tmp_path / "a.gz", content)) == ["1", "23", "4"]
    assert problems(tmp_path / "a.gz") == {}


def test_a_line_that_is_not_utf8_keeps_its_number(tmp_path: Path) -> None:
    found = list(lines.read_lines(write(tmp_path / "a", b"good\nb\xffd\ngood\n")))
    assert [line.problem for line in found] == [None, "not_utf8", None]
    assert found[1].raw == "b\ufffdd"
    assert found[1].detail == "a line must be UTF-8, got byte 0xff at offset 1"


def test_a_truncated_file_keeps_what_could_be_read(tmp_path: Path) -> None:
    text = "".join(f"line {at} {at * 7919 % 1000}\n" for at in range(5000))
    packed = gzip.compress(text.encode())
    found = list(lines.read_lines(write(tmp_path / "a.gz", packed[: len(packed) // 2])))
    assert len(found) > 1000
    assert [line.raw for line in found[:-1]] == text.split("\n")[: len(found) - 1]
    assert (found[-1].problem, found[-1].number) == ("file_truncated", len(found))
    assert text.split("\n")[len(found) - 1].startswith(found[-1].raw)


def test_a_file_without_its_checksum_is_truncated_and_loses_no_line(tmp_path: Path) -> None:
    found = list(lines.read_lines(write(tmp_path / "a.gz", gzip.compress(b"1\n2\n")[:-4])))
    assert [(line.raw, line.problem) for line in found] == [("1", None), ("2", None), ("", "file_truncated")]


def test_a_damaged_file_keeps_what_stands_before_the_damage(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"".join(b"%d\n" % at for at in range(3000))))
    packed[-6] ^= 0xFF  # the checksum
    found = list(lines.read_lines(write(tmp_path / "a.gz", bytes(packed))))
    assert [line.raw for line in found[:-1]] == [str(at) for at in range(3000)]
    assert found[-1].problem == "file_truncated"
    assert "incorrect data check" in (found[-1].detail or "")


def test_bytes_behind_the_last_member_are_told(tmp_path: Path) -> None:
    assert problems(write(tmp_path / "a.gz", gzip.compress(b"1\n") + b"garbage")) == {2: "file_truncated"}


@pytest.mark.parametrize("size", [100, 130, 200, 1000])
def test_a_line_without_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(lines, "LINE_BYTES", 100)
    monkeypatch.setattr(lines, "KEPT_BYTES", 10)
    monkeypatch.setattr(lines, "BLOCK_BYTES", 64)
    found = list(lines.read_lines(write(tmp_path / "a", b"1\n" + b"x" * size + b"\n3\n" + b"y" * size)))
    assert [line.number for line in found] == [1, 2, 3, 4]
    if size <= 100:
        assert [line.problem for line in found] == [None] * 4
    else:
        assert [line.raw for line in found] == ["1", "x" * 10, "3", "y" * 10]
        assert f"got {size}" in (found[1].detail or "")
        assert f"got {size}" in (found[3].detail or "")


@settings(deadline=None, derandomize=True, max_examples=60)
@given(content=st.binary(max_size=300), block=st.integers(2, 40), is_packed=st.booleans())
def test_no_byte_is_lost_whatever_the_blocks(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, block: int, is_packed: bool
) -> None:
    content = content.removeprefix(b"\x1f\x8b").removeprefix(b"\xef\xbb\xbf")
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(gzip.compress(content) if is_packed else content)
    expected = content.split(b"\n")
    expected = expected[:-1] if not expected[-1] else expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_BYTES", block)
        found = list(lines.read_lines(path))
    assert [line.raw for line in found] == [raw.removesuffix(b"\r").decode("utf-8", "replace") for raw in expected]
    assert [line.number for line in found] == list(range(1, len(expected) + 1))


def test_batches_hold_the_lines_of_all_files_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BATCH_BYTES", 200)
    paths = [write(tmp_path / str(at), "".join(f"{at}-{row}\n" for row in range(10))) for at in range(3)]
    batches = list(lines.line_batches(enumerate(paths)))
    assert len(batches) > 3
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert [row["raw"] for row in rows] == [f"{at}-{row}" for at in range(3) for row in range(10)]
    assert [row["record_number"] for row in rows] == [*range(1, 11)] * 3
