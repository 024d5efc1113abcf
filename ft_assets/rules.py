"""The rules that take a session for a bot's or for noise: what there are, what each is given, which are enforced.

``sql/rules/<rule>.sql`` begins with its description, then ``-- parameters: limit=60`` if it has any, with their defaults
as TOML values. Its query reads search_sessions (one day) and session_events (those of these sessions) and selects
``session_id`` and ``detail`` of the sessions that it flags. ``$users`` and ``$agents`` are there for every rule.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ft_assets import queries
from ft_assets.identity import KEY_VARIABLE, pseudonym, user_key
from ft_assets.parameters import check_used, comment_and_body, defaults_in, filled, used_in

# Words by which honest crawlers and HTTP libraries name themselves; the others need another rule.
CRAWLERS = (
    *(r"bot\b", "crawler", "spider", "slurp", "scrapy", "headlesschrome"),
    *("curl/", "wget/", "python-requests", "python-urllib", "go-http-client"),
)
LISTS = ("users", "agents")  # parameters that every rule may use
PSEUDONYM = re.compile(r"pseudonym:([0-9a-f]{32})")


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: its file's stem, a fixed code.
        description: what it flags, in a sentence or two.
        defaults: its parameters.
        uses: the parameters that its query names, lists included.
        digest: of the query, so that days flagged by another one are out of date.
    """

    name: str
    description: str
    defaults: Mapping[str, Any]
    uses: tuple[str, ...]
    digest: str


def rules() -> dict[str, Rule]:
    """Every rule there is, by name.

    Raises:
        ValueError: a rule's file does not say what it must; the message names the file.
    """
    return {path.stem: _rule(path.stem) for path in sorted((queries.sql_root() / "rules").glob("*.sql"))}


def _rule(name: str) -> Rule:
    file = f"sql/rules/{name}.sql"
    header, body = comment_and_body(queries.read_sql(f"rules/{name}"))
    words = [line for line in header if not line.startswith("parameters:")]
    if not words:
        raise ValueError(f"{file} must begin with a comment that says what it flags")
    defaults, uses = defaults_in(header, file), used_in(body)
    check_used(file, uses, defaults, without=LISTS)
    return Rule(name, " ".join(words), defaults, tuple(sorted(uses)), hashlib.sha256(body.encode()).hexdigest()[:12])


@dataclass(frozen=True)
class Rulebook:
    """The rules as configured.

    Attributes:
        rules: every rule.
        enforced: names of those whose sessions are left out; the others only count.
        parameters: of every rule, its parameters, defaults filled in.
        users: pseudonyms, sorted.
        agents: patterns.
    """

    rules: Mapping[str, Rule]
    enforced: frozenset[str]
    parameters: Mapping[str, Mapping[str, Any]]
    users: tuple[str, ...]
    agents: tuple[str, ...]

    def bound(self, rule: Rule) -> dict[str, Any]:
        """What the rule's query is given."""
        known = {**self.parameters[rule.name], "users": list(self.users), "agents": list(self.agents)}
        return {name: known[name] for name in rule.uses}

    @property
    def configuration(self) -> dict[str, Any]:
        """All that a day's flags depend on beside the log, and no raw id of a user."""
        return {
            "rules": {
                name: {"enforced": name in self.enforced, "parameters": dict(self.parameters[name]), "sql": rule.digest}
                for name, rule in self.rules.items()
            },
            "users": list(self.users),
            "agents": list(self.agents),
        }


def rulebook(
    enforced: Sequence[str] = (),
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    users: Sequence[str] = (),
    agents: Sequence[str] = CRAWLERS,
) -> Rulebook:
    """The rules that there are, with what is set of them.

    Args:
        enforced: names of rules whose sessions are left out; the others are in shadow mode.
        parameters: per rule, parameters other than their defaults.
        users: raw ids, hashed here, or ``pseudonym:`` and what the tables have as user_id.
        agents: regular expressions (RE2) for ``listed_agent``.

    Raises:
        ValueError: a rule or parameter is not one, a value is of another type than its default, a pattern is none, or
            there are raw users and no key to hash them.
    """
    known, parameters = rules(), parameters or {}
    for what, names in (("enforced", enforced), ("parameters", parameters)):
        if unknown := sorted(set(names) - set(known)):
            raise ValueError(f"{what} may name the rules {', '.join(known)}; got {', '.join(unknown)}")
    values = {name: filled(name, rule.defaults, parameters.get(name, {})) for name, rule in known.items()}
    _check_patterns(agents)
    hidden = tuple(sorted(user.removeprefix("pseudonym:") for user in pseudonyms(users)))
    return Rulebook(known, frozenset(enforced), values, hidden, tuple(agents))


def pseudonyms(users: Sequence[str]) -> list[str]:
    """The same list without a raw id, each user once: ``pseudonym:`` and the keyed hash. What is hashed already stays.

    Raises:
        ValueError: there are raw ids and no key.
    """
    key = user_key()
    if key is None and any(not PSEUDONYM.fullmatch(user) for user in users):
        raise ValueError(f"users must be hashed as in the tables, and {KEY_VARIABLE}, the key, is not set")
    return list(dict.fromkeys(u if PSEUDONYM.fullmatch(u) else f"pseudonym:{pseudonym(u, key or b'')}" for u in users))


def _check_patterns(agents: Sequence[str]) -> None:
    import duckdb

    with duckdb.connect() as con:
        for pattern in agents:
            try:
                con.execute("select regexp_matches('', $pattern, 'i')", {"pattern": pattern})
            except duckdb.Error as error:
                raise ValueError(f"agents must be regular expressions (RE2), got {pattern!r}: {error}") from error
            if not pattern.strip():
                raise ValueError("agents must not be blank: a blank pattern matches every agent")
