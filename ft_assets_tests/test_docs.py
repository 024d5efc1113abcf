"""The documentation says what is true: its code runs, its tables are those of the schemas, its commands exist."""

import re
from pathlib import Path

import pytest
import yaml

from ft_assets import books, cli, readers, schemas
from ft_assets.check_docs import checks_markdown
from ft_assets.check_files import checks
from ft_assets.defs.settings import check_settings, configurations
from ft_assets.table_docs import tables_markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.S | re.M)


def test_the_python_of_the_readme_runs_and_makes_what_it_says():
    scope: dict = {}
    (code,) = blocks("python")
    exec(code, scope)
    assert len(scope["features"]) == 2
    gradient = scope["extractor"].model.words.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


def test_the_settings_of_the_readme_are_settings():
    (text,) = blocks("yaml")
    config = yaml.safe_load(text)
    made_with = configurations(config)
    assert made_with["sampled_inputs"]["negative_downsampling_factor"] == 0.5
    assert made_with["text_vectors"]["model"] == "intfloat/e5-small-v2"


def test_the_readme_names_every_table_every_command_and_every_format():
    for table in schemas.TABLES.values():
        assert f"| `{table.name}` | {table.row} |" in README
    for command in ("land", "run", "report", "show", "forget"):
        assert f"ft-assets {command}" in README
        assert command in cli.main.commands
    for format_ in readers.FORMATS:
        assert f"| `{format_}` |" in README


@pytest.mark.parametrize("command", re.findall(r"`make (\w+)", README))
def test_every_make_target_that_the_readme_names_is_there(command):
    assert re.search(rf"^{command}:", (ROOT / "Makefile").read_text(), re.M)


def test_the_pages_and_pictures_that_the_readme_points_at_are_there():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_page_of_tables_is_written_from_the_schemas():
    assert (ROOT / "docs" / "tables.md").read_text() == tables_markdown()


def test_the_page_of_checks_is_written_from_their_files():
    page = (ROOT / "docs" / "checks.md").read_text()
    assert page == checks_markdown()
    for check in checks():
        assert f"| `{check.name}` | {check.severity} |" in page


def test_the_settings_of_the_page_of_checks_are_settings():
    (text,) = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "checks.md").read_text(), re.S | re.M)
    assert check_settings(yaml.safe_load(text))["pair_features"] == {
        "share_ordered_right": {"least": 0.6, "least_sessions": 50, "deviations": 3.0}
    }


def test_the_table_of_bad_inputs_has_every_reason_and_no_other():
    text = (ROOT / "docs" / "ingestion.md").read_text()
    (table,) = re.findall(r"^\| input \|.*?\n\n", text, re.S | re.M)
    last_cells = [line.rstrip(" |").rpartition("|")[2] if not line.endswith("| |") else "" for line in table.splitlines()[2:]]
    assert {code for cell in last_cells for code in re.findall(r"`(\w+)`", cell)} == set(books.REASONS)
