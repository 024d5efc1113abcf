"""An encoder that is a sentence-transformers model, with a prompt per role, and what identifies that model.

torch and sentence-transformers are imported when a model is loaded.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ft_assets.encoder_contract import Role, distinct_texts, model_fingerprint, prompt_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_ITEM_PROMPT_NAMES = ("document", "passage", "corpus")  # the order of SentenceTransformer.encode_document
_MODEL_FILE_ENDINGS = (".json", ".txt", ".model", ".safetensors", ".bin", ".py")


class SentenceTransformerEncoder:
    """A sentence-transformers model with a prompt per role. Calls from several threads take turns."""

    def __init__(self, name: str, source: Path | None, device: str, batch_size: int, prompts: dict[str, str | None]) -> None:
        self.device = device
        self.batch_size = batch_size
        self.model = load_model(name, source, device=device)
        self.dimension: int = self.model.get_embedding_dimension() or 0
        revision = _folder_revision(source) if source else _hub_revision(name)
        by_role = prompts_by_role(self.model, prompts["query"], prompts["item"])
        self.description = _describe(self.model, name, revision, by_role)
        self.fingerprint = model_fingerprint(self.description)
        self._turn = threading.Lock()  # fast tokenizers refuse a second thread ("Already borrowed")

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Encode texts; see Encoder.encode.

        The model sorts the texts by length itself, so that a batch has little padding.
        """
        prompt = prompt_of(self.description["prompts"], role)
        distinct, places = distinct_texts(texts)
        if not distinct:
            return np.zeros((0, self.dimension), dtype=np.float32)
        # encode_query and encode_document also tell models with a part per role which one to take
        encode = self.model.encode_query if role == "query" else self.model.encode_document
        with self._turn:
            vectors = encode(distinct, prompt=prompt, batch_size=self.batch_size, show_progress_bar=False)
        ordered: np.ndarray = np.asarray(vectors, dtype=np.float32)[places]
        return ordered


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
