"""Which format is which: the first records tell it."""

import gzip
import json
from pathlib import Path

import pytest

from ft_assets import readers
from ft_assets_tests.samples import ITEM, SESSION, UBI_EVENT, UBI_QUERY, write

EVENTS = {"session_id": "s1", "events": []}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (json.dumps(SESSION), "embedding_studio"),
        (json.dumps(EVENTS), "embedding_studio"),
        (json.dumps({"session_id": "s", "event_id": "e", "object_id": "a", "event_type": "click"}), "embedding_studio"),
        (json.dumps(ITEM), "items"),
        (json.dumps(UBI_EVENT), "ubi"),
        (json.dumps(UBI_QUERY), "ubi"),
        ('{"index": {"_index": "ubi_events"}}\n' + json.dumps(UBI_EVENT), "ubi"),
        ("ubi_queries\t" + json.dumps(UBI_QUERY), "ubi"),
        (json.dumps({"_index": "ubi_events", "_source": UBI_EVENT}), "ubi"),
        ("\n\nnot json\n" + json.dumps(ITEM), "items"),
        ("a,b\n1,2\n", None),
        ("[1]\n{}\n", None),
        ("", None),
    ],
)
def test_the_first_records_tell_the_format(tmp_path: Path, content: str, expected: str | None) -> None:
    assert readers.guess_format(write(tmp_path / "plain", content)) == expected
    assert readers.guess_format(write(tmp_path / "packed.gz", gzip.compress(content.encode()))) == expected
