"""Take the pictures of README and docs/ui.md: ``make screenshots``.

A home of its own in a temporary folder gets a simulated week with the default encoder, Dagster is started on it, and a
headless chromium looks at it. Nothing is left behind but the pictures.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Page

from ft_assets import headless, lineage
from ft_assets.lake import Home
from ft_assets.simulate import simulate
from ft_assets_tests.dagster_ui import CHROMIUM, GRAPH, browser_page, dagster_ui, follow_launched_run, spoil

DOCS = Path(__file__).parent
DAYS, SESSIONS, COLORS, WIDTH, BYTES = 7, 300, 256, 1500, 300_000
# The temporary folder is nobody's home: in the pictures it has the name of the default one.
WITHOUT_FOLDER = r"""() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (texts.nextNode())
        texts.currentNode.nodeValue = texts.currentNode.nodeValue.replace(/\/\S*ft_assets_screenshots_\w+\/home/g, ".ft_assets")
}"""
TABLE, CHECK = "assets/fine_tuning_features", "checkDetail=pairs_are_inside_the_window"


def main() -> None:
    """Every picture."""
    if CHROMIUM is None:
        sys.exit("Debian's chromium is not installed: apt-get install chromium fonts-dejavu-core")
    with TemporaryDirectory(prefix="ft_assets_screenshots_") as folder:
        home = Home(Path(folder) / "home")
        make(home)
        with dagster_ui(home, Path(folder) / "dagster.log") as address, browser_page() as page:
            for picture in (graph, table, day, plots, materialize, green_check, sensors):
                picture(page, address)
                print(f"docs/{picture.__name__}.png")
            red_check(page, address, home)
            report(page, home, Path(folder) / "report.html")


def make(home: Home) -> None:
    """A week of a shop's search, from landed files to features."""
    home.path.mkdir()
    simulate(home.landing, days=DAYS, sessions=SESSIONS, seed=0)
    with headless.instance_of(home) as instance:
        assert headless.run_until_nothing_is_new(home, instance, print).succeeded


def report(page: Page, home: Home, path: Path) -> None:
    """The report of the home as a page, with what broke."""
    command = [sys.executable, "-m", "ft_assets.cli", "--home", str(home.path), "report", "--format", "html"]
    with path.open("wb") as out:
        subprocess.run(command, stdout=out, check=False)  # it may well say by its status that a check failed
    page.goto(path.as_uri())
    page.get_by_text("pairs_are_inside_the_window").first.wait_for()
    shoot(page, "report", 1400, 1000)


def graph(page: Page, address: str) -> None:
    """All tables, with their days and checks. The page draws only what is in the window, so that is large."""
    page.set_viewport_size({"width": 3400, "height": 2800})
    page.goto(f"{address}{GRAPH}")
    page.get_by_text("100% filled").nth(len(lineage.DAILY) - 1).wait_for()
    page.get_by_text("Passed").nth(len(lineage.LOG) + len(lineage.DAILY) - 1).wait_for()
    # A table's box begins with its latest event and ends with its kinds; its group has a heading and a margin around it.
    boxes = [
        box
        for words in ("Latest event", "Delta Lake")
        for node in page.get_by_text(words).all()
        if (box := node.bounding_box())
    ]
    left, top = min(box["x"] for box in boxes) - 60, min(box["y"] for box in boxes) - 130
    right, bottom = (max(box[at] + box[size] for box in boxes) + 60 for at, size in (("x", "width"), ("y", "height")))
    shoot(page, "graph", 3400, 2800, (left, top, right, bottom))


def table(page: Page, address: str) -> None:
    """What a table is."""
    page.goto(f"{address}/{TABLE}?view=overview")
    page.get_by_text("This is the table to train on").wait_for()
    page.get_by_text("features_job").first.wait_for()
    shoot(page, "table", 1500, 900)


def day(page: Page, address: str) -> None:
    """A day's numbers, with the picture of the clamp window."""
    page.goto(f"{address}/{TABLE}?view=events")
    page.get_by_text("share_ordered_right").wait_for()
    page.get_by_text("Loading").wait_for(state="hidden")
    shoot(page, "day", 1500, 1000)
    page.get_by_text("[Show Markdown]").first.click()
    page.locator("img[src^='data:image/png']").first.wait_for()
    shoot(page, "clamp", 1500, 1000)


def plots(page: Page, address: str) -> None:
    """The numbers over the days."""
    page.goto(f"{address}/{TABLE}?view=overview")
    page.get_by_role("button", name="Plots").click()
    page.get_by_text("share_ordered_right").scroll_into_view_if_needed()
    page.locator("canvas").first.wait_for()
    shoot(page, "plots", 1500, 1000)


def materialize(page: Page, address: str) -> None:
    """The dialog that asks for the day to materialize."""
    page.goto(f"{address}/{TABLE}?view=overview")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_text("Select a partition or create one").click()
    page.get_by_text("2026-11-05", exact=True).locator("visible=true").last.click()
    shoot(page, "materialize", 1500, 900)


def green_check(page: Page, address: str) -> None:
    """A table's checks, all passed."""
    page.goto(f"{address}/{TABLE}?view=checks&{CHECK}")
    page.get_by_text("Succeeded").nth(5).wait_for()
    page.get_by_text("Plots").wait_for()
    shoot(page, "checks_green", 1500, 900)


def red_check(page: Page, address: str, home: Home) -> None:
    """The same after two rows were spoilt past the lake's guards, with these rows."""
    spoil(home.lake, "fine_tuning_features", home.lake.days("fine_tuning_features")[2], "positive_rank", lambda _: 10.0)
    page.goto(f"{address}/{TABLE}?view=checks&{CHECK}")
    page.get_by_role("button", name="Execute all").click()
    follow_launched_run(page, "Failure")
    page.goto(f"{address}/{TABLE}?view=checks&{CHECK}")
    page.get_by_text("2 rows break the rule").first.wait_for()
    shoot(page, "checks_red", 1500, 900)


def sensors(page: Page, address: str) -> None:
    """What can be switched on."""
    page.goto(f"{address}/automation")
    page.get_by_text("touched_days_sensor").wait_for()
    each = page.get_by_text(re.compile("_sensor$")).count()
    page.wait_for_function("count => document.querySelectorAll('input[type=checkbox]').length > 2 * count", arg=each)
    shoot(page, "sensors", 1500, 500)


def shoot(page: Page, name: str, width: int, height: int, crop: tuple[float, float, float, float] | None = None) -> None:
    """Write what the window shows as docs/<name>.png, in few colors: a page of the UI is then some tens of kilobytes."""
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(WITHOUT_FOLDER)
    page.evaluate("document.fonts.ready")
    path = DOCS / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    picture = Image.open(path).convert("RGB")
    picture = picture.crop(tuple(round(edge) for edge in crop)) if crop else picture
    picture.thumbnail((WIDTH, 2 * WIDTH), Image.Resampling.LANCZOS)
    picture.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > BYTES:
        raise ValueError(f"{path.name} must be smaller than {BYTES:,} bytes, got {path.stat().st_size:,}")


if __name__ == "__main__":
    main()
