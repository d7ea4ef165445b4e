"""The page as text: complete, self-contained, the same each time, safe from its input, with the runs' numbers."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lfl
from lfl.report import collect_runs, write_page
from lfl.report.curves import learning_panels, rate_panels
from lfl.report.page import loss_charts, page, panel_chart, rounded

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
    return page(collect_runs(runs)[0])


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
    assert page(collect_runs(runs)[0]) == page(collect_runs(runs[::-1])[0])


def test_a_baseline_has_no_slider_and_rates_that_are_not_numbers_no_nan(tmp_path: Path) -> None:
    assert "range" not in [
        a.get("type") for _, a in Reader(page(collect_runs([write_run(tmp_path / "a", method="baseline")])[0])).tags
    ]
    text = page(collect_runs([write_run(tmp_path / "b", valid=[0.5, float("nan"), 0.1])])[0])
    json.loads(Reader(text).texts["script"][0], parse_constant=pytest.fail)


def test_written_whole_or_not_at_all(tmp_path: Path) -> None:
    comparisons, _ = collect_runs([write_run(tmp_path / "run")])
    write_page(comparisons, tmp_path / "new" / "report.html")
    assert (tmp_path / "new" / "report.html").read_text() == page(comparisons)
    (tmp_path / "file").write_text("")
    for path, words in ((tmp_path / "new", "is a folder"), (tmp_path / "file" / "report.html", "lies beneath one")):
        with pytest.raises(lfl.UserError, match=words):
            write_page(comparisons, path)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]


@given(st.lists(st.floats()))
def test_rounding_keeps_four_digits_and_leaves_out_what_json_cannot_hold(values: list[float]) -> None:
    found = json.loads(json.dumps(rounded(values), allow_nan=False))
    for value, short in zip(values, found, strict=True):
        if short is None:
            assert not abs(value) < 1.797e308
        else:
            assert short == pytest.approx(value, rel=5.1e-4, abs=1e-320)


@pytest.mark.parametrize(("kind", "targets"), [("classification", 2), ("regression", 1)])
@pytest.mark.parametrize(("method", "steps"), [("adalfl", 7), ("ml3", 3)])
def test_every_measured_step_of_a_learned_loss(
    method: str, steps: int, kind: str, targets: int, tmp_path: Path
) -> None:
    folder = write_run(tmp_path / "run", method=method, kind=kind)
    (comparison,) = collect_runs([folder])[0]
    (chart,) = loss_charts(comparison)
    assert len(chart["targets"]) == targets
    assert all(len(chart[name]) == steps for name in ("captions", "phases", "colours", "curves"))
    assert chart["captions"][1] == "offline initialisation, step 10 of 20"
    assert chart["name"] == f"{method}, seed 0"
    with np.load(folder / "loss_curves.npz") as file:
        np.testing.assert_allclose(chart["curves"], file["curves"][:steps], rtol=5.1e-4)


def test_lines_carry_their_place_among_all_labels(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"{m}-{s}", method=m, seed=s) for m in ("baseline", "adalfl") for s in (0, 1)]
    comparisons, _ = collect_runs(runs[:3])
    labels = ["baseline", "adalfl"]
    learning, rates = (
        panel_chart(panel, labels) for panel in (*learning_panels(comparisons), *rate_panels(comparisons))
    )
    assert [(line["label"], line["style"]) for line in learning["lines"]] == [("baseline", 0), ("adalfl", 1)]
    assert [line["range"] is None for line in learning["lines"]] == [False, True]
    assert [(line["label"], line["style"]) for line in rates["lines"]] == [("adalfl", 1)]
    assert rates["reference"] == {"name": "inner_lr=0.01", "level": 0.01}
    json.dumps([learning, rates], allow_nan=False)
