"""docs/tables.md, written from the schemas: ``python -m ft_assets.table_docs > docs/tables.md``."""

from __future__ import annotations

from ft_assets import schemas
from ft_assets.checks import checks


def tables_markdown() -> str:
    """Every table: what a row is, its columns, and where its checks are."""
    lines = ["# The tables", ""]
    lines += ["Written from `ft_assets/schemas.py` by `python -m ft_assets.table_docs`.", ""]
    lines += ["Times are UTC. `session_date` is the date of `started_at`. Ids are strings.", ""]
    for table in (*schemas.TABLES.values(), *schemas.LEDGERS.values()):
        parts = f" Partitioned by {', '.join(table.partition_by)}." if table.partition_by else ""
        lines += [f"## {table.name}", "", f"A row is {table.row}. {table.about}{parts}", ""]
        lines += ["| column | type | unit | |", "|---|---|---|---|"]
        for column in schemas.column_metadata(table):
            null = " May be null." if column["nullable"] else ""
            lines.append(f"| `{column['name']}` | {column['type']} | {column['unit'] or ''} | {column['description']}{null} |")
        own = [check for check in checks() if check.table == table.name]
        if own:
            blocking = sum(check.blocking for check in own)
            counts = (
                f"{blocking} that block, {len(own) - blocking} that warn" if blocking < len(own) else f"{blocking} that block"
            )
            lines += ["", f"[Its checks](checks.md#{table.name}): {counts}."]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(tables_markdown(), end="")
