"""Bad files: damaged, foreign, unreadable, vanishing or growing ones lose nothing that could be had, and stop no good one."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from ft_assets import checks, ingestion, lines
from ft_assets.landing import LandedFile
from ft_assets_tests.shop import Shop, click, session

SESSIONS = [session(f"b{at}", query=f"words {at * 7919 % 1000} caf\u00e9") for at in range(200)]
TEXT = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in SESSIONS)
BAD, GOOD = "embedding_studio/bad.ndjson", "embedding_studio/good.ndjson"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """With a good file, which must be there whatever lies beside it."""
    shop = Shop(tmp_path)
    shop.put(GOOD, [session("good"), click("good", "good")])
    return shop


def land(shop: Shop, content: bytes, name: str = BAD) -> None:
    (shop.landing / name).write_bytes(content)


def assert_good(shop: Shop, *others: str) -> None:
    """The good file's rows are there, those of the other sessions too and no more, and the books agree with the tables."""
    assert sorted(row["session_id"] for row in shop.rows("search_sessions")) == sorted(["good", *others])
    assert [row["event_id"] for row in shop.rows("session_events")] == ["good"]
    for check in checks.checks():
        if check.table == "ingested_files":
            outcome = checks.run_check(shop.lake, check, None, {})
            assert outcome.passed, outcome


def ids(count: int = len(SESSIONS)) -> list[str]:
    return [f"b{at}" for at in range(count)]


@pytest.mark.parametrize("kept", [0, 1, 5, 10, 18, 25, 0.2, 0.5, 0.9, -9, -8, -4, -1])
def test_a_truncated_gzip_file_keeps_what_could_be_read(shop: Shop, kept: float) -> None:
    whole, packed = gzip.compress(TEXT.encode()), gzip.compress(TEXT.encode())
    cut = packed[: int(kept * len(packed)) if isinstance(kept, float) else int(kept) if kept >= 0 else len(packed) + int(kept)]
    land(shop, whole + gzip.compress(b'{"session_id": "member"}\n') + cut, "embedding_studio/members.ndjson.gz")
    land(shop, cut, f"{BAD}.gz")
    done = shop.ingest()
    books = done.books_by_file[f"{BAD}.gz"]
    read = len(shop.rows("search_sessions")) - 1
    assert done.books_by_file["embedding_studio/members.ndjson.gz"].rejected["unknown_record"] == 1
    assert read == len(SESSIONS)  # of the whole member before the cut one
    assert books.accepted["sessions"] + books.duplicate["sessions"] + books.rejected.total() == books.read == books.lines
    if kept == 1:
        assert books.rejected == {"not_json": 1}  # nothing tells that it was gzip
    elif kept:
        assert books.rejected == {"file_truncated": 1}
        (row,) = [row for row in shop.rows("rejected_records") if row["source_file"] == f"{BAD}.gz"]
        assert (row["record_number"], row["entry"]) == (books.lines, 0)
        assert TEXT.split("\n")[books.lines - 1].startswith(row["raw"].rstrip("\ufffd"))
        assert "must end with its checksum" in row["detail"]
    if kept in (-8, -4, -1):
        assert books.accepted["sessions"] == len(SESSIONS)
    assert_good(shop, *ids())


