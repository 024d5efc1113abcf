import inspect
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from ft_assets import lineage, schemas
from ft_assets.checks import checks
from ft_assets.definitions import defs
from ft_assets.defs import catalog
from ft_assets.defs.settings import configurations

GRAPH = {
    "search_sessions": set(),
    "session_events": set(),
    "items": set(),
    "rejected_records": set(),
    "waiting_records": set(),
    "session_parts": set(),
    "ingested_files": set(),
    "flagged_sessions": {"search_sessions", "session_events"},
    "fine_tuning_inputs": {"search_sessions", "session_events", "items", "flagged_sessions"},
    "sampled_inputs": {"fine_tuning_inputs"},
    "text_vectors": {"sampled_inputs", "items"},
    "pair_features": {"sampled_inputs", "items", "text_vectors"},
    "fine_tuning_features": {"pair_features"},
}


def graph() -> dict[str, set[str]]:
    nodes = defs.resolve_asset_graph()
    return {key.path[-1]: {parent.path[-1] for parent in nodes.get(key).parent_keys} for key in nodes.get_all_asset_keys()}


def in_a_fresh_process(code: str, *options: str, **variables: str) -> str:
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_definitions_load_without_a_warning_and_are_valid():
    code = "import dagster as dg; from ft_assets.definitions import defs; dg.Definitions.validate_loadable(defs)"
    in_a_fresh_process(code, "-W", "error")


def test_loading_the_definitions_imports_nothing_heavy():
    heavy = "('torch', 'lightning', 'pandas', 'matplotlib', 'sentence_transformers', 'transformers')"
    code = f"import sys; import ft_assets.definitions; print([name for name in {heavy} if name in sys.modules])"
    assert in_a_fresh_process(code) == "[]"


def test_the_graph_is_the_one_that_was_designed():
    assert graph() == GRAPH


def test_the_daily_tables_are_made_in_an_order_in_which_parents_come_first():
    for name in lineage.DAILY:
        daily_parents = graph()[name] & set(lineage.DAILY)
        assert set(lineage.MADE_FROM[name]) == daily_parents
        assert all(lineage.DAILY.index(parent) < lineage.DAILY.index(name) for parent in daily_parents)


def test_every_table_has_an_asset_and_every_asset_shows_its_columns():
    nodes = defs.resolve_asset_graph()
    assert {key.path[-1] for key in nodes.get_all_asset_keys()} == set(schemas.TABLES)
    for table in schemas.TABLES.values():
        shown = nodes.get(dg.AssetKey(table.name)).metadata["dagster/column_schema"]
        assert [(column.name, column.type) for column in shown.columns] == [
            (column.name, schemas.type_name(column.type)) for column in table.columns
        ]
        assert all(column.description for column in shown.columns)


def test_every_check_is_an_asset_check_that_blocks_if_it_says_so():
    nodes = defs.resolve_asset_graph()
    specs = {(key.asset_key.path[-1], key.name): nodes.get_check_spec(key) for key in nodes.asset_check_keys}
    assert {(check.table, check.name): check.blocking for check in checks()} == {
        key: spec.blocking for key, spec in specs.items()
    }
    guarded = {table for table, _ in specs}
    assert guarded == set(schemas.TABLES)


def test_the_defaults_of_the_configuration_are_those_of_the_class():
    from ft_assets import FeaturesExtractor

    defaults = {name: p.default for name, p in inspect.signature(FeaturesExtractor.__init__).parameters.items()}
    made_with = configurations({})
    assert made_with["sampled_inputs"]["negative_downsampling_factor"] == defaults["negative_downsampling_factor"]
    assert made_with["sampled_inputs"]["seed"] == defaults["seed"]
    assert made_with["pair_features"]["not_irrelevant_only"] == defaults["not_irrelevant_only"]
    for name, value in made_with["fine_tuning_features"].items():
        assert value == defaults[name]


