"""An alert as an HTTP request.

Over the standard library's client: it writes no URL into any log, where ``urllib3`` does. The URL of a chat's webhook is
its password.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import ft_assets
from ft_assets.alerts import Alert, NotDeliveredError

ATTEMPTS, FIRST_PAUSE, SECONDS = 3, 0.5, 20.0
# Answers that are about the body, not about the place: another alert may be taken.
OF_THIS_ONE = ("HTTP 400", "HTTP 413", "HTTP 422")
SIGNATURE, KEY = "X-FT-Assets-Signature", "Idempotency-Key"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A body goes to the URL that was configured and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class Webhook:
    """POSTs alerts as JSON.

    A failed connection and the answers 408, 429 and 5xx are tried again, ``ATTEMPTS`` times within about ``SECONDS``; any
    other answer but 2xx is not.

    Attributes:
        url_env: the environment variable with the URL.
        format: ``json`` (``Alert.as_dict``) or ``slack`` (``{"text": ...}``).
        secret_env: the variable with a secret; the body is then signed with HMAC-SHA256 in ``X-FT-Assets-Signature``.
        headers: further headers.
        headers_env: further headers whose values stand in environment variables.
        timeout: seconds to wait for the server, at each step of an attempt.
    """

    url_env: str
    format: Literal["json", "slack"] = "json"
    secret_env: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    headers_env: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 5.0

    def send(self, alert: Alert) -> None:
        """See the class.

        Raises:
            NotDeliveredError: the server did not take it, or a variable is not set.
        """
        request, ends = self._request(alert), time.monotonic() + SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            reason, is_worth_it, asked = self._answer(request)
            if reason is None:
                return
            pause = FIRST_PAUSE * 4 ** (attempt - 1) if asked is None else asked
            if attempt == ATTEMPTS or not is_worth_it or time.monotonic() + pause + self.timeout > ends:
                times = f" ({attempt} attempts)" if attempt > 1 else ""
                raise NotDeliveredError(f"{request.host}: {reason}{times}", asked, reason in OF_THIS_ONE)
            time.sleep(pause)

    def _request(self, alert: Alert) -> urllib.request.Request:
        url = _variable(self.url_env)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            words = "must hold a URL that begins with https:// or http://, and no user or password (see headers_env)"
            raise NotDeliveredError(f"{self.url_env} {words}")
        body = json.dumps(slack_body(alert) if self.format == "slack" else alert.as_dict(), ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"ft_assets/{ft_assets.__version__}",
            KEY: alert.key,
            **self.headers,
            **{name: _variable(variable) for name, variable in self.headers_env.items()},
        }
        if self.secret_env:
            headers[SIGNATURE] = signature(body, _variable(self.secret_env))
        return urllib.request.Request(url, body, headers, method="POST")

    def _answer(self, request: urllib.request.Request) -> tuple[str | None, bool, float | None]:
        """What went wrong, whether trying again may help, and for how long the server asked to be left alone."""
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=self.timeout):
                return None, False, None
        except urllib.error.HTTPError as error:
            error.close()
            again = error.code in (408, 429) or error.code >= 500
            return f"HTTP {error.code}", again, _retry_after(error.headers.get("Retry-After")) if again else None
        except urllib.error.URLError as error:  # its text may quote the URL
            return f"no connection ({type(error.reason).__name__})", True, None
        except (ValueError, http.client.InvalidURL) as error:  # a URL or a header that no request can carry
            return f"no request can be made of its settings ({type(error).__name__})", False, None
        except (OSError, http.client.HTTPException) as error:
            return f"no answer ({type(error).__name__})", True, None


def signature(body: bytes, secret: str) -> str:
    """The header that proves to a receiver who knows the secret that the body is ours and whole."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def slack_body(alert: Alert) -> dict[str, str]:
    """What Slack, Mattermost and Discord (at ``<url>/slack``) take; ``&``, ``<`` and ``>`` mean something there."""
    text = alert.as_text().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": text}


def _variable(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise NotDeliveredError(f"the environment variable {name} is not set")
    return value


def _retry_after(header: str | None) -> float | None:
    """Seconds, of a number or a date; None of anything else."""
    if header is None:
        return None
    try:
        seconds = float(header) if header.strip().isdigit() else _until(header)
    except (TypeError, ValueError):
        return None
    return min(max(seconds, 0.0), 3600.0)


def _until(date: str) -> float:
    then = parsedate_to_datetime(date)
    return (then if then.tzinfo else then.replace(tzinfo=dt.UTC)).timestamp() - time.time()
