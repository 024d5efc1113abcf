"""The lake and the landing place in an object store: the same runs, behind ``FT_ASSETS_LAKE`` and ``FT_ASSETS_LANDING``."""

import datetime as dt
import gzip
import http.client
import io
import itertools
import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from contextlib import nullcontext
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ft_assets import cli, headless, landing, places, read_table, schemas
from ft_assets.forget import forget
from ft_assets.ingestion import ingest, new_files
from ft_assets.lake import Home, Lake
from ft_assets.simulate import simulate
from ft_assets_tests import person
from ft_assets_tests.builders import table_of, vector
from ft_assets_tests.dagster_ui import free_port

pytest.importorskip("moto.server", reason="moto[server] stands in for S3")

NAMES = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """An S3 of our own in another process: Delta's client would wait for one in this process while it holds its lock."""
    address = f"127.0.0.1:{free_port()}"
    with (tmp_path_factory.mktemp("moto") / "log").open("wb") as log:
        command = [sys.executable, "-m", "moto.server", "-p", address.split(":")[1]]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://{address}/", timeout=5).close()
            break
        except OSError:
            time.sleep(0.2)
    yield address
    process.terminate()
    process.wait(10)


@pytest.fixture
def bucket(monkeypatch, server):
    """The address of an empty bucket, reached through the usual environment."""
    settings = {
        "AWS_ENDPOINT_URL": f"http://{server}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{next(NAMES)}"
    put_objects(server, {f"/{name}": b""})
    return f"s3://{name}"


def put_objects(server, objects):
    """What other programs put there, without our code."""
    connection = http.client.HTTPConnection(server, timeout=10)
    for path, content in objects.items():
        connection.request("PUT", urllib.parse.quote(path), content)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
    connection.close()


def all_keys(place):
    """Every object below a URL, pending or not; without the empty ones that stand for folders."""
    from pyarrow.fs import FileSelector

    store = places.ObjectStore(place)
    found = store.file_system.get_file_info(FileSelector(store.root, recursive=True, allow_not_found=True))
    return sorted(info.path[len(store.root) + 1 :] for info in found if info.is_file)


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def content(file):
    with file.open() as stream:
        return stream.read()


def test_files_are_landed_listed_and_read(bucket, tmp_path, home, monkeypatch):
    place = f"{bucket}/shop one/landing/"
    monkeypatch.setenv("FT_ASSETS_LANDING", place)
    write(tmp_path / "dump/2025/a b%20é+#?.ndjson", '{"item_id": "a", "text": "t"}\n')
    write(tmp_path / "dump/empty.ndjson", "")
    write(tmp_path / "dump/.hidden/a", "no")
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=2)
    said = CliRunner().invoke(cli.main, ["land", "--format", "items", str(tmp_path / "dump")], catch_exceptions=False)
    assert said.output == f"landed 2 files in {place}\n"
    names = ["items/2025/a b%20é+#?.ndjson", "items/empty.ndjson"]
    assert all_keys(place) == names
    found = landing.landed_files(Home.find().landing)
    assert [(file.name, file.format) for file in found] == [(name, "items") for name in names]
    assert [file.path for file in found] == [place + name for name in names]
    assert [content(file) for file in found] == [b'{"item_id": "a", "text": "t"}\n', b""]
    for file in found:
        assert file.state() == (file.bytes, file.modified_at)
        assert before < file.modified_at < before + dt.timedelta(minutes=1)
        assert file.modified_at.tzinfo is dt.UTC
    assert landing.landed_files(place) == found


def test_what_others_put_there_is_found_and_pending_names_are_not(bucket, server):
    name = bucket.removeprefix("s3:/")
    objects = [
        "ubi/a.ndjson",
        "ubi/b.tmp",
        "ubi/.c",
        "ubi/.d/e",
        "ubi/f.tmp/g",
        "ubi/folder/",
        "ubi//h",
        "ubii/a",
        "x.csv",
        ".i",
    ]
    put_objects(server, {f"{name}/l/{each}": b"{}\n" if each[-1] != "/" else b"" for each in objects})
    assert [file.name for file in landing.landed_files(f"{bucket}/l")] == ["ubi/a.ndjson"]
    assert landing.unknown_folders(f"{bucket}/l") == ["ubii", "x.csv"]
    assert landing.landed_files(f"{bucket}/nothing") == []
    assert landing.unknown_folders(f"{bucket}/nothing") == []


