"""Imports point one way: data -> task -> model -> ... -> report; the command line is above them all."""

import ast
from pathlib import Path

import pytest

import lfl

PACKAGE = Path(lfl.__file__).parent
LAYERS = [
    "data",
    "task",
    "model",
    "symbolic",
    "loss",
    "optimiser",
    "hypergradient",
    "step",
    "method",
    "training",
    "run",
    "fewshot",
    "report",
    "export",
    "learner",
    "api",
    "sklearn",
    "study",
    "evolution",
]
GROUND = {"evolution_settings", "entry", "catalogue", "choices", "schedules", "setting", "settings", "old_names"} | {
    *["fewshot_catalogue", "fewshot_settings"],
    *["errors", "types", "randomness", "trees", "version", "device", "boundary", "text", "places", "user_code"],
}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if p not in {PACKAGE / "__init__.py", PACKAGE / "__main__.py"})


def imported(path: Path) -> set[str]:
    """The parts of lfl that a file imports, relative imports resolved."""
    parts: set[str] = set()
    here = ["lfl", *path.relative_to(PACKAGE).with_suffix("").parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = here[: -node.level] if node.level else []
            full = [*base, *(node.module or "").split(".")] if node.module else base
            heads = [full] if len([p for p in full if p]) > 1 else [[*full, a.name] for a in node.names]
            parts |= {head[1] for head in heads if head[0] == "lfl"}
        elif isinstance(node, ast.Import):
            assert not any(a.name.split(".")[0] in {"lfl", "lfl_cli"} for a in node.names), path
    return parts


def test_every_folder_and_file_has_its_layer() -> None:
    found = {p.name if p.is_dir() else p.stem for p in PACKAGE.iterdir() if p.is_dir() or p.suffix == ".py"}
    assert found - {"__pycache__", "__init__", "__main__"} == set(LAYERS) | GROUND


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    allowed = GROUND if part in GROUND else GROUND | set(LAYERS[: LAYERS.index(part) + 1])
    assert imported(path) <= allowed


def test_files_are_small() -> None:
    assert {p.name: n for p in FILES if (n := len(p.read_text().splitlines())) > 300} == {}
