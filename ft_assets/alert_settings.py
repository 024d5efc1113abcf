"""``<home>/alerts.yaml``: where alerts go, and which of them.

The file holds no secrets: it names the environment variables in which they stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ft_assets import lineage, schemas
from ft_assets.alert_webhook import Webhook
from ft_assets.alerts import SEVERITIES, Alert, FunctionTarget, LogTarget, Severity, Target

FILE = "alerts.yaml"
SECRET_KEYS = {"url", "uri", "secret", "token", "password"}
SECRET_HEADERS = re.compile(r"auth|cookie|token|secret|key|password", re.IGNORECASE)
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
KindName = Literal["run_failure", "failed_check", "recovered"]


class _Entry(BaseModel):
    """What every target may say."""

    # What came is not repeated in errors: it may be a secret in the wrong place.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str | None = Field(default=None, min_length=1)
    at_least: Severity = "WARN"
    kinds: list[KindName] = Field(default=["run_failure", "failed_check", "recovered"], min_length=1)
    tables: list[str] = []

    @field_validator("tables")
    @classmethod
    def _are_tables(cls, value: list[str]) -> list[str]:
        if unknown := sorted(set(value) - set(schemas.TABLES)):
            raise ValueError(f"there is no table {', '.join(unknown)}; the tables are {', '.join(schemas.TABLES)}")
        return value


class _Log(_Entry):
    def target(self) -> tuple[str, Target]:
        return "log", LogTarget()


class _Webhook(_Entry):
    url_env: Variable
    format: Literal["json", "slack"] = "json"
    secret_env: Variable | None = None
    headers: dict[str, str] = {}
    headers_env: dict[str, Variable] = {}
    timeout: float = Field(default=5.0, gt=0.0, le=15.0)

    @field_validator("headers")
    @classmethod
    def _hold_no_secret(cls, value: dict[str, str]) -> dict[str, str]:
        if secret := [name for name in value if SECRET_HEADERS.search(name)]:
            raise ValueError(f"{', '.join(secret)} looks like a secret; name the variable that holds it in headers_env")
        return value

    def target(self) -> tuple[str, Target]:
        settings = self.model_dump(include=set(Webhook.__dataclass_fields__))
        return f"webhook {self.url_env}", Webhook(**settings)


class _Python(_Entry):
    function: Annotated[str, Field(pattern=r"^\w+(\.\w+)*:\w+$")]

    def target(self) -> tuple[str, Target]:
        return f"python {self.function}", FunctionTarget(self.function)


ENTRIES: dict[str, type[_Log | _Webhook | _Python]] = {"log": _Log, "webhook": _Webhook, "python": _Python}


@dataclass(frozen=True)
class Channel:
    """A target and what it wants to hear.

    Attributes:
        name: tells it from the others; what it has been told is remembered under this name.
        target: where its alerts go.
        at_least: the severity from which on it is told.
        kinds: what it is told of.
        tables: of which tables; empty: of all.
    """

    name: str
    target: Target
    at_least: Severity = "WARN"
    kinds: tuple[str, ...] = ("run_failure", "failed_check", "recovered")
    tables: tuple[str, ...] = ()

    def wants(self, alert: Alert) -> bool:
        """Whether it is told. A failed run is of the tables that its failed steps make; one without such a step, of all."""
        if alert.kind not in self.kinds or SEVERITIES.index(alert.severity) < SEVERITIES.index(self.at_least):
            return False
        of = {alert.table} if alert.table else _tables_of(alert.steps)
        return not self.tables or not of or bool(of & set(self.tables))


@dataclass(frozen=True)
class AlertSettings:
    """What ``alerts.yaml`` says.

    Attributes:
        channels: the targets.
        base_url: where Dagster's UI is; None: alerts have no links.
    """

    channels: tuple[Channel, ...] = (Channel("log", LogTarget()),)
    base_url: str | None = None


def read_alerts(home: Path) -> AlertSettings:
    """The alert settings of a home; the log alone where it has no ``alerts.yaml``.

    Raises:
        ValueError: the file does not say what it must; the message names the file, the place and what must hold.
    """
    path = home / FILE
    if not path.exists():
        return AlertSettings()
    try:
        text: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)  # the error itself would quote the line
        raise ValueError(f"{path} is no YAML{f': see line {mark.line + 1}' if mark else ''}") from None
    if not isinstance(text, dict) or not set(text) <= {"base_url", "targets"}:
        raise ValueError(f"{path} must be a mapping with the keys base_url and targets")
    base_url, entries = text.get("base_url"), text.get("targets", [{"log": {}}])
    if base_url is not None and not re.fullmatch(r"https?://[^\s@?#]+", str(base_url)):
        raise ValueError(f"{path}: base_url must be the address of Dagster's UI, such as https://dagster.example")
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path}: targets must be a list of at least one target; the log alone is '- log: {{}}'")
    channels = tuple(_channel(path, number, entry) for number, entry in enumerate(entries, 1))
    names = [channel.name for channel in channels]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{path}: {', '.join(twice)} is there twice; give one of them a name of its own")
    return AlertSettings(channels, str(base_url).rstrip("/") if base_url else None)


def _channel(path: Path, number: int, entry: Any) -> Channel:
    if not isinstance(entry, Mapping) or len(entry) != 1 or not set(entry) <= set(ENTRIES):
        raise ValueError(f"{path}: target {number} must be one of {', '.join(ENTRIES)} with its settings below it")
    ((kind, settings),) = entry.items()
    if settings is not None and not isinstance(settings, Mapping):
        raise ValueError(f"{path}: target {number}, {kind}: its settings must be a mapping")
    try:
        said = ENTRIES[kind](**{str(key): value for key, value in (settings or {}).items()})
    except ValidationError as error:
        problems = [_problem(number, kind, each) for each in error.errors(include_input=False, include_url=False)]
    else:
        name, target = said.target()
        return Channel(said.name or name, target, said.at_least, tuple(said.kinds), tuple(said.tables))
    raise ValueError(f"{path}: " + "; ".join(problems))


def _problem(number: int, kind: str, problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    place = f"target {number}, {kind}.{where}"
    if problem["type"] == "extra_forbidden":
        if problem["loc"][-1] in SECRET_KEYS:
            return (
                f"{place}: secrets never stand in this file; url_env, secret_env and headers_env name variables that hold them"
            )
        return f"{place}: unknown key; the keys are {', '.join(ENTRIES[kind].model_fields)}"
    if problem["loc"][0] in ("url_env", "secret_env", "headers_env") and problem["type"] == "string_pattern_mismatch":
        return f"{place}: must be the name of an environment variable, never the value itself"
    if problem["loc"][0] == "function":
        return f"{place}: must be 'module:function'"
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}"


def _tables_of(steps: tuple[str, ...]) -> set[str]:
    """The tables that steps make or check."""
    made: set[str] = set()
    for step in steps:
        made |= set(lineage.LOG) if step == "ingestion" else {step.removesuffix("_checks")} & set(schemas.TABLES)
    return made
