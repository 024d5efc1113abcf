"""A lake's tables in a training loop."""

import datetime as dt

import pytest
import torch

from ft_assets import FeaturesExtractor, headless, read_table
from ft_assets.encoders import load_encoder
from ft_assets.features import FineTuningFeatures
from ft_assets.kernels import windowed_confidences
from ft_assets.lake import Home
from ft_assets.simulate import simulate
from ft_assets.training_data import LakeDataModule, load_inputs, load_items, stream_features

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
    assert sum(len(batch) for batch in batches) == read_table("fine_tuning_features", home.path, DAY).num_rows
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
        for session in batch:
            data.items.items_by_ids(session.results)


def test_paired_batches_go_through_the_extractor(home):
    data = LakeDataModule(home.path, [DAY], paired=True, batch_size=16, seed=1)
    data.setup()
    extractor = FeaturesExtractor(Encoder(), not_irrelevant_only=False)
    assert sum(len(extractor(batch, data.items)) for batch in data.train_dataloader()) > 0


def test_days_without_a_session_are_refused_by_name(home):
    with pytest.raises(ValueError, match="2020-01-01"):
        LakeDataModule(home.path, [dt.date(2020, 1, 1)]).setup()
