"""A catalogue that changes: a new text is encoded, alone, and by choice the days that show it are made anew."""

import json
from typing import Any

import dagster as dg
import pytest

from ft_assets import headless
from ft_assets_tests.shop import DAY, START, Shop, click, session

ENCODER = {"resources": {"encoder": {"config": {"model": "hashing:64"}}}}
LISTS = {"s1": ("a", "b"), "s2": ("c", "d")}


@pytest.fixture
def shop(home) -> Shop:
    shop = Shop(home.path)
    shop.put("items/1.ndjson", [{"item_id": item, "text": f"text of {item}"} for item in "abc"])
    records = [session(id_, f"query {id_}", shown, START + DAY * day) for day, (id_, shown) in enumerate(LISTS.items())]
    clicks = [click(f"e{id_}", id_, shown[0], START + DAY * day + 5) for day, (id_, shown) in enumerate(LISTS.items())]
    shop.put("embedding_studio/1.ndjson", [*records, *clicks])
    return shop


def run(home, **ingestion: Any) -> dict[str, int]:
    """Make what is out of date; item texts encoded, by day made anew."""
    config = {**ENCODER, **({"ops": {"ingestion": {"config": ingestion}}} if ingestion else {})}
    with headless.instance_of(home) as instance:
        before = {run.run_id for run in instance.get_runs()}
        assert headless.run_until_nothing_is_new(home, instance, lambda line: None, config).succeeded
        made = {}
        for record in instance.fetch_materializations(dg.AssetKey("text_vectors"), limit=100).records:
            if record.run_id not in before:
                made[str(record.partition_key)] = int(record.asset_materialization.metadata["item_texts_encoded"].value)
        return made


@pytest.mark.long
def test_a_new_text_is_encoded_alone_and_re_opens_the_days_that_show_it_by_choice(home, shop):
    assert run(home) == {"2024-01-01": 2, "2024-01-02": 1}
    shop.put("items/2.ndjson", [{"item_id": "b", "text": "another text of b"}, {"item_id": "a", "text": "text of a"}])
    assert run(home) == {"2024-01-01": 1}
    # an item that had no text re-opens its day whatever the choice is
    shop.put("items/3.ndjson", [{"item_id": "b", "text": "a third text of b"}, {"item_id": "d", "text": "first text of d"}])
    assert run(home, changed_texts="keep_days") == {"2024-01-02": 1}
    assert [row["text"] for row in shop.rows("items") if row["item_id"] == "b"] == ["a third text of b"]
    assert json.loads(home.lake.history("items")[-1]["affected_days"]) == ["2024-01-02"]
