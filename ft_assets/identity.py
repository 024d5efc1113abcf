"""Who asked, kept only as a keyed hash: the same person is the same code, and without the key nobody can say who.

The pseudonym of a user id is HMAC-SHA256 (RFC 2104) under a key from the environment, its first 128 bits as 32
hexadecimal digits. Python and SQL compute the same one; SQL gets the key as two bound values, never in its text.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

KEY_VARIABLE = "FT_ASSETS_USER_KEY"
KEY_BYTES = 16  # a shorter key can be guessed, and every user id with it
BLOCK_BYTES = 64  # of SHA-256
DIGITS = 32

USER_FIELDS = frozenset({"user_id", "client_id", "userId", "clientId"})
GENERAL = frozenset({"id", "ids", "key", "name", "type", "uid", "uuid", "value", "values"})  # whose, the name before says
LEVELS = 6  # of a value that is replaced by itself; of a deeper one, and of one that never ends, the rest of the record goes
Steps = tuple[str, ...]  # the names on a path into a record


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


def scrubbed_names(paths: Iterable[Steps] = ()) -> frozenset[str]:
    """The names whose values no table shows as they were logged, wherever in a record they stand.

    Args:
        paths: where else users stand. Each gives its last name; or, where that says little, the name before it, and all
            that stands below goes.

    Example:
        >>> sorted(scrubbed_names([("customer",), ("visitor", "id")]) - USER_FIELDS)
        ['customer', 'visitor']
    """
    telling = (next((step for step in reversed(path) if step not in GENERAL), path[-1]) for path in paths if path)
    return USER_FIELDS.union(telling)


def name_pattern(names: Iterable[str]) -> str:
    """A regular expression, of Python and of DuckDB, that is any of the names as they stand between quotes in a JSON text."""
    return f"(?:{'|'.join(''.join(map(_letter, name)) for name in sorted(names))})"


def _letter(letter: str) -> str:
    """A letter as it is or, beyond ASCII, as JSON may escape it."""
    if letter.isascii():
        return re.escape(letter)
    units = letter.encode("utf-16-be").hex()
    codes = "".join(rf"\\+u(?i:{units[at : at + 4]})" for at in range(0, len(units), 4))
    return f"(?:{letter}|{codes})"


def _nested(text: str, other: str) -> str:
    """A list or an object with its texts and what else it is made of, to some levels."""
    inner = f"{text}|{other}"
    value = rf"\{{(?:{inner})*\}}|\[(?:{inner})*\]"
    for _ in range(LEVELS - 1):
        value = rf"\{{(?:{inner}|{value})*\}}|\[(?:{inner}|{value})*\]"
    return f"(?:{value})"


def _patterns(names: Iterable[str]) -> dict[str, str]:
    """What ``sql/readers/identity.sql`` finds the user fields of a record by, sound JSON or not.

    A value is a text (perhaps cut off by the end), a list or an object, or a bare word; whatever begins as one of these and
    does not end as one is the rest of the record. A field inside a JSON text that is a text of the record has its quotes
    escaped; inside another such text in there, everything behind its name is the value.
    """
    name = name_pattern(names)
    letters, inner_letters = r'(?:[^"\\]|\\(?s:.))*', r'(?:[^"\\]|\\\\\\"|\\\\\\\\|\\\\[^"\\]|\\[^"\\])*'
    nested = _nested(f'"{letters}"', r'[^"\\\[\]{}]')
    inner_nested = _nested(rf'\\"{inner_letters}\\"', r'[^"\\\[\]{}]|\\[^"\\]')
    bare, rest, blank = r'[^\s,"\[\]{}\\]+', r"[\[{\\](?s:.)*", r"(?:\s|\\+[nrt])*"
    return {
        "user_marks": rf'{name}\\*"',
        "user_nested": nested,
        "user_inner_nested": inner_nested,
        "user_names": rf'^\\*"(?:[^"\\]|\\+u[0-9a-fA-F]{{4}})*\\*"{blank}:{blank}',
        "user_fields": rf'"{name}"\s*:\s*(?:"{letters}(?:"|\\?$)|{nested}|{bare}|{rest})'
        rf'|\\"{name}\\"{blank}:{blank}(?:\\"{inner_letters}(?:\\"|\\*$)?|{inner_nested}|{bare}|{rest})'
        rf'|\\\\+"{name}\\\\+"{blank}:(?s:.)*',
    }


def prepare(con: duckdb.DuckDBPyConnection, key: bytes | None, paths: Iterable[Steps] = ()) -> None:
    """Let the macros of ``sql/readers/identity.sql`` know the key and the user fields, as variables of this connection alone.

    Args:
        con: where the macros are used; call this before, and again to change the key.
        key: None drops every user id.
        paths: where users stand beside ``USER_FIELDS``, as ``spellings.user_paths`` gives them.
    """
    block = None if key is None else (hashlib.sha256(key).digest() if len(key) > BLOCK_BYTES else key).ljust(BLOCK_BYTES, b"\0")
    for name, pad in (("inner", 0x36), ("outer", 0x5C)):
        value = None if block is None else bytes(byte ^ pad for byte in block)
        con.execute(f"set variable user_key_{name} = $1::blob", [value])
    for name, pattern in _patterns(scrubbed_names(paths)).items():
        con.execute(f"set variable {name} = $1", [pattern])
