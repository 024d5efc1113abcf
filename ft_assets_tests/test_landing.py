"""Landing: files appear whole or not at all, and never take the name of others."""

import datetime as dt
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ft_assets import headless, places
from ft_assets import landing as landings
from ft_assets.lake import Home
from ft_assets_tests.samples import ITEM, SESSION, UBI_EVENT, UBI_QUERY, write


def content(file: landings.LandedFile) -> bytes:
    with file.open() as stream:
        return stream.read()


def test_landed_files_are_sorted_and_named_below_the_landing_place(tmp_path: Path) -> None:
    for name in ("ubi/b.tsv.gz", "ubi/2025/a.ndjson", "items/i.ndjson", "embedding_studio/s.ndjson"):
        write(tmp_path / name, "{}\n")
    found = landings.landed_files(tmp_path)
    names = ["embedding_studio/s.ndjson", "items/i.ndjson", "ubi/2025/a.ndjson", "ubi/b.tsv.gz"]
    assert [file.name for file in found] == names
    assert [file.format for file in found] == ["embedding_studio", "items", "ubi", "ubi"]
    assert all(file.path == tmp_path / file.name for file in found)


@pytest.mark.parametrize("name", ["ubi/.a", "ubi/a.tmp", "ubi/.hidden/a", "ubi/half.tmp/a"])
def test_a_pending_name_is_not_there_yet_at_any_level(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, "{}\n")
    assert landings.landed_files(tmp_path) == []


def test_an_empty_or_absent_landing_place_holds_nothing(tmp_path: Path) -> None:
    assert landings.landed_files(tmp_path / "absent") == []
    assert landings.unknown_folders(tmp_path / "absent") == []


def test_a_folder_of_no_known_format_is_told_and_does_not_crash(tmp_path: Path) -> None:
    write(tmp_path / "ubii/a.ndjson", "{}\n")
    write(tmp_path / "ubi/a.ndjson", "{}\n")
    write(tmp_path / ".DS_Store", "")
    assert landings.unknown_folders(tmp_path) == ["ubii"]
    assert [file.name for file in landings.landed_files(tmp_path)] == ["ubi/a.ndjson"]


def test_landing_copies_files_and_walks_folders(tmp_path: Path) -> None:
    one = write(tmp_path / "one.ndjson", "1\n")
    write(tmp_path / "dir/deep/two.ndjson", "2\n")
    write(tmp_path / "dir/.pending", "no\n")
    landing = tmp_path / "landing"
    landed = landings.land(landing, "items", [one, tmp_path / "dir"])
    assert landed == [landing / "items/one.ndjson", landing / "items/deep/two.ndjson"]
    assert [file.path.read_text() for file in landings.landed_files(landing)] == ["2\n", "1\n"]
    assert [path.name for path in landing.rglob("*") if path.is_file()].count(".pending") == 0
    assert not list(landing.rglob("*.tmp"))


def test_landing_the_same_content_again_changes_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "a.ndjson", "1\n")
    (target,) = landings.land(tmp_path / "landing", "ubi", [source])
    before = target.stat()
    assert landings.land(tmp_path / "landing", "ubi", [source]) == [target]
    assert target.stat().st_mtime_ns == before.st_mtime_ns


