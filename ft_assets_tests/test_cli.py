"""The command line as a user types it: real processes on a home of their own."""

import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import dagster as dg
import pytest
from click.testing import CliRunner, Result
from deltalake import write_deltalake

from ft_assets import cli, headless, schemas
from ft_assets.ingestion import ingest, new_files
from ft_assets.lake import Home

TABLE_LINE = re.compile(r"^(\w+) +(-|\d+) +([\d,]+) +(-|[\d.]+)$", re.M)


def ft_assets(home: Home, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ft_assets.cli", "--home", str(home.path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def counts(home: Home) -> dict[str, int]:
    return {name: home.lake.slice(name).row_count for name in schemas.TABLES}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Home, str]:
    """A home in which two simulated days were run, and what the run printed."""
    path = tmp_path_factory.mktemp("cli") / "home"
    path.mkdir()
    (path / "config.yaml").write_text("resources: {encoder: {config: {model: 'hashing:64'}}}\n")
    home = Home(path)
    ft_assets(home, "simulate", "--days", "2", "--sessions", "30", "--seed", "5")
    return home, ft_assets(home, "run").stdout


def test_a_run_prints_what_was_made_and_the_check_report(made):
    home, said = made
    printed = {name: int(rows.replace(",", "")) for name, _, rows, _ in TABLE_LINE.findall(said)}
    assert printed == counts(home)
    assert printed["search_sessions"] == 60
    assert re.search(r"^\d+ checks passed, 0 failed", said, re.M)
    assert "3 runs in" in said


def test_a_second_run_finds_nothing_new_and_changes_nothing(made):
    home, _ = made
    before = counts(home)
    said = ft_assets(home, "run").stdout
    assert "nothing is new: 2 days are up to date" in said
    assert counts(home) == before


def report(home: Home, *arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["--home", str(home.path), "report", *arguments])


def test_the_report_comes_in_every_format(made):
    home, _ = made
    said = report(home).stdout
    assert said.startswith("Train on 2026-11-01 and 2026-11-02: 0 of ")
    assert re.search(r"\d+ checks passed, 0 failed", said)
    read = json.loads(report(home, "--format", "json").stdout)
    assert json.dumps(read["checks"]).count("pairs_are_inside_the_window") == 2
    assert read["arrivals"]["accepted_by_kind"]["sessions"] == read["stages"][0]["rows"] == 60
    assert read["provenance"]["made"][-1]["table"] == "fine_tuning_features"
    assert all(check["remedy"] for check in read["checks"])
    suites = ET.fromstring(report(home, "--format", "junit").stdout)
    assert {suite.get("name") for suite in suites.iter("testsuite")} == {*schemas.TABLES, "report"}
    page = report(home, "--format", "html").stdout
    assert page.startswith("<!doctype html>")
    assert page.count('<img src="data:image/svg+xml') > 4


