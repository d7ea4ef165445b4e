"""A user's own pictures: what they are read as, and every way in which they cannot be."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lfl
from lfl.data.pictures import read_folder


def picture(path: Path, size: tuple[int, int] = (5, 4), shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 2 * shade, 255)).save(path)


def test_pictures_come_by_class(tmp_path: Path) -> None:
    for i, (part, label) in enumerate([("train", "cat"), ("train", "dog"), ("test", "cat")]):
        picture(tmp_path / part / label / "1.png", shade=10 * i)
    arrays = read_folder(tmp_path)
    assert arrays["x_train"].shape == (2, 3, 4, 5)
    assert arrays["x_train"][1, :, 0, 0].tolist() == [10, 20, 255]
    assert arrays["y_train"].tolist() == ["cat", "dog"]
    assert arrays["y_test"].tolist() == ["cat"]
    assert sorted(read_folder(tmp_path / "train")) == ["x_train", "y_train"]


def test_folders_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match="is no folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(lfl.UserError, match="has no pictures"):
        read_folder(tmp_path)
    picture(tmp_path / "cat" / "1.png")
    picture(tmp_path / "cat" / "2.png", size=(6, 4))
    with pytest.raises(lfl.UserError, match=r"2.png is 6x4 pixels and others 5x4"):
        read_folder(tmp_path)
    (tmp_path / "cat" / "2.png").write_bytes(b"no picture")
    with pytest.raises(lfl.UserError, match=r"2.png is no picture"):
        read_folder(tmp_path)
