"""The wheel carries all that it needs: built, installed elsewhere, run."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_every_sql_file_and_the_instance_settings(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "sql").rglob("*"):
        if path.is_file():
            assert f"ft_assets/{path.relative_to(ROOT)}" in names
    assert "ft_assets/dagster.yaml" in names
    assert not [name for name in names if name.startswith("ft_assets_tests")]


@pytest.mark.long
def test_the_installed_wheel_runs_far_from_the_checkout(wheel, tmp_path):
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.yaml").write_text("resources: {encoder: {config: {model: 'hashing:64'}}}\n")
    environment = {"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "FT_ASSETS_HOME": str(home), "HOME": str(tmp_path)}

    def python(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert str(site) in python("-c", "import ft_assets; print(ft_assets.__file__)")
    python("-m", "ft_assets.cli", "simulate", "--days", "1", "--sessions", "20")
    assert "0 failed" in python("-m", "ft_assets.cli", "run")
