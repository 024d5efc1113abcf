"""``ft-assets``: land files, run what is new, look at what came of it."""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import click

import ft_assets
from ft_assets import schemas
from ft_assets.lake import Home

F = TypeVar("F", bound=Callable[..., Any])
TABLE = click.Choice([*schemas.TABLES, *schemas.LEDGERS])


def _told(command: F) -> F:
    """A user's mistake is told in a line, not in a traceback; a fault of ours keeps its traceback."""

    @wraps(command)
    def told(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except (OSError, KeyError, ValueError) as error:
            if os.environ.get("FT_ASSETS_TRACEBACK"):
                raise
            raise click.ClickException(str(error.args[0] if isinstance(error, KeyError) else error)) from error

    return told  # type: ignore[return-value]


@click.group()
@click.version_option(ft_assets.__version__, prog_name="ft-assets")
@click.option("--home", type=click.Path(path_type=Path), help="The home; default: FT_ASSETS_HOME, else .ft_assets here.")
@click.pass_context
def main(context: click.Context, home: Path | None) -> None:
    """From clickstream to trustworthy fine-tuning features."""
    context.obj = Home.find(home)


@main.command()
@click.option(
    "--format",
    "format_",
    required=True,
    help="embedding_studio, ubi or items; auto looks at the first records of each file.",
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_obj
@_told
def land(home: Home, format_: str, paths: tuple[Path, ...]) -> None:
    """Put files into the landing place, atomically. A folder stands for the files in it."""
    from ft_assets import landing

    is_guessed = format_ == "auto"
    landed = landing.land_by_guess(home.landing, paths) if is_guessed else landing.land(home.landing, format_, paths)
    click.echo(f"landed {len(landed)} {'file' if len(landed) == 1 else 'files'} in {home.landing}")


@main.command()
@click.option("--days", default=7, show_default=True, type=click.IntRange(1), help="Days of sessions.")
@click.option("--sessions", default=300, show_default=True, type=click.IntRange(1), help="Sessions a day.")
@click.option("--seed", default=0, show_default=True, type=int, help="The same seed writes the same bytes.")
@click.pass_obj
@_told
def simulate(home: Home, days: int, sessions: int, seed: int) -> None:
    """Land a catalogue and days of sessions drawn from a stated click model."""
    from ft_assets.landing import land as land_
    from ft_assets.landing import landed_files
    from ft_assets.simulate import simulate as simulate_

    there = {file.path for file in landed_files(home.landing)}
    with TemporaryDirectory() as folder:
        place = home.landing if isinstance(home.landing, Path) else Path(folder)
        files: list[Any] = simulate_(place, days=days, sessions=sessions, seed=seed)
        if place != home.landing:
            files = [path for below in sorted(place.iterdir()) for path in land_(home.landing, below.name, [below])]
    written = "" if set(files) - there else " that were there already"
    click.echo(f"simulated {days} days of {sessions} sessions (seed {seed}): {len(files)} files in {home.landing}{written}")


@main.command()
@click.argument("sources", nargs=-1)
@click.pass_obj
@_told
def pull(home: Home, sources: tuple[str, ...]) -> None:
    """Land new rows of the databases in sources.yaml: of those named, or of all. Exit status 1 if something is wrong."""
    from ft_assets.database import pull_all
    from ft_assets.sources import named_sources

    problems = pull_all(named_sources(home.path, sources), home.lake, home.landing, click.echo)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        sys.exit(1)


@main.command()
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A run configuration as in the launchpad (YAML); default: config.yaml of the home, if there.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 4),
    envvar="FT_ASSETS_JOBS",
    help="Days to make at once, each in a process of its own; default: one on a GPU, else what cores and memory allow.",
)
@click.pass_obj
@_told
def run(home: Home, config: Path | None, jobs: int | None) -> None:
    """Do what the sensors would, until nothing is new.

    Exit status 1 if a run or an ERROR check failed, or a landed file could not be read.
    """
    from ft_assets import headless
    from ft_assets.defs.settings import read_config
    from ft_assets.reports import check_report_text, table_summary_text

    began = time.perf_counter()
    with headless.instance_of(home) as instance:
        given = None if config is None else read_config(config)
        done = headless.run_until_nothing_is_new(home, instance, click.echo, given, jobs)
        outcomes = headless.check_outcomes(instance)
    click.echo("\n" + table_summary_text(_tables(home, done)))
    click.echo("\n" + check_report_text(outcomes))
    click.echo(f"\n{done.runs} runs in {time.perf_counter() - began:.1f} s. Look at it: ft-assets ui (in a checkout: make ui)")
    for run_id, reason in done.failed.items():
        click.echo(f"run {run_id} failed: {reason}", err=True)
    if done.left:
        click.echo(f"{len(done.left)} landed files could not be read: {', '.join(done.left[:5])}", err=True)
    for problem in done.pull_problems:
        click.echo(problem, err=True)
    if not done.succeeded or any(o.state in ("failed", "not_run") and o.severity == "ERROR" for o in outcomes):
        sys.exit(1)


