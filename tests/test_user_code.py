"""A user's own function by name."""

import sys
from pathlib import Path

import pytest

import lfl
from lfl.user_code import imported


def test_it_comes_from_the_working_directory_and_leaves_the_path_alone(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "own_functions_of_a_test.py").write_text("def twice(x):\n    return 2 * x\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert imported("objective", "own_functions_of_a_test:twice", "a number")(3) == 6
    assert sys.path == before
    assert imported("objective", "math:sqrt", "a number")(4.0) == 2.0


@pytest.mark.parametrize("name", ["no_such_module:f", "math:no_such_function", "math:", ":sqrt", "raises_at_import:f"])
def test_what_cannot_be_imported_is_named(name: str, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "raises_at_import.py").write_text("raise SystemError('mine')\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    with pytest.raises(
        lfl.UserError, match=rf"objective {name} cannot be imported .* give module:function, a function of a number"
    ):
        imported("objective", name, "a number")
    assert sys.path == before
