"""What every encoder holds to: the protocol, the fingerprint of a model, and what counts as a list of texts.

Letters: N texts, D vector width.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

Role = Literal["query", "item"]


class Encoder(Protocol):
    """What turns texts into vectors."""

    @property
    def fingerprint(self) -> str:
        """Short model name and 12 hex digits of the description; safe as a file name."""
        ...

    @property
    def dimension(self) -> int:
        """The width D of a vector."""
        ...

    @property
    def description(self) -> dict[str, Any]:
        """What decides the vector of a text; JSON values."""
        ...

    @property
    def device(self) -> str:
        """Where it computes, such as ``cpu`` or ``cuda:0``."""
        ...

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Encode texts, in the order given.

        Args:
            texts: N texts of any length, the empty one included.
            role: which of the model's prompts stands before a text.

        Returns:
            float32 [N, D], no gradients. A text's vector depends on the other texts by float noise at most.

        Raises:
            TypeError: texts is one string, or holds something else than strings.
            ValueError: role is neither ``query`` nor ``item``.
        """
        ...


@runtime_checkable
class Streaming(Protocol):
    """An encoder that encodes texts as they are read, and gives their vectors as they come."""

    def encode_batches(self, texts: Iterable[str], role: Role) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Encode texts without holding all of them.

        Args:
            texts: distinct; best in order of length. They are read by another thread.
            role: as for ``encode``.

        Yields:
            Places of some of the texts among all, from 0, int64 [n], and their vectors, float32 [n, D]. Each text's come once,
            in whatever order.
        """
        ...


def model_fingerprint(description: dict[str, Any]) -> str:
    """Make the key of a model: short name and 12 hex digits, [a-z0-9._-] only, never without a letter.

    Args:
        description: JSON values; ``name`` is among them.

    Returns:
        For example ``hashing-256-0f3a5d9e7c21``. Equal descriptions have equal fingerprints.
    """
    canonical = json.dumps(description, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    digest = hashlib.blake2b(canonical.encode("ascii"), digest_size=6).hexdigest()
    name = re.split(r"[/\\]", str(description["name"]).rstrip("/\\"))[-1].lower()
    short = re.sub(r"[^a-z0-9._-]+", "-", name).strip("-._")[:48]
    if not re.search("[g-z]", short):  # hex digits alone could be read as a number, such as 12-1e5
        short = f"model-{short}".rstrip("-")
    return f"{short}-{digest}"


def distinct_texts(texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Split texts into distinct ones and the place of each text among them, int64 [N]; refuse what is not text."""
    if isinstance(texts, str):
        raise TypeError("texts must be a sequence of strings, got one string")
    place_of: dict[str, int] = {}
    places = np.zeros(len(texts), dtype=np.int64)
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts must be strings, got {type(text).__name__} at position {index}")
        places[index] = place_of.setdefault(clean_text(text), len(place_of))
    return list(place_of), places


def clean_text(text: str) -> str:
    """A text that tokenizers take: half of a surrogate pair is legal in JSON, but is no character."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def prompt_of(prompts: dict[str, str], role: str) -> str:
    """Choose the prompt of a role; refuse a role that is none."""
    if role not in prompts:
        raise ValueError(f"role must be 'query' or 'item', got {role!r}")
    return prompts[role]
