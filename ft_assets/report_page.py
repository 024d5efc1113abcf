"""The check report as one page of HTML: no script, no outside resource, light or dark as the reader has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ft_assets.check_outcomes import CheckOutcome, group_outcomes, json_line, summarize, worst_state, writable

NOTHING_CHECKED = "Nothing has been checked yet."
EXAMPLES_ON_PAGE = 10
_WORDS = {"passed": "passed", "failed": "failed", "warned": "warning"}
_MARKS = {"passed": "", "failed": "\u2717 ", "warned": "! "}  # colour alone does not tell everybody

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Check report: {{ summary }}</title>
<style>
:root { color-scheme: light dark; --back: #fff; --ink: #1e293b; --soft: #64748b; --line: #e2e8f0; --box: #f8fafc;
  --passed: #15803d; --failed: #b91c1c; --warned: #a16207; }
@media (prefers-color-scheme: dark) { :root { --back: #0f172a; --ink: #e2e8f0; --soft: #94a3b8; --line: #334155;
  --box: #1e293b; --passed: #4ade80; --failed: #f87171; --warned: #facc15; } }
body { background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 64rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; } th { color: var(--soft); font-weight: 500; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.passed, .failed, .warned { font-weight: 600; }
.passed { color: var(--passed); } .failed { color: var(--failed); } .warned { color: var(--warned); }
.soft { color: var(--soft); }
.broken { border-left: 4px solid currentcolor; padding: .1rem 1rem; margin: 1rem 0; background: var(--box); }
.broken > * { color: var(--ink); font-weight: 400; }
pre { overflow-x: auto; margin: .4rem 0; font-size: 13px; }
.days { display: flex; flex-wrap: wrap; gap: 2px; } .day { font-size: 12px; padding: 0 .35rem;
  border: 1px solid currentcolor; border-radius: 3px; }
</style>
</head>
<body>
<h1>Check report</h1>
<p>{{ summary }}{% if checked_at %} <span class="soft">&middot; last checked {{ checked_at }}</span>{% endif %}</p>
{% if tables %}
<h2>Tables</h2>
<table>
<tr><th>table</th><th>state</th><th class="number">passed</th><th class="number">failed</th>
<th class="number">warnings</th></tr>
{% for table in tables %}<tr><td>{{ table.name }}</td><td class="{{ table.state }}">{{ words[table.state] }}</td>
<td class="number">{{ table.counts.passed }}</td><td class="number">{{ table.counts.failed }}</td>
<td class="number">{{ table.counts.warned }}</td></tr>
{% endfor %}</table>
{% endif %}
{% if broken %}
<h2>What broke</h2>
{% for outcome in broken %}
<div class="broken {{ outcome.state }}">
<p><b>{{ outcome.table }}</b> &middot; {{ outcome.check }}{% if outcome.session_date %} &middot; {{ outcome.session_date }}
{%- endif %} <span class="soft">{{ outcome.severity }}{% if outcome.blocking %}, blocks the tables behind it{% endif %}
{%- if outcome.run_id %}, run {{ outcome.run_id }}{% endif %}</span></p>
<p>{{ outcome.message }}</p>
{% if outcome.examples %}<pre>{% for row in outcome.examples[:shown] %}{{ json_line(row) }}
{% endfor %}</pre>{% endif %}
</div>
{% endfor %}
{% endif %}
{% for table in tables %}
<h2>{{ table.name }}</h2>
<table>
<tr><th>check</th><th>rule</th><th>days</th></tr>
{% for check, outcomes in table.checks %}<tr><td class="{{ worst(outcomes) }}">{{ check }}</td>
<td>{{ outcomes[0].description }}</td><td><div class="days">
{%- for outcome in outcomes %}<span class="day {{ outcome.state }}" title="{{ words[outcome.state] }}">
{{- marks[outcome.state] }}{{ outcome.session_date or words[outcome.state] }}</span>{% endfor %}</div></td></tr>
{% endfor %}</table>
{% endfor %}
</body>
</html>
"""


def render_page(outcomes: Sequence[CheckOutcome]) -> str:
    """Render the page.

    Args:
        outcomes: in any order; none makes a page that says so.

    Returns:
        A whole HTML document; everything from the outcomes is escaped.
    """
    import jinja2  # only this page needs it

    grouped = group_outcomes(outcomes)
    tables = [_table(name, checks) for name, checks in grouped]
    ordered = [outcome for table in tables for _, days in table["checks"] for outcome in days]
    times = [outcome.checked_at for outcome in outcomes if outcome.checked_at]
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(_PAGE)
    page = template.render(
        summary=str(summarize(outcomes)) if outcomes else NOTHING_CHECKED,
        checked_at=max(times).isoformat(sep=" ", timespec="seconds") if times else "",
        tables=tables,
        broken=sorted((each for each in ordered if not each.passed), key=lambda each: each.state != "failed"),
        shown=EXAMPLES_ON_PAGE,
        words=_WORDS,
        marks=_MARKS,
        worst=worst_state,
        json_line=json_line,
    )
    return writable(page)


def _table(name: str, checks: list[tuple[str, list[CheckOutcome]]]) -> dict[str, Any]:
    outcomes = [outcome for _, days in checks for outcome in days]
    return {"name": name, "state": worst_state(outcomes), "counts": summarize(outcomes), "checks": checks}
