"""Small studies that tests share."""

from pathlib import Path

from lfl.study import Cell, Worker, make_cell
from lfl.study.variant import parse_variant
from lfl.task import DEFAULTS, load_task

SMALL = {"steps": 6, "offline_steps": 3, "batch_size": 8, "compile": "off"}
DIGITS = load_task("digits", Path("unused"))


def cell(out: Path, variant: str = "adalfl", model: str = "logistic", **common) -> Cell:
    return make_cell(out, "digits", model, parse_variant(variant), DEFAULTS["digits"], SMALL | common)


def worker(look=lambda: None, load=lambda name: DIGITS) -> Worker:
    return Worker(load, Path("unused"), look)


def contents(folder: Path) -> dict[str, bytes]:
    """All that a run leaves but for what depends on the clock or the folder."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name != "timing.jsonl"}
