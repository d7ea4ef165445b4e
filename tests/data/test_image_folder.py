"""A user's own pictures: what they are read as, and every way in which they cannot be."""

import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import lfl
from lfl.data.image_folder import read_folder
from lfl.task.load import task_from_files


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
    with pytest.raises(lfl.UserError, match="is not a folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(lfl.UserError, match="has no pictures"):
        read_folder(tmp_path)
    picture(tmp_path / "cat" / "1.png")
    picture(tmp_path / "cat" / "2.png", size=(6, 4))
    with pytest.raises(lfl.UserError, match=r"2.png is 6x4 pixels and others are 5x4"):
        read_folder(tmp_path)
    (tmp_path / "cat" / "2.png").write_bytes(b"no picture")
    with pytest.raises(lfl.UserError, match=r"2.png is not a picture"):
        read_folder(tmp_path)


GREY = (np.arange(20).reshape(4, 5) * 13).astype(np.uint8)


def folder_with(folder: Path, *pictures: Image.Image | bytes, suffix: str = "png") -> Path:
    """Pictures of classes `0` and so on."""
    for i, each in enumerate(pictures):
        path = folder / str(i) / f"1.{suffix}"
        path.parent.mkdir(parents=True)
        if isinstance(each, bytes):
            path.write_bytes(each)
        else:
            each.save(path)
    return folder


def png(values: np.ndarray) -> bytes:
    """A file of 16 bits a value, `[h, w, channels]`, of 1 to 4 channels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_a_grey_picture_in_sixteen_bits_is_read_as_in_eight(tmp_path: Path) -> None:
    deep = GREY.astype(np.uint16) * 257
    arrays = read_folder(
        folder_with(tmp_path / "png", Image.fromarray(GREY), Image.fromarray(deep), png(deep[:, :, None]))
    )
    assert np.array_equal(arrays["x_train"][0, 0], GREY)
    assert np.array_equal(arrays["x_train"][1], arrays["x_train"][0])
    assert np.array_equal(arrays["x_train"][2], arrays["x_train"][0])
    portable = b"P5 5 4 65535\n" + deep.astype(">u2").tobytes()
    assert np.array_equal(read_folder(folder_with(tmp_path / "pgm", portable, suffix="pgm"))["x_train"][0, 0], GREY)


def test_colours_in_sixteen_bits_are_read_as_in_eight_and_keep_what_lies_between(tmp_path: Path) -> None:
    colours = np.arange(60).reshape(4, 5, 3).astype(np.uint16) * 4
    x = read_folder(folder_with(tmp_path, Image.fromarray(colours.astype(np.uint8)), png(colours * 257), png(colours)))
    np.testing.assert_array_equal(x["x_train"][1], x["x_train"][0])
    np.testing.assert_allclose(x["x_train"][2], x["x_train"][0] / 257, rtol=1e-6)


def test_both_depths_lead_to_the_same_task(tmp_path: Path) -> None:
    for i, values in enumerate(np.random.default_rng(0).integers(0, 256, (40, 6, 6))):
        for depth, picture in (("8", values.astype(np.uint8)), ("16", values.astype(np.uint16) * 257)):
            path = tmp_path / depth / str(i % 2) / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
    eight, sixteen = (task_from_files(tmp_path / d, target=None, kind=None, eval_split=False) for d in ("8", "16"))
    for name, split in eight.splits.items():
        assert torch.equal(split.x, sixteen.splits[name].x)
        assert torch.equal(split.y, sixteen.splits[name].y)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_every_way_to_hold_a_picture_gives_its_colours(mode: str, tmp_path: Path) -> None:
    whole = Image.fromarray(np.where(GREY > 100, 255, 0).astype(np.uint8)).convert("RGB")
    x = read_folder(folder_with(tmp_path, whole.convert(mode)))["x_train"]
    assert np.array_equal(x[0], np.asarray(whole).transpose(2, 0, 1))


def test_inks_become_colours(tmp_path: Path) -> None:
    red = Image.new("CMYK", (5, 4), (0, 255, 255, 0))
    x = read_folder(folder_with(tmp_path, red, suffix="jpg"))["x_train"]
    assert np.abs(x[0].astype(int) - np.array([255, 0, 0])[:, None, None]).max() <= 3


def transparent_palette() -> bytes:
    file = io.BytesIO()
    Image.fromarray(GREY).convert("P").save(file, "PNG", transparency=int(GREY[1, 1]))
    return file.getvalue()


def frames() -> bytes:
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, "PNG", save_all=True, append_images=[Image.fromarray(GREY + 1)])
    return file.getvalue()


WHOLE = png(GREY.astype(np.uint16)[:, :, None])
REFUSED = {
    "transparent": (np.dstack([GREY] * 3 + [GREY]), "png", "transparent pixels"),
    "transparent in sixteen bits": (png(np.dstack([GREY.astype(np.uint16)] * 4)), "png", "transparent pixels"),
    "a transparent palette": (transparent_palette(), "png", "transparent pixels"),
    "frames": (frames(), "png", "holds 2 pictures"),
    "floats": (b"Pf 5 4 -1.0\n" + np.zeros(20, "<f4").tobytes(), "ppm", "holds floating-point values"),
    "deep colours elsewhere": (b"P6 5 4 65535\n" + bytes(120), "ppm", "read only from .png"),
    "a program for a printer": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 4\n", "png", "not a picture"),
    "cut off": (WHOLE[:-30], "png", "not a picture"),
    "nothing": (b"", "jpg", "not a picture"),
    "too large": (
        WHOLE[:16] + struct.pack(">II", 2**14, 2**14) + WHOLE[24:],
        "png",
        "not a picture|more than 67,108,864",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_pictures_that_are_not_read_exactly_are_named(what: str, tmp_path: Path) -> None:
    content, suffix, words = REFUSED[what]
    given = content if isinstance(content, bytes) else Image.fromarray(content)
    with pytest.raises(lfl.UserError, match=words) as caught:
        read_folder(folder_with(tmp_path, given, suffix=suffix))
    assert f"1.{suffix}" in str(caught.value)


def test_a_bomb_is_refused_by_its_size(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("1", (2**14, 2**13)).save(file, "PNG")
    tracemalloc.start()
    with pytest.raises(lfl.UserError, match="is 16384x8192 pixels, more than 67,108,864"):
        read_folder(folder_with(tmp_path, file.getvalue()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    os.mkfifo(tmp_path / "0" / "1.png")
    with pytest.raises(lfl.UserError, match="not a regular file"):
        read_folder(tmp_path)
