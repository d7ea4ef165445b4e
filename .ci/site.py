"""The built site holds together: its links, its pages on a phone in a browser, and its search.

python .ci/site.py docs/_build
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from playwright.sync_api import sync_playwright

QUESTIONS = {
    "when does it pay": "value",
    "choose method": "choose",
    "csv": "own-data",
    "own data": "own-data",
    "own network": "models",
    "training loop": "learner",
    "lightning": "tutorials/elsewhere",
    "hugging face trainer": "tutorials/elsewhere",
    "optuna": "recipes",
    "own loss": "own-loss",
    "segmentation pixels": "targets",
    "transformer text": "language",
    "f1 metric": "metrics",
    "wrong labels": "suspects",
    "nan": "diverges",
    "wandb": "logs",
    "resume killed run": "commands",
    "reproducible seed": "randomness",
    "lookahead cost": "cost",
    "memory": "cost",
    "export onnx": "handing-over",
    "share loss hub": "sharing",
    "many seeds": "tutorials/many-seeds",
    "cluster slurm": "studies",
    "learning rates": "tutorials/rates",
    "bilevel": "bilevel",
    "few-shot": "tutorials/few-shot",
    "maml": "fewshot",
    "multiple gpus": "distributed",
    "evolve formula": "tutorials/evolving",
    "higher": "coming-over",
    "learn2learn": "coming-over",
    "reproduce paper": "reproduction",
    "glossary": "glossary",
    "symbol theta": "glossary",
    "untrusted run folder": "run-folders",
    "cite": "find-the-page",
    "python version": "releases",
    "add a task": "contributing",
}
"""What somebody types, and the page of docs/find-the-page.md that answers it."""

FETCHED = re.compile(r'<(script|link|img)[^>\n]*(src|href)="https?:|from "https?:')
"""What a page would load from elsewhere."""

FIRST = 5
PHONE = {"width": 390, "height": 844}


class Page(HTMLParser):
    """The targets and the links of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"id", "name"} and value:
                self.ids.add(value)
            elif name in {"href", "src"} and value:
                self.links.add(value)


def broken_links(site: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """Yields each link to a file or a place that is not there."""
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not there.exists():
                yield f"{path.relative_to(site)}: no {link}"
            elif parts.fragment and there in pages and unquote(parts.fragment) not in pages[there].ids:
                yield f"{path.relative_to(site)}: no place {link}"


def faults_on_a_phone(tab: Any, site: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """Yields each error on the console, each request that leaves the site, and each page wider than the screen."""
    seen: list[str] = []
    tab.on("console", lambda message: message.type in {"error", "warning"} and seen.append(message.text))
    tab.on("pageerror", lambda error: seen.append(str(error)))
    tab.on("request", lambda request: request.url.startswith(("file:", "data:")) or seen.append(request.url))
    for path in pages:
        seen.clear()
        tab.goto(path.as_uri())
        width = tab.evaluate("document.documentElement.scrollWidth")
        wide = [f"{width} points wide"] if width > PHONE["width"] else []
        yield from (f"{path.relative_to(site)}: {fault}" for fault in seen + wide)


def unanswered(tab: Any, site: Path) -> Iterator[str]:
    """Yields each question whose answer is not among the first results of the search."""
    for words, answer in QUESTIONS.items():
        tab.goto(f"{site.as_uri()}/search.html?q={quote(words)}")
        tab.wait_for_function("/found|did not match/.test(document.querySelector('.search-summary')?.textContent)")
        links = tab.locator("ul.search li a").evaluate_all("all => all.map((link) => link.getAttribute('href'))")
        found = list(dict.fromkeys(re.sub(r"\.html.*", "", link) for link in links))
        if answer not in found[:FIRST]:
            place = found.index(answer) + 1 if answer in found else "not there"
            yield f"search for {words!r}: {answer} is {place}, after {found[:FIRST]}"


def main() -> None:
    site = Path(sys.argv[1]).resolve()
    files = sorted(path for path in site.rglob("*.html") if path.relative_to(site).parts[0] != "_static")
    pages = {path: Page(path) for path in files}
    fetching = sorted(path for path in site.rglob("*.html") if FETCHED.search(path.read_text()))
    faults = [f"{path.relative_to(site)}: fetches something from elsewhere" for path in fetching]
    faults += broken_links(site, pages)
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        print("no browser is installed, so pages and search were not tried: apt-get install chromium")
    else:
        with sync_playwright() as playwright:
            alone = ["--no-sandbox"] if os.geteuid() == 0 else []  # the sandbox does not start for root
            opened = playwright.chromium.launch(executable_path=browser, args=alone)
            faults += faults_on_a_phone(opened.new_page(viewport=PHONE), site, pages)
            faults += unanswered(opened.new_page(), site)
    if faults:
        sys.exit("\n".join(faults))
    print(f"{len(pages)} pages hold together; {len(QUESTIONS) if browser else 0} questions are answered by the search")


if __name__ == "__main__":
    main()
