import inspect
import subprocess
import sys

import dagster as dg
import pytest

from ft_assets import lineage, schemas
from ft_assets.checks import checks
from ft_assets.definitions import defs
from ft_assets.defs.assets import configurations

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


def in_a_fresh_process(code: str, *options: str) -> str:
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=False)
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
