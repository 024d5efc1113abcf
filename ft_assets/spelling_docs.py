"""docs/ubi.md, written from the tables of spellings: ``python -m ft_assets.spelling_docs > docs/ubi.md``."""

from __future__ import annotations

from ft_assets.spellings import FATES, FIELDS, mapping_rows

_OPENING = """# User Behavior Insights: the spellings that are read

Written from `sql/readers/ubi_fields.csv`, `ubi_actions.csv` and `ubi_not_items.csv` by `python -m ft_assets.spelling_docs`.

A file is a bulk file (its headers are counted, no records), `index<TAB>json` lines, an index dump (the document is in
`_source`) or plain documents, one JSON object a line; plain or gzip. Indices may have any name: a document is known by its
fields. A place that is missing, null, an empty text, an object or an array is passed over, and the next one is tried.

Explicit impressions win over recorded hits; never both make the list. Of several documents under one query id the first
that has hits gives the text and the list.

## Adding a spelling

Put a file of the same name and the same columns into the home (`$FT_ASSETS_HOME/ubi_fields.csv`, `ubi_actions.csv`,
`ubi_not_items.csv`): its places are tried before the ones below, and what it says of an action stands. A shop whose events call
the item `sku` and a click `tap` needs

```csv
field,place,path,spelling
object,1,$.event_attributes.object.sku,our shop
```

```csv
action,becomes,event_type
tap,event,click
```

A path is `$.name`, `$.name.name`, `$."na me"` or `$.name[0]`. A file that cannot be meant so (a column too few, an unknown
field, a broken path) stops the ingestion of this format and names the file and the line; nothing is written. What was ingested
before is not read again.

## The fields
"""


def ubi_markdown() -> str:
    """The fields with their places, the actions with what becomes of them, the objects that are no items."""
    lines = [_OPENING]
    fields, actions = mapping_rows("ubi_fields"), mapping_rows("ubi_actions")
    for field, meaning in FIELDS.items():
        lines += [f"### {field}", "", meaning, "", "| place | path | spelling |", "|---|---|---|"]
        lines += [f"| {row['place']} | `{row['path']}` | {row['spelling']} |" for row in fields if row["field"] == field]
        lines.append("")
    lines += ["## The actions", ""]
    lines += [
        "In lower case, without blanks around. One that is not here is an event of its own name if its object is an item,"
    ]
    lines += ["else of no interest.", "", "| becomes | | actions |", "|---|---|---|"]
    for fate, meaning in FATES.items():
        named = [_named(row["action"], row["event_type"]) for row in actions if row["becomes"] == fate]
        lines.append(f"| {fate} | {meaning} | {', '.join(named)} |")
    lines += ["", "## Objects that are no items", "", "| object_field | |", "|---|---|"]
    lines += [f"| `{row['object_id_field']}` | {row['meaning']} |" for row in mapping_rows("ubi_not_items")]
    return "\n".join([*lines, ""])


def _named(action: str, event_type: str) -> str:
    return f"`{action}` as `{event_type}`" if event_type not in ("", action) else f"`{action}`"


if __name__ == "__main__":
    print(ubi_markdown(), end="")