@pytest.mark.parametrize(
    ("arguments", "days"),
    [
        ([], ["2026-11-01", "2026-11-02"]),
        (["--from", "2026-11-02"], ["2026-11-02"]),
        (["--to", "2026-11-01"], ["2026-11-01"]),
        (["--from", "2020-01-01", "--to", "2026-11-01"], ["2026-11-01"]),
        (["--last", "1"], ["2026-11-02"]),
        (["--last", "9"], ["2026-11-01", "2026-11-02"]),
    ],
)
def test_a_report_is_of_a_range_of_days_and_of_the_tables_without_days(made, arguments, days):
    home, _ = made
    done = report(home, "--format", "json", *arguments)
    read = json.loads(done.stdout)
    assert done.exit_code == 0
    assert read["days"] == [row["session_date"] for row in read["day_numbers"]] == days
    assert {check["session_date"] for check in read["checks"]} == {None, *days}
    assert {check["table"] for check in read["checks"]} == set(schemas.TABLES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "2026-11-02", "--to", "2026-11-01"], "--from must not be later than --to"),
        (["--from", "2027-01-01"], "there is no day from 2027-01-01: the days are 2026-11-01 to 2026-11-02"),
        (["--last", "1", "--to", "2026-11-01"], "--last says which days on its own"),
        (["--from", "yesterday"], "yesterday"),
        (["--last", "0"], "0"),
        (["--output", "no/such/folder/report.html"], "there is no folder"),
    ],
)
def test_wrong_usage_of_the_report_is_exit_status_2(made, arguments, said):
    home, _ = made
    done = report(home, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(("name", "begins"), [("r.json", "{"), ("r.xml", "<?xml"), ("r.html", "<!doctype"), ("r.txt", "Train")])
def test_a_report_goes_to_a_file_in_the_format_of_its_name(made, tmp_path, name, begins):
    home, _ = made
    done = report(home, "--output", str(tmp_path / name))
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"Written to {tmp_path / name}" in done.stderr
    assert (tmp_path / name).read_text().startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_words_are_in_a_report_only_where_they_are_asked_for(made):
    home, _ = made
    (query,) = set(home.lake.slice("fine_tuning_inputs").to_table()["query_text"].to_pylist()[:1])
    assert "texts" not in json.loads(report(home, "--format", "json").stdout)
    pairs = json.loads(report(home, "--format", "json", "--texts").stdout)["texts"]
    assert [pair["sample"] for pair in pairs] == ["hardest"] * 10 + ["typical"] * 10
    margins = [pair["margin"] for pair in pairs[:10]]
    assert margins == sorted(margins)
    every = home.lake.slice("pair_features").to_table()
    ranks = zip(every["positive_rank"].to_pylist(), every["negative_rank"].to_pylist(), strict=True)
    assert margins[0] == pytest.approx(min(positive - negative for positive, negative in ranks))
    known = set(home.lake.slice("fine_tuning_inputs").to_table()["query_text"].to_pylist())
    assert {pair["query_text"] for pair in pairs} <= known
    assert query in known
    assert all(pair["positive_text"] and pair["negative_text"] for pair in pairs)


@pytest.mark.parametrize(("severity", "exit_code", "strict"), [("ERROR", 1, 1), ("WARN", 0, 1)])
def test_a_failed_check_is_exit_status_1_and_a_warning_where_that_is_asked_for(made, tmp_path, severity, exit_code, strict):
    home = Home(tmp_path / "home")
    shutil.copytree(made[0].path, home.path)
    version = home.lake.slice("fine_tuning_features").version
    found = dg.AssetCheckEvaluation(
        dg.AssetKey("fine_tuning_features"), "pairs_are_inside_the_window", False, {"violations": 3, "table_version": version},
        severity=dg.AssetCheckSeverity[severity], partition="2026-11-02",
    )  # fmt: skip
    with headless.instance_of(home) as instance:
        instance.report_runless_asset_event(found)
    assert report(home).exit_code == exit_code
    assert report(home, "--strict").exit_code == strict
    assert report(home, "--strict", "--to", "2026-11-01").exit_code == 0
    if severity == "ERROR":
        assert report(home).stdout.startswith("Do not train on 2026-11-02 (the other 1 day is sound): 1 of ")
        assert "3 rows break the rule" in report(home).stdout


def test_a_report_of_nothing_is_not_green(home):
    with headless.instance_of(home):
        pass
    done = report(home)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (1, "Nothing has been checked yet.")
    assert report(home, "--from", "2026-11-01").exit_code == 2
    assert not list(home.path.glob("lake/*"))


def test_a_day_that_was_ingested_and_not_made_is_not_green(made, tmp_path):
    home = Home(tmp_path / "home")
    shutil.copytree(made[0].path, home.path)
    ft_assets(home, "simulate", "--days", "3", "--sessions", "30", "--seed", "9")
    ingest(home.lake, new_files(home.lake, home.landing))
    done = report(home)
    assert done.exit_code == 1
    assert "2026-11-03: no checked features yet" in " ".join(done.stdout.split())


def test_show_prints_rows_of_a_table_and_of_a_day(made):
    home, _ = made
    said = ft_assets(home, "show", "fine_tuning_features", "--rows", "3", "--session-date", "2026-11-02").stdout
    assert said.count("2026-11-02") == 3
    assert said.splitlines()[-1].startswith("3 of ")


def test_only_the_clamp_is_made_anew_when_only_the_clamp_changes(made, tmp_path):
    home, _ = made
    config = tmp_path / "narrow.yaml"
    config.write_text(
        "ops: {fine_tuning_features: {config: {max_abs_difference_threshold: 0.1}}}\n"
        "resources: {encoder: {config: {model: 'hashing:64'}}}\n"
    )
    said = ft_assets(home, "run", "--config", str(config)).stdout
    assert re.findall(r"^day \S+ \(\d of 2\): (.*)$", said, re.M) == ["fine_tuning_features"] * 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["land", "--format", "parquet", "x"], "embedding_studio"),
        (["land", "--format", "items", "no/such/file"], "no/such/file"),
        (["show", "features"], "fine_tuning_features"),
        (["show", "items"], "ft-assets run makes it"),
        (["report"], "ft-assets run makes it"),
        (["simulate", "--days", "0"], "0"),
    ],
)
def test_a_mistake_is_told_in_a_line(tmp_path, arguments, said):
    result = CliRunner().invoke(cli.main, ["--home", str(tmp_path / "nowhere"), *arguments])
    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_configuration_with_a_mistake_is_told_before_anything_runs(home):
    (home.path / "config.yaml").write_text("ops: {fine_tuning_features: {config: {max_abs_difference_threshold: -1}}}")
    done = ft_assets(home, "run", check=False)
    assert done.returncode == 1
    assert "max_abs_difference_threshold" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_exits_1_and_says_why_when_an_error_check_fails(home):
    ft_assets(home, "simulate", "--days", "1", "--sessions", "20", "--seed", "1")
    ingest(home.lake, new_files(home.lake, home.landing))
    sessions = home.lake.slice("search_sessions").to_table().slice(0, 1)
    write_deltalake(home.lake.open("search_sessions"), sessions, mode="append")  # a session twice
    (home.landing / "items" / "one.ndjson").write_text('{"item_id": "one", "text": "one more"}\n')
    done = ft_assets(home, "run", check=False)
    assert done.returncode == 1
    assert "sessions_are_unique" in done.stdout
    assert re.search(r"[1-9]\d* failed", done.stdout)