def _tables(home: Home, done: Any) -> list[dict[str, Any]]:
    rows = []
    for name, table in schemas.TABLES.items():
        made_days, seconds = done.made.get(name) or done.made.get("ingestion" if not table.daily else "", (set(), None))
        by_day = "session_date" in table.partition_by
        days = len(home.lake.days(name)) if by_day else len(made_days - {""}) or None
        rows.append({"table": name, "days": days, "rows": home.lake.slice(name).row_count, "seconds": seconds})
    return rows


DAY = click.DateTime(["%Y-%m-%d"])
SUFFIXES = {".json": "json", ".xml": "junit", ".html": "html", ".htm": "html"}


@main.command()
@click.option("--from", "first", type=DAY, metavar="DAY", help="The first day, YYYY-MM-DD; default: the first there is.")
@click.option("--to", "last", type=DAY, metavar="DAY", help="The last day, itself included; default: the last there is.")
@click.option("--last", "count", type=click.IntRange(1), metavar="N", help="The newest N days that there are.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "junit", "html"]),
    help="Default: what the name of --output ends in (.json, .xml, .html), else text.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file, whole or not at all.")
@click.option("--strict", is_flag=True, help="Warnings count as failures in the exit status.")
@click.option("--texts", is_flag=True, help="Add sample pairs with the words of queries and items, which may be personal.")
@click.pass_obj
@_told
def report(
    home: Home,
    first: dt.datetime | None,
    last: dt.datetime | None,
    count: int | None,
    format_: str | None,
    output: Path | None,
    strict: bool,
    texts: bool,
) -> None:
    """Whether to train on the features of some days, and why: checks, numbers and pictures.

    Exit status 0 if there are features, every day of them was checked as it is now and is up to date, and no ERROR check
    failed; 1 if not; 2 for wrong usage. Checks of tables without days are always included.
    """
    from ft_assets import headless, reports
    from ft_assets.report_gathering import gather

    if output and not output.absolute().parent.is_dir():
        raise click.UsageError(f"there is no folder {output.absolute().parent} to write {output.name} to")
    with headless.instance_to_read(home) as instance:
        days = _days_in_range(headless.known_days(home, instance), first, last, count)
        outcomes = headless.check_outcomes(instance, days)
    settings = _settings_now(home)
    made = gather(home.lake, outcomes, days, home=home.path.name, with_texts=texts, configurations=settings)
    text = reports.FORMATS[format_ or (SUFFIXES.get(output.suffix.lower()) if output else None) or "text"](made)
    if output:
        reports.write_whole(output, text)
        click.echo(f"{made.verdict} Written to {output}", err=True)
    else:
        click.echo(text)
    if not made.is_sound(strict=strict):
        sys.exit(1)


def _settings_now(home: Home) -> dict[str, dict[str, Any]] | None:
    """What each daily table would be made with; None where that cannot be told here, as without the key of users' ids."""
    from ft_assets.defs.settings import configurations, run_config

    try:
        return configurations(run_config(home))
    except ValueError as error:
        click.echo(f"the days' settings were not compared with config.yaml: {error}", err=True)
        return None


def _days_in_range(
    known: list[dt.date], first: dt.datetime | None, last: dt.datetime | None, count: int | None
) -> list[dt.date]:
    """The days that there are in a range; none only where there are none at all and none were asked for."""
    if count and (first or last):
        raise click.UsageError("--last says which days on its own: leave --from and --to away")
    if first and last and first > last:
        raise click.UsageError(f"--from must not be later than --to, got {first.date()} and {last.date()}")
    days = [day for day in known if (not first or day >= first.date()) and (not last or day <= last.date())]
    if not days and (first or last):
        there = f"the days are {known[0]} to {known[-1]}" if known else "there is no day yet"
        asked = " ".join(f"{word} {end.date()}" for word, end in (("from", first), ("to", last)) if end)
        raise click.UsageError(f"there is no day {asked}: {there}")
    return days[-count:] if count else days


