"""docs/training-step.md names files and functions that are there, and its formulas the functions that compute them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "training-step.md").read_text()
ROWS = re.findall(r"^\| \d+ \| `([\w/]+\.py)` \| `(\w+)` \|", PAGE, re.M)
NAMED = re.findall(r"`([\w/]+\.py)` \(`(\w+)`\)", PAGE)


def defined(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


def test_the_walk_is_as_long_as_it_says() -> None:
    assert len(ROWS) == len(set(ROWS)) == 10
    assert "Ten files" in PAGE
    assert "(training-step.svg)" in PAGE
    in_diagram = re.findall(r">(\d+) ([\w/]+\.py)<", (ROOT / "docs" / "training-step.svg").read_text())
    assert [(int(n), path) for n, path in in_diagram] == [
        (n, path.removeprefix("lfl/")) for n, (path, _) in enumerate(ROWS, 1)
    ]


@pytest.mark.parametrize(("path", "function"), [*ROWS, *NAMED])
def test_each_function_is_in_its_file(path: str, function: str) -> None:
    assert function in defined(path)


def test_every_file_and_every_function_of_a_formula_is_there() -> None:
    files = re.findall(r"`((?:lfl|cli)/[\w/]+\.py)`", PAGE)
    assert [path for path in files if not (ROOT / path).is_file()] == []
    block = "\n".join(line for line in PAGE.splitlines() if line.startswith("    "))
    computed_in = set(re.findall(r"\s{3,}([a-z]{4,}_[a-z]+)(?=\s{3,}|\n|$)", block))
    wanted = {"base_pass", "inner_step", "outer_gradient", "backward_step", "forward_mode", "through_loss", "meta_step"}
    assert computed_in == wanted
    assert wanted <= set().union(*(defined(path) for path in files))