def test_land_guesses_the_format_of_each_file(home, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a.ndjson").write_text('{"item_id": "i", "text": "t"}\n')
    (folder / "b.ndjson").write_text(
        '{"session_id": "s", "search_query": "q", "created_at": 1793491200, "search_results": []}\n'
    )
    ft_assets(home, "land", "--format", "auto", str(folder))
    assert (home.landing / "items" / "a.ndjson").exists()
    assert (home.landing / "embedding_studio" / "b.ndjson").exists()


def test_landing_by_guess_is_all_or_nothing(home, tmp_path):
    folder = tmp_path / "mixed"
    for year in ("2024", "2025"):
        (folder / year).mkdir(parents=True)
        (folder / year / "items.ndjson").write_text(f'{{"item_id": "i{year}", "text": "t"}}\n')
    said = ft_assets(home, "land", "--format", "auto", str(folder)).stdout
    assert said == f"landed 2 files in {home.landing}\n"
    (folder / "0.ndjson").write_text('{"item_id": "new", "text": "t"}\n')
    (folder / "notes.txt").write_text("not a log\n")
    done = ft_assets(home, "land", "--format", "auto", str(folder), check=False)
    assert done.returncode == 1
    assert "do not tell the format of 1 of 4 files" in done.stderr
    assert "notes.txt" in done.stderr
    assert not (home.landing / "items" / "0.ndjson").exists()


def test_simulating_the_same_again_says_that_the_files_are_there(home):
    arguments = ("simulate", "--days", "1", "--sessions", "5", "--seed", "1")
    line = f"simulated 1 days of 5 sessions (seed 1): 3 files in {home.landing}"
    assert ft_assets(home, *arguments).stdout == f"{line}\n"
    assert ft_assets(home, *arguments).stdout == f"{line} that were there already\n"


def test_an_unused_home_is_made_only_when_something_is_put_there(tmp_path):
    home = Home(tmp_path / "new")
    ft_assets(home, "show", "items", check=False)
    assert not home.path.exists()
