"""The report page in a real Chromium, over its DevTools pipe: what people with eyes, keyboards and phones get."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from browser import DESK, PHONE, Browser

# contrast of every text with what lies behind it (WCAG 2.2, 1.4.3), worst first
CONTRAST = """(() => {
  const light = (c) => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
      .map(x => x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
    return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
  const clear = (c) => c === 'transparent' || /, 0\\)$/.test(c);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!clear(c)) return c; } return 'rgb(255, 255, 255)'; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || e.closest('title, desc, style')) continue;
    const s = getComputedStyle(e), ink = e.closest('svg') ? s.fill : s.color;
    const [a, b] = [light(ink), light(behind(e))].sort((x, y) => y - x);
    found.push([(a + .05) / (b + .05), e.tagName + '.' + e.getAttribute('class'), e.textContent.trim().slice(0, 30)]);
  }
  return found.sort((x, y) => x[0] - y[0]).slice(0, 3);
})()"""
# words of figures that leave their figure or lie on one another
CLASHES = """(() => {
  const found = [];
  for (const svg of document.querySelectorAll('svg.figure')) {
    const box = svg.getBoundingClientRect(), texts = [...svg.querySelectorAll('text')];
    const rects = texts.map(t => t.getBoundingClientRect());
    rects.forEach((r, i) => {
      if (r.left < box.left - 1 || r.right > box.right + 1 || r.top < box.top - 1 || r.bottom > box.bottom + 1)
        found.push(['outside', svg.querySelector('title').textContent, texts[i].textContent]);
      rects.slice(i + 1).forEach((o, j) => {
        const w = Math.min(r.right, o.right) - Math.max(r.left, o.left);
        const h = Math.min(r.bottom, o.bottom) - Math.max(r.top, o.top);
        if (w > 2 && h > 4) found.push(['overlap', texts[i].textContent, texts[i + 1 + j].textContent]);
      });
    });
  }
  return found;
})()"""
FOCUS = """(() => { const e = document.activeElement, s = getComputedStyle(e);
  const words = e.getAttribute('aria-label') || (e.querySelector('title') || e).textContent.trim();
  return [e.tagName, e.className.toString(), words.slice(0, 60), s.outlineStyle]; })()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "CI=true asks for every tier, and there is no chromium here: apt-get install chromium"
    with tempfile.TemporaryDirectory() as profile:
        made = Browser(program, profile)
        yield made
        made.close()


def test_it_opens_without_an_error_and_asks_nobody(browser: Browser, report_page: Path) -> None:
    browser.open(report_page)
    assert browser.ask("document.readyState") == "complete"
    trouble = [
        event
        for event in browser.events
        if event["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    ]
    assert trouble == []
    asked = [
        event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked.count(report_page.as_uri()) == 1
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    assert [url for url in asked if url.startswith("file") and url != report_page.as_uri()] == []


def test_pictures_are_shown_and_all_of_it_is_light_to_draw(browser: Browser, report_page: Path) -> None:
    browser.open(report_page)
    browser.ask("for (const e of document.querySelectorAll('details')) e.open = true")
    browser.ask("for (const e of document.images) e.loading = 'eager'")  # or they wait until they are scrolled to
    decoded = "Promise.all([...document.images].map(i => i.decode())).then(all => all.length)"  # fails on a bad picture
    assert browser.ask(decoded) > 4
    assert browser.ask("document.querySelectorAll('*').length") < 6000
    assert browser.ask("document.scripts.length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read_in_light_and_dark(browser: Browser, report_page: Path, scheme: str) -> None:
    browser.open(report_page, scheme=scheme)
    shade = browser.ask("getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(shade) > 600) == (scheme == "light")
    worst = browser.ask(CONTRAST)
    assert worst[0][0] >= 4.5, worst


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_but_tables_and_figures_scrolls_sideways(
    browser: Browser, report_page: Path, size: tuple[int, int]
) -> None:
    browser.open(report_page, size)
    browser.ask("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert browser.ask("innerWidth") == size[0]
    assert browser.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    unreachable = browser.ask(
        "[...document.querySelectorAll('table, svg.figure')].filter(e => e.getBoundingClientRect().right > innerWidth)"
        ".filter(e => !e.closest('[tabindex]')).length"
    )
    assert unreachable == 0


def test_words_in_figures_neither_clash_nor_leave(browser: Browser, report_page: Path) -> None:
    browser.open(report_page)
    assert browser.ask(CLASHES) == []


def test_the_keyboard_reaches_everything_and_opens_details(browser: Browser, report_page: Path) -> None:
    browser.open(report_page)
    seen = []
    for _ in range(browser.ask("document.querySelectorAll('a, summary, [tabindex]').length")):
        browser.press("Tab")
        seen.append(browser.ask(FOCUS))
    assert seen[0][2] == "Skip to the tables"
    assert all(outline != "none" for *_, outline in seen)
    tags = [tag for tag, *_ in seen]
    for tag in ("SUMMARY", "DIV", "FIGURE", "A"):
        assert tags.count(tag) == browser.ask(
            f"document.querySelectorAll('{tag.lower()}{'[tabindex]' if tag in ('DIV', 'FIGURE') else ''}').length"
        )
    browser.ask("[...document.querySelectorAll('summary')].at(-1).focus()")
    before = browser.ask("document.activeElement.parentElement.open")
    browser.press("Enter")
    assert browser.ask("document.activeElement.parentElement.open") is not before


def test_a_screen_reader_finds_landmarks_headings_and_names(browser: Browser, report_page: Path) -> None:
    browser.open(report_page)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
    ]
    roles = [role for role, _ in named]
    for landmark in ("banner", "main", "contentinfo"):
        assert roles.count(landmark) == 1, landmark
    assert all(name for role, name in named if role in ("image", "img", "region", "table", "link"))
    levels = browser.ask("[...document.querySelectorAll('h1, h2, h3, h4')].map(e => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert browser.ask("document.documentElement.lang") == "en"
    assert browser.ask("document.title").startswith("Run night1")
