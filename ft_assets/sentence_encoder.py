"""An encoder that is a sentence-transformers model, with a prompt per role, and what identifies that model.

torch and sentence-transformers are imported when a model is loaded.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ft_assets.device_memory import Fitting
from ft_assets.encoder_contract import Role, clean_text, distinct_texts, model_fingerprint, prompt_of
from ft_assets.prefetch import prefetched
from ft_assets.token_batches import TokenBatch, by_tokens, cut, token_lengths, windows

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from ft_assets.kernels.transfers import Landing

_ITEM_PROMPT_NAMES = ("document", "passage", "corpus")  # the order of SentenceTransformer.encode_document
TASKS = {"query": "query", "item": "document"}  # a role, as sentence-transformers calls it
CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 4_096, 65_536
UNTOLD_TOKENS = 128  # of a text, where a model does not tell
AHEAD = 4  # batches that wait for the device
IN_FLIGHT = 2  # batches on a GPU at once
_MODEL_FILE_ENDINGS = (".json", ".txt", ".model", ".safetensors", ".bin", ".py")


class SentenceTransformerEncoder:
    """A sentence-transformers model with a prompt per role, used from any thread.

    Batches are filled by tokens. A thread reads and tokenizes what comes next while the device is at work, and on a GPU
    nothing is waited for but a batch's vectors, when the next batches are under way. Where a batch does not fit into the
    device's memory it is halved, and so are those after it.
    """

    def __init__(self, name: str, source: Path | None, device: str, batch_tokens: int, prompts: dict[str, str | None]) -> None:
        self.device = device
        self.batch_tokens = batch_tokens or (CPU_BATCH_TOKENS if device == "cpu" else GPU_BATCH_TOKENS)
        self.model = load_model(name, source, device=device)
        self.dimension: int = self.model.get_embedding_dimension() or 0
        revision = _folder_revision(source) if source else _hub_revision(name)
        by_role = prompts_by_role(self.model, prompts["query"], prompts["item"])
        self.description = _describe(self.model, name, revision, by_role)
        self.fingerprint = model_fingerprint(self.description)
        self.fitting = Fitting()
        self._turn = threading.Lock()  # fast tokenizers refuse a second thread ("Already borrowed")

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Encode texts; see Encoder.encode."""
        distinct, places = distinct_texts(texts)
        order = sorted(range(len(distinct)), key=lambda place: -len(distinct[place]))
        vectors = np.zeros((len(distinct), self.dimension), dtype=np.float32)
        for rows, part in self.encode_batches((distinct[place] for place in order), role):
            vectors[[order[row] for row in rows]] = part
        ordered: np.ndarray = vectors[places]
        return ordered

    def encode_batches(self, texts: Iterable[str], role: Role) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Encode texts as they are read; see Streaming.encode_batches."""
        prompt_of(self.description["prompts"], role)
        ahead = AHEAD if self.device == "cpu" else 2 * AHEAD
        with prefetched(self._batches(texts, role), ahead) as batches:
            under_way: deque[list[tuple[np.ndarray, Landing]]] = deque()
            for batch in batches:
                start = partial(self._started, TASKS[role])
                under_way.append(self.fitting.run(start, batch, lambda b: b.tokens, _halves))
                if len(under_way) > (0 if self.device == "cpu" else IN_FLIGHT):
                    yield from _landed(under_way.popleft())
            while under_way:
                yield from _landed(under_way.popleft())

    def _batches(self, texts: Iterable[str], role: Role) -> Iterator[TokenBatch]:
        """Tokenized texts, in batches of like length; what the device takes is laid ready for it."""
        # So many texts are sorted by their tokens at once as fill several batches.
        at_once, first = max(1_024, self.batch_tokens // 8), 0
        for window in windows((clean_text(text) for text in texts), at_once):
            features = self._features(window, role)
            lengths = token_lengths(features, len(window))
            if lengths is not None:
                for rows in by_tokens(lengths, self.batch_tokens):
                    yield TokenBatch(rows + first, self._laid_ready(cut(features, rows)))
            else:  # a model whose texts do not lie one beside the other: batches of its own making
                step = max(1, self.batch_tokens // UNTOLD_TOKENS)
                for start in range(0, len(window), step):
                    part = window[start : start + step]
                    rows = np.arange(first + start, first + start + len(part))
                    yield TokenBatch(rows, self._laid_ready(self._features(part, role)))
            first += len(window)

    def _laid_ready(self, features: dict[str, Any]) -> dict[str, Any]:
        from ft_assets.kernels.transfers import pinned

        return {name: pinned(value, self.device) if hasattr(value, "shape") else value for name, value in features.items()}

    def _features(self, texts: list[str], role: Role) -> dict[str, Any]:
        with self._turn:
            # as encode_query and encode_document do, which also tell models with a part per role which one to take
            return dict(self.model.preprocess(texts, prompt=self.description["prompts"][role], task=TASKS[role]))

    def _started(self, task: str, batch: TokenBatch) -> tuple[np.ndarray, Landing]:
        """Let the device encode a batch."""
        import torch

        from ft_assets.kernels.transfers import Landing, moved

        with torch.inference_mode():
            tensors = {n: moved(v, self.device) if isinstance(v, torch.Tensor) else v for n, v in batch.features.items()}
            output = self.model(tensors, task=task)["sentence_embedding"]
            width = self.model.truncate_dim
            return batch.rows, Landing(output[:, :width].float() if width else output.float())


def _landed(parts: list[tuple[np.ndarray, Landing]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for rows, vectors in parts:
        yield rows, vectors.wait().numpy()


def _halves(batch: TokenBatch) -> tuple[TokenBatch, ...]:
    middle = len(batch.rows) // 2
    if middle == 0 or batch.features.get("attention_mask") is None:
        return (batch,)
    return batch.part(slice(0, middle)), batch.part(slice(middle, None))


def load_model(name: str, source: Path | None, **settings: Any) -> SentenceTransformer:
    """Load a model, in evaluation mode; settings go to sentence-transformers.

    Args:
        name: of the model, where it has no folder.
        source: its folder, which is loaded without the network.
        settings: such as ``device``.
    """
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    # a bar per load is noise in the log of a run; these functions of transformers carry no types
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = SentenceTransformer(str(source or name), **{"local_files_only": source is not None} | settings)
    finally:
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
    return model.eval()


def prompts_by_role(model: SentenceTransformer, query_prompt: str | None, item_prompt: str | None) -> dict[str, str]:
    """The prompt of each role: what is asked for, or where that is None the model's own for the role."""
    own = model.prompts.get(model.default_prompt_name or "", "")
    item_name = next((candidate for candidate in _ITEM_PROMPT_NAMES if candidate in model.prompts), "")
    own_of_role = {"query": model.prompts.get("query", own), "item": model.prompts.get(item_name, own)}
    asked = {"query": query_prompt, "item": item_prompt}
    return {role: (own_of_role[role] or "") if text is None else text for role, text in asked.items()}


