"""``sources.yaml`` says what it means, or says what is wrong with it, and never repeats a secret."""

import re
from pathlib import Path

import pytest

from ft_assets.sources import read_sources

SOUND = """
- name: shop
  url_env: SHOP_URL
  sessions: {relation: log.sessions, watermark: updated_at, columns: {query: words, user_id: null}}
  events: {relation: events, watermark: id, overlap: 0}
"""


def written(folder, text):
    (folder / "sources.yaml").write_text(text)
    return folder


def test_a_home_without_the_file_has_no_sources(tmp_path):
    assert read_sources(tmp_path) == []
    assert read_sources(written(tmp_path, "")) == []


def test_what_is_not_said_is_the_default(tmp_path):
    (source,) = read_sources(written(tmp_path, SOUND))
    assert list(source.tables) == ["sessions", "events"]
    assert (source.sessions.overlap, source.events.overlap) == (None, 0)
    assert source.sessions.columns == {"query": "words", "user_id": None}
    assert (source.statement_timeout, source.rows_per_file) == (600, 100_000)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("watermark: id", "watermrk: id", r"source 1, events.watermrk: unknown key; the keys are relation, watermark, overlap"),
        ("watermark: id", "columns: {}", r"source 1, events.watermark: Field required"),
        ("url_env: SHOP_URL", "url_envs: SHOP_URL", r"source 1, url_envs: unknown key; the keys are name, url_env"),
        ("url_env: SHOP_URL", "password: hunter2", r"credentials never stand in this file.* named by url_env"),
        ("url_env: SHOP_URL", "url: postgresql://a:hunter2@b/c", r"source 1, url: credentials never stand in this file"),
        ("SHOP_URL", "postgresql://a:hunter2@b/c", r"url_env: must be the name of an environment variable"),
        ("query: words", "words: query", r"sessions.columns: unknown field words; the fields are session_id, query"),
        ("query: words", "query: null", r"sessions.columns: query cannot be left out"),
        ("overlap: 0", "overlap: -1", r"events.overlap: Input should be greater than or equal to 0"),
        ("overlap: 0", "result_keys: {rank: r}", r"events.result_keys: only sessions have results"),
        ("columns: {", "result_keys: {sku: s}, columns: {", r"the keys of an entry are item_id and rank, got sku"),
        ("log.sessions", "a.log.sessions", r"a relation is 'table' or 'schema.table'"),
        ("name: shop", "name: ../shop", r"source 1, name: String should match pattern"),
        ("name: shop", "name: .shop", r"source 1, name: String should match pattern"),
        ("- name", "sources:\n- name", r"must be a list of sources"),
        ("- name: shop", "- name: shop: {", r"is no YAML: see line 2"),
        (SOUND, SOUND + SOUND, r"a source's name must be its own, shop is there twice"),
        (SOUND, "- {name: shop, url_env: SHOP_URL}", r"at least one of items, sessions, events must be there"),
    ],
)
def test_what_is_wrong_is_told_with_the_file_and_the_place(tmp_path, old, new, said):
    assert old in SOUND
    with pytest.raises(ValueError, match=said) as error:
        read_sources(written(tmp_path, SOUND.replace(old, new, 1)))
    assert str(tmp_path / "sources.yaml") in str(error.value)
    assert not re.search("hunter2", str(error.value))


def test_the_example_of_the_docs_is_a_file_of_sources(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "sources.md").read_text()
    first, *others = re.findall(r"^```yaml\n(.*?)^```", page, re.S | re.M)
    assert [list(source.tables) for source in read_sources(written(tmp_path, first))] == [["items", "sessions", "events"]]
    for text in others:
        assert read_sources(written(tmp_path, text))
