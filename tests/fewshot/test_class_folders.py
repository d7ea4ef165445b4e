"""Folders of classes: what is read, which classes go into which split, and every folder that cannot be used."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import lfl
from lfl.fewshot.class_folders import class_folders

SIZES = {"ways": 2, "shots": 1, "queries": 1}


def picture(path: Path, pixels: np.ndarray) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def classes(folder: Path, names: list[str], count: int = 3, shape: tuple[int, ...] = (4, 4), seed: int = 0) -> dict:
    rng = np.random.default_rng([seed, *"".join(names).encode()])
    return {
        name: [picture(folder / name / f"{i}.png", rng.integers(0, 256, shape, dtype=np.uint8)) for i in range(count)]
        for name in names
    }


def test_subfolders_say_the_splits(tmp_path: Path) -> None:
    made = {
        part: classes(tmp_path / part, names, count)
        for part, names, count in [("train", ["a", "b", "c"], 5), ("valid", ["d", "e"], 2), ("test", ["f", "g"], 3)]
    }
    source = class_folders(tmp_path, **SIZES)
    images = source.images
    assert {part: [images.names[c] for c in source.splits[part]] for part in made} == {
        part: list(names) for part, names in made.items()
    }
    assert images.counts == (5, 5, 5, 2, 2, 3, 3)
    stacked = np.concatenate([pictures for part in made.values() for pictures in part.values()])
    assert np.array_equal(images.pixels[:, 0].numpy(), stacked)
    train = np.concatenate(list(made["train"].values())) / 255
    assert images.mean == pytest.approx([train.mean()])
    assert images.std == pytest.approx([train.std()])
    chosen, _ = source.chosen("test", 0, 8)
    drawn = source.draw("test", 0, 8)
    expected = (stacked[chosen[:, :, 0].numpy()] / 255 - train.mean()) / train.std()
    assert np.allclose(drawn.x[:, :, 0].numpy(), expected, atol=1e-5)


def test_classes_are_split_by_a_seed_of_their_own(tmp_path: Path) -> None:
    classes(tmp_path, [f"c{i:02d}" for i in range(50)], 2, (2, 2))
    one = class_folders(tmp_path, **SIZES, seed=1)
    assert [len(one.splits[part]) for part in ("train", "valid", "test")] == [32, 8, 10]
    assert sorted(c for part in one.splits.values() for c in part) == list(range(50))
    assert class_folders(tmp_path, **SIZES, seed=2).splits == one.splits
    assert class_folders(tmp_path, **SIZES, seed=1, split_seed=1).splits != one.splits


def test_a_split_that_is_missing_is_taken_from_train(tmp_path: Path) -> None:
    classes(tmp_path / "train", [f"c{i:02d}" for i in range(25)], 2, (2, 2))
    classes(tmp_path / "test", ["x", "y"], 2, (2, 2))
    source = class_folders(tmp_path, **SIZES)
    assert [len(source.splits[part]) for part in ("train", "valid", "test")] == [21, 4, 2]
    assert [source.images.names[c] for c in source.splits["test"]] == ["x", "y"]


def test_a_class_called_train(tmp_path: Path) -> None:
    classes(tmp_path, [f"c{i:02d}" for i in range(9)] + ["train"], 2, (2, 2))
    source = class_folders(tmp_path, **SIZES)
    assert "train" in source.images.names
    assert len(source.images.names) == 10


def test_grey_and_colour(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(10)]
    made = classes(tmp_path, names, 2)
    assert class_folders(tmp_path, **SIZES).input_shape == (1, 4, 4)
    colour = picture(tmp_path / "c3" / "0.png", np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    source = class_folders(tmp_path, **SIZES)
    assert source.input_shape == (3, 4, 4)
    assert np.array_equal(source.images.pixels[6].numpy(), colour.transpose(2, 0, 1))
    assert np.array_equal(source.images.pixels[0].numpy(), np.stack([made["c0"][0]] * 3))


def test_sixteen_bits_are_rounded_to_eight(tmp_path: Path) -> None:
    classes(tmp_path, [f"c{i}" for i in range(10)], 2)
    deep = picture(tmp_path / "c0" / "0.png", (np.arange(16).reshape(4, 4) * 4000).astype(np.uint16))
    pixels = class_folders(tmp_path, **SIZES).images.pixels
    assert np.array_equal(pixels[0, 0].numpy(), np.rint(deep / 257).astype(np.uint8))


def test_an_episode_of_one_task_and_one_way(tmp_path: Path) -> None:
    classes(tmp_path, [f"c{i}" for i in range(10)], 2, (2, 3))
    drawn = class_folders(tmp_path, ways=1, shots=1, queries=1).draw("train", 0, 1)
    assert drawn.x.shape == (1, 1, 1, 2, 3)
    assert torch.equal(drawn.y, torch.zeros(1, 1, dtype=torch.int64))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("nowhere", r"is not a folder; give one with train/, valid/ and test/, or with a folder for each class"),
        ("a file", r"is not a folder"),
        ("empty", r"has no pictures; put them into a folder for each class"),
        ("sizes", r"c3/1.png is 5x4 pixels and others are 4x4; resize it"),
        ("damaged", r"c3/1.png is not a picture that can be read"),
        ("few classes", r"has 2 classes to train on, too few to hold some out for valid and test; give more"),
        ("few ways", r"has 1 classes in valid, too few for 2 ways; choose at most 1 ways"),
        ("few images", r"class c3 of .* has 1 images, too few for 1 shots and 1 queries; choose fewer, or leave"),
        ("twice", r"has a, b in more than one of train/, valid/ and test/; put each class into one"),
        ("empty test", r"test has no pictures"),
    ],
)
def test_folders_that_cannot_be_used_are_named(fault: str, words: str, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    if fault == "a file":
        folder.write_text("")
    elif fault == "empty":
        folder.mkdir()
    elif fault in ("twice", "empty test"):
        classes(folder / "train", ["a", "b", "c"])
        classes(folder / "valid", ["a", "d"])
        classes(folder / "test", ["b", "e"])
        if fault == "empty test":
            for file in (folder / "test").glob("*/*"):
                file.unlink()
    elif fault != "nowhere":
        classes(folder, [f"c{i}" for i in range({"few classes": 2, "few ways": 6}.get(fault, 12))])
        if fault == "sizes":
            picture(folder / "c3" / "1.png", np.zeros((4, 5), dtype=np.uint8))
        elif fault == "damaged":
            (folder / "c3" / "1.png").write_bytes(b"no picture")
        elif fault == "few images":
            (folder / "c3" / "1.png").unlink()
            (folder / "c3" / "2.png").unlink()
    with pytest.raises(lfl.UserError, match=words):
        class_folders(folder, **SIZES)


def test_more_than_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes(tmp_path, [f"c{i}" for i in range(10)], 2)
    monkeypatch.setattr("lfl.data.limits.free_memory", lambda: 100)
    with pytest.raises(lfl.UserError, match=r"needs about .* of memory, and .* are free; make the pictures smaller"):
        class_folders(tmp_path, **SIZES)