def test_a_name_taken_by_other_content_is_refused_before_anything_is_copied(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landings.land(landing, "ubi", [write(tmp_path / "a.ndjson", "old\n")])
    fresh, other = write(tmp_path / "x/0.ndjson", "0\n"), write(tmp_path / "x/a.ndjson", "new\n")
    with pytest.raises(FileExistsError, match=r"a\.ndjson is there with other content"):
        landings.land(landing, "ubi", [fresh, other])
    assert [file.path.read_text() for file in landings.landed_files(landing)] == ["old\n"]


def test_two_sources_of_one_name_and_other_content_are_refused(tmp_path: Path) -> None:
    sources = [write(tmp_path / f"{at}/a.ndjson", at) for at in ("1", "2")]
    with pytest.raises(FileExistsError):
        landings.land(tmp_path / "landing", "ubi", sources)
    assert landings.landed_files(tmp_path / "landing") == []


def test_what_cannot_be_landed_is_refused_before_anything_is_copied(tmp_path: Path) -> None:
    good = write(tmp_path / "a.ndjson", "1\n")
    with pytest.raises(ValueError, match="must be one of embedding_studio, items, ubi, got 'csv'"):
        landings.land(tmp_path / "landing", "csv", [good])
    with pytest.raises(FileNotFoundError, match=r"absent\.ndjson"):
        landings.land(tmp_path / "landing", "ubi", [good, tmp_path / "absent.ndjson"])
    with pytest.raises(ValueError, match="is never read"):
        landings.land(tmp_path / "landing", "ubi", [good, write(tmp_path / "b.tmp", "1\n")])
    assert not (tmp_path / "landing").exists()


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
    assert landings.land_by_guess(landing, [folder, alone]) == [landing / name for name in names]
    assert [file.name for file in landings.landed_files(landing)] == sorted(names)
    assert (landing / names[1]).read_bytes() == (folder / "2025/log.ndjson").read_bytes()
    assert landings.land_by_guess(landing, [folder]) == [landing / name for name in names[:3]]


@pytest.mark.parametrize(
    ("count", "named"), [(1, "0.csv; land"), (5, "3.csv, .*4.csv; land"), (7, r"3.csv, .*4.csv, \.\.\.; land")]
)
def test_all_files_of_no_known_format_are_told_at_once(tmp_path: Path, count: int, named: str) -> None:
    write(tmp_path / "dump/0.ndjson", json.dumps(ITEM))
    for at in range(count):
        write(tmp_path / f"dump/{at}.csv", "a,b\n")
    with pytest.raises(ValueError, match=f"the format of {count} of {count + 1} files: .*{named}") as told:
        landings.land_by_guess(tmp_path / "landing", [tmp_path / "dump"])
    assert str(told.value).count(".csv") == min(count, 5)
    assert not (tmp_path / "landing").exists()


def test_a_conflict_in_one_format_keeps_every_format_from_landing(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    write(landing / "ubi/z.ndjson", json.dumps(UBI_EVENT))
    sources = [write(tmp_path / "a.ndjson", json.dumps(ITEM)), write(tmp_path / "z.ndjson", json.dumps(UBI_QUERY))]
    with pytest.raises(FileExistsError, match=r"z\.ndjson is there with other content"):
        landings.land_by_guess(landing, sources)
    assert [file.name for file in landings.landed_files(landing)] == ["ubi/z.ndjson"]
    with pytest.raises(FileNotFoundError, match="absent"):
        landings.land_by_guess(landing, [sources[0], tmp_path / "absent"])
    assert [file.name for file in landings.landed_files(landing)] == ["ubi/z.ndjson"]


@pytest.mark.parametrize("is_landed", [True, False])
def test_a_file_where_a_folder_must_be_is_refused_before_anything_is_copied(tmp_path: Path, is_landed: bool) -> None:
    write(tmp_path / "dump/0.ndjson", json.dumps(ITEM))
    write(tmp_path / "dump/2024/log.ndjson", json.dumps(ITEM))
    file = write(tmp_path / "other/2024", json.dumps(ITEM))
    landing = tmp_path / "landing"
    before = landings.land(landing, "items", [file] if is_landed else [])
    with pytest.raises(FileExistsError, match=r"items/2024 must be a folder to hold .*2024/log\.ndjson, it is a file"):
        landings.land_by_guess(landing, [tmp_path / "dump"] if is_landed else [tmp_path / "dump", file])
    assert [found.path for found in landings.landed_files(landing)] == before


# Files that change while they lie there


def test_a_landed_file_says_what_it_was_and_what_it_is_now(tmp_path: Path) -> None:
    path = write(tmp_path / "ubi/a", "1\n")
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    (file,) = landings.landed_files(tmp_path)
    modified_at = dt.datetime(2023, 11, 14, 22, 13, 20, 123_456, dt.UTC)
    assert (file.bytes, file.modified_at) == file.state() == (2, modified_at)
    assert landings.landed_files(str(tmp_path)) == landings.landed_files(tmp_path.as_uri()) == [file]
    write(path, "1\n2\n")
    assert file.state() != (file.bytes, file.modified_at)
    assert landings.landed_files(tmp_path) != [file]
    path.unlink()
    assert file.state() is None
    with pytest.raises(FileNotFoundError):
        file.open()


def test_a_file_that_vanishes_while_the_place_is_listed_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        write(tmp_path / "ubi" / name, "1\n")
    (tmp_path / "ubi/c").symlink_to(tmp_path / "nothing")
    walk = places.walk

    def vanishing(folder: Path) -> list[Path]:
        found = walk(folder)
        (tmp_path / "ubi/a").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(places, "walk", vanishing)
    assert [file.name for file in landings.landed_files(tmp_path)] == ["ubi/b"]


def test_a_name_that_is_not_utf8_is_written_with_its_bytes_and_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "ubi"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9")).write_text("1\n")
    (file,) = landings.landed_files(tmp_path)
    assert file.name == r"ubi/caf\xe9"
    assert content(file) == b"1\n"
    assert landings.replace(file, [b""]).bytes == 0


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = write(tmp_path / "ubi/a", "keep\nforget\n")
    path.chmod(0o640)
    (file,) = landings.landed_files(tmp_path)

    def without(word: bytes) -> Iterator[bytes]:
        with file.open() as stream:
            yield from (line for line in stream if word not in line)
        assert path.read_bytes() == b"keep\nforget\n"

    def broken_off() -> Iterator[bytes]:
        yield b"half"
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        landings.replace(file, broken_off())
    assert landings.landed_files(tmp_path) == [file]
    new = landings.replace(file, without(b"forget"))
    assert landings.landed_files(tmp_path) == [new] != [file]
    assert (new.bytes, path.read_bytes()) == (5, b"keep\n")
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(path.parent) == ["a"]
    path.unlink()
    with pytest.raises(FileNotFoundError):
        landings.replace(new, [b"1\n"])
    assert os.listdir(path.parent) == []


def test_what_a_link_points_to_is_replaced_not_the_link(tmp_path: Path) -> None:
    real = write(tmp_path / "elsewhere/log", "forget\n")
    (tmp_path / "ubi").mkdir()
    (tmp_path / "ubi/a").symlink_to(real)
    (file,) = landings.landed_files(tmp_path)
    landings.replace(file, [b"keep\n"])
    assert real.read_bytes() == content(file) == b"keep\n"
    assert (tmp_path / "ubi/a").is_symlink()


def test_of_many_who_land_one_name_at_once_one_wins(tmp_path: Path) -> None:
    sources = [write(tmp_path / str(at) / "a", str(at) * 100_000) for at in range(8)]
    start, refused = threading.Barrier(8), []

    def land(source: Path) -> None:
        start.wait()
        try:
            landings.land(tmp_path / "landing", "ubi", [source])
        except FileExistsError:
            refused.append(source)

    threads = [threading.Thread(target=land, args=[source]) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = set(sources) - set(refused)
    assert (tmp_path / "landing/ubi/a").read_bytes() == winner.read_bytes()
    assert os.listdir(tmp_path / "landing/ubi") == ["a"]


# Where the landing place is


def test_a_default_home_lands_where_the_environment_says(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Home.find().landing == home.path / "landing"
    for said, meant in (("s3://bucket/l", "s3://bucket/l"), (str(tmp_path / "l"), tmp_path / "l"), ("", home.path / "landing")):
        monkeypatch.setenv("FT_ASSETS_LANDING", said)
        assert Home.find().landing == meant
    monkeypatch.setenv("FT_ASSETS_LANDING", "s3://production/l")
    assert Home.find(tmp_path).landing == tmp_path / "landing", "a home that is named has its own"


def test_children_of_a_home_find_its_landing_place(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FT_ASSETS_LANDING", "FT_ASSETS_LAKE", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "s3://other/place")
    monkeypatch.chdir(tmp_path)
    headless.prepare_instance(Home(home.path, landing_uri="l"))
    assert os.environ["FT_ASSETS_LANDING"] == str(tmp_path / "l")
    assert Home.find().landing == tmp_path / "l"
    headless.prepare_instance(home)
    assert Home.find() == home
