"""Real sessions of a film search: counts that are known, from landed files to clamped features."""

import gzip
import json
from collections import defaultdict

import dagster as dg
import pytest

from ft_assets import headless, landing, schemas
from ft_assets.lake import Home
from ft_assets.reports import CheckOutcome

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(real_data, tmp_path_factory) -> tuple[Home, dict[str, int], list[CheckOutcome], list[str]]:
    path = tmp_path_factory.mktemp("msrd") / "home"
    path.mkdir()
    (path / "config.yaml").write_text("resources: {encoder: {config: {model: 'hashing:64'}}}\n")
    home, said = Home(path), []
    landing.land_by_guess(home.landing, [real_data / "msrd"])
    with headless.instance_of(home) as instance:
        done = headless.run_until_nothing_is_new(home, instance, said.append)
        assert done.succeeded, (done.failed, done.failed_checks)
        outcomes = headless.check_outcomes(instance)
        encoded = encoded_texts(instance)
    return home, encoded, outcomes, said


def encoded_texts(instance: dg.DagsterInstance) -> dict[str, int]:
    records = instance.fetch_materializations(dg.AssetKey("text_vectors"), limit=100).records
    total: dict[str, int] = defaultdict(int)
    for record in records:
        for name in ("query_texts_encoded", "item_texts_encoded"):
            total[name] += record.asset_materialization.metadata[name].value
    return dict(total)


def test_nothing_of_the_log_is_lost(made):
    home, *_ = made
    rows = {name: home.lake.slice(name).row_count for name in schemas.TABLES}
    assert rows["search_sessions"] == rows["fine_tuning_inputs"] == rows["sampled_inputs"] == 1_063
    assert rows["session_events"] == 2_568
    assert rows["items"] == 5_394
    assert rows["rejected_records"] == 0
    shown = home.lake.slice("search_sessions").to_table(["results"])["results"]
    assert sum(len(results) for results in shown) == 24_799


def test_every_text_is_encoded_once(made):
    _, encoded, *_ = made
    assert encoded == {"query_texts_encoded": 1_063, "item_texts_encoded": 5_394}


def test_every_check_of_every_day_has_passed(made):
    *_, outcomes, _ = made
    assert len(outcomes) > 200
    assert [outcome for outcome in outcomes if not outcome.passed] == []


def test_every_pair_is_a_clicked_and_a_not_clicked_film_of_its_own_session(made, real_data):
    home, *_ = made
    clicked, shown = defaultdict(set), {}
    for path in (real_data / "msrd").glob("*.ndjson.gz"):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            record = json.loads(line)
            if "search_results" in record:
                shown[record["session_id"]] = {result["object_id"] for result in record["search_results"]}
            elif "events" in record:
                clicked[record["session_id"]] |= {event["object_id"] for event in record["events"]}
    expected = {
        (session, positive, negative)
        for session, results in shown.items()
        for positive in clicked[session] & results
        for negative in results - clicked[session]
    }
    pairs = home.lake.slice("pair_features").to_table(["session_id", "positive_id", "negative_id"]).to_pylist()
    assert len(pairs) == len(expected) == 48_518
    assert {tuple(pair.values()) for pair in pairs} == expected


@pytest.mark.long
def test_half_of_the_not_events_make_the_pairs_that_they_should(made):
    home, *_ = made
    config = {
        "ops": {"sampled_inputs": {"config": {"negative_downsampling_factor": 0.5}}},
        "resources": {"encoder": {"config": {"model": "hashing:64"}}},
    }
    with headless.instance_of(home) as instance:
        done = headless.run_until_nothing_is_new(home, instance, lambda line: None, config)
        assert done.succeeded
        assert encoded_texts(instance) == {"query_texts_encoded": 1_063, "item_texts_encoded": 5_394}
    assert home.lake.slice("pair_features").row_count == 23_422
