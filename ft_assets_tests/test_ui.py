"""The UI in a real browser, and the daemon behind it: what a user sees, and what the sensors do when they are on."""

import gzip
import json
import shutil
import time
import urllib.request
from pathlib import Path

import pytest

from ft_assets import headless, lineage
from ft_assets.lake import Home
from ft_assets.simulate import simulate
from ft_assets_tests.dagster_ui import dagster_ui

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed: apt-get install chromium"),
]
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Home:
    path = tmp_path_factory.mktemp("ui") / "home"
    path.mkdir()
    (path / "config.yaml").write_text("resources: {encoder: {config: {model: 'hashing:64'}}}\n")
    home = Home(path)
    simulate(home.landing, days=2, sessions=25, seed=2)
    with headless.instance_of(home) as instance:
        assert headless.run_until_nothing_is_new(home, instance, lambda line: None).succeeded
    return home


@pytest.fixture(scope="module")
def address(made, tmp_path_factory):
    with dagster_ui(made, tmp_path_factory.mktemp("log") / "dagster.log") as address:
        yield address


@pytest.fixture(scope="module")
def page(address):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": 2300, "height": 1000})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def ask(address: str, query: str, **variables: object) -> dict:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        answered = json.load(answer)
    assert "errors" not in answered, answered
    return answered["data"]


def test_the_graph_shows_every_table_its_days_and_its_checks(page, address):
    groups = "global%40global%3Aclickstream%2Cglobal%40global%3Afeatures"
    page.set_viewport_size({"width": 3400, "height": 2800})  # what lies outside is not drawn
    page.goto(f"{address}/asset-groups/?expanded={groups}")
    for table in (*lineage.DAILY, *lineage.LOG):
        page.get_by_text(table, exact=True).first.wait_for()
    page.get_by_text("100% filled").nth(len(lineage.DAILY) - 1).wait_for()
    page.get_by_text("/ 6 Passed").nth(2).wait_for()
    assert page.get_by_text("100% filled").count() == len(lineage.DAILY)
    assert page.get_by_text("Failed").count() == 0


def test_a_table_shows_its_columns_and_a_day_its_numbers_and_picture(page, address):
    page.goto(f"{address}/assets/fine_tuning_features?view=overview")
    page.get_by_text("How far the event can be believed, in [0, 1].").wait_for()
    page.goto(f"{address}/assets/fine_tuning_features?view=events")
    page.get_by_text("share_ordered_right").wait_for()
    page.get_by_text("pairs_clamped").wait_for()
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.locator("img[src^='data:image/png']").first
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 300


def test_an_ingestion_shows_its_books(page, address):
    page.goto(f"{address}/assets/ingested_files?view=events")
    page.get_by_text("books_by_file").first.wait_for()
    page.get_by_text("waiting_rows").first.wait_for()


def test_a_check_says_its_rule_and_has_a_status_for_every_day(page, address):
    page.goto(f"{address}/assets/fine_tuning_features?view=checks&checkDetail=pairs_are_inside_the_window")
    page.get_by_text("min < |positive_rank - negative_rank| < max").first.wait_for()
    page.get_by_text("blocking").first.wait_for()
    page.get_by_text("Passed").first.wait_for()


def test_the_launchpad_offers_every_setting_with_its_description(page, address):
    page.goto(f"{address}/locations/ft_assets/jobs/features_job/playground")
    page.get_by_text("negative_downsampling_factor").first.wait_for()
    page.get_by_text("max_abs_difference_threshold").first.wait_for()


def test_with_the_sensors_on_a_late_event_is_ingested_and_its_day_alone_is_made_anew(made, address):
    start = """mutation ($name: String!) { startSensor(sensorSelector: {repositoryName: "__repository__",
        repositoryLocationName: "ft_assets", sensorName: $name}) { ... on Sensor { name } ... on PythonError { message } } }"""
    before = {day: commit.version for day, commit in lineage.day_commits(made.lake, "fine_tuning_features").items()}
    days = sorted(before)
    late_event(made, days[0])
    for sensor in ("landed_files_sensor", "touched_days_sensor"):
        assert ask(address, start, name=sensor)["startSensor"] == {"name": sensor}
    until = time.monotonic() + 180
    while time.monotonic() < until:
        after = {day: commit.version for day, commit in lineage.day_commits(made.lake, "fine_tuning_features").items()}
        if after[days[0]] > before[days[0]]:
            break
        time.sleep(1)
    assert after[days[0]] > before[days[0]], "the day was not made anew"
    assert after[days[1]] == before[days[1]]
    runs = ask(address, "{ runsOrError(limit: 5) { ... on Runs { results { jobName status tags { key value } } } } }")
    newest = [run["jobName"] for run in runs["runsOrError"]["results"]][:2]
    assert newest == ["features_job", "ingestion_job"]


def test_one_gpu_step_runs_at_a_time(made):
    with headless.instance_of(made) as instance:
        assert {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()} == {"gpu": 1}
        assert instance.get_concurrency_config().pool_config.pool_granularity.value == "run"


def late_event(home: Home, day) -> None:
    """A click on an item that was shown that day without one."""
    inputs = home.lake.slice("fine_tuning_inputs", day).to_table().to_pylist()
    row = next(row for row in inputs if not row["is_irrelevant"] and not all(row["clicked"]))
    event = {
        "event_id": "late",
        "object_id": row["item_ids"][row["clicked"].index(False)],
        "event_type": "click",
        "created_at": int(row["started_at"].timestamp()) + 3_600,
    }
    line = json.dumps({"session_id": row["session_id"], "events": [event]})
    place: Path = home.landing / "embedding_studio" / "late.ndjson.gz"
    place.with_name(".late.tmp").write_bytes(gzip.compress(f"{line}\n".encode()))
    place.with_name(".late.tmp").rename(place)
