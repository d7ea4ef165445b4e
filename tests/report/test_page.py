"""The page as text: whole, alone, the same each time, and safe from what it is given."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import lfl
from lfl.report import gather, write_page
from lfl.report.page import page

from .folders import write_run

HOSTILE = "</script><script>hostile=1</script><img src=x onerror=hostile=1>&amp;\u2028.npz"


class Reader(HTMLParser):
    """Tags with attributes, open tags, and the text of each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.texts.setdefault(self.open[-1], []).append(data.strip())


@pytest.fixture
def text(tmp_path: Path) -> str:
    runs = [
        write_run(tmp_path / "<b>bold</b>", method="baseline", task=HOSTILE, model="<i>:f"),
        write_run(tmp_path / "b", task=HOSTILE, model="<i>:f", method="fixed", loss_from="a run"),
        write_run(tmp_path / "d", task=HOSTILE, model="<i>:f", method="fixed", loss_from=HOSTILE),
        write_run(tmp_path / "c", task="diabetes", kind="regression"),
    ]
    return page(gather(runs)[0])


def test_elements_are_closed_and_names_are_text(text: str) -> None:
    reader = Reader(text)
    assert reader.open == []
    assert [tag for tag, _ in reader.tags if tag in {"img", "i", "b"}] == []
    assert sum(tag == "script" for tag, _ in reader.tags) == 2
    folder = next(cell for cell in reader.texts["th"] if cell.endswith("bold</b>"))
    assert "<b>" in folder
    assert reader.texts["h2"][0].startswith("script><img src=x onerror=hostile=1>&amp;\u2028.npz, <i>:f")


def test_data_survive_the_way_through_html(text: str) -> None:
    data = json.loads(Reader(text).texts["script"][0])
    names = [f"fixed, loss_from={HOSTILE}", "fixed, loss_from=a run"]
    assert [line["label"] for line in data["charts"][0]["lines"]] == ["baseline", *names]
    assert [[loss["name"] for loss in losses] for losses in data["losses"]] == [
        [f"{name}, seed 0" for name in names],
        ["adalfl, seed 0"],
    ]
    assert "<" not in re.search(r'id="data">(.*?)</script>', text, re.S)[1]


def test_nothing_is_fetched(text: str) -> None:
    for tag, attributes in Reader(text).tags:
        for name in ("src", "href", "srcset", "action", "data"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest|import\(", text)
    assert "default-src 'none'" in text


def test_everything_one_can_move_has_a_name(text: str) -> None:
    reader = Reader(text)
    labelled = {attributes["for"] for tag, attributes in reader.tags if tag == "label" and "for" in attributes}
    named = {attributes["id"] for tag, attributes in reader.tags if tag in {"input", "select"} and "id" in attributes}
    assert named == labelled
    assert len(named) == 4
    pictures = [attributes for _, attributes in reader.tags if attributes.get("role") == "img"]
    assert pictures
    assert all(attributes["aria-label"] for attributes in pictures)


def test_the_same_each_time_and_whatever_the_order(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"{s}", seed=s, method=m) for s, m in enumerate(["baseline", "adalfl", "adalfl"])]
    assert page(gather(runs)[0]) == page(gather(runs[::-1])[0])


def test_a_baseline_has_no_slider_and_rates_that_are_not_numbers_no_nan(tmp_path: Path) -> None:
    assert "range" not in [
        a.get("type") for _, a in Reader(page(gather([write_run(tmp_path / "a", method="baseline")])[0])).tags
    ]
    text = page(gather([write_run(tmp_path / "b", valid=[0.5, float("nan"), 0.1])])[0])
    json.loads(Reader(text).texts["script"][0], parse_constant=pytest.fail)


def test_written_whole_or_not_at_all(tmp_path: Path) -> None:
    comparisons, _ = gather([write_run(tmp_path / "run")])
    write_page(comparisons, tmp_path / "new" / "report.html")
    assert (tmp_path / "new" / "report.html").read_text() == page(comparisons)
    (tmp_path / "file").write_text("")
    for path, words in ((tmp_path / "new", "is a folder"), (tmp_path / "file" / "report.html", "lies beneath one")):
        with pytest.raises(lfl.UserError, match=words):
            write_page(comparisons, path)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]