def test_a_whole_bucket_is_a_landing_place_too(bucket, tmp_path):
    landing.land(bucket, "ubi", [write(tmp_path / "a", "1\n")])
    assert [(file.name, content(file)) for file in landing.landed_files(bucket)] == [("ubi/a", b"1\n")]


@pytest.mark.long
def test_2500_objects_are_all_listed(bucket, server):
    names = [f"ubi/{at % 3}/{at:04}.ndjson" for at in range(2_500)]
    put_objects(server, {f"{bucket.removeprefix('s3:/')}/l/{name}": b"{}\n" for name in names})
    assert [file.name for file in landing.landed_files(f"{bucket}/l")] == sorted(names)


def test_a_name_taken_by_other_content_is_refused_before_anything_is_copied(bucket, tmp_path):
    place = f"{bucket}/l"
    old = write(tmp_path / "a.ndjson", "old\n")
    landing.land(place, "ubi", [old])
    (there,) = landing.landed_files(place)
    assert landing.land(place, "ubi", [old]) == [there.path]
    for other in ("new\n", "longer\n"):
        sources = [write(tmp_path / "x/0.ndjson", "0\n"), write(tmp_path / "x/a.ndjson", other)]
        with pytest.raises(FileExistsError, match=r"a\.ndjson is there with other content"):
            landing.land(place, "ubi", sources)
    with pytest.raises(FileExistsError, match=r"ubi/a\.ndjson must be a folder to hold .*/b, it is a file"):
        landing.land(place, "ubi", [write(tmp_path / "y/a.ndjson/b", "1\n").parents[1]])
    write(tmp_path / "z/c/d", "1\n")
    landing.land(place, "ubi", [tmp_path / "z"])
    with pytest.raises(FileExistsError, match="ubi/c is there with other content"):
        landing.land(place, "ubi", [write(tmp_path / "c", "1\n")])
    assert all_keys(place) == ["ubi/a.ndjson", "ubi/c/d"]
    assert landing.landed_files(place)[0] == there


def test_an_upload_that_breaks_off_leaves_nothing(bucket, tmp_path):
    def broken_off():
        yield b"x" * (6 << 20)  # more than a part of an upload
        raise KeyboardInterrupt

    place = places.place_at(f"{bucket}/l")
    with pytest.raises(KeyboardInterrupt):
        place.put(f"{bucket}/l/ubi/a", broken_off(), replace=False)
    assert all_keys(f"{bucket}/l") == []
    landing.land(f"{bucket}/l", "ubi", [write(tmp_path / "a", "1\n")])
    (file,) = landing.landed_files(f"{bucket}/l")
    with pytest.raises(KeyboardInterrupt):
        landing.replace(file, broken_off())
    assert landing.landed_files(f"{bucket}/l") == [file]
    assert content(file) == b"1\n"
    assert all_keys(f"{bucket}/l") == ["ubi/a"]


@pytest.mark.parametrize("others", ["1\n", "2\n"])
def test_who_lands_the_name_during_an_upload_keeps_it(bucket, server, tmp_path, monkeypatch, others):
    source, came = write(tmp_path / "a", "1\n"), []

    def beaten(stream):
        yield stream.read()
        if not came:
            came.append(put_objects(server, {f"{bucket.removeprefix('s3:/')}/l/ubi/a": others.encode()}))

    monkeypatch.setattr(landing, "pieces", beaten)
    refused = pytest.raises(FileExistsError, match="is there with other content") if others == "2\n" else nullcontext()
    with refused:
        landing.land(f"{bucket}/l", "ubi", [source])
    assert came
    assert [content(file) for file in landing.landed_files(f"{bucket}/l")] == [others.encode()]
    assert all_keys(f"{bucket}/l") == ["ubi/a"]


