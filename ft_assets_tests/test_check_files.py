"""A check is a file: what its comment says, how it is read, what is refused, and what can be set of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from ft_assets import queries, schemas
from ft_assets.check_files import Read, check_in, checks
from ft_assets.checks import run_check, thresholds
from ft_assets.defs.requests import ingestion_request
from ft_assets.defs.settings import check_settings, config_for, read_config
from ft_assets.lake import Home
from ft_assets.simulate import simulate
from ft_assets_tests.builders import make_lake, rejected, session, table_of

SOUND = """\
-- Ranks are large: at least `least`,
-- every day.
-- To do: Look at the model.
--   Then make the day anew.
-- parameters: least=0.5, words=["a"]
-- warns; reads pair_features, pair_features of the 7 days before, sampled_inputs as read
select session_id from pair_features where positive_rank < $least -- and not $this
"""


def test_a_file_says_its_rule_its_remedy_its_thresholds_and_what_it_reads() -> None:
    check = check_in("pair_features", "ranks_are_large", SOUND.replace(', words=["a"]', ""))
    assert check.description == "Ranks are large: at least `least`, every day."
    assert check.remedy == "Look at the model. Then make the day anew."
    assert (check.blocking, check.severity, dict(check.parameters)) == (False, "WARN", {"least": 0.5})
    assert check.reads == ("pair_features", "sampled_inputs")
    assert check.views == (Read("pair_features"), Read("pair_features", 7), Read("sampled_inputs", as_read=True))
    assert [view.view for view in check.views] == ["pair_features", "pair_features_before", "sampled_inputs_as_read"]
    assert hash(check) == hash(check_in("pair_features", "ranks_are_large", SOUND.replace(', words=["a"]', "")))


HEAD = "-- A rule.\n-- To do: a thing.\n"
MALFORMED = {
    "select 1": "x.sql must end its comment with '-- blocks; reads",
    f"{HEAD}select 1": "x.sql must end its comment with '-- blocks; reads",
    f"{HEAD}-- stops; reads items\nselect 1": "x.sql must end its comment with '-- blocks; reads",
    "-- To do: a thing.\n-- blocks; reads items\nselect 1": "x.sql must begin with a comment that says its rule",
    "-- A rule.\n-- blocks; reads items\nselect 1": "then '-- To do: ...', what to do when it fails",
    "-- A rule.\n-- To do:\n-- blocks; reads items\nselect 1": "then '-- To do: ...', what to do when it fails",
    f"{HEAD}-- parameters: a=\n-- warns; reads items\nselect $a": "x.sql must give its defaults as '-- parameters: limit=60",
    f"{HEAD}-- warns; reads items\nselect $most": "it uses most, and gives a default to none",
    f"{HEAD}-- parameters: a=1 in [0, x]\n-- warns; reads items\nselect $a": "must give a range as 'most=0.5 in",
    f"{HEAD}-- parameters: a=2 in [0, 1]\n-- warns; reads items\nselect $a": r"x.sql must give a a default in \[0, 1\], got 2",
    f"{HEAD}-- parameters: most=1\n-- warns; reads items\nselect 1": "it uses none, and gives a default to most",
    f"{HEAD}-- parameters: most=1\n-- blocks; reads items\nselect $most": "blocks, so it has no thresholds to set; got most",
    f"{HEAD}-- blocks; reads item\nselect 1": "x.sql may read a table, .* got 'item'",
    f"{HEAD}-- blocks; reads items of the days before\nselect 1": "got 'items of the days before'",
    f"{HEAD}-- blocks; reads items, \nselect 1": "got ''",
    f"{HEAD}-- blocks; reads items of the 7 days before\nselect 1": "kept by day, got 'items of the 7 days before'",
}


@pytest.mark.parametrize(("sql", "said"), MALFORMED.items())
def test_a_malformed_file_is_refused_by_name(sql: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        check_in("pair_features", "x", sql)
    assert str(refused.value).startswith("sql/checks/pair_features/x.sql")


@pytest.mark.parametrize("words", ["pair_features of the 7 days before", "pair_features as read"])
def test_a_table_without_days_has_no_day_before_and_was_made_from_nothing(words: str) -> None:
    with pytest.raises(ValueError, match=f"x.sql is about no day: items is not made day by day, so it has no '{words}'"):
        check_in("items", "x", f"{HEAD}-- blocks; reads {words}\nselect 1")


@pytest.fixture
def sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the SQL files, in use."""
    root = tmp_path / "sql"
    shutil.copytree(queries.sql_root(), root)
    monkeypatch.setattr(queries, "sql_root", lambda: root)
    caches = (checks, queries.read_sql)
    for cache in caches:
        cache.cache_clear()
    yield root
    for cache in caches:
        cache.cache_clear()


