"""The picture of a comparison."""

from pathlib import Path

from lfl.study import Line, run_grid, summarise
from lfl.study.picture import draw_learning
from lfl.study.variant import parse_variant

from .cases import cell, worker


def summaries(out: Path, *names: str):
    cells = [cell(out, name) for name in names]
    run_grid(cells, [0, 1], worker())
    lines = [Line("digits", "logistic", f"the {name}", (parse_variant(name),)) for name in names]
    return [summarise(line, [each], [0, 1]) for line, each in zip(lines, cells, strict=True)]


def test_the_curves_of_all_lines_under_their_names(tmp_path: Path) -> None:
    found = summaries(tmp_path, "baseline", "baseline inner_lr=0.1", "baseline inner_lr=1e38")
    png, svg = draw_learning(found, tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text()
    assert "the baseline inner_lr=0.1" in text
    assert "1e38" not in text  # it diverged


def test_nothing_to_draw(tmp_path: Path) -> None:
    assert draw_learning(summaries(tmp_path, "baseline inner_lr=1e38"), tmp_path) == []
    assert not list(tmp_path.glob("learning*"))
