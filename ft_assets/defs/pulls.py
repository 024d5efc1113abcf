"""A pull from a database as a run: visible, with its numbers, one at a time for each source.

(Dagster reads the annotations of these functions, so they may not be postponed: no ``from __future__``.)
"""

import datetime as dt
from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from ft_assets import database
from ft_assets.database import SourceFailed, has_news
from ft_assets.defs.resources import HomeResource
from ft_assets.lake import Home
from ft_assets.schemas import PULLED_RANGES
from ft_assets.sources import Source, named_sources

PULL_JOB, PULL_TAG = "pull_job", "ft_assets/pull"
ROWS_PER_RUN = 1_000_000


class PullConfig(dg.Config):
    """What to pull."""

    sources: list[str] = Field(default=[], description="Names of sources in sources.yaml; empty: all of them.")
    max_rows: int = Field(
        default=ROWS_PER_RUN, ge=1, description="New rows of each table to land at most; the next pull goes on behind them."
    )


def pull_requests(home: Home, sources: Sequence[Source]) -> tuple[list[dg.RunRequest], list[str], list[str]]:
    """A run that pulls the sources which have rows that have not landed yet, what is wrong with rows, which sources failed.

    The run key names what has been pulled so far and the hour: a database that was away for long is tried again.
    """
    names: list[str] = []
    problems: list[str] = []
    failed: list[str] = []
    for source in sources:
        try:
            is_new, known = has_news(source, home.lake)
        except SourceFailed as error:
            failed.append(str(error))
        else:
            problems += known
            names += [source.name] if is_new else []
    if not names:
        return [], problems, failed
    version = home.lake.slice(PULLED_RANGES.name).version
    request = dg.RunRequest(
        run_key=f"pull:{','.join(names)}@{version}:{dt.datetime.now(dt.UTC):%Y-%m-%dT%H}",
        job_name=PULL_JOB,
        run_config={"ops": {"pull": {"config": {"sources": names}}}},
        tags={PULL_TAG: "true"},
    )
    return [request], problems, failed


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Lands the rows of databases that are new since the pull before, as files: what becomes of them is ingestion. "
    "What has been pulled is in the table pulled_ranges; a pull that is killed is simply done again.",
)
def pull(context: dg.OpExecutionContext, config: PullConfig, home: HomeResource) -> None:
    """See the description."""
    failed = []
    metadata: dict[str, int | str] = {}
    for source in named_sources(home.home.path, config.sources):
        try:
            done = database.pull(source, home.lake, home.home.landing, context.log.info, config.max_rows)
        except SourceFailed as error:
            failed.append(str(error))
            continue
        for problem in done.problems:
            context.log.warning(problem)
        for feed, table in done.tables.items():
            metadata |= {
                f"{source.name}/{feed}/rows_read": table.rows_read,
                f"{source.name}/{feed}/rows_new": table.rows_new,
                f"{source.name}/{feed}/rows_unreadable": table.rows_unreadable,
                f"{source.name}/{feed}/files": "\n".join(table.files) or "none",
            }
    context.add_output_metadata(metadata)
    if failed:  # after the others
        raise dg.Failure("; ".join(failed), metadata=metadata)


@dg.job(
    name=PULL_JOB,
    description="New rows of the databases in sources.yaml become landed files.",
    tags={PULL_TAG: "true"},
)
def pull_job() -> None:
    """See the description."""
    pull()
