"""MNIST's files, checked: needs no network, and the real files only where they are at hand."""

import gzip
import os
import shutil
from pathlib import Path

import pytest
import torch

import lfl
from lfl.task.mnist import MD5, read_mnist

REAL = Path(os.environ.get("LFL_DATA", "~/.cache/lfl")).expanduser()
torchvision = pytest.importorskip(
    "torchvision",
    reason="torchvision does not import beside this torch",
    exc_type=(ImportError, RuntimeError),
)
needs_real = pytest.mark.skipif(
    not all((REAL / "MNIST" / "raw" / name).is_file() for name in MD5),
    reason="MNIST is not at hand: set LFL_DATA to a folder that holds MNIST/raw",
)


@needs_real
def test_the_real_files_load_whole() -> None:
    train, test = read_mnist(REAL)
    assert train.x.shape == (60_000, 1, 28, 28)
    assert test.x.shape == (10_000, 1, 28, 28)
    assert torch.bincount(test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert float(train.x.max()) == 255.0
    assert float(train.x.mean() / 255.0) == pytest.approx(0.1307, abs=1e-4)


@needs_real
@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_file_is_named(damage: str, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    shutil.copytree(REAL / "MNIST" / "raw", raw)
    victim = raw / "t10k-labels-idx1-ubyte"
    content = bytearray(victim.read_bytes())
    victim.write_bytes(content[:-5] if damage == "truncated" else content[:100] + bytes([99]) + content[101:])
    with pytest.raises(lfl.UserError, match=r"t10k-labels-idx1-ubyte is not MNIST's file.*Delete it"):
        read_mnist(tmp_path)


def test_a_file_of_another_data_set_is_named(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in MD5:
        (raw / name).write_bytes(gzip.compress(b"something else"))
    with pytest.raises(lfl.UserError, match="is not MNIST's file"):
        read_mnist(tmp_path)


def test_without_a_network_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(lfl.Failure, match=r"could not download MNIST .*Check the network"):
        read_mnist(tmp_path / "data")
    assert list((tmp_path / "data").rglob("*")) == []


def test_a_data_folder_beneath_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(lfl.Failure, match="Check the network and the folder"):
        read_mnist(tmp_path / "file" / "data")
