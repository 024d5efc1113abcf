"""The lake in an object store: the same runs, the tables behind ``FT_ASSETS_LAKE``."""

import datetime as dt
import io
import os
import subprocess
import sys
import time
import urllib.request

import pyarrow.parquet as pq
import pytest

from ft_assets import headless, read_table, schemas
from ft_assets.forget import forget
from ft_assets.ingestion import ingest, new_files
from ft_assets.lake import Home, Lake
from ft_assets.simulate import simulate
from ft_assets_tests import person
from ft_assets_tests.builders import table_of, vector
from ft_assets_tests.dagster_ui import free_port

pytest.importorskip("moto.server", reason="moto[server] stands in for S3")


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    """An S3 of our own in another process: Delta's client would wait for one in this process while it holds its lock."""
    port = free_port()
    with (tmp_path / "moto.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], stdout=log, stderr=log)
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for _ in range(100):
        try:
            request = urllib.request.Request(f"{settings['AWS_ENDPOINT_URL']}/lake", method="PUT")
            urllib.request.urlopen(request, timeout=5).close()
            break
        except OSError:
            time.sleep(0.2)
    yield "s3://lake/ft_assets"
    server.terminate()
    server.wait(10)


@pytest.mark.slow
def test_a_lake_in_an_object_store_holds_what_a_local_one_does(home, bucket, monkeypatch):
    simulate(home.landing, days=1, sessions=20, seed=4)
    made = {}
    for lake in (None, bucket):
        if lake:
            monkeypatch.setenv("FT_ASSETS_LAKE", lake)
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
    assert made[None][0] == made[bucket][0]
    assert made[None][1].equals(made[bucket][1])
    assert made[bucket][1].num_rows > 0


def objects(bucket: str) -> dict[str, bytes]:
    """Every object under the lake, Parquet files with what is in them."""
    boto3 = pytest.importorskip("boto3")
    store = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    name, prefix = bucket.removeprefix("s3://").split("/", 1)
    found = {}
    for page in store.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix):
        for entry in page.get("Contents", []):
            data = store.get_object(Bucket=name, Key=entry["Key"])["Body"].read()
            rows = str(pq.read_table(io.BytesIO(data)).to_pylist()).encode() if data.startswith(b"PAR1") else b""
            found[entry["Key"]] = data + rows
    return found


@pytest.mark.slow
def test_who_is_forgotten_is_in_no_object_of_the_store(home, bucket):
    person.land(home.landing)
    lake = Lake(bucket)
    ingest(lake, new_files(lake, home.landing))
    lake.append("text_vectors", table_of("text_vectors", [vector(person.QUERIES[0], "query"), vector("tea", "query")]), {})
    before = objects(bucket)
    told = [key for key, data in before.items() if any(needle in data for needle in person.needles())]
    assert len(told) >= 5
    done = forget(lake, home.landing, person.USER, b"a key of sixteen", alone=True)
    assert done.rows["search_sessions"] == 3
    after = objects(bucket)
    assert [key for key, data in after.items() if any(needle in data for needle in person.needles())] == []
    assert sum(done.history.values()) >= len(told)
    assert lake.slice("search_sessions").row_count == 4
    assert lake.slice("text_vectors").row_count == 1
    again = forget(lake, home.landing, person.USER, b"a key of sixteen", alone=True)
    assert again.is_empty
    assert not again.history
    assert objects(bucket) == after