def test_a_damaged_gzip_file_keeps_what_stands_before(shop: Shop) -> None:
    packed = bytearray(gzip.compress(TEXT.encode(), 1))
    packed[len(packed) // 2] ^= 0xFF
    land(shop, bytes(packed), f"{BAD}.gz")
    books = shop.ingest().books_by_file[f"{BAD}.gz"]
    assert books.balance
    assert books.rejected["file_truncated"] == 1
    assert 50 < books.accepted["sessions"] < len(SESSIONS)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-16-be"])
def test_another_encoding_is_refused_and_never_read_as_something_else(shop: Shop, encoding: str) -> None:
    land(shop, TEXT.encode(encoding))
    done = shop.ingest()
    books = done.books_by_file[BAD]
    rows = [row for row in shop.rows("rejected_records") if row["source_file"] == BAD]
    if encoding == "utf-16":
        assert books.rejected == {"not_utf8": 1}
        assert "byte order mark of UTF-16; convert it" in rows[0]["detail"]
    else:
        assert books.rejected.total() == books.lines == len(rows) >= len(SESSIONS)
        assert set(books.rejected) <= {"not_utf8", "not_json"}
    assert_good(shop)


@pytest.mark.parametrize(
    "written",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
        lambda text: gzip.compress(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()),
        lambda text: text.rstrip("\n").encode(),
        lambda text: b"\n \r\n\t\n" + text.replace("\n", "\n\n").encode(),
    ],
    ids=["bom", "crlf", "bom and crlf", "packed", "no last line end", "blank lines"],
)
def test_marks_and_line_ends_change_nothing(shop: Shop, written: Callable[[str], bytes]) -> None:
    land(shop, written(TEXT))
    books = shop.ingest().books_by_file[BAD]
    assert (books.accepted, books.rejected, books.read) == ({"sessions": 200}, {}, 200)
    assert books.lines == books.read + books.blank
    assert_good(shop, *ids())


@pytest.mark.parametrize(
    ("content", "blank"), [(b"", 0), (b"\n\n \n\t\r\n", 4), (b"\xef\xbb\xbf", 1), (gzip.compress(b"", mtime=0), 0)]
)
def test_a_file_without_records_is_taken_and_says_nothing(shop: Shop, content: bytes, blank: int) -> None:
    land(shop, content)
    done = shop.ingest()
    books = done.books_by_file[BAD]
    assert (books.read, books.blank, books.lines) == (0, blank, blank)
    assert shop.new() == []
    assert_good(shop)


def opened(monkeypatch: pytest.MonkeyPatch, change: Callable[[LandedFile, BinaryIO], BinaryIO]) -> None:
    """Let something happen to the bad file when it is opened."""
    real = LandedFile.open
    monkeypatch.setattr(LandedFile, "open", lambda file: change(file, real(file)) if file.name == BAD else real(file))


class Failing:
    """A stream whose disk fails behind the first bytes, or whose file was never readable."""

    def __init__(self, stream: BinaryIO, error: OSError) -> None:
        self.stream, self.error, self.reads = stream, error, 0

    def __enter__(self) -> "Failing":
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def read(self, size: int) -> bytes:
        self.reads += 1
        if self.reads > 1:
            raise self.error
        return self.stream.read(1 << 12)


ERRORS = [OSError(5, "Input/output error"), PermissionError(13, "Permission denied"), FileNotFoundError(2, "No such file")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("when", ["opened", "read"])
def test_a_file_that_cannot_be_read_is_left_and_said_so_and_taken_the_next_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, error: OSError, when: str
) -> None:
    land(shop, TEXT.encode())

    def fail(_: LandedFile, stream: BinaryIO) -> Any:
        if when == "read":
            return Failing(stream, error)
        stream.close()
        raise error

    with monkeypatch.context() as patch:
        opened(patch, fail)
        done = shop.ingest()
    assert done.files == [GOOD]
    wanted = "it vanished while it was read" if isinstance(error, FileNotFoundError) else f"it cannot be read: {error}"
    assert done.unread == {BAD: wanted}
    assert done.as_metadata()["unread"] == done.unread
    assert_good(shop)
    assert shop.ingest().files == [BAD]
    assert_good(shop, *ids())


def test_a_file_that_vanishes_while_it_is_read_is_left_and_stops_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    land(shop, TEXT.encode())

    def vanish(file: LandedFile, stream: BinaryIO) -> BinaryIO:
        Path(file.path).unlink()
        return stream

    opened(monkeypatch, vanish)
    done = shop.ingest()
    assert (done.files, done.unread) == ([GOOD], {BAD: "it vanished while it was read"})
    assert shop.new() == []
    assert_good(shop)


def test_a_folder_and_a_pipe_in_the_place_of_a_file_are_no_files(shop: Shop) -> None:
    (shop.landing / BAD).mkdir()
    os.mkfifo(shop.landing / "embedding_studio/pipe.ndjson")
    assert shop.ingest().files == [GOOD]
    assert_good(shop)


