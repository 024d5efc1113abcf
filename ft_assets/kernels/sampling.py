"""Which not-events stay: the lowest 64-bit hashes of (seed, session, object).

A hash of ids decides, never a random draw: the outcome depends on neither row order, batch, partition,
process nor engine, and what a smaller factor keeps is a subset of what a larger one keeps. The hash is ours
because Python's ``hash`` changes with PYTHONHASHSEED and a database's may change with its version.

An id becomes 64 bits by BLAKE2b; seed and ids are then mixed by the finalizer of splitmix64. All 64-bit
values are carried in int64, bit for bit, and *ordered as unsigned*: 0 is the lowest, -1 (all ones) the
highest.

Letters: K hashes, S segments.

Sources: RFC 7693 (BLAKE2b); Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014
(splitmix64; constants of Stafford's variant 13).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from ft_assets.kernels.segments import check_offsets, running_counts, segment_ids, segment_lengths, segment_positions
from ft_assets.kernels.transfers import moved

__all__ = ["id_hash", "id_hashes", "keep_mask", "kept_objects", "sample_hashes"]

_SIGN = -(2**63)


def _signed(value: int) -> int:
    """The int64 that has the low 64 bits of ``value``."""
    return (value & (2**64 - 1)) - ((value & 2**63) << 1)


_STEP = _signed(0x9E3779B97F4A7C15)
_MIX_1 = _signed(0xBF58476D1CE4E5B9)
_MIX_2 = _signed(0x94D049BB133111EB)


def id_hash(name: str) -> int:
    """64 bits of an id: the 8-byte BLAKE2b digest of its UTF-8, little endian, as a signed integer.

    Raises:
        TypeError: ``name`` is not a string.

    Example:
        >>> id_hash("item-1")
        8406168460641299428
    """
    if not isinstance(name, str):
        raise TypeError(f"an id must be str, got {type(name).__name__}")
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def id_hashes(ids: Sequence[str]) -> Tensor:
    """:func:`id_hash` of every id, int64 [K], on the host.

    Example:
        >>> id_hashes(["item-1"]).tolist() == [id_hash("item-1")]
        True
    """
    return torch.tensor([id_hash(name) for name in ids], dtype=torch.int64)


def sample_hashes(seed: int, session_hashes: Tensor, object_hashes: Tensor) -> Tensor:
    """One 64-bit hash for every (seed, session, object).

    With mix = splitmix64's finalizer and G = 0x9E3779B97F4A7C15, modulo 2^64:
    ``mix((mix((mix(seed + G) ^ session) + G) ^ object) + G)``.

    Args:
        seed: any integer, taken modulo 2^64.
        session_hashes: int64 [K], from :func:`id_hashes`.
        object_hashes: int64 [K], on the same device.

    Returns:
        int64 [K], to be ordered as unsigned.

    Raises:
        ValueError: not int64, or of different shapes.

    Example:
        >>> sample_hashes(0, id_hashes(["s"]), id_hashes(["o"])).tolist()
        [897308357306576187]
    """
    for name, hashes in (("session_hashes", session_hashes), ("object_hashes", object_hashes)):
        if hashes.dtype != torch.int64:
            raise ValueError(f"{name} must be int64, got {hashes.dtype}")
    if session_hashes.shape != object_hashes.shape:
        raise ValueError(
            "session_hashes and object_hashes must have one shape, "
            f"got {list(session_hashes.shape)} and {list(object_hashes.shape)}"
        )
    start = torch.full_like(session_hashes, _signed(seed))
    return _mix((_mix((_mix(start + _STEP) ^ session_hashes) + _STEP) ^ object_hashes) + _STEP)


def keep_mask(hashes: Tensor, offsets: Tensor, factor: float) -> Tensor:
    """Mark the not-events that stay: in every segment the lowest ``max(1, floor(factor * n))`` of n.

    None stay if factor is 0, all if it is 1. ``factor * n`` is the product in double precision, as it is:
    0.29 * 100 is 28.999999999999996, so 28 stay.

    Args:
        hashes: int64 [K], the hashes of not-events, ordered as unsigned. A tie goes to the earlier row.
        offsets: int64 [S + 1], the not-events of each session.
        factor: the share that stays, in [0, 1].

    Returns:
        bool [K], on the device of the hashes.

    Raises:
        ValueError: factor is outside [0, 1], or offsets do not fit.

    Example:
        >>> keep_mask(torch.tensor([5, 9, -1, 7]), torch.tensor([0, 3, 4]), 0.4).tolist()
        [True, False, False, True]
    """
    if not 0.0 <= factor <= 1.0:
        raise ValueError(f"factor must be in [0, 1], got {factor}")
    total = hashes.shape[0]
    check_offsets(offsets, total)
    if factor in (0.0, 1.0):
        return torch.full_like(hashes, bool(factor), dtype=torch.bool)
    lengths = segment_lengths(offsets)
    counts = (factor * lengths.double()).floor().long().clamp(min=1)
    ids = segment_ids(offsets, total)
    # Two stable sorts order by (segment, hash); the flipped sign bit makes the signed order unsigned.
    by_hash = torch.argsort(hashes ^ _SIGN, stable=True)
    segments = moved(ids, hashes.device)
    order = by_hash[torch.argsort(segments[by_hash], stable=True)]
    low = segment_positions(offsets, ids) < counts.index_select(0, ids)
    return torch.zeros_like(hashes, dtype=torch.bool).index_copy(0, order, moved(low, hashes.device))


def kept_objects(
    clicked: Tensor, offsets: Tensor, session_hashes: Tensor, object_hashes: Tensor, *, factor: float, seed: int
) -> Tensor:
    """Mark the objects that stay after thinning, bool [O]: clicked ones, and of each session's not-events the lowest.

    Args:
        clicked: bool [O].
        offsets: int64 [S + 1], the objects of each session.
        session_hashes: int64 [S], from :func:`id_hashes`; not looked at where factor is 0 or 1.
        object_hashes: int64 [O], likewise.
        factor: share of a session's not-event objects that stay, in [0, 1].
        seed: of the hash.

    Raises:
        ValueError: factor is outside [0, 1].

    Example:
        >>> clicked, offsets = torch.tensor([True, False, False]), torch.tensor([0, 3])
        >>> kept_objects(clicked, offsets, id_hashes(["s"]), id_hashes(["a", "b", "c"]), factor=0.5, seed=0).sum().item()
        2
    """
    if factor in (0.0, 1.0):
        return clicked | bool(factor)
    rows = (~clicked).nonzero().squeeze(1)
    sessions = session_hashes[segment_ids(offsets, clicked.shape[0])[rows]]
    keep = keep_mask(sample_hashes(seed, sessions, object_hashes[rows]), running_counts(~clicked)[offsets], factor)
    return torch.ones_like(clicked).index_copy(0, rows, keep)


def _mix(x: Tensor) -> Tensor:
    """splitmix64's finalizer; int64 products wrap as unsigned ones do."""
    x = (x ^ _shift(x, 30)) * _MIX_1
    x = (x ^ _shift(x, 27)) * _MIX_2
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    """Logical shift to the right: the sign that torch's arithmetic shift draws in is masked away."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
