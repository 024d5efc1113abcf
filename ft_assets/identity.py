"""Who asked, kept as a keyed hash alone: the same user has the same pseudonym, and only who has the key can make it."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from hashlib import sha256

KEY_VARIABLE = "FT_ASSETS_USER_KEY"


def user_key(environ: Mapping[str, str] = os.environ) -> bytes | None:
    """The key from the environment; None where there is none."""
    return environ[KEY_VARIABLE].encode() if environ.get(KEY_VARIABLE) else None


def pseudonym(user: str, key: bytes) -> str:
    """The user as the tables have it: HMAC-SHA256 under the key, its first 32 hex digits."""
    return hmac.new(key, user.encode(), sha256).hexdigest()[:32]