def test_a_landed_file_is_replaced_and_a_vanished_one_does_not_come_back(bucket, tmp_path):
    landing.land(f"{bucket}/l", "ubi", [write(tmp_path / "é.ndjson", "keep\nforget\n")])
    (old,) = landing.landed_files(f"{bucket}/l")
    new = landing.replace(old, [b"ke", b"ep\n"])
    assert (new.bytes, new.name, content(old)) == (5, old.name, b"keep\n")
    assert landing.landed_files(f"{bucket}/l") == [new]
    assert old.state() == new.state() != (old.bytes, old.modified_at)
    store = places.ObjectStore(f"{bucket}/l")
    store.file_system.delete_file(f"{store.root}/{old.name}")
    assert old.state() is None
    with pytest.raises(FileNotFoundError):
        old.open()
    with pytest.raises(FileNotFoundError):
        landing.replace(old, [b"1\n"])
    assert all_keys(f"{bucket}/l") == []


def test_what_is_wrong_with_the_place_is_told(bucket, home, tmp_path, monkeypatch):
    monkeypatch.setenv("FT_ASSETS_LANDING", "s3://no-such-bucket/l")
    with pytest.raises(FileNotFoundError, match="there is no bucket no-such-bucket"):
        landing.landed_files(Home.find().landing)
    done = CliRunner().invoke(cli.main, ["land", "--format", "ubi", str(write(tmp_path / "a", "1\n"))])
    assert (done.exit_code, len(done.output.splitlines())) == (1, 1)
    assert "no-such-bucket" in done.output
    for place in ("s3:///l", f"{bucket}/l?region=x", "ftp://bucket/l"):
        with pytest.raises(ValueError, match=r"must be s3://bucket or|ftp"):
            landing.landed_files(place)
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(ValueError, match="AWS_ALLOW_HTTP must be true"):
        landing.landed_files(bucket)


