"""docs/symbolic-losses.md: its example runs, its formulas are losses, and the error that it shows is the error."""

import re
from pathlib import Path

import pytest

import lfl
from lfl.loss import is_formula

PAGE = (Path(__file__).parent.parent / "docs" / "symbolic-losses.md").read_text()


def test_the_example_runs() -> None:
    example = re.search(r"```python\n(.*?)```", PAGE, re.S)
    assert example
    exec(compile(example[1], "symbolic-losses.md", "exec"), {})


def test_the_formulas_are_losses() -> None:
    shown = re.findall(r"--(?:loss|base) '([^']+)'", PAGE) + re.findall(r"^\| `([^`]+)` \| [a-z-]+", PAGE, re.M)[-4:]
    assert len(shown) == 7
    for formula in shown:
        assert is_formula(formula)
        lfl.symbolic_loss(formula.replace("p*log", "1.2*log").replace("q*", "1.1*"), "classification")


def test_the_error_is_shown_as_it_is() -> None:
    with pytest.raises(lfl.UserError) as found:
        lfl.symbolic_loss("abs(lg(f))", "classification")
    first, *place = str(found.value).splitlines()
    assert first.startswith("cannot read the formula at position 5: unknown name 'lg' (is it log?);")
    assert "\n".join(place) in re.sub(r"^    ", "", PAGE, flags=re.M)
