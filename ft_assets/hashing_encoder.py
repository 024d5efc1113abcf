"""An encoder without a model: words and their character n-grams, hashed and added up in D signed columns.

Letters: N texts, D vector width.

Source: Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning" (the signed hash);
Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information" (a word and its n-grams).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ft_assets.encoder_contract import Role, distinct_texts, model_fingerprint, prompt_of

NGRAM_LENGTHS = (3, 4)
NGRAM_WEIGHT = 0.5
"""Squared length that a word's n-grams share; the word itself has 1."""
_TEXTS_AT_ONCE = 1024  # bounds memory: so many rows of float64 at a time


class HashingEncoder:
    """Words and their character n-grams hashed into D columns: deterministic, quick, without a model.

    For tests and benchmarks. Texts that share words or word parts are near; it knows no synonyms.
    """

    device = "cpu"

    def __init__(self, width: int, prompts: dict[str, str]) -> None:
        self.dimension = width
        self.description: dict[str, Any] = {
            "name": f"hashing-{width}", "revision": "1", "prompts": prompts, "max_seq_length": None,
            "pooling": "sum", "normalization": "l2", "dtype": "float32",
        }  # fmt: skip
        self.fingerprint = model_fingerprint(self.description)

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Encode texts; see Encoder.encode."""
        distinct, places = distinct_texts(texts)
        prompt = prompt_of(self.description["prompts"], role)
        vectors: np.ndarray = hash_texts([prompt + text for text in distinct], self.dimension)[places]
        return vectors


def hash_texts(texts: Sequence[str], width: int) -> np.ndarray:
    """Hash texts into vectors of length 1, with no regard to case or to the order of words.

    Args:
        texts: N texts.
        width: D, at least 1.

    Returns:
        float32 [N, D]. A text without a word counts as one word, so the empty one has a vector too.

    Example:
        >>> near, far = hash_texts(["red shoes", "Shoe, red!", "blue hat"], 64)[1:] @ hash_texts(["red shoes"], 64)[0]
        >>> bool(near > far)
        True
    """
    chunks = range(0, len(texts), _TEXTS_AT_ONCE)
    parts = [_hash_chunk(texts[start : start + _TEXTS_AT_ONCE], width) for start in chunks]
    return np.concatenate(parts) if parts else np.zeros((0, width), dtype=np.float32)


def _hash_chunk(texts: Sequence[str], width: int) -> np.ndarray:
    cells: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for row, text in enumerate(texts):
        lowered = text.lower()
        for word in re.findall(r"\w+", lowered) or [lowered]:
            columns, values = _word_features(word, width)
            cells.append(columns + row * width)
            weights.append(values)
    flat = np.bincount(np.concatenate(cells), np.concatenate(weights), minlength=len(texts) * width)
    sums = flat.reshape(len(texts), width)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return (sums / np.where(norms == 0, 1.0, norms)).astype(np.float32)


@lru_cache(maxsize=100_000)
def _word_features(word: str, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and signed weights of a word. crc32 is fixed by its standard, unlike Python's hash."""
    framed = f"<{word}>"
    grams = [framed[i : i + n] for n in NGRAM_LENGTHS for i in range(len(framed) - n + 1)]
    hashes = np.array([zlib.crc32(feature.encode()) for feature in (f"={word}", *grams)], dtype=np.int64)
    sizes = np.full(len(hashes), (NGRAM_WEIGHT / max(1, len(grams))) ** 0.5)
    sizes[0] = 1.0
    # the sign comes from the top bit, the column from the others
    return (hashes & 0x7FFFFFFF) % width, np.where(hashes >> 31, -sizes, sizes)
