"""Exactly once in a lake in an object store, where a file is there when it is closed, and nothing tells its time."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from ft_assets import ingestion, journal, landing
from ft_assets.lake import Lake
from ft_assets_tests.shop import Shop
from ft_assets_tests.test_exactly_once import dying, put_a_bit_of_everything, rows
from ft_assets_tests.test_object_store import bucket, server  # noqa: F401 (fixtures)


@pytest.fixture
def shops(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Shop, Lake]:  # noqa: F811
    """A shop whose files are in its local lake, and an empty lake in the object store."""
    shop = Shop(tmp_path / "shop")
    put_a_bit_of_everything(shop)
    for name in ("items/2.ndjson", "embedding_studio/2.ndjson", "embedding_studio/3.ndjson.gz", "ubi/2.ndjson"):
        (shop.landing / name).unlink()  # each request takes its time
    monkeypatch.setattr(ingestion, "GROUP_FILES", 1)
    shop.ingest()
    monkeypatch.setenv("FT_ASSETS_LAKE", f"{bucket}/lake")
    return shop, Lake(f"{bucket}/lake")


def left_over(lake: Lake) -> list[str]:
    found = lake.filesystem().get_file_info(pafs.FileSelector(journal.STAGING, allow_not_found=True, recursive=True))
    return [info.path for info in found if info.is_file]


@pytest.mark.parametrize("step", ["commit ingested_files", "commit session_events", "stage session_parts"])
def test_who_comes_next_ends_what_was_killed(shops: tuple[Shop, Lake], step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, lake = shops
    assert dying("step", shop.folder, step) == {"whole": False}
    staged = left_over(lake)
    assert len(staged) == len(ingestion.TABLES)
    assert (journal.pending(lake) is not None) == (not step.startswith("stage"))
    ingestion.ingest(lake, ingestion.new_files(lake, shop.landing))
    assert rows(lake) == rows(shop.lake)
    assert journal.pending(lake) is None
    assert left_over(lake) == (staged if step.startswith("stage") else [])
    monkeypatch.setattr(journal, "ABANDONED", -journal.ABANDONED)
    journal.clear_abandoned(lake)
    assert left_over(lake) == []


@pytest.mark.long
def test_two_ingestions_at_once_end_in_the_same_rows(shops: tuple[Shop, Lake]) -> None:
    shop, lake = shops
    names = [file.name for file in landing.landed_files(shop.landing)]
    assert dying("together", shop.folder, json.dumps([names] * 2)) == {"whole": [True] * 2}
    assert rows(lake) == rows(shop.lake)
    assert (journal.pending(lake), left_over(lake)) == (None, [])
