"""A lake's tables in a training loop."""

import datetime as dt
import random

import pytest
import torch

from ft_assets import FeaturesExtractor, engine, headless, read_table
from ft_assets.encoders import load_encoder
from ft_assets.features import FineTuningFeatures
from ft_assets.kernels import windowed_confidences
from ft_assets.lake import Home
from ft_assets.simulate import simulate
from ft_assets.training_data import LakeDataModule, load_inputs, load_items, stream_features
from ft_assets_tests.builders import DAY as MADE_DAY
from ft_assets_tests.builders import event, inputs, item, put_day, session, table_of

DAY = dt.date(2026, 11, 1)
CONFIG = {
    "ops": {
        "sampled_inputs": {"config": {"negative_downsampling_factor": 0.5, "seed": 9}},
        "pair_features": {"config": {"confidence": "windowed"}},
        "fine_tuning_features": {"config": {"max_abs_difference_threshold": 0.2}},
    },
    "resources": {"encoder": {"config": {"model": "hashing:64"}}},
}


class Encoder:
    """The model of the tables, as the extractor asks for it."""

    def __init__(self) -> None:
        self.encoder = load_encoder("hashing:64")

    def forward_query(self, query):
        return torch.from_numpy(self.encoder.encode([query], "query"))

    def forward_items(self, items):
        return torch.from_numpy(self.encoder.encode(list(items), "item"))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    home = Home(tmp_path_factory.mktemp("training") / "home")
    simulate(home.landing, days=2, sessions=60, seed=8)
    with headless.instance_of(home) as instance:
        assert headless.run_until_nothing_is_new(home, instance, lambda line: None, CONFIG).succeeded
    return home


def columns(features: FineTuningFeatures) -> torch.Tensor:
    names = ("positive_ranks", "negative_ranks", "target", "positive_confidences", "negative_confidences")
    return torch.stack([getattr(features, name).double() for name in names], dim=1)


def sorted_rows(rows: torch.Tensor) -> torch.Tensor:
    return torch.tensor(sorted(rows.round(decimals=4).tolist()))


def test_the_library_and_the_tables_make_the_same_features_of_the_same_sessions(home):
    inputs = load_inputs(home.lake, [DAY])
    extractor = FeaturesExtractor(
        Encoder(),
        negative_downsampling_factor=0.5,
        seed=9,
        confidence_calculator=windowed_confidences,
        max_abs_difference_threshold=0.2,
    )
    ours = columns(extractor(inputs, load_items(home.lake, inputs)))
    stored = torch.cat([columns(features) for features in stream_features(home.lake, DAY)])
    assert len(stored) > 50
    torch.testing.assert_close(sorted_rows(ours), sorted_rows(stored), atol=2e-4, rtol=0)


def test_features_stream_in_batches_that_join_to_the_day(home):
    batches = list(stream_features(home.lake, DAY, batch_size=50))
    assert max(len(batch) for batch in batches) <= 50
    whole = columns(FineTuningFeatures.from_arrow(read_table("fine_tuning_features", home.path, DAY)))
    assert torch.equal(sorted_rows(torch.cat([columns(batch) for batch in batches])), sorted_rows(whole))
    assert next(stream_features(home.lake, DAY, 3, "meta")).target.device.type == "meta"
    with pytest.raises(ValueError, match="at least 1, got 0"):
        next(stream_features(home.lake, DAY, batch_size=0))


def test_no_query_is_on_both_sides_and_every_shown_item_has_its_text(home):
    data = LakeDataModule(home.path, batch_size=16, seed=1)
    data.setup()
    train, test = ({session.query for session in side} for side in (data.split.train, data.split.test))
    assert train
    assert test
    assert not train & test
    for batch in data.train_dataloader():
        for shown in batch:
            data.items.items_by_ids(shown.results)


WORDS = ["red", "blue", "green", "shoe", "hat", "coat", "wool", "linen", "summer", "warm"]


def lake_without_some_texts(home: Home) -> None:
    """A day through the engine: parts, missing engine ranks, clicked and unclicked items without a text, irrelevant ones."""
    chance, names = random.Random(5), [f"i{number}" for number in range(30)]
    object_of = {name: f"o{row % 4}" if row % 3 == 0 else name for row, name in enumerate(names)}
    known = [name for name in names if chance.random() < 0.7]
    home.lake.append("items", table_of("items", [item(n, " ".join(chance.sample(WORDS, 4)), object_of[n]) for n in known]), {})
    sessions, events = [], []
    for number in range(120):
        name, shown = f"s{number:03}", chance.sample(names, k=chance.choice([1, 4, 9, 14]))
        clicked = [] if number % 4 == 0 else chance.sample(shown, k=min(len(shown), chance.choice([1, 2, 3])))
        ranks = [chance.uniform(0.1, 1.0) for _ in shown]
        if number % 5 == 0:
            ranks[chance.randrange(len(ranks))] = None
        query = " ".join(chance.sample(WORDS, 2))
        sessions.append(session(name, list(zip(shown, ranks, strict=True)), day=MADE_DAY, query_text=query))
        events += [event(name, item) for item in clicked]
    # A session of nothing but what has no text, and one of which all that was clicked has none.
    gone = sorted(set(names) - set(known))
    sessions += [session("s990", gone[:3], day=MADE_DAY), session("s991", [*gone[:2], *known[:3]], day=MADE_DAY)]
    events += [event("s990", gone[0]), event("s991", gone[0])]
    put_day(home.lake, "search_sessions", table_of("search_sessions", sessions), MADE_DAY)
    home.lake.append("session_events", table_of("session_events", events), {})


