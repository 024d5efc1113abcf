"""The UI in a real browser, and the daemon behind it: what a user sees, and what the sensors do when they are on."""

import datetime as dt
import gzip
import json
from pathlib import Path

import pytest

from ft_assets import headless, lineage
from ft_assets.checks import checks
from ft_assets.lake import Home
from ft_assets.simulate import simulate
from ft_assets_tests.dagster_ui import CHROMIUM, GRAPH, ask, browser_page, dagster_ui, follow_launched_run, materialize, spoil

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed: apt-get install chromium"),
]
WINDOW_CHECK = "assets/fine_tuning_features?view=checks&checkDetail=pairs_are_inside_the_window"


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
    with browser_page() as page:
        yield page


def test_the_graph_shows_the_groups_every_table_its_days_and_its_checks(page, address):
    page.set_viewport_size({"width": 3400, "height": 2800})  # what lies outside is not drawn
    page.goto(f"{address}{GRAPH}")
    for table in ("clickstream", "features", *lineage.DAILY, *lineage.LOG):
        page.get_by_text(table, exact=True).first.wait_for()
    page.get_by_text("100% filled").nth(len(lineage.DAILY) - 1).wait_for()
    of_features = sum(check.table == "fine_tuning_features" for check in checks())
    page.get_by_text(f"{of_features} / {of_features} Passed").first.wait_for()
    assert page.get_by_text("100% filled").count() == len(lineage.DAILY)
    assert page.get_by_text("Failed").count() == 0


def test_a_table_shows_its_description_its_columns_and_a_day_its_numbers_and_picture(page, address):
    page.goto(f"{address}/assets/fine_tuning_features?view=overview")
    page.get_by_text("This is the table to train on").wait_for()
    page.get_by_text("How far the event can be believed.").wait_for()
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


def test_a_day_is_materialized_from_the_ui_and_its_checks_go_green(made, page, address):
    day, before = days_of(made)[1], versions(made, "fine_tuning_features")
    materialize(page, address, "assets/fine_tuning_features", day, ends="Success")
    after = versions(made, "fine_tuning_features")
    assert after[day] > before[day]
    page.goto(f"{address}/{WINDOW_CHECK}")
    page.get_by_text("Execution history").wait_for()
    page.get_by_text("Partitions", exact=True).last.click()
    page.get_by_text(day.isoformat(), exact=True).locator("visible=true").last.click()
    page.get_by_text("Passed", exact=True).last.wait_for()


def test_a_planted_violation_turns_its_check_red_and_shows_the_rows(made, page, address):
    day = days_of(made)[0]
    sessions = spoil(made.lake, "fine_tuning_features", day, "positive_rank", lambda _: 10.0)
    page.goto(f"{address}/{WINDOW_CHECK}")
    page.get_by_role("button", name="Execute all").click()
    follow_launched_run(page, ends="Failure")
    page.goto(f"{address}/{WINDOW_CHECK}")
    page.get_by_text("2 rows break the rule").first.wait_for()
    page.get_by_text(sessions[0]).first.wait_for()


def test_a_failed_blocking_check_stops_what_is_behind_its_table(made, page, address):
    day = days_of(made)[0]
    before = {name: versions(made, name)[day] for name in lineage.DAILY}
    sound = made.lake.slice("search_sessions").version
    spoil(made.lake, "search_sessions", day, "results", lambda shown: [{**shown[0], "rank": float("nan")}, *shown[1:]])
    run = materialize(page, address, "locations/ft_assets/jobs/features_job", day, ends="Failure")
    made.lake.open("search_sessions").restore(sound)
    steps = ask(
        address,
        "query ($run: ID!) { runOrError(runId: $run) { ... on Run { stepStats { stepKey status } } } }",
        run=run,
    )["runOrError"]["stepStats"]
    status = {step["stepKey"]: step["status"] for step in steps}
    assert status["fine_tuning_inputs_checks"] == "FAILURE"
    assert {status.get(name, "SKIPPED") for name in ("sampled_inputs", "pair_features", "fine_tuning_features")} == {"SKIPPED"}
    after = {name: versions(made, name)[day] for name in lineage.DAILY}
    assert {name for name in before if after[name] != before[name]} == {"flagged_sessions", "fine_tuning_inputs"}


def test_with_the_sensors_on_a_late_event_is_ingested_and_its_day_alone_is_made_anew(made, page, address):
    before, days = versions(made, "fine_tuning_features"), days_of(made)
    switch_on(page, address, "landed_files_sensor")
    late_event(made, days[0])
    newest_run_succeeds(page, address, "landed_files_sensor")
    switch_on(page, address, "touched_days_sensor")
    newest_run_succeeds(page, address, "touched_days_sensor")
    after = versions(made, "fine_tuning_features")
    assert after[days[0]] > before[days[0]]
    assert after[days[1]] == before[days[1]]


def days_of(home: Home) -> list[dt.date]:
    return sorted(versions(home, "fine_tuning_features"))


def versions(home: Home, table: str) -> dict[dt.date, int]:
    return {day: commit.version for day, commit in lineage.day_commits(home.lake, table).items()}


def switch_on(page, address: str, sensor: str) -> None:
    page.goto(f"{address}/locations/ft_assets/sensors/{sensor}")
    page.locator("input[type=checkbox]").first.dispatch_event("click")  # the switch is drawn beside it
    page.get_by_text("Sensor has never run").wait_for(state="detached")


def newest_run_succeeds(page, address: str, sensor: str) -> None:
    """The Runs page shows a run of the sensor's, which ends well."""
    page.goto(f"{address}/runs")
    page.get_by_text(sensor).first.wait_for()
    page.get_by_text("View", exact=True).first.click()
    page.wait_for_url("**/runs/*")
    page.get_by_text("Success", exact=True).first.wait_for()


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
