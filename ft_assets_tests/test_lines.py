"""Lines: whatever a file holds, every line of it is there with its number."""

import gzip
import hashlib
import io
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets import lines


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def raws(path: Path) -> list[str]:
    return [line.raw for line in lines.read_lines(path)]


def problems(path: Path) -> dict[int, str]:
    return {line.number: line.problem for line in lines.read_lines(path) if line.problem}


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


def read(content: bytes, digest: lines.Digest | None = None) -> list[lines.Line]:
    """All lines of a stream of this content."""
    found = []
    for batch in lines.read_batches(io.BytesIO(content), 7, digest):
        batch.validate(full=True)
        assert batch.schema.equals(lines.LINE_SCHEMA)
        rows = batch.to_pydict()
        assert set(rows.pop("file_number")) == {7}
        found += map(lines.Line, *rows.values())
    return found


def split_plainly(content: bytes, longest: int, kept: int) -> list[lines.Line]:
    """The same by the rules, byte by byte and without a thought of speed."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return [lines.Line(1, "UTF-16", "not_utf8")]
    raws, found = [bytearray()], []
    for byte in content:
        if byte == 10:
            raws.append(bytearray())
        else:
            raws[-1].append(byte)
    if not raws[-1]:
        raws.pop()
    for number, raw in enumerate(raws, 1):
        if len(raw) > longest:
            found.append(lines.Line(number, raw[:kept].decode("utf-8", "replace"), "line_too_long", f"got {len(raw)};"))
            continue
        each = bytes(raw[:-1] if raw[-1:] == b"\r" else raw)
        each = each[3:] if number == 1 and each[:3] == b"\xef\xbb\xbf" else each
        try:
            found.append(lines.Line(number, each.decode("utf-8")))
        except UnicodeDecodeError as error:
            found.append(lines.Line(number, each.decode("utf-8", "replace"), "not_utf8", f"offset {error.start}"))
    return found


# What lines are made of, and what breaks splitters: line ends, parts of characters, byte order marks, gzip's first bytes.
SOUND = [b"\n", b"\n", b"\r\n", b"\r", b"a", b"\0", "é\u2028🙂".encode(), b"\xef\xbb\xbf", b"\n\xef\xbb\xbf", b"x" * 9]
BROKEN = [*SOUND, b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", *(bytes([byte]) for byte in "é\u2028🙂".encode())]
STARTS = st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"\xef", b"\xff\xfe", b"\xfe\xff"])
RESTS = [st.lists(st.sampled_from(parts), max_size=120).map(b"".join) for parts in (SOUND, BROKEN)]
CONTENTS = st.tuples(STARTS, st.one_of(*RESTS, st.binary(max_size=200))).map(b"".join)


class Dripping(io.BytesIO):
    """A stream that gives less than it is asked for, as sockets do."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        super().__init__(content)
        self.sizes = sizes

    def read(self, size: int | None = -1, /) -> bytes:
        self.sizes.append(self.sizes.pop(0))
        return super().read(min(size or -1, self.sizes[0]))


@settings(deadline=None, derandomize=True, max_examples=1_000)
@given(
    content=CONTENTS,
    block=st.integers(2, 40) | st.just(500),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 200), max_size=3) | st.none(),
    longest=st.integers(8, 30),
)
def test_lines_are_what_a_plain_splitter_finds(
    content: bytes, block: int, sizes: list[int], cuts: list[int] | None, longest: int
) -> None:
    packed = content.removeprefix(b"\x1f\x8b")  # plain bytes that begin so are a damaged gzip file
    while cuts is None and packed.startswith(b"\x1f\x8b"):
        packed = packed.removeprefix(b"\x1f\x8b")
    content = packed if cuts is None else content
    if cuts is not None:  # members of gzip
        ends = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
        packed = b"".join(gzip.compress(content[a:b]) for a, b in itertools.pairwise(ends)) + b"\0" * block
    digest = hashlib.sha256()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("BLOCK_BYTES", block), ("LINE_BYTES", longest), ("KEPT_BYTES", 5)):
            patch.setattr(lines, name, value)
        found = []
        for batch in lines.read_batches(Dripping(packed, sizes), 0, digest):
            batch.validate(full=True)
            found += [lines.Line(*list(row.values())[1:]) for row in batch.to_pylist()]
    expected = split_plainly(content, longest, 5)
    assert [line.number for line in found] == [line.number for line in expected]
    assert [line.problem for line in found] == [line.problem for line in expected]
    for line, wanted in zip(found, expected, strict=True):
        assert wanted.raw in (line.raw, "UTF-16")
        assert (wanted.detail or "") in (line.detail or "")
        assert (line.detail is None) == (line.problem is None)
    assert digest.hexdigest() == hashlib.sha256(content).hexdigest()


