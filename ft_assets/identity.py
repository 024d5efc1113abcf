"""Who asked, kept only as a keyed hash: the same person is the same code, and without the key nobody can say who.

The pseudonym of a user id is HMAC-SHA256 (RFC 2104) under a key from the environment, its first 128 bits as 32
hexadecimal digits. Python and SQL compute the same one; SQL gets the key as two bound values, never in its text.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

KEY_VARIABLE = "FT_ASSETS_USER_KEY"
KEY_BYTES = 16  # a shorter key can be guessed, and every user id with it
BLOCK_BYTES = 64  # of SHA-256
DIGITS = 32


def user_key(environ: Mapping[str, str] = os.environ) -> bytes | None:
    """The key of this deployment; None where there is none, and user ids are dropped.

    Args:
        environ: where ``FT_ASSETS_USER_KEY`` is looked up; its UTF-8 bytes are the key.

    Raises:
        ValueError: the key is too short to protect anybody. The message does not show it.
    """
    key = environ.get(KEY_VARIABLE, "").encode("utf-8", "surrogateescape")
    if not key:
        return None
    if len(key) < KEY_BYTES:
        raise ValueError(
            f"{KEY_VARIABLE} must be empty or at least {KEY_BYTES} bytes, got {len(key)}; make one with: openssl rand -hex 32"
        )
    return key


def pseudonym(user: str, key: bytes) -> str:
    """What stands for a user id in the tables.

    Args:
        user: the id as logged, a number by its digits.
        key: any number of bytes.

    Returns:
        32 hexadecimal digits.

    Example:
        >>> pseudonym("what do ya want for nothing?", b"Jefe")
        '5bdcc146bf60754e6a042426089575c7'
    """
    return hmac.new(key, user.encode(), hashlib.sha256).hexdigest()[:DIGITS]


def prepare(con: duckdb.DuckDBPyConnection, key: bytes | None) -> None:
    """Let the macros of ``sql/readers/identity.sql`` know the key, as variables of this connection alone.

    Args:
        con: where the macros are used; call this before, and again to change the key.
        key: None drops every user id.
    """
    block = None if key is None else (hashlib.sha256(key).digest() if len(key) > BLOCK_BYTES else key).ljust(BLOCK_BYTES, b"\0")
    for name, pad in (("inner", 0x36), ("outer", 0x5C)):
        value = None if block is None else bytes(byte ^ pad for byte in block)
        con.execute(f"set variable user_key_{name} = $1::blob", [value])