def test_adding_a_file_is_adding_a_check(sql: Path, tmp_path: Path) -> None:
    before = len(checks())
    checks.cache_clear()
    text = f"{HEAD}-- parameters: most=1\n-- warns; reads rejected_records\n"
    (sql / "checks/rejected_records/mine.sql").write_text(
        f"{text}select count(*) as records from rejected_records;\nselect * from numbers where records > $most"
    )
    (check,) = (check for check in checks() if check.name == "mine")
    assert len(checks()) == before + 1
    lake = make_lake(tmp_path, rejected_records=table_of("rejected_records", [rejected(1), rejected(2)]))
    outcome = run_check(lake, check, None)
    assert (outcome.state, outcome.rows, outcome.examples, outcome.remedy) == ("warned", 1, [{"records": 2}], "a thing.")
    assert run_check(lake, check, None, {"most": 2}).passed


@pytest.mark.parametrize("column", sorted(schemas.PERSONAL))
def test_a_check_that_would_show_what_is_personal_is_refused(sql: Path, tmp_path: Path, column: str) -> None:
    (sql / "checks/search_sessions/mine.sql").write_text(
        f"{HEAD}-- warns; reads search_sessions\nselect session_id, 'x' as {column} from search_sessions where false"
    )
    checks.cache_clear()
    (check,) = (check for check in checks() if check.name == "mine")
    with pytest.raises(ValueError, match=f"search_sessions/mine.sql must not select {column}"):
        run_check(make_lake(tmp_path, search_sessions=table_of("search_sessions", [session("s", ["a"])])), check, None)


def test_a_file_of_three_queries_is_refused(sql: Path, tmp_path: Path) -> None:
    (sql / "checks/items/mine.sql").write_text(f"{HEAD}-- warns; reads items\nselect 1 as a; select 2 as a; select 3 as a")
    checks.cache_clear()
    (check,) = (check for check in checks() if check.name == "mine")
    with pytest.raises(ValueError, match=r"items/mine.sql must be one query, or one of numbers and one of rows, got 3"):
        run_check(make_lake(tmp_path), check, None)


def test_every_number_that_can_be_set_has_a_range() -> None:
    for check in checks():
        assert {name for name, value in check.parameters.items() if isinstance(value, int | float)} == set(check.ranges), check


def test_no_query_counts_with_what_is_null_over_no_rows() -> None:
    """DuckDB's count_if gives null, not 0, where there is nothing: a comparison with it is true of nothing."""
    counted = [path for path in queries.sql_root().rglob("*.sql") if "count_if" in path.read_text()]
    assert counted == []


def test_every_remedy_is_said_in_a_few_sentences() -> None:
    for check in checks():
        assert 30 < len(check.remedy) < 400, check
        assert check.remedy.endswith("."), check
        assert check.description.endswith((".", ")")), check


def ops(**steps: object) -> dict[str, object]:
    return {"ops": {step: {"config": {"parameters": values}} for step, values in steps.items()}}


