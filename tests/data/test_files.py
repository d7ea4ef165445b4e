"""A user's own arrays: what they are read as, and every way in which they cannot be."""

from pathlib import Path

import numpy as np
import pytest

import lfl
from lfl.data.files import read_npz


def test_arrays_come_back(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x_train=np.eye(3), y_train=np.arange(3), other=np.zeros(1))
    arrays = read_npz(tmp_path / "data.npz")
    assert sorted(arrays) == ["x_train", "y_train"]
    np.testing.assert_array_equal(arrays["x_train"], np.eye(3))


@pytest.mark.parametrize("damage", ["absent", "truncated", "objects", "incomplete"])
def test_array_files_that_cannot_be_used_are_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    if damage == "objects":
        np.savez(path, x_train=np.array([{}], dtype=object), y_train=np.zeros(1))
    elif damage != "absent":
        np.savez(path, x_train=np.zeros((5, 2)), **({} if damage == "incomplete" else {"y_train": np.zeros(5)}))
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:100])
    words = {"incomplete": "lacks y_train", "absent": "cannot read .*No such file", "objects": "of type object"}
    with pytest.raises(lfl.UserError, match=words.get(damage, "cannot read .*numpy.savez")):
        read_npz(path)
