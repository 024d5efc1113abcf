"""Parameters that a SQL file declares in its comment, ``-- parameters: limit=60``, and what is set of them.

Defaults are TOML values. What is set of a parameter must be a value like its default, and within its range where the
comment says one: ``-- parameters: most=0.5 in [0, 1], days=7 in [0, inf]``, both ends included.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

WORD = "parameters:"
_RANGE = re.compile(r"(\w+)\s*=\s*([^\s,]+) in \[\s*([^\s,\]]+)\s*,\s*([^\s,\]]+)\s*\]")
Range = tuple[float, float]


def comment_and_body(sql: str) -> tuple[list[str], str]:
    """The lines of the comment that a file begins with, without their dashes, and what stands behind it."""
    lines = sql.splitlines()
    length = next((row for row, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return [line[2:].strip() for line in lines[:length]], "\n".join(lines[length:])


def defaults_in(comment: Sequence[str], file: str) -> dict[str, Any]:
    """The parameters that a comment declares, with their defaults.

    Args:
        comment: lines of the comment; those that begin with ``parameters:`` count.
        file: for the message.

    Raises:
        ValueError: what stands there are no defaults; the message names the file.
    """
    given = _given(comment)
    try:
        values = tomllib.loads("values = {" + _RANGE.sub(r"\1=\2", given) + "}")["values"]
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} must give its defaults as '-- parameters: limit=60, other=[\"a\"]', got {given!r}") from error
    return dict(values)


def ranges_in(comment: Sequence[str], file: str) -> dict[str, Range]:
    """The lowest and the highest value of the parameters of which a comment says so.

    Args:
        comment: lines of the comment; those that begin with ``parameters:`` count.
        file: for the message.

    Raises:
        ValueError: a range is none, or a default is outside its own; the message names the file.
    """
    found: dict[str, Range] = {}
    for name, default, low, high in _RANGE.findall(_given(comment)):
        try:
            found[name], value = (float(low), float(high)), float(default)
        except ValueError as error:
            raise ValueError(f"{file} must give a range as 'most=0.5 in [0, 1]', got [{low}, {high}] of {name}") from error
        if not found[name][0] <= value <= found[name][1]:
            raise ValueError(f"{file} must give {name} a default in [{low}, {high}], got {default}")
    return found


def _given(comment: Sequence[str]) -> str:
    return ", ".join(line.removeprefix(WORD) for line in comment if line.startswith(WORD))


def used_in(body: str) -> set[str]:
    """The parameters that a query names: ``$limit``. Those in its comments do not count."""
    return set(re.findall(r"\$([a-z_]+)", re.sub(r"--[^\n]*|/\*.*?\*/", "", body, flags=re.S)))


def check_used(file: str, uses: Collection[str], defaults: Mapping[str, Any], without: Collection[str] = ()) -> None:
    """Hold a file to its parameters.

    Args:
        file: for the message.
        uses: names of the parameters in its query.
        defaults: those that it declares.
        without: those of them that need no default: they are always there.

    Raises:
        ValueError: a parameter has no default, or a default is of none.
    """
    if set(uses) - set(without) != set(defaults):
        raise ValueError(
            f"{file} must give a default to every parameter that it uses and to no other: it uses "
            f"{', '.join(sorted(uses)) or 'none'}, and gives a default to {', '.join(defaults) or 'none'}"
        )


def filled(
    owner: str, defaults: Mapping[str, Any], given: Mapping[str, Any], ranges: Mapping[str, Range] | None = None
) -> dict[str, Any]:
    """All parameters of an owner, those given in place of the defaults.

    Args:
        owner: for the message.
        defaults: all of its parameters.
        given: what is set of them.
        ranges: between which values a parameter must be.

    Raises:
        ValueError: a parameter is not one, or a value is of another type than its default, no number, or outside its range.
    """
    if unknown := sorted(set(given) - set(defaults)):
        there = f"has the parameters {', '.join(defaults)}" if defaults else "has no parameters"
        raise ValueError(f"{owner} {there}; got {', '.join(unknown)}")
    for name, value in given.items():
        if not is_like(value, defaults[name]):
            raise ValueError(f"{name} of {owner} must be a value such as {defaults[name]!r}, got {value!r}")
        low, high = (ranges or {}).get(name, (-math.inf, math.inf))
        if isinstance(value, int | float) and not (math.isfinite(value) and low <= value <= high):
            raise ValueError(f"{name} of {owner} must be a number in [{low:g}, {high:g}], got {value}")
    return {**defaults, **given}


def is_like(value: Any, default: Any) -> bool:
    """Whether a value has the default's type; a list, the type of its entries."""
    if isinstance(default, list):
        return isinstance(value, list) and all(is_like(entry, default[0]) for entry in value if default)
    return type(value) is type(default) or (type(value) is int and isinstance(default, float))
