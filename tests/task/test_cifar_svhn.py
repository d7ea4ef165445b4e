"""CIFAR and SVHN through torchvision, from small files of their formats."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

import lfl
from lfl.task.cifar_svhn import read_colour_images

torchvision = pytest.importorskip(
    "torchvision",
    reason="torchvision does not import beside this torch",
    exc_type=(ImportError, RuntimeError),
)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def small_cifar(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Four train and two test images in CIFAR's files, whose checksums torchvision is told."""
    dataset = {"cifar10": torchvision.datasets.CIFAR10, "cifar100": torchvision.datasets.CIFAR100}[name]
    root = folder / dataset.base_folder
    root.mkdir(parents=True)
    pixels = np.arange(6 * 3072, dtype=np.int64).reshape(6, 3, 32, 32) % 256
    label = "labels" if name == "cifar10" else "fine_labels"
    names = "label_names" if name == "cifar10" else "fine_label_names"
    contents = {
        "one": {"data": pixels[:4].reshape(4, -1).astype(np.uint8), label: [0, 1, 2, 3]},
        "two": {"data": pixels[4:].reshape(2, -1).astype(np.uint8), label: [4, 5]},
        "names": {names: [str(i) for i in range(10)]},
    }
    for file, content in contents.items():
        (root / file).write_bytes(pickle.dumps(content))
    monkeypatch.setattr(dataset, "train_list", [["one", md5(root / "one")]])
    monkeypatch.setattr(dataset, "test_list", [["two", md5(root / "two")]])
    monkeypatch.setattr(dataset, "meta", {"filename": "names", "key": names, "md5": md5(root / "names")})
    return pixels


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_has_channels_first(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = small_cifar(name, tmp_path, monkeypatch)
    train, test = read_colour_images(name, tmp_path)
    assert torch.equal(train.x, torch.from_numpy(pixels[:4]).float())
    assert torch.equal(test.x, torch.from_numpy(pixels[4:]).float())
    assert (train.y.tolist(), test.y.tolist()) == ([0, 1, 2, 3], [4, 5])


def test_svhn_has_ten_as_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = (np.arange(2 * 3072) % 251).reshape(32, 32, 3, 2).astype(np.uint8)
    known = {}
    for part in ("train", "test"):
        file = tmp_path / f"{part}_32x32.mat"
        scipy.io.savemat(file, {"X": pixels, "y": np.array([[10], [3]])})
        known[part] = ["http://127.0.0.1:9/", file.name, md5(file)]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", known)
    train, _ = read_colour_images("svhn", tmp_path)
    assert train.y.tolist() == [0, 3]
    assert torch.equal(train.x, torch.from_numpy(pixels.transpose(3, 2, 0, 1).copy()).float())


@pytest.mark.parametrize("there", ["nothing", "damaged files"])
def test_without_a_network_nothing_half_written_is_left(
    there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    if there == "damaged files":
        small_cifar("cifar10", tmp_path, monkeypatch)
        (tmp_path / "cifar-10-batches-py" / "one").write_bytes(b"damaged")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(lfl.Failure, match=r"could not download cifar10 .*Check the network"):
        read_colour_images("cifar10", tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
