"""docs/formulas.md holds: its examples print what it says, and its table has every function."""

import doctest
import re
from pathlib import Path

from lfl.symbolic import FUNCTIONS, Formula, Tree, arity, read_formula

PAGE = (Path(__file__).parent.parent.parent / "docs" / "formulas.md").read_text()


def test_the_examples() -> None:
    example = doctest.DocTestParser().get_doctest(PAGE.replace("```", ""), {}, "formulas.md", None, 0)
    assert doctest.DocTestRunner().run(example).failed == 0
    assert len(example.examples) > 8


def test_the_table_has_every_function_and_its_forms_are_read() -> None:
    rows = dict(re.findall(r"^\| (`\w+\(a.*?) \| (.*) \|$", PAGE, re.M))
    forms = [form for row in rows for form in re.findall(r"`(.*?)`", row)]
    assert {form.partition("(")[0] for form in forms if form[-1] == ")"} == set(FUNCTIONS)
    for name in FUNCTIONS:
        assert Tree((name, *("y", "f")[: arity(name)])) in {read_formula(_of_y_and_f(form)).tree for form in forms}


def test_the_rows_about_numbers() -> None:
    assert read_formula("(2)*f") == read_formula("mul(2, f)") == read_formula("2*f")
    assert read_formula("2*y*f") == Formula(Tree(("mul", "y", "f")), (2, 1))
    assert read_formula("tanh(2*(y*f))") == Formula(Tree(("tanh", "mul", "y", "f")), (2, 1, 1))
    assert read_formula("tanh(f*2)") == read_formula("tanh(4*f/2)") == Formula(Tree(("tanh", "f")), (2,))


def _of_y_and_f(form: str) -> str:
    return re.sub(r"\bb\b", "f", re.sub(r"\ba\b", "y", form))
