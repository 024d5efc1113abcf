"""The report as a page: whole, of itself alone, readable by everybody, and seen in a real browser without network."""

import base64
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets.picture import Picture, new_figure
from ft_assets.report_page import DAY_COLUMNS
from ft_assets.reports import CheckOutcome, MadeWith, Provenance, Report, report_html
from ft_assets.statistics import Stage
from ft_assets_tests.sample_reports import BROKEN, DAYS, HOSTILE, NOT_RUN_YET, OUTCOMES, REPORT
from ft_assets_tests.test_reports import many_days

CHROMIUM = shutil.which("chromium")
VOID = {"meta", "img", "br"}
SECTIONS = ["arrivals", "stages", "features", "problems", "texts", "checks", "provenance"]


class Page(HTMLParser):
    """Reads a page strictly: what is opened is closed, and every attribute with an address is kept."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        assert not [name for name in attributes if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.said += data


def drawn(name: str = "ranks", title: str = "Ranks of 3 pairs") -> Picture:
    figure = new_figure("")
    figure.add_subplot().plot([1, 2, 3], [3, 1, 2])
    return Picture(name, title, "How ranks lie.", figure)


PAIR = {"sample": "hardest", "session_date": DAYS[0], "query_text": "tea", "positive_text": "a", "negative_text": None,
        "positive_rank": 0.25, "negative_rank": 0.5, "margin": -0.25}  # fmt: skip
FULL = replace(REPORT, pictures=[drawn(), *REPORT.pictures[1:]], texts=[PAIR], outcomes=[*OUTCOMES, NOT_RUN_YET])


def test_the_page_is_whole_and_of_itself_alone() -> None:
    text = report_html(FULL)
    page = Page(text)
    assert page.ids
    assert len(set(page.ids)) == len(page.ids)
    for address in page.addresses:
        assert address.startswith("data:image/svg+xml;base64,") or address.removeprefix("#") in page.ids
    assert "http:" not in text.replace("http-equiv", "")
    assert "https:" not in text
    assert not {"script", "link", "iframe", "object", "form", "base"} & {tag for tag, _ in page.tags}
    assert not re.search(r"url\(|@import", text)
    (policy,) = [each["content"] for tag, each in page.tags if tag == "meta" and "http-equiv" in each]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_the_page_says_things_in_the_order_in_which_they_are_asked() -> None:
    page = Page(report_html(FULL))
    assert [each for each in page.ids if each in SECTIONS] == SECTIONS
    assert [address for address in page.addresses if address[1:] in SECTIONS] == [f"#{section}" for section in SECTIONS]
    assert page.said.index(FULL.verdict) < page.said.index("What came in")
    assert "What to do: Look at the session." in " ".join(page.said.split())


def test_parts_that_a_report_has_not_are_left_out() -> None:
    page = Page(report_html(Report([])))
    assert not set(page.ids) & set(SECTIONS)
    assert "Nothing has been checked yet." in page.said
    assert "texts" not in Page(report_html(REPORT)).ids


def test_a_picture_is_said_to_those_who_do_not_see_it() -> None:
    page = Page(report_html(FULL))
    (image,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert image["alt"] == "How ranks lie."
    svg = base64.b64decode(str(image["src"]).partition(",")[2])
    assert b"<svg" in svg
    assert "There is nothing to draw." in page.said


def test_every_check_has_a_mark_for_every_day_and_what_broke_leads_to_its_problem() -> None:
    page = Page(report_html(FULL))
    assert page.said.count("\u2713") - 1 == sum(outcome.passed for outcome in FULL.outcomes)  # one is the legend's
    marks = [each["href"] for tag, each in page.tags if tag == "a" and each.get("class") in ("failed", "warned", "not_run")]
    assert sorted(str(mark) for mark in marks) == ["#problem-1", "#problem-2", "#problem-3"]


def test_a_year_is_a_page_that_can_be_read() -> None:
    days = many_days(365)
    outcomes = [replace(outcome, session_date=day) for outcome in OUTCOMES[1:] for day in days]
    numbers = [{"session_date": day, "pairs": 1} for day in days]
    text = report_html(replace(FULL, days=days, outcomes=outcomes, day_numbers=numbers, pictures=[drawn()] * 10))
    page = Page(text)
    assert len(text) < 1_000_000
    assert "days passed" in page.said
    assert [tag for tag, _ in page.tags].count("tr") < 60
    assert f"The last {DAY_COLUMNS} of" in page.said


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.text(), st.text())
def test_any_string_stays_a_string(name: str, value: str) -> None:
    page = Page(report_html(hostile_report(name, value)))
    sound = Page(report_html(hostile_report("name", "value")))
    if name and value:  # an empty part is left out
        assert tags_of(page) == tags_of(sound)


def tags_of(page: Page) -> list[str]:
    return [tag for tag, _ in page.tags if tag != "code"]  # what stands between backticks is code


def test_what_stands_between_backticks_is_code_and_still_no_tag() -> None:
    text = report_html(hostile_report("x", "Run `ft-assets run <b>`."))
    assert "<code>ft-assets run &lt;b&gt;</code>" in text
    assert "<b>`" not in text


def test_a_hostile_string_makes_no_tag() -> None:
    text = report_html(hostile_report(HOSTILE, HOSTILE))
    assert "<script" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def hostile_report(name: str, value: str) -> Report:
    """A report whose every string is one of two."""
    broken = replace(BROKEN, table=name, check=value, description=value, remedy=name, examples=[{name: value}], run_id=name)
    return Report(
        outcomes=[broken, CheckOutcome("items", "unique_ids", None, True)],
        days=DAYS,
        home=name,
        stages=[Stage(name, 1, value), Stage(name, 1, value, {value: 1})],
        arrivals={"files": 1, "rejected_by_reason": {value: 1}},
        day_numbers=[{"session_date": DAYS[0], "model": value}],
        pictures=[Picture("p", value, name, None)],
        provenance=Provenance(value, {"items": 1}, [MadeWith(name, (DAYS[0],), {"setting": value}, name, value)]),
        texts=[{**PAIR, "query_text": value, "positive_text": name}],
    )


@pytest.fixture(scope="module")
def browser() -> Any:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed: apt-get install chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_in_a_browser_asks_for_nothing_and_fits(browser: Any, tmp_path: Any, width: int, scheme: Any) -> None:
    days = many_days(31)
    wide = [replace(outcome, session_date=day) for outcome in OUTCOMES[1:4] for day in days]
    examples = [{f"a_long_name_of_a_column_{n}": "word" * 30 for n in range(8)}]
    report = replace(
        FULL,
        days=days,
        outcomes=[*wide, replace(BROKEN, session_date=days[0], examples=examples)],
        day_numbers=[{"session_date": day, "pairs": 1_000} for day in days],
        home="a" * 200,
    )
    path = tmp_path / "report.html"
    path.write_text(report_html(report), encoding="utf-8")
    asked, told = [], []
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.goto(path.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert told == []
    assert page.evaluate("[...document.images].map(image => image.naturalWidth > 100)") == [True]
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    back, ink = page.evaluate("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
    assert (brightness(back) > brightness(ink)) == (scheme == "light")
    context.close()


def brightness(colour: str) -> int:
    return sum(map(int, re.findall(r"\d+", colour)[:3]))
