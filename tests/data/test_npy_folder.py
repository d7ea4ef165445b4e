"""A folder of `.npy` files: inputs are mapped, targets in memory; what cannot be used is refused in words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lfl
from lfl.data.npy_folder import is_npy_folder, open_npy_folder

X, Y = np.arange(60.0).reshape(20, 3), np.arange(20) % 2


def saved(folder: Path, **arrays: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def test_inputs_are_mapped_and_targets_are_in_memory(tmp_path: Path) -> None:
    folder = saved(tmp_path / "d", x_train=X, y_train=Y, x_test=X[:4], y_test=Y[:4])
    clean = saved(tmp_path / "c", x=X[:6], y=Y[:6])
    assert is_npy_folder(folder)
    assert not is_npy_folder(clean)
    arrays = open_npy_folder(folder, clean)
    assert sorted(arrays) == ["x_test", "x_train", "x_valid", "y_test", "y_train", "y_valid"]
    assert all(isinstance(arrays[name], np.memmap) == (name[0] == "x") for name in arrays)
    assert (arrays["x_train"] == X).all()
    assert (arrays["x_valid"] == X[:6]).all()


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no targets": (lambda p: saved(p, x_train=X), "lacks y_train.npy; save both"),
    "half a part": (lambda p: saved(p, x_train=X, y_train=Y, x_test=X), "lacks y_test.npy"),
    "objects": (lambda p: saved(p, x_train=np.array([{}] * 20), y_train=Y), "cannot read .*without objects"),
    "damaged": (lambda p: (saved(p, y_train=Y) / "x_train.npy").write_bytes(b"no"), "cannot read .*x_train.npy"),
    "cut": (
        lambda p: (p / "x_train.npy").write_bytes((saved(p, x_train=X, y_train=Y) / "x_train.npy").read_bytes()[:-8]),
        "cannot read .*x_train.npy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_used_is_refused_in_words(case: str, tmp_path: Path) -> None:
    make, words = CASES[case]
    make(tmp_path)
    with pytest.raises(lfl.UserError, match=words):
        open_npy_folder(tmp_path)


def test_infinite_inputs_and_long_numbers_are_named_by_their_row(tmp_path: Path) -> None:
    for odd, words in ((np.inf, "infinite values .row 13"), (2**60 + 1, "in row 13, and whole numbers beyond")):
        x = X.astype(type(odd) if odd != np.inf else float)
        x[13, 1] = odd
        arrays = open_npy_folder(saved(tmp_path, x_train=x, y_train=Y))
        with pytest.raises(lfl.UserError, match=words):
            lfl.task_from_arrays(**arrays, x_test=X[:4], y_test=Y[:4], x_valid=X[:6], y_valid=Y[:6])