def test_a_file_still_being_written_is_left_and_taken_the_next_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    land(shop, TEXT.encode()[:500])

    def grow(file: LandedFile, stream: BinaryIO) -> BinaryIO:
        with Path(file.path).open("ab") as writer:
            writer.write(TEXT.encode()[500:])
        return stream

    with monkeypatch.context() as patch:
        opened(patch, grow)
        done = shop.ingest()
    assert done.files == [GOOD]
    assert done.unread[BAD].startswith("it was still being written: 500 bytes of ")
    assert_good(shop)
    done = shop.ingest()
    assert (done.files, done.unread, done.books.accepted) == ([BAD], {}, {"sessions": 200})
    assert_good(shop, *ids())


def test_of_a_file_that_grew_after_it_was_ingested_only_the_new_records_are_news(shop: Shop) -> None:
    content = TEXT.encode()
    half = content[: content.index(b"\n", 9_000) + 20]  # and a half written record
    first = half.count(b"\n")
    land(shop, b"{broken\n" + half)
    done = shop.ingest()
    assert done.books_by_file[BAD].accepted == {"sessions": first}
    assert done.books_by_file[BAD].rejected == {"not_json": 2}
    land(shop, b"{broken\n" + content)
    assert shop.new() == [BAD]
    books = shop.ingest().books_by_file[BAD]
    assert books.accepted == {"sessions": len(SESSIONS) - first}
    assert (books.duplicate, books.rejected) == ({"sessions": first, "rejects": 1}, {})
    rows = [row for row in shop.rows("ingested_files") if row["landed_as"] == BAD]
    (second,) = [row for row in rows if row["source_file"] != BAD]
    assert (len(rows), second["source_file"]) == (2, f"{BAD}#{second['content'][:8]}")
    sources = {row["session_id"]: row["source_file"] for row in shop.rows("search_sessions")}
    assert (sources["b0"], sources[f"b{first}"]) == (BAD, second["source_file"])
    # the half written record stays as it was refused, with its number
    refused = sorted((row["source_file"], row["record_number"]) for row in shop.rows("rejected_records"))
    assert refused == [(BAD, 1), (BAD, first + 2)]
    assert shop.new() == []
    assert_good(shop, *ids())


PEAK = """
import os, resource, sys
from pathlib import Path
from ft_assets_tests.shop import Shop, session
shop = Shop(Path(sys.argv[1]))
shop.put("embedding_studio/1.ndjson", [session(f"s{at}") for at in range(1_000)])
shop.ingest()
with (shop.landing / "embedding_studio/2.ndjson").open("wb") as stream:
    for _ in range(100):
        stream.write(b'{"session_id": "x", "search_query": "' if not stream.tell() else b"x" * (1 << 20))
    stream.write(b'"}\\n')
shop.put("embedding_studio/3.ndjson", [session("good")])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
done = shop.ingest()
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
(row,) = shop.rows("rejected_records")
books, grown = done.books, after - before >> 10
print(dict(books.rejected), dict(books.accepted), row["detail"], len(row["raw"]), grown, sep="|", flush=True)
os._exit(0)  # what counts was printed: threads of libraries need not end
"""


def test_a_line_of_100_mb_is_refused_in_little_memory(tmp_path: Path) -> None:
    told = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path)], capture_output=True, text=True, check=True).stdout
    rejected, accepted, detail, kept, peak = told.strip().split("|")
    assert (rejected, accepted) == ("{'line_too_long': 1}", "{'sessions': 1}")
    assert detail.startswith(f"a line must be at most {lines.LINE_BYTES} bytes, got 1038")
    assert int(kept) == lines.KEPT_BYTES
    assert int(peak) < 300


def test_what_could_not_be_read_is_tried_once_and_the_ingestion_ends(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def fail(file: LandedFile, stream: BinaryIO) -> BinaryIO:
        tries.append(file.name)
        stream.close()
        raise OSError("not now")

    land(shop, b"{}")
    opened(monkeypatch, fail)
    monkeypatch.setattr(ingestion, "GROUP_FILES", 1)
    assert shop.ingest().files == [GOOD]
    assert tries == [BAD]
