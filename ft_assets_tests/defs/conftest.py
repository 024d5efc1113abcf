"""What the tests of sensors and runs share."""

import dagster as dg
import pytest

from ft_assets_tests.defs.ticks import click, session, write


@pytest.fixture
def landed(home):
    write(home, "items/catalogue.ndjson.gz", *({"item_id": f"i{k}", "text": f"item {k}"} for k in range(4)))
    for day in range(3):
        write(home, f"embedding_studio/sessions-{day}.ndjson.gz", session(day), session(day, 1))
        write(home, f"embedding_studio/events-{day}.ndjson.gz", click(day), click(day, 1, "i3"))
    return home


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance
