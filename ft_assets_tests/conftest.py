"""What the tests share: a home of their own, with the small deterministic encoder, and a quiet Dagster."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ft_assets.lake import Home

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("FT_ASSETS_JOBS", "1")  # what a test replaces is replaced in its own process

collect_ignore = ["counted_definitions.py"]  # a code location, which run processes load with their own environment

HASHING = {"resources": {"encoder": {"config": {"model": "hashing:64"}}}}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first: what a change breaks is told early."""
    items.sort(
        key=lambda item: [item.get_closest_marker(mark) is not None for mark in ("ray", "long", "browser", "slow", "model")]
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home whose ``config.yaml`` names the small encoder; also where FT_ASSETS_HOME points."""
    path = tmp_path / "home"
    path.mkdir()
    (path / "config.yaml").write_text("resources: {encoder: {config: {model: 'hashing:64'}}}\n")
    monkeypatch.setenv("FT_ASSETS_HOME", str(path))
    return Home(path)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real logs; tests that want it are skipped where FT_ASSETS_REAL_DATA does not name it."""
    folder = os.environ.get("FT_ASSETS_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("FT_ASSETS_REAL_DATA does not name the folder of real logs")
    return Path(folder)
