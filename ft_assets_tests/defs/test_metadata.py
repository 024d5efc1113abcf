"""What a materialization says of itself in the UI: numbers that plot, pictures, sample rows, and nothing of a person."""

import base64
import datetime as dt
import json
import re

import dagster as dg
import pytest

from ft_assets import read_table, schemas
from ft_assets.definitions import defs
from ft_assets.defs import metadata
from ft_assets.statistics import funnel
from ft_assets_tests.conftest import HASHING
from ft_assets_tests.defs.ticks import write

DAY = "2026-11-01"
SECRETS = ("SECRET-QUERY", "SECRET-AGENT", "SECRET-VISIT", "SECRET-LINE")
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


def run(instance, job, day=None, **config):
    result = defs.resolve_job_def(job).execute_in_process(
        run_config={**QUIET, **config}, instance=instance, partition_key=day, raise_on_error=False
    )
    assert result.success
    return {event.asset_key.path[-1]: event.materialization.metadata for event in result.get_asset_materialization_events()}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """The metadata of an ingestion and of a day made of it, by table, with every event of both runs."""
    home, patch = tmp_path_factory.mktemp("home"), pytest.MonkeyPatch()
    patch.setenv("FT_ASSETS_HOME", str(home))
    patch.setenv("FT_ASSETS_USER_KEY", "k" * 32)
    for name in ("FT_ASSETS_LAKE", "FT_ASSETS_LANDING"):
        patch.delenv(name, raising=False)

    class There:
        landing = home / "landing"

    shown = [{"object_id": f"i{k}", "rank": 1 - k / 10} for k in range(5)]  # i4 has no text
    sessions = [
        {
            "session_id": f"s{k}",
            "search_query": f"SECRET-QUERY {k}",
            "created_at": f"{DAY}T0{k}:00:00Z",
            "user_id": "SECRET-LINE",
            "user_agent": "SECRET-AGENT",
            "search_results": shown,
        }
        for k in range(6)
    ]
    click = {"object_id": "i1", "event_type": "click", "created_at": f"{DAY}T08:00:00Z"}
    write(There, "items/catalogue.ndjson", *({"item_id": f"i{k}", "text": f"item {k}"} for k in range(4)))
    write(There, "embedding_studio/a.ndjson", *sessions, {"session_id": "SECRET-LINE", "oops": "SECRET-LINE"})
    write(There, "embedding_studio/b.ndjson", *(
        {"session_id": f"s{k}", "events": [{**click, "event_id": f"e{k}"}]} for k in range(4)
    ))  # fmt: skip
    with dg.DagsterInstance.ephemeral() as instance:
        tables = run(instance, "ingestion_job")
        tables |= run(instance, "features_job", DAY, **HASHING)
        yield tables
    patch.undo()


def value(said, table, name):
    return said[table][name].value


def test_a_day_says_its_rows_in_and_out_as_numbers_and_they_reconcile(said):
    inputs, thinned, pairs = (said[name] for name in ("fine_tuning_inputs", "sampled_inputs", "pair_features"))
    assert {name: inputs[name].value for name in ("sessions_read", "rows_out", "results_shown", "results_without_text")} == {
        "sessions_read": 6, "rows_out": 6, "results_shown": 30, "results_without_text": 6,
    }  # fmt: skip
    assert thinned["not_event_objects"].value == thinned["not_event_objects_kept"].value == 4 * 3 + 2 * 4
    assert pairs["rows_out"].value == 4 * 3 == read_table("pair_features", session_date=DAY).num_rows
    stored = {name: m["dagster/partition_row_count"].value for name, m in said.items() if "dagster/partition_row_count" in m}
    assert stored == {
        name: said[name]["rows_out"].value
        for name in ("flagged_sessions", "fine_tuning_inputs", "sampled_inputs", "pair_features", "fine_tuning_features")
    }


def test_the_texts_are_those_encoded_and_those_reused(said):
    numbers = {name: value(said, "text_vectors", name) for name in said["text_vectors"] if "_texts" in name}
    assert numbers == {
        "query_texts": 6, "query_texts_encoded": 6, "query_texts_reused": 0,
        "item_texts": 4, "item_texts_encoded": 4, "item_texts_reused": 0,
    }  # fmt: skip
    assert value(said, "text_vectors", "texts_per_second") > 0
    assert value(said, "text_vectors", "seconds") >= value(said, "text_vectors", "seconds_encoding") > 0
    assert value(said, "text_vectors", "seconds_loading_model") >= 0


def test_every_materialization_says_what_it_cost_in_numbers_that_plot(said):
    assert set(said) == set(schemas.TABLES)
    for name, values in said.items():
        assert isinstance(values["seconds"].value, float), name
        assert isinstance(values["peak_memory_mib"].value, float), name
        assert 10 < values["peak_memory_mib"].value < 100_000, name
    assert value(said, "text_vectors", "device") == value(said, "pair_features", "device") == "cpu"
    assert "device" not in said["sampled_inputs"]


def test_every_reason_of_rejection_is_a_number_also_where_there_is_none(said):
    reasons = {
        name: v.value for name, v in said["rejected_records"].items() if name.startswith("rejected_") and name != "rejected_by"
    }
    assert reasons["rejected_unknown_record"] == 1
    assert sum(reasons.values()) == value(said, "rejected_records", "rejected") == 1
    assert len(reasons) > 20