def test_numbers_go_on_across_blocks_and_only_the_first_byte_order_mark_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 80)
    found = read(b"\xef\xbb\xbfline\n" * 100)
    assert [line.number for line in found] == [*range(1, 101)]
    assert [line.raw for line in found] == ["line", *["\ufeffline"] * 99]


def test_a_line_of_the_greatest_length_is_read_and_one_byte_more_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINE_BYTES", 30)
    bom = b"\xef\xbb\xbf"
    assert [line.problem for line in read(bom + b"x" * 27 + b"\n")] == [None]
    assert [line.problem for line in read(bom + b"x" * 28 + b"\n")] == ["line_too_long"]
    assert [line.problem for line in read(b"a\n" + b"x" * 30 + b"\n" + b"y" * 31 + b"\nb\n")] == [
        None,
        None,
        "line_too_long",
        None,
    ]


def test_a_bad_line_does_not_spoil_its_block() -> None:
    content = b"".join(b"%d\r\n" % at if at != 500 else b"\xff\r\n" for at in range(1000))
    found = read(content)
    assert [line.raw for line in found] == [str(at) if at != 500 else "\ufffd" for at in range(1000)]
    assert [line.number for line in found if line.problem] == [501]


def test_halves_of_a_character_on_two_lines_are_two_bad_lines() -> None:
    assert [line.problem for line in read(b"a\xc3\n\xa9b\n")] == ["not_utf8", "not_utf8"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_file_in_utf16_is_one_line_with_a_problem(encoding: str, is_packed: bool) -> None:
    content = ("\ufeff" + '{"item_id": "a"}\n' * 100_000).encode(encoding)
    digest = hashlib.sha256()
    (line,) = read(gzip.compress(content) if is_packed else content, digest)
    assert (line.number, line.problem) == (1, "not_utf8")
    assert "UTF-16; convert it" in (line.detail or "")
    assert line.raw.startswith('{"item_id": "a"}\n')
    assert len(line.raw) < lines.KEPT_BYTES
    assert digest.digest() == hashlib.sha256(content).digest()


def test_the_digest_of_a_damaged_file_is_not_that_of_what_could_be_had() -> None:
    packed = gzip.compress(b"1\n2\n")
    digests = [hashlib.sha256() for _ in range(3)]
    for content, digest in zip((packed, packed[:-4], packed[:-4]), digests, strict=True):
        assert [line.raw for line in read(content, digest)][:2] == ["1", "2"]
    assert digests[0].digest() == hashlib.sha256(b"1\n2\n").digest()
    assert digests[1].digest() == hashlib.sha256(b"1\n2\n" + lines.DAMAGED).digest() == digests[2].digest()


def test_many_small_members_become_few_batches() -> None:
    content = b"".join(gzip.compress(b"%d\n" % at) for at in range(2_000))
    batches = list(lines.read_batches(io.BytesIO(content), 0))
    assert len(batches) == 1
    assert batches[0]["raw"].to_pylist() == [str(at) for at in range(2_000)]


PEAK = """
import resource, sys
from ft_assets import lines
class OneLine:
    left = int(sys.argv[1])
    def read(self, size):
        given = min(size, self.left)
        self.left -= given
        return b"x" * given
stream = open(sys.argv[2], "rb") if len(sys.argv) > 2 else OneLine()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = [row for batch in lines.read_batches(stream, 0) for row in batch.slice(0, 3).to_pylist()]
print(len(rows), rows[0]["problem"], rows[0]["detail"], sep="|")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.parametrize("is_bomb", [False, True])
def test_a_line_of_400_mb_takes_little_memory_packed_or_not(tmp_path: Path, is_bomb: bool) -> None:
    size, bomb = 400 << 20, tmp_path / "bomb.gz"
    if is_bomb:
        with gzip.open(bomb, "wb", compresslevel=1) as stream:
            for _ in range(size >> 20):
                stream.write(b"x" * (1 << 20))
    command = [sys.executable, "-c", PEAK, str(size), *([str(bomb)] if is_bomb else [])]
    told, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert told.startswith("1|line_too_long|")
    assert f"got {size};" in told
    assert int(peak) < 120


def test_a_damaged_zip_bomb_takes_little_memory_too(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"\n".join([b"x" * (64 << 20)] * 4), 9))
    packed[-5] ^= 0xFF
    bomb = write(tmp_path / "bomb.gz", bytes(packed))
    command = [sys.executable, "-c", PEAK, "0", str(bomb)]
    told, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert told.startswith("4|line_too_long|")
    assert int(peak) < 120