@main.command()
@click.argument("table", type=TABLE)
@click.option("--rows", default=10, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--session-date", type=click.DateTime(["%Y-%m-%d"]), help="Of one day.")
@click.pass_obj
@_told
def show(home: Home, table: str, rows: int, session_date: dt.datetime | None) -> None:
    """Rows of a table."""
    import pandas as pd
    import pyarrow as pa

    if not home.lake.exists(table):
        raise FileNotFoundError(f"there is no table {table} in {home.path}; ft-assets run makes it")
    slice_ = home.lake.slice(table, session_date.date() if session_date else None)
    batches = slice_.head(rows)
    with pd.option_context("display.width", 200, "display.max_columns", None, "display.max_colwidth", 40):
        click.echo(pa.Table.to_pandas(batches).to_string(index=False) if batches.num_rows else f"{table} has no rows")
    click.echo(f"{batches.num_rows} of {slice_.row_count:,} rows")


@main.command()
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@click.pass_obj
@_told
def forget(home: Home, user: str, yes: bool) -> None:
    """Remove the sessions of USER (the id as logged) from the landing place, every table and the tables' history."""
    from ft_assets import headless, identity
    from ft_assets.forget import forget as forget_
    from ft_assets.forget import mentions

    key = identity.user_key()
    if not home.path.is_dir():
        raise FileNotFoundError(f"there is no home at {home.path}")
    if not yes:
        click.confirm(f"Remove every session of {user!r} from {home.path}? It cannot be undone", abort=True)
    with headless.nobody_at_work(home):
        done = forget_(home.lake, home.landing, user, key, alone=True, spellings=home.path)
    click.echo(
        f"nothing of {user!r} was found in {home.path}" if done.is_empty else f"forgot {user!r}: {_forgotten_text(done)}"
    )
    if done.history or done.leftovers:
        click.echo(f"deleted {sum(done.history.values())} files of old versions, {len(done.leftovers)} half-landed copies")
    if key is None:
        click.echo(f"{identity.KEY_VARIABLE} is not set: sessions were looked for in the landed files alone")
    if done.days:
        click.echo(f"days to be made anew (ft-assets run): {', '.join(day.isoformat() for day in done.days)}")
    for warning in done.warnings:
        click.echo(f"warning: {warning}", err=True)
    if left := mentions(home.dagster, user, key, done.sessions):
        click.echo(f"Dagster's own records still mention the person: {', '.join(left)} in {home.dagster}", err=True)
    click.echo("not reached: backups, exports, trained models, logs of Dagster and of the systems around it")


def _forgotten_text(done: Any) -> str:
    """What was removed, a line for each table and file."""
    lines = [f"{len(done.sessions)} {'session' if len(done.sessions) == 1 else 'sessions'}"]
    lines += [f"  {table}: {rows:,} rows" for table, rows in done.rows.items()]
    for name, blanked in done.files.items():
        parts = {"lines": blanked.records, "lines that are no JSON": blanked.unreadable, "lines shortened": blanked.shared}
        lines.append(f"  {name}: " + ", ".join(f"{count:,} {what}" for what, count in parts.items() if count))
    return "\n".join(lines)


@main.command()
@click.pass_obj
@_told
def alert_test(home: Home) -> None:
    """Send a test alert to every target in alerts.yaml. Exit status 1 if one does not take it."""
    from ft_assets.alert_settings import read_alerts
    from ft_assets.alerts import NotDeliveredError, trial

    failed = False
    for channel in read_alerts(home.path).channels:
        try:
            channel.target.send(trial(dt.datetime.now(dt.UTC)))
            click.echo(f"ok      {channel.name}")
        except Exception as error:  # of a function of somebody else's, too
            failed = True
            reason = str(error) if isinstance(error, NotDeliveredError) else f"{type(error).__name__} was raised"
            click.echo(f"FAILED  {channel.name}: {reason}")
    if failed:
        sys.exit(1)


@main.command()
@click.option("--port", default=3000, show_default=True, type=int)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.pass_obj
def ui(home: Home, port: int, host: str) -> None:
    """Open Dagster on this home: its UI, and the daemon that runs sensors and backfills."""
    from ft_assets.headless import instance_of

    with instance_of(home):  # made, with its settings, before Dagster looks for it
        pass
    dagster = Path(sys.executable).with_name("dagster")
    command = [str(dagster), "dev", "--workspace", str(home.dagster / "workspace.yaml"), "--port", str(port), "--host", host]
    click.echo(f"Dagster on {home.path}: http://{host}:{port}")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(prog_name="ft-assets")