def test_each_table_carries_its_pictures_as_images_that_need_nothing_else(said):
    pictures = {
        table: sorted(name for name, v in values.items() if isinstance(v, dg.MarkdownMetadataValue))
        for table, values in said.items()
    }
    assert {table: names for table, names in pictures.items() if names} == {
        "ingested_files": ["records_by_fate"],
        "fine_tuning_inputs": ["click_rate_by_position"],
        "pair_features": ["confidence_by_position", "pairs_a_session", "ranks_of_pairs"],
        "fine_tuning_features": ["rank_differences", "rows_through_the_stages"],
    }
    for table, names in pictures.items():
        for name in names:
            match = re.fullmatch(r"!\[[^\]]+\]\(data:image/png;base64,([^)]+)\)", value(said, table, name))
            assert match, name
            assert base64.b64decode(match[1]).startswith(b"\x89PNG")
    clicks = value(said, "fine_tuning_inputs", "click_rate_by_position")
    records = value(said, "ingested_files", "records_by_fate")
    assert clicks.startswith("![16.7% of 24 results drew an event, 0% of those at position 1]")
    assert records.startswith("![Rejected: 6.7% of 15 records]")


def test_the_stages_of_the_day_are_those_of_the_materializations(said):
    from ft_assets.lake import Home

    stages = {stage.name: stage for stage in funnel(Home.find().lake, [dt.date.fromisoformat(DAY)])}
    assert stages["sessions logged"].rows == value(said, "fine_tuning_inputs", "sessions_read")
    assert stages["sessions with a text"].rows == value(said, "fine_tuning_inputs", "rows_out")
    assert stages["sessions with an event, or paired"].left_out == {"no event": 2}
    assert stages["results with a text"].left_out == {
        "no text in the catalogue": value(said, "fine_tuning_inputs", "results_without_text")
    }
    assert stages["not-event objects kept"].rows == value(said, "sampled_inputs", "not_event_objects_kept")
    assert stages["pairs extracted"].rows == value(said, "fine_tuning_features", "pairs_read")
    assert stages["pairs inside the clamp window"].rows == value(said, "fine_tuning_features", "rows_out")
    assert sum(stages["pairs inside the clamp window"].left_out.values()) == value(
        said, "fine_tuning_features", "pairs_clamped"
    )


def test_the_first_rows_are_shown_as_a_table_with_the_types_of_the_columns(said):
    for name in ("search_sessions", "items", "rejected_records", "fine_tuning_inputs", "pair_features", "fine_tuning_features"):
        sample = said[name]["sample_rows"]
        assert isinstance(sample, dg.TableMetadataValue)
        assert 0 < len(sample.records) <= 5
        for record in sample.records:
            assert list(record.data) == [column.name for column in sample.schema.columns]
    assert [record.data["session_id"] for record in said["fine_tuning_inputs"]["sample_rows"].records] == [
        f"s{k}" for k in range(5)
    ]


def test_nothing_of_a_person_reaches_the_metadata(said):
    everything = json.dumps({table: {name: str(v.value) for name, v in values.items()} for table, values in said.items()})
    assert "s1" in everything
    for secret in SECRETS:
        assert secret not in everything
    hashes = read_table("fine_tuning_inputs")["query_hash"].to_pylist()
    pseudonyms = [user for user in read_table("search_sessions")["user_id"].to_pylist() if user]
    assert pseudonyms
    for told in (*hashes, *pseudonyms):
        assert told not in everything


def test_rows_that_cannot_be_drawn_are_said_to_be_so_and_fail_nothing(said, monkeypatch):
    from ft_assets.lake import Home

    def broken(*_):
        raise TypeError("a SECRET value of a row")

    monkeypatch.setattr(metadata, "pictures_of_day", broken)
    warnings = []
    shown = metadata.day_metadata(Home.find().lake, "fine_tuning_inputs", dt.date.fromisoformat(DAY), warnings.append)
    words = "pictures: TypeError, they cannot be shown of the rows as they are; see the checks"
    assert warnings == [words]
    assert shown.pop("not_drawn") == words
    assert set(shown) == {"sample_rows"}


def test_an_ingestion_that_cannot_be_drawn_is_an_ingestion_all_the_same(home, instance, monkeypatch):
    def broken(*_):
        raise RuntimeError("of the drawing")

    write(home, "items/a.ndjson", {"item_id": "i", "text": "t"})
    for name in ("records_picture", "sample_rows"):
        monkeypatch.setattr(metadata, name, broken)
    tables = run(instance, "ingestion_job")
    assert tables["items"]["rows_added"].value == 1
    assert "sample rows: RuntimeError" in tables["items"]["not_drawn"].value
    assert "pictures: RuntimeError" in tables["ingested_files"]["not_drawn"].value


def test_a_materialization_is_small_enough_to_be_kept_for_ever(said):
    sizes = {table: len(json.dumps({name: str(one.value) for name, one in shown.items()})) for table, shown in said.items()}
    assert max(sizes.values()) < 80_000, sizes


def test_the_columns_of_an_asset_have_their_units_in_the_ui():
    table = schemas.PAIR_FEATURES
    shown = {column.name: column for column in metadata.table_metadata(table)["dagster/column_schema"].columns}
    assert shown["positive_confidence"].tags == {"unit": "[0, 1]"}
    assert shown["positive_rank"].tags == {"unit": "score of the model"}
    assert shown["session_id"].tags == {}
    keys = metadata.table_metadata(schemas.ITEMS)["dagster/column_schema"].columns
    assert [column.name for column in keys if column.constraints.unique] == ["item_id"]