def through_the_engine(home: Home, factor: float, seed: int, settings: engine.PairSettings) -> None:
    lake, encoder = home.lake, load_encoder("hashing:64")
    log = lake.slice("search_sessions", MADE_DAY), lake.slice("session_events"), lake.slice("items")
    made = engine.fine_tuning_inputs(*log, lake.slice("flagged_sessions", MADE_DAY), ["click"])
    lake.replace_day("fine_tuning_inputs", MADE_DAY, made.batches, {})
    sampled = engine.sampled_inputs(lake.slice("fine_tuning_inputs", MADE_DAY), factor, seed)
    lake.replace_day("sampled_inputs", MADE_DAY, sampled.batches, {})
    day, items = lake.slice("sampled_inputs", MADE_DAY), lake.slice("items")
    engine.text_vectors(lake, day, items, encoder, {})
    pairs = engine.pair_features(day, items, lake.slice("text_vectors"), encoder.fingerprint, settings)
    lake.replace_day("pair_features", MADE_DAY, pairs.batches, {})
    features = engine.fine_tuning_features(lake.slice("pair_features", MADE_DAY), 0.05, 0.9)
    lake.replace_day("fine_tuning_features", MADE_DAY, features.batches, {})


@pytest.mark.parametrize("only", [True, False])
@pytest.mark.parametrize(("window", "thresholds"), [("pair_features", (-1.0, 3.0)), ("fine_tuning_features", (0.05, 0.9))])
def test_items_without_a_text_are_dealt_with_as_the_tables_do(tmp_path, only, window, thresholds):
    home = Home(tmp_path)
    lake_without_some_texts(home)
    settings = engine.PairSettings(confidence="windowed", not_irrelevant_only=only)
    through_the_engine(home, 0.5, 9, settings)
    data = LakeDataModule(home.path, [MADE_DAY])
    data.setup()
    sessions = sorted(data.split.train + data.split.test, key=lambda session: session.session_id)
    made = read_table("fine_tuning_inputs", home.path, MADE_DAY).to_pylist()
    shown = {row["session_id"]: len(row["results"]) for row in home.lake.slice("search_sessions").to_table().to_pylist()}
    assert sum(shown[row["session_id"]] - len(row["item_ids"]) for row in made) > 50
    assert "s990" not in {row["session_id"] for row in made}
    (neither,) = (row for row in made if row["session_id"] == "s991")
    assert not neither["is_irrelevant"]
    assert not any(neither["clicked"])
    assert "s991" not in {session.session_id for session in sessions}
    extractor = FeaturesExtractor(
        Encoder(),
        negative_downsampling_factor=0.5,
        seed=9,
        confidence_calculator=windowed_confidences,
        not_irrelevant_only=only,
        min_abs_difference_threshold=thresholds[0],
        max_abs_difference_threshold=thresholds[1],
    )
    ours = columns(extractor(sessions, data.items))
    stored = columns(FineTuningFeatures.from_arrow(read_table(window, home.path, MADE_DAY)))
    assert len(ours) == len(stored) > 60
    torch.testing.assert_close(sorted_rows(ours), sorted_rows(stored), atol=2e-4, rtol=0)


def test_a_session_is_loaded_as_the_table_has_it(tmp_path):
    home = Home(tmp_path)
    home.lake.append("items", table_of("items", [item(name) for name in "abc"]), {})
    row = inputs("s", ["a", "b", "c"], ["b"], object_ids=["o", "o", "c"], ranks=[0.5, None, 0.25])
    put_day(home.lake, "fine_tuning_inputs", table_of("fine_tuning_inputs", [row]), MADE_DAY)
    (loaded,) = load_inputs(home.lake, [MADE_DAY])
    assert (loaded.results, loaded.events, loaded.without_text) == (["a", "b", "c"], ["b"], set())
    assert (loaded.ranks, loaded.part_to_object_dict) == ({"a": 0.5, "b": None, "c": 0.25}, {"a": "o", "b": "o"})
    assert not loaded.is_irrelevant
    assert sorted(load_items(home.lake, [loaded]).ids) == ["a", "b", "c"]


def test_paired_batches_go_through_the_extractor(home):
    data = LakeDataModule(home.path, [DAY], paired=True, batch_size=16, seed=1)
    data.setup()
    extractor = FeaturesExtractor(Encoder(), not_irrelevant_only=False)
    assert sum(len(extractor(batch, data.items)) for batch in data.train_dataloader()) > 0


def test_days_without_a_session_are_refused_by_name(home):
    with pytest.raises(ValueError, match="2020-01-01"):
        LakeDataModule(home.path, [dt.date(2020, 1, 1)]).setup()
