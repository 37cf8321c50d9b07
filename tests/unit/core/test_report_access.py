"""The report for those who read it by ear, by keyboard, or with weak eyes; and where its sentences lead."""

import base64
import io
import re
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest
from PIL import Image

import streamweir.reporting
from streamweir.reporting import publish
from streamweir.reporting.text import linked
from tests.support.made_up_bundle import made_up_bundle, put_tasks
from tests.support.made_up_run import MadeUpRun

CSS = (Path(streamweir.reporting.__file__).parent / "templates" / "report.css").read_text()
Attributes = dict[str, str | None]


class Page(HTMLParser):
    """A page's elements with their attributes, and the text of its captions."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, Attributes]] = []
        self.captions: list[str] = []
        self._in_caption = False
        self.feed(html)

    def all(self, tag: str) -> list[Attributes]:
        return [attributes for name, attributes in self.elements if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_caption = tag == "caption"

    def handle_data(self, data: str) -> None:
        if self._in_caption:
            self.captions.append(data.strip())
            self._in_caption = False


def page_of(made_up: MadeUpRun) -> Page:
    publish(made_up.run, made_up.store)
    return Page((made_up.store.get(made_up.run.report) or b"").decode())


@pytest.fixture(scope="module")
def page() -> Page:
    return page_of(made_up_bundle(batches=48))


def test_every_heading_of_a_table_says_what_it_heads(page: Page) -> None:
    scopes = [attributes.get("scope") for attributes in page.all("th")]
    assert set(scopes) == {"col", "row", "colgroup"}
    assert scopes.count("row") > 5


def test_every_table_has_a_caption_and_lies_in_an_area_that_the_keyboard_can_scroll(page: Page) -> None:
    areas = [attributes for attributes in page.all("div") if attributes.get("class") == "wide"]
    assert len(page.all("table")) == len(page.captions) == len(areas) > 12
    for area, caption in zip(areas, page.captions, strict=True):
        assert (area["tabindex"], area["role"], area["aria-label"]) == ("0", "region", caption)
        assert caption
    assert ".wide:focus-visible" in CSS


def test_every_picture_says_its_size_before_it_is_there(page: Page) -> None:
    pictures = page.all("img")
    assert len(pictures) > 5
    for picture in pictures:
        data = base64.b64decode((picture["src"] or "").partition(",")[2])
        size = tuple(int(picture[name] or 0) for name in ("width", "height"))
        assert size == Image.open(io.BytesIO(data)).size


def colours(*, dark: bool) -> dict[str, str]:
    blocks = re.findall(r":root \{(.+?)\}", CSS, re.DOTALL)
    assert len(blocks) == 2
    return dict(re.findall(r"--([\w-]+): (#\w+)", blocks[dark]))


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_stands_out_from_what_is_behind_it(*, dark: bool) -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01), "as WCAG gives it"
    known = colours(dark=dark)
    pairs = [
        *product(("ink", "muted", "accent", "good", "bad", "warn"), ("page", "card")),
        *((name, f"{name}-soft") for name in ("good", "bad", "warn")),
        # A batch with unexplained rows: its zeros, and its figures.
        ("muted", "bad-soft"),
        ("ink", "bad-soft"),
    ]
    for text, behind in pairs:
        assert contrast(known[text], known[behind]) >= 4.5, (text, behind)
    assert "opacity" not in CSS, "what is seen through is paler than its colour says"
    assert re.search(r"\.dense \.zero \{ color: var\(--muted\); \}", CSS)


def test_a_failure_leads_to_the_page_that_it_names() -> None:
    made_up = made_up_bundle(batches=8)
    docs = f"{made_up.run.quality}/index.html"
    put_tasks(made_up, until="validate", error=f"1 critical expectation failed; see {docs}")
    links = [attributes.get("href") for attributes in page_of(made_up).all("a")]
    assert links.index("quality/index.html") < links.index("#ledger"), "at the top"


@pytest.mark.parametrize(
    ("sentence", "link"),
    [
        ("run 'r' has unexplained rows: 2; see ledger.json", "ledger.json"),
        ("1 critical expectation failed: see quality.", "#quality"),
    ],
)
def test_a_sentence_leads_to_what_it_names(sentence: str, link: str) -> None:
    found = Page(str(linked(sentence, MadeUpRun(batches=8).run)))
    assert [attributes["href"] for attributes in found.all("a")] == [link]


def test_text_from_data_makes_no_link_and_stays_text() -> None:
    run = MadeUpRun(batches=8).run
    evil = f'<a href="javascript:x">x</a> {run.bundle}/../../other.html my_ledger.jsonx'
    assert [name for name, _ in Page(str(linked(evil, run))).elements] == []