@pytest.mark.parametrize(
    ("op", "config", "said"),
    [
        ("sampled_inputs", {"negative_downsampling_factor": 1.5}, "less than or equal to 1"),
        ("sampled_inputs", {"negative_downsampling_factor": -0.1}, "greater than or equal to 0"),
        ("fine_tuning_features", {"min_abs_difference_threshold": 0.5, "max_abs_difference_threshold": 0.5}, "less than"),
        ("pair_features", {"ranker": "manhattan"}, "cosine"),
        ("pair_features", {"window_size": 0}, "greater than or equal to 1"),
        ("fine_tuning_inputs", {"event_types": []}, "at least 1"),
        ("pair_features", {"windowsize": 3}, "windowsize"),
        ("flagged_sessions", {"enforced": ["listed_users"]}, "may name the rules every_result_clicked.*; got listed_users"),
        ("flagged_sessions", {"parameters": {"bots": {}}}, "may name the rules every_result_clicked.*; got bots"),
        (
            "flagged_sessions",
            {"parameters": {"every_result_clicked": {"limit": 3}}},
            "results, event_types; got limit",
        ),
        ("flagged_sessions", {"parameters": {"listed_user": {"limit": 3}}}, "has no parameters; got limit"),
        ("flagged_sessions", {"parameters": {"too_many_sessions_a_day": {"limit": "many"}}}, "such as 1000, got 'many'"),
        ("flagged_sessions", {"parameters": {"too_many_sessions_a_day": {"limit": True}}}, "such as 1000, got True"),
        ("flagged_sessions", {"parameters": {"every_result_clicked": {"event_types": [1]}}}, r"such as \['click'"),
        ("flagged_sessions", {"agents": ["bot("]}, r"regular expressions \(RE2\), got 'bot\('"),
        ("flagged_sessions", {"agents": [" "]}, "must not be blank"),
        ("flagged_sessions", {"enforce": []}, "enforce"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_name(op, config, said):
    with pytest.raises(Exception, match=said):
        configurations({"ops": {op: {"config": config}}})


@pytest.mark.parametrize("name", ["ingestion_job", "features_job"])
def test_every_setting_in_the_launchpad_has_a_description(name):
    ops = defs.resolve_job_def(name).run_config_schema.config_type.fields["ops"].config_type.fields
    settings = {
        f"{op}.{setting}": inner.description
        for op, field in ops.items()
        for setting, inner in getattr(field.config_type.fields["config"].config_type, "fields", {}).items()
    }
    assert settings
    assert [setting for setting, description in settings.items() if not description] == []


def descriptions() -> dict[str, str | None]:
    repository, nodes = defs.get_repository_def(), defs.resolve_asset_graph()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    resources = repository.get_top_level_resources()
    return {
        **{f"asset {key.to_user_string()}": nodes.get(key).description for key in nodes.get_all_asset_keys()},
        **{f"check {key.to_user_string()}": nodes.get_check_spec(key).description for key in nodes.asset_check_keys},
        **{f"sensor {sensor.name}": sensor.description for sensor in repository.sensor_defs},
        **{f"job {job.name}": job.description for job in jobs},
        **{f"op {node.name} of {job.name}": node.definition.description for job in jobs for node in job.nodes},
        **{f"resource {name}": resource.description for name, resource in resources.items()},
        **{
            f"setting {name} of {job.name}": field.description
            for job in jobs
            for name, field in settings(job.run_config_schema.config_type).items()
        },
    }


def settings(config_type: object, path: str = "") -> dict[str, dg.Field]:
    """What a user may set of ops and resources, at whatever depth; the rest of a run's configuration is Dagster's."""
    found = {}
    for name, field in getattr(config_type, "fields", {}).items():
        if path or name in ("ops", "resources"):
            found |= settings(field.config_type, f"{path}{name}.")
            found |= {f"{path}{name}": field} if ".config." in path else {}
    return found


def test_everything_in_the_ui_is_described_in_a_sentence():
    said = descriptions()
    assert {kind.split()[0] for kind in said} == {"asset", "check", "sensor", "job", "op", "resource", "setting"}
    assert {"setting ops.pull.config.max_rows of pull_job", "setting resources.encoder.config.device of features_job"} <= set(
        said
    )
    assert [name for name, words in said.items() if len((words or "").split()) < 3] == []


def test_an_asset_tells_a_newcomer_what_a_row_is_and_what_to_look_at():
    nodes = defs.resolve_asset_graph()
    for table in schemas.TABLES.values():
        row, _, about = nodes.get(dg.AssetKey(table.name)).description.partition("\n\n")
        assert row == f"A row is {table.row}."
        assert 2 <= about.count(". ") + 1 <= 5, table.name
        assert nodes.get(dg.AssetKey(table.name)).group_name == ("features" if table.daily else "clickstream")


def test_every_kind_has_an_icon_in_the_ui():
    import dagster_webserver

    chunks = (Path(dagster_webserver.__file__).parent / "webapp" / "build" / "_next" / "static" / "chunks").glob("*.js")
    code = "".join(path.read_text() for path in chunks)
    nodes = defs.resolve_asset_graph()
    kinds = {kind for key in nodes.get_all_asset_keys() for kind in nodes.get(key).kinds}
    assert kinds == {"deltalake", "duckdb", "pytorch", "huggingface"}
    assert [kind for kind in kinds if f"{kind}:{{icon:" not in code] == []


def test_a_table_with_what_a_person_typed_or_is_known_by_is_tagged():
    nodes = defs.resolve_asset_graph()
    tagged = {key.path[-1] for key in nodes.get_all_asset_keys() if nodes.get(key).tags.get("pii") == "true"}
    personal = {"user_id", "user_agent", "query_text", "raw"}
    assert tagged >= {table.name for table in schemas.TABLES.values() if personal & set(table.column_names)}
    assert "items" not in tagged


def test_nobody_owns_the_tables_unless_the_environment_says_who(monkeypatch):
    monkeypatch.delenv(catalog.OWNERS, raising=False)
    assert catalog.owners() == []
    code = """from ft_assets.definitions import defs
nodes = defs.resolve_asset_graph()
print({tuple(nodes.get(key).owners) for key in nodes.get_all_asset_keys()})"""
    said = in_a_fresh_process(code, FT_ASSETS_OWNERS="team:search, ann@example.org")
    assert said == "{('team:search', 'ann@example.org')}"
    monkeypatch.setenv(catalog.OWNERS, "search")
    with pytest.raises(ValueError, match=r"FT_ASSETS_OWNERS must list teams.*got 'search'"):
        catalog.owners()


def references(asset: dg.AssetsDefinition) -> dict[str, list[str]]:
    return {
        key.path[-1]: [reference.source for reference in metadata["dagster/code_references"].code_references]
        for key, metadata in asset.metadata_by_key.items()
    }


def test_an_asset_refers_to_its_function_and_to_its_sql():
    made_by_code = {"sampled_inputs"}
    for asset in defs.assets:
        for table, places in references(asset).items():
            files = [Path(place.partition(":")[0]) for place in places]
            assert all(file.is_file() for file in files)
            assert "assets.py" in {file.name for file in files}
            assert any(file.suffix == ".sql" for file in files) != (table in made_by_code), table


@pytest.mark.parametrize(("url", "middle"), [("https://github.com/a/b", "tree"), ("https://gitlab.example.org/a/b/", "-/tree")])
def test_with_a_git_host_the_references_are_links_into_the_repository(monkeypatch, url, middle):
    from ft_assets.defs.assets import fine_tuning_features

    monkeypatch.setenv(catalog.GIT_URL, url)
    monkeypatch.setenv(catalog.GIT_BRANCH, "v1")
    (asset,) = catalog.with_code_references([fine_tuning_features])
    (places,) = references(asset).values()
    root = f"{url.rstrip('/')}/{middle}/v1"
    assert places[0] == f"{root}/sql/assets/fine_tuning_features.sql"
    assert places[-1].startswith(f"{root}/ft_assets/defs/assets.py#L")
