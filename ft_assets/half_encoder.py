"""An encoder whose vectors are rounded to half precision, under a fingerprint of their own.

They are float32 still, so every reader of the table reads them, and every value is one that float16 has too: the lower 13
of the 23 bits behind its point are 0, which the table's encoding stores in next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ft_assets.encoder_contract import Encoder, Role, Streaming, model_fingerprint
from ft_assets.token_batches import windows


class HalfEncoder:
    """An encoder, its vectors rounded to float16 (11 significant bits, up to 65,504)."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.dimension, self.device = encoder.dimension, encoder.device
        self.description: dict[str, Any] = {**encoder.description, "precision": "float16"}
        self.fingerprint = model_fingerprint(self.description)

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Encode texts; see Encoder.encode."""
        return rounded(self.encoder.encode(texts, role))

    def encode_batches(self, texts: Iterable[str], role: Role) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Encode texts as they are read; see Streaming.encode_batches."""
        for rows, vectors in streamed(self.encoder, texts, role):
            yield rows, rounded(vectors)


def rounded(vectors: np.ndarray) -> np.ndarray:
    """Round to the nearest number that float16 has.

    Args:
        vectors: float32, of any shape.

    Returns:
        float32. What is beyond 65,504 becomes infinite, which is refused where vectors are stored.

    Example:
        >>> rounded(np.array([0.1, 1.0], np.float32)).tolist()
        [0.0999755859375, 1.0]
    """
    with np.errstate(over="ignore"):
        halves: np.ndarray = vectors.astype(np.float16).astype(np.float32)
    return halves


def streamed(
    encoder: Encoder, texts: Iterable[str], role: Role, at_once: int = 1_024
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What ``Streaming.encode_batches`` gives, of any encoder: one that cannot stream is given some texts at a time."""
    if isinstance(encoder, Streaming):
        yield from encoder.encode_batches(texts, role)
        return
    first = 0
    for some in windows(texts, at_once):
        yield np.arange(first, first + len(some)), encoder.encode(some, role)
        first += len(some)
