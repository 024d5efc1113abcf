"""The lake in an object store: the same runs, the tables behind ``FT_ASSETS_LAKE``."""

import datetime as dt
import subprocess
import sys
import time
import urllib.request

import pytest

from ft_assets import headless, read_table, schemas
from ft_assets.lake import Home
from ft_assets.simulate import simulate
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
