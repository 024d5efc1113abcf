"""What Dagster's catalogue says of a table beside its columns: words, tags, owners, and where its code stands."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import dagster as dg

import ft_assets
from ft_assets import engine, queries, schemas
from ft_assets.defs.metadata import table_metadata

OWNERS, GIT_URL, GIT_BRANCH = "FT_ASSETS_OWNERS", "FT_ASSETS_GIT_URL", "FT_ASSETS_GIT_BRANCH"
STORAGE = "deltalake"
LAYERS = {
    "fine_tuning_inputs": "sessions",
    "sampled_inputs": "sessions",
    "flagged_sessions": "sessions",
    "text_vectors": "vectors",
    "pair_features": "features",
    "fine_tuning_features": "features",
}


def table_words(table: schemas.Table) -> dict[str, Any]:
    """The arguments of an asset that say what its table is; see ``dg.AssetSpec``."""
    return {
        "description": f"A row is {table.row}.\n\n{table.about}",
        "owners": owners(),
        "tags": tags(table),
        "metadata": {
            **table_metadata(table),
            "dagster/table_name": table.name,
            "dagster/storage_kind": STORAGE,
            "dagster/code_references": _references([*_sql_files(table), *_computation(table)]),
        },
    }


def owners() -> list[str]:
    """Who answers for the tables, by the environment; nobody unless it says so: a made-up team would be asked in vain.

    Raises:
        ValueError: an owner is neither a team nor an address.
    """
    named = [owner.strip() for owner in os.environ.get(OWNERS, "").split(",") if owner.strip()]
    for owner in named:
        if not (owner.startswith("team:") and len(owner) > len("team:")) and "@" not in owner:
            raise ValueError(f"{OWNERS} must list teams (team:search) and e-mail addresses, separated by commas; got {owner!r}")
    return named


def tags(table: schemas.Table) -> dict[str, str]:
    """What the catalogue can be filtered by: ``tag:pii=true`` are the tables that hold something of a person."""
    personal = {"pii": "true"} if any(column.personal for column in table.columns) else {}
    return {"domain": "search", "layer": LAYERS.get(table.name, "log"), **personal}


def with_code_references(definitions: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The same assets with the place of their own function: a local file, or a page of the git host that the environment names.

    Links lead to ``FT_ASSETS_GIT_URL`` (the repository's page on GitHub or GitLab, of which one is told by its name) and
    the branch, tag or commit ``FT_ASSETS_GIT_BRANCH`` (main).
    """
    url = os.environ.get(GIT_URL, "").rstrip("/")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        linked = dg.with_source_code_references(definitions)
        if url:
            linked = dg.link_code_references_to_git(
                linked,
                git_url=url,
                git_branch=os.environ.get(GIT_BRANCH) or "main",
                file_path_mapping=_InRepository(),
                platform="gitlab" if "gitlab" in url else "github",
            )
    return [definition for definition in linked if isinstance(definition, dg.AssetsDefinition)]


class _InRepository(dg.FilePathMapping):
    """Where a file of the program stands in its repository, also when it runs from a wheel, which carries ``sql`` elsewhere."""

    def convert_to_source_control_path(self, local_path: Path) -> str:
        """The path from the top of the repository."""
        for folder, name in ((queries.sql_root(), "sql"), (Path(ft_assets.__file__).parent, "ft_assets")):
            if local_path.is_relative_to(folder):
                return str(PurePosixPath(name, local_path.relative_to(folder).as_posix()))
        raise ValueError(f"{local_path} is not of this program")


def _references(places: Sequence[tuple[Path, int | None, str]]) -> dg.CodeReferencesMetadataValue:
    with warnings.catch_warnings():  # Dagster calls them a beta
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(file_path=str(path), line_number=line, label=label) for path, line, label in places
            ]
        )


def _sql_files(table: schemas.Table) -> list[tuple[Path, int | None, str]]:
    """The queries that make a table, which carry its name; those of the books of an ingestion make ``ingested_files``."""
    root = queries.sql_root()
    reader = "books" if table is schemas.INGESTED_FILES else table.name
    files = [*(root / "assets").glob(f"{table.name}*.sql"), *(root / "readers").glob(f"{reader}.sql")]
    return [(path, None, path.relative_to(root.parent).as_posix()) for path in sorted(files)]


def _computation(table: schemas.Table) -> list[tuple[Path, int | None, str]]:
    """The function of the engine that computes a table."""
    function = getattr(engine, table.name, None)
    if function is None:
        return []
    return [(Path(function.__code__.co_filename), function.__code__.co_firstlineno, f"engine.{table.name}")]
