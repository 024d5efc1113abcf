"""A run of Dagster, executed in this process as its daemon would have it executed elsewhere, and what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dagster as dg

from ft_assets import schemas
from ft_assets.defs.assets import PROGRESS
from ft_assets.defs.gates import HEADLESS

WORDLESS_SECONDS = 10.0
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
SIZES = {
    "rows_added": "{name} +{value:,}",
    "dagster/partition_row_count": "{name} {value:,}",
    "item_texts_encoded": "item texts encoded {value:,}",
    "query_texts_encoded": "query texts encoded {value:,}",
}


@dataclass(frozen=True)
class Outcome:
    """What came of a run, in plain values: it may come from another process.

    Attributes:
        run_id: Dagster's.
        day: of the run, if it is one's.
        succeeded: whether it ended well.
        reason: what went wrong, where something did.
        failed_checks: ERROR checks that failed, as ``table.check day``.
        steps: seconds of each table that was made.
        seconds: of all of it.
        sizes: the sizes that tell whether the run did what it should, in a line.
    """

    run_id: str
    day: str | None
    succeeded: bool
    reason: str = ""
    failed_checks: list[str] = field(default_factory=list)
    steps: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    sizes: str = ""

    @property
    def words(self) -> str:
        """How it ended, in a line."""
        reason = "" if self.succeeded else f": {self.reason}"
        return f"{'done' if self.succeeded else 'FAILED'} in {self.seconds:.1f} s  {self.sizes}{reason}"


def execute(job: dg.JobDefinition, instance: dg.DagsterInstance, request: dg.RunRequest, say: Callable[[str], None]) -> Outcome:
    """Execute a request of the job.

    Args:
        job: the job that the request names.
        instance: where the run is recorded.
        request: what to run.
        say: told how far long steps are.
    """
    began = time.perf_counter()
    with told_of_progress(say):
        result = job.execute_in_process(
            run_config={**(request.run_config or {}), **QUIET},
            instance=instance,
            partition_key=request.partition_key,
            asset_selection=list(request.asset_selection) if request.asset_selection else None,
            tags={**{str(k): str(v) for k, v in request.tags.items()}, HEADLESS: "true"},
            raise_on_error=False,
        )
    day = request.partition_key
    return Outcome(
        run_id=result.run_id,
        day=day,
        succeeded=result.success,
        reason="" if result.success else "; ".join(_reasons(result)) or "see the run in the UI",
        failed_checks=[
            f"{evaluation.asset_key.path[-1]}.{evaluation.check_name} {day or ''}".strip()
            for evaluation in result.get_asset_check_evaluations()
            if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR
        ],
        steps={
            str(event.step_key): event.step_success_data.duration_ms / 1_000
            for event in result.all_events
            if event.is_step_success and (event.step_key in schemas.TABLES or event.step_key == "ingestion")
        },
        seconds=time.perf_counter() - began,
        sizes=_sizes(result),
    )


@contextmanager
def told_of_progress(say: Callable[[str], None]) -> Iterator[None]:
    """Hear how far long steps are; what ends within a few seconds has nothing to tell but its end."""
    began = time.perf_counter()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if time.perf_counter() - began >= WORDLESS_SECONDS:
                say(record.getMessage())

    told = Told()
    level, PROGRESS.propagate = PROGRESS.level, False
    PROGRESS.addHandler(told)
    PROGRESS.setLevel(logging.INFO)
    try:
        yield
    finally:
        PROGRESS.removeHandler(told)
        PROGRESS.setLevel(level)
        PROGRESS.propagate = True


def _reasons(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    for event in result.all_events:
        error = getattr(event.event_specific_data, "error", None)
        if event.is_step_failure and error is not None:
            while error.cause is not None:
                error = error.cause
            yield f"{event.step_key}: {error.message.strip()}"


def _sizes(result: dg.ExecuteInProcessResult) -> str:
    """The sizes that tell whether a run did what it should, in a line."""
    parts = []
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        for key, words in SIZES.items():
            if key in materialization.metadata:
                parts.append(words.format(name=materialization.asset_key.path[-1], value=materialization.metadata[key].value))
    return ", ".join(parts)