def test_thresholds_are_set_by_table_and_check_and_the_others_keep_their_defaults() -> None:
    config = ops(pair_features_checks={"share_ordered_right": {"least": 0.6}}, rejected_records_checks={})
    assert check_settings(config) == {
        "pair_features": {"share_ordered_right": {"least": 0.6, "least_sessions": 50, "deviations": 3.0}}
    }
    assert check_settings({}) == check_settings({"ops": None}) == {}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"share_ordered_rite": {"least": 0.6}},
            "checks of pair_features with parameters are .*share_ordered_right.* got share_o",
        ),
        ({"share_ordered_right": {"most": 0.6}}, "share_ordered_right has the parameters least, least_sessions, .*; got most"),
        ({"share_ordered_right": {"least": "0.6"}}, "least of pair_features/share_ordered_right must be a value such as 0.5"),
        ({"share_ordered_right": {"least_sessions": 0.5}}, "must be a value such as 50, got 0.5"),
        ({"share_ordered_right": {"least": -5}}, r"least of pair_features/share_ordered_right must be .* in \[0, 1\], got -5"),
        ({"share_ordered_right": {"least": 7.0}}, r"must be a number in \[0, 1\], got 7"),
        ({"share_ordered_right": {"least": float("nan")}}, r"must be a number in \[0, 1\], got nan"),
        ({"share_ordered_right": {"deviations": float("inf")}}, r"must be a number in \[0, inf\], got inf"),
        ({"share_ordered_right": {"least_sessions": -1}}, r"must be a number in \[0, inf\], got -1"),
        ({"pairs_are_unique": {"most": 1}}, "pairs_are_unique has no parameters; got most"),
        ({"types_are_as_declared": {"most": 1}}, "types_are_as_declared has no parameters; got most"),
    ],
)
def test_a_threshold_that_is_none_is_refused_by_name(tmp_path: Path, values: dict[str, dict[str, object]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        thresholds("pair_features", values)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(ops(pair_features_checks=values)))
    with pytest.raises(ValueError, match=f"{path}: .*{said}"):
        read_config(path)


def test_a_step_or_a_setting_of_checks_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"ops": {"pairs_checks": {"config": {}}}}))
    with pytest.raises(ValueError, match=r"ops may name ingestion, .*pair_features_checks.*, got"):
        read_config(path)
    path.write_text(yaml.safe_dump({"ops": {"pair_features_checks": {"config": {"least": 0.6}}}}))
    with pytest.raises(ValueError, match="pair_features_checks has the settings parameters; got least"):
        read_config(path)


def test_a_run_is_given_the_thresholds_of_the_tables_that_it_makes(home: Home) -> None:
    config = ops(pair_features_checks={}, fine_tuning_features_checks={}, rejected_records_checks={}, items_checks={})
    assert set(config_for(config, {"fine_tuning_features"})["ops"]) == {"fine_tuning_features_checks"}
    simulate(home.landing, days=1, sessions=3, seed=0)
    request = ingestion_request(home, config)
    assert request is not None
    assert set(request.run_config["ops"]) == {"ingestion", "rejected_records_checks", "items_checks"}


def test_thresholds_of_the_config_reach_the_checks_of_real_runs_both_ways(home: Home) -> None:
    from ft_assets.headless import run_until_nothing_is_new

    simulate(home.landing, days=1, sessions=80, seed=3)
    encoder = yaml.safe_load((home.path / "config.yaml").read_text())
    strict = {**encoder, **ops(
        pair_features_checks={"share_ordered_right": {"least": 0.99, "least_sessions": 10}},
        rejected_records_checks={"nothing_is_rejected": {"most": 0}},
    )}  # fmt: skip
    (home.path / "config.yaml").write_text(yaml.safe_dump(strict))
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_until_nothing_is_new(home, instance, lambda _: None).succeeded  # a warning stops nothing
        (day,) = instance.get_dynamic_partitions("session_date")
        found = evaluations(instance, day)
    assert not found["share_ordered_right"].passed
    assert found["share_ordered_right"].severity == dg.AssetCheckSeverity.WARN
    metadata = found["share_ordered_right"].metadata
    assert 0 < metadata["share_ordered_right"].value < 0.99
    (row,) = metadata["examples"].records
    assert row.data["least"] == 0.99
    assert "To do: " in found["share_ordered_right"].description
    clamp = found["few_pairs_are_clamped"]
    assert clamp.passed
    assert clamp.metadata["share_clamped"].value == 0.0  # a number for the plot, on a day that passes
    assert "examples" not in clamp.metadata


def evaluations(instance: dg.DagsterInstance, day: str) -> dict[str, dg.AssetCheckEvaluation]:
    records = instance.get_records_for_run(
        next(run.run_id for run in instance.get_runs() if run.tags.get("dagster/partition") == day),
        of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    ).records
    found = [record.event_log_entry.dagster_event.event_specific_data for record in records]
    return {one.check_name: one for one in found}


def test_the_page_of_a_check_says_what_it_does_and_what_to_do() -> None:
    from ft_assets.definitions import defs

    graph = defs.resolve_asset_graph()
    for check in checks():
        spec = graph.get_check_spec(dg.AssetCheckKey(dg.AssetKey(check.table), check.name))
        assert check.description in (spec.description or "")
        assert check.remedy in (spec.description or "")
        assert spec.metadata["severity"] == check.severity
        assert ("thresholds" in spec.metadata) == bool(check.parameters)
