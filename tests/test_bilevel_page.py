"""docs/bilevel.md holds: its example runs and learns, and names what is there."""

import re
from pathlib import Path

import pytest

import lfl

PAGE = (Path(__file__).parent.parent / "docs" / "bilevel.md").read_text()
EXAMPLE, FEW_SHOT = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.mark.slow
def test_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(EXAMPLE, "bilevel.md", "exec"), {})
    *losses, last = capsys.readouterr().out.splitlines()
    first, *_, end = (float(line.split()[-1]) for line in losses)
    before, after = map(float, re.findall(r"\d+\.\d+", last))
    assert end < 0.8 * first
    assert after < 0.8 * before


def test_the_few_shot_example(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(FEW_SHOT, "bilevel.md", "exec"), {})
    assert re.fullmatch(r"\d\.\d, transductive: False\n", capsys.readouterr().out)


def test_the_table_has_every_method_of_the_maml_family() -> None:
    from lfl.fewshot import METHODS

    table = PAGE[PAGE.index("| method | phi |") :]
    assert set(re.findall(r"^\| `([\w+-]+)` \|", table, re.M)) == set(METHODS) - {"npbml"}


def test_names_and_forms_are_there() -> None:
    names = set(re.findall(r"`lfl\.(\w+)", PAGE))
    assert {name for name in names if not hasattr(lfl, name)} == set()
    from lfl.hypergradient.bilevel_gradient import FORMS

    assert set(re.findall(r'^\| `"([\w-]+)"`', PAGE, re.M)) == set(FORMS)