def test_the_variables_of_s3_are_those_of_the_lake(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", os.environ["AWS_ENDPOINT_URL"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert landing.landed_files(f"{bucket}/l") == []
    assert places.ObjectStore(bucket).file_system.region == "eu-central-1"


EVENTS = [{"event_id": "e", "object_id": "i0", "event_type": "click", "created_at": 1793491210}]
RESULTS = [{"object_id": f"i{rank}", "rank": 9.0 - rank} for rank in range(3)]
SESSION = {"session_id": "s", "search_query": "q", "created_at": 1793491200, "search_results": RESULTS}


def test_landing_place_and_lake_are_one_bucket(bucket, home, tmp_path, monkeypatch):
    records = [SESSION, {"session_id": "s", "events": EVENTS}]
    log = tmp_path / "log.ndjson.gz"
    log.write_bytes(gzip.compress("".join(json.dumps(record) + "\n" for record in [*records, "?"]).encode()))
    monkeypatch.setenv("FT_ASSETS_LANDING", f"{bucket}/landing")
    monkeypatch.setenv("FT_ASSETS_LAKE", f"{bucket}/lake")
    command = [sys.executable, "-m", "ft_assets.cli", "land", "--format", "auto", str(log)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"landed 1 file in {bucket}/landing\n"
    home = Home.find()
    ingest(home.lake, new_files(home.lake, home.landing))
    assert new_files(home.lake, home.landing) == []
    rows = {name: home.lake.slice(name).row_count for name in ("search_sessions", "session_events", "rejected_records")}
    assert rows == {"search_sessions": 1, "session_events": 1, "rejected_records": 1}
    assert not (home.path / "landing").exists()
    assert not (home.path / "lake").exists()


def test_simulated_files_land_there_too(bucket, home, monkeypatch):
    monkeypatch.setenv("FT_ASSETS_LANDING", f"{bucket}/l")
    arguments = ["simulate", "--days", "1", "--sessions", "5", "--seed", "1"]
    line = f"simulated 1 days of 5 sessions (seed 1): 3 files in {bucket}/l"
    assert CliRunner().invoke(cli.main, arguments, catch_exceptions=False).output == f"{line}\n"
    assert CliRunner().invoke(cli.main, arguments, catch_exceptions=False).output == f"{line} that were there already\n"
    simulate(home.landing, days=1, sessions=5, seed=1)
    here, there = landing.landed_files(home.landing), landing.landed_files(f"{bucket}/l")
    assert [(file.name, content(file)) for file in here] == [(file.name, content(file)) for file in there]


FORKING = """
import os, sys
from ft_assets import landing
place = sys.argv[1]
(file,) = landing.landed_files(place)
stream = file.open()
child = os.fork()
(again,) = landing.landed_files(place)
with again.open() as other:
    assert other.read() == b"1\\n"
assert file.state() is not None
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


def test_a_process_that_forks_and_leaves_a_file_open_ends_in_silence(bucket, tmp_path):
    landing.land(f"{bucket}/l", "ubi", [write(tmp_path / "a", "1\n")])
    command = [sys.executable, "-W", "error", "-c", FORKING, f"{bucket}/l"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_a_lake_in_an_object_store_holds_what_a_local_one_does(home, bucket, monkeypatch):
    simulate(home.landing, days=1, sessions=20, seed=4)
    landing.land_by_guess(f"{bucket}/landing", [home.landing / "items", home.landing / "embedding_studio"])
    made = {}
    for lake, place in ((None, None), (f"{bucket}/ft_assets", f"{bucket}/landing")):
        if lake and place:
            monkeypatch.setenv("FT_ASSETS_LAKE", lake)
            monkeypatch.setenv("FT_ASSETS_LANDING", place)
        home = Home.find()
        with headless.instance_of(home) as instance:
            done = headless.run_until_nothing_is_new(home, instance, lambda line: None)
            assert done.succeeded, (done.failed, done.failed_checks)
            assert headless.run_until_nothing_is_new(home, instance, lambda line: None).runs == 0
        keys = [(name, "ascending") for name in ("session_id", "positive_id", "negative_id")]
        day = dt.date(2026, 11, 1)
        made[lake] = (
            {name: home.lake.slice(name).row_count for name in schemas.TABLES},
            read_table("fine_tuning_features", session_date=day).sort_by(keys),
        )
    here, there = made.values()
    assert here[0] == there[0]
    assert here[1].equals(there[1])
    assert there[1].num_rows > 0


def objects(bucket: str) -> dict[str, bytes]:
    """Every object of the bucket, Parquet files with what is in them."""
    boto3 = pytest.importorskip("boto3")
    store = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    name = bucket.removeprefix("s3://")
    found = {}
    for page in store.get_paginator("list_objects_v2").paginate(Bucket=name):
        for entry in page.get("Contents", []):
            data = store.get_object(Bucket=name, Key=entry["Key"])["Body"].read()
            data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
            rows = str(pq.read_table(io.BytesIO(data)).to_pylist()).encode() if data.startswith(b"PAR1") else b""
            found[entry["Key"]] = data + rows
    return found


@pytest.mark.long
def test_who_is_forgotten_is_in_no_object_of_the_store(home, bucket, server):
    person.land(home.landing)
    place, lake = f"{bucket}/landing", Lake(f"{bucket}/lake")
    landing.land_by_guess(place, [home.landing / format_ for format_ in ("items", "embedding_studio", "ubi")])
    ingest(lake, new_files(lake, place))
    lake.append("text_vectors", table_of("text_vectors", [vector(person.QUERIES[0], "query"), vector("tea", "query")]), {})
    put_objects(server, {f"/{bucket.removeprefix('s3://')}/landing/.0123456789abcdef.tmp": person.MARK.encode()})
    before = objects(bucket)
    told = [key for key, data in before.items() if any(needle in data for needle in person.needles())]
    assert len(told) >= 8
    done = forget(lake, place, person.USER, b"a key of sixteen", alone=True)
    assert done.rows["search_sessions"] == 3
    assert done.leftovers == [".0123456789abcdef.tmp"]
    after = objects(bucket)
    assert [key for key, data in after.items() if any(needle in data for needle in person.needles())] == []
    assert {key for key, data in after.items() if key.startswith("landing/") and data} == {
        f"landing/{name}" for name in person.files()
    }
    assert lake.slice("search_sessions").row_count == 4
    assert lake.slice("text_vectors").row_count == 1
    assert new_files(lake, place) == []
    again = forget(lake, place, person.USER, b"a key of sixteen", alone=True)
    assert again.is_empty
    assert not again.history
    assert objects(bucket) == after
