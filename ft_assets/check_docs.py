"""docs/checks.md, written from the files of the checks: ``python -m ft_assets.check_docs > docs/checks.md``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import groupby

from ft_assets import schemas
from ft_assets.check_files import FACTS, Check, checks
from ft_assets.prepared import prepared

INTRODUCTION = """\
# The checks

Written from `sql/checks/` by `python -m ft_assets.check_docs`; what stands here is what the UI shows beside each check.

A check reads a table back from storage and selects the rows that break a rule. No rows, and it passed; else the UI and the
report show how many they are and the first five, without anything that a person typed or is known by.

**What stops what.** A check is an **ERROR**, which blocks, or a **WARN**, which does not. ERROR is for what must hold or the
features are wrong: types, lengths, keys, counts that reconcile. Blocking is per partition: when an ERROR check of a day's table
fails, the tables behind it are not made for that day, in this run or a later one, until it passes; other days go on. The tables
of the log have no days, so an ERROR there stops every day. WARN is for shares and drifts, which may be right and need a look.
The exit status of `ft-assets run` and `ft-assets report` is 1 where an ERROR check failed.

**Drifts** compare a day with the 7 calendar days before it, as these are stored now. A day without history passes, so does a
day too small to tell. Each states its test, its effect size and its least size in its rule below, with their sources.

**Thresholds.** A check that warns may have parameters, with defaults in its file. Set them in the launchpad, or in
`<home>/config.yaml`, which the sensors and `ft-assets run` use:

```yaml
ops:
  pair_features_checks: {config: {parameters: {share_ordered_right: {least: 0.6}}}}
  fine_tuning_features_checks: {config: {parameters: {few_pairs_are_clamped: {most: 0.8, least_pairs: 1000}}}}
```

A name or a type that is wrong, or a number out of its range, is an error. A new threshold holds from the next run on: run the
checks of a day again to apply it there. A check that blocks has no threshold: it is a rule, which holds or does not.

**Run them again** in the UI: the table's asset page, *Checks*, *Execute all*, or one check's own page, for the day of your
choice. To make a day anew, materialize its table for that partition; what stands behind it follows.

**A new check** is one file, `sql/checks/<table>/<rule>.sql`:

```sql
-- The rule, in a sentence or two.
-- To do: what to do when it fails, for who has never seen it fail.
-- parameters: most=0.5 in [0, 1], least_pairs=100 in [0, inf]
-- warns; reads pair_features, pair_features of the 7 days before
select ...
```

* `blocks` or `warns`. `parameters` are optional, TOML values, bound as `$most`, with the range that a setting must keep to;
  only a check that warns has them.
* A daily table is read as the day alone, any other whole. `search_sessions as read` is the version that the day was made from,
  named `search_sessions_as_read` in the query: a log that moved on since is no fault of the day. `pair_features of the 7 days
  before` is named `pair_features_before`, and other days' files are not opened.
* `; through doubtful_sessions` behind the tables reads also what `sql/prepared/doubtful_sessions.sql` makes of them, once for
  all checks that ask; there are {prepared}. A check that reads through one reads all the tables that this is made from.
  `shown_items as read` is made of those tables as read, `clicks_by_place of the 7 days before` of those days, and of a day
  whose commit states it nothing is read (`ft_assets/stated.py`).
* How the day was made is there as well: {facts}.
* The query selects the offending rows. Choose columns by which a reader finds the fault, and none that is personal: selecting
  {personal} is an error, for Dagster keeps what is shown.
* Where numbers decide, write two queries with `;` between: the first gives one row of numbers, which the UI plots for every
  day, passing ones too; the second reads it as `numbers` and selects it where it breaks the rule.
* `test_checks.py` asks for a planted violation, and for a new page: run the command above.
"""


def checks_markdown() -> str:
    """Every check by table: its rule, severity, thresholds, what it reads, and what to do when it fails."""
    facts = "; ".join(f"{', '.join(f'`${name}`' for name in names)} in checks of {table}" for table, names in FACTS.items())
    personal = ", ".join(f"`{name}`" for name in sorted(schemas.PERSONAL))
    through = ", ".join(f"`{name}`" for name in prepared())
    known = checks()
    blocking = sum(check.blocking for check in known)
    counts = f"{len(known)} checks: {blocking} block, {len(known) - blocking} warn.\n"
    lines = [INTRODUCTION.replace("{facts}", facts).replace("{personal}", personal).replace("{prepared}", through), counts]
    for table, own in groupby(known, key=lambda check: check.table):
        lines += [f"## {table}", "", f"A row is {schemas.TABLES[table].row}.", ""]
        lines += ["| check | | rule | reads | when it fails |", "|---|---|---|---|---|"]
        lines += [*map(_row, own), ""]
    return "\n".join(lines)


def _row(check: Check) -> str:
    cells = (f"`{check.name}`", check.severity, " ".join(_rule(check)), ", ".join(map(str, check.views)), check.remedy)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _rule(check: Check) -> Iterator[str]:
    yield check.description
    if check.parameters:
        said = (f"`{name}={json.dumps(value)}`{_range(check, name)}" for name, value in check.parameters.items())
        yield f"Parameters: {', '.join(said)}."


def _range(check: Check, name: str) -> str:
    low, high = check.ranges.get(name, (-math.inf, math.inf))
    return f" in [{low:g}, {high:g}]" if math.isfinite(high) else f" from {low:g}" if math.isfinite(low) else ""


if __name__ == "__main__":
    print(checks_markdown(), end="")
