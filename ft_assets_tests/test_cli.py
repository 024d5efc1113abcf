"""The command line as a user types it: real processes on a home of their own."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from click.testing import CliRunner
from deltalake import write_deltalake

from ft_assets import cli, schemas
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


def test_the_report_comes_in_every_format(made):
    home, _ = made
    assert re.search(r"\d+ checks passed, 0 failed", ft_assets(home, "report").stdout)
    outcomes = json.loads(ft_assets(home, "report", "--format", "json").stdout)
    assert json.dumps(outcomes).count("pairs_are_inside_the_window") == 2
    suites = ET.fromstring(ft_assets(home, "report", "--format", "junit").stdout)
    assert {suite.get("name") for suite in suites.iter("testsuite")} == set(schemas.TABLES)
    assert "<html" in ft_assets(home, "report", "--format", "html").stdout


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