def _describe(model: SentenceTransformer, name: str, revision: str, prompts: dict[str, str]) -> dict[str, Any]:
    kinds = [type(module).__name__ for module in model]
    pooling = [getattr(module, "pooling_mode", None) for module in model if type(module).__name__ == "Pooling"]
    return {
        # of a folder only its last name: where a model lies does not change its vectors
        "name": Path(name).resolve().name if Path(name).is_dir() else name,
        "revision": revision,
        "prompts": prompts,
        "max_seq_length": model.max_seq_length,
        "pooling": str(pooling[0]) if pooling else "none",
        "normalization": "l2" if "Normalize" in kinds else "none",
        "dtype": str(model.dtype).removeprefix("torch."),
        "dimension": model.get_embedding_dimension(),
    }


def model_files(folder: Path) -> list[Path]:
    """List the files that decide a model's vectors; other weights formats beside them (onnx/, ...) do not."""
    listing = folder / "modules.json"
    parts = [part["path"] for part in json.loads(listing.read_text())] if listing.exists() else [""]
    folders = {folder, *(folder / part for part in parts)}
    found = {file for each in folders if each.is_dir() for file in each.iterdir() if file.is_file()}
    return sorted(file for file in found if file.name.endswith(_MODEL_FILE_ENDINGS))


def _folder_revision(folder: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for file in model_files(folder):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def _hub_revision(name: str) -> str:
    """Read the commit of a downloaded model from where the hub's cache has put it."""
    from huggingface_hub import try_to_load_from_cache

    repository = name if "/" in name else f"sentence-transformers/{name}"
    for file in ("modules.json", "config.json"):
        path = try_to_load_from_cache(repository, file)
        if isinstance(path, str):
            return Path(path).parent.name
    raise FileNotFoundError(f"the files of {name} must be in the hub's cache after loading, found none")
