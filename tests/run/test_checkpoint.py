"""Checkpoints: read back as they were, or recognised as damaged."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lfl.run.checkpoint import read_checkpoint, remove_checkpoints, write_checkpoint
from lfl.run.schema import Left, Place

TENSORS = {
    "a": torch.arange(6.0).view(2, 3),
    "turned": torch.arange(6.0).view(2, 3).t(),
    "count": torch.tensor(3),
    "twice": torch.ones(2),
    "none": torch.zeros(0, 4),
}
LEFT = Left("train", 7, 19, [Place(12, 4, 0.5)])


def test_it_reads_back_with_its_strides(tmp_path: Path) -> None:
    same = dict(TENSORS, again=TENSORS["twice"])  # tensors that share memory
    path = write_checkpoint(tmp_path, 7, same, LEFT)
    found, damaged = read_checkpoint(tmp_path)
    assert found is not None
    assert (found.path, found.left, damaged) == (path, LEFT, [])
    assert found.tensors.keys() == same.keys()
    for name, tensor in same.items():
        assert torch.equal(found.tensors[name], tensor)
        assert found.tensors[name].stride() == tensor.stride()
        assert found.tensors[name].dtype == tensor.dtype


def test_the_last_two_are_kept_in_the_order_of_their_steps(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path) == (None, [])
    for number in (8, 9, 10, 100):
        write_checkpoint(tmp_path, number, TENSORS, Left("train", number, number, []))
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2
    newest, _ = read_checkpoint(tmp_path)
    newest.path.unlink()
    before, _ = read_checkpoint(tmp_path)
    assert (newest.left.step, before.left.step) == (100, 10)
    remove_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_write_left_is_swept_up(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / ".step-000000001-0.safetensors.partial").write_bytes(b"half")
    write_checkpoint(tmp_path, 2, TENSORS, LEFT)
    assert [path.suffix for path in folder.iterdir()] == [".safetensors"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    for number in (1, 2):
        write_checkpoint(folder, number, TENSORS, Left("train", number, number, []))
    return folder


@given(st.data())
def test_a_changed_bit_or_a_missing_end_is_recognised(written: Path, data: st.DataObject) -> None:
    newest = max((written / "checkpoints").iterdir())
    whole = newest.read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1), "position")
    flipped = bytearray(whole)
    flipped[cut] ^= 1 << data.draw(st.integers(0, 7), "bit")
    try:
        newest.write_bytes(data.draw(st.sampled_from([whole[:cut], bytes(flipped)]), "content"))
        found, damaged = read_checkpoint(written)
        assert (found.left.step, damaged) == (1, [newest])
    finally:
        newest.write_bytes(whole)
