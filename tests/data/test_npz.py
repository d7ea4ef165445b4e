"""A user's own arrays: what they are read as, and every way in which they cannot be."""

import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import lfl
from lfl.data.limits import free_memory
from lfl.data.npz import read_npz


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


def archive(path: Path, *, method: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def npy(header: str, content: bytes = b"") -> bytes:
    """A file of one array, with any header."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


GOOD = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n", bytes(16))

ODD = {
    "a single array": (lambda path: path.write_bytes(GOOD), "one array of numpy.save"),
    "no archive": (lambda path: path.write_bytes(b"data"), "not a zip file"),
    "empty": (lambda path: path.write_bytes(b""), "not a zip file"),
    "a folder": (lambda path: path.mkdir(), "it is a folder"),
    "dates": (lambda path: np.savez(path, x_train=np.zeros(2, "M8[s]"), y_train=np.zeros(2)), "of type datetime64"),
    "complex": (lambda path: np.savez(path, x_train=np.zeros(2, complex), y_train=np.zeros(2)), "of type complex"),
    "records": (
        lambda path: np.savez(path, x_train=np.zeros(2, "i4,f8"), y_train=np.zeros(2)),
        "x_train: it is of type",
    ),
    "fewer bytes": (lambda path: archive(path, x_train=GOOD[:-1], y_train=GOOD), "15 bytes follow"),
    "more bytes": (lambda path: archive(path, x_train=GOOD + bytes(9), y_train=GOOD), "25 bytes follow"),
    "no header": (lambda path: archive(path, x_train=b"", y_train=GOOD), "cannot read"),
    "a header of code": (lambda path: archive(path, x_train=npy("__import__('os')"), y_train=GOOD), "cannot read"),
    "a deep header": (lambda path: archive(path, x_train=npy("(" * 9000), y_train=GOOD), "cannot read"),
    "a negative shape": (
        lambda path: archive(
            path, x_train=npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-2, -1), }\n", bytes(16))
        ),
        "cannot read",
    ),
    "more than the memory": (
        lambda path: archive(path, x_train=npy("{'descr': '<f8', 'fortran_order': False, 'shape': (10**13,), }\n")),
        "cannot read",
    ),
}


@pytest.mark.parametrize("damage", ODD)
def test_odd_archives_are_named(damage: str, tmp_path: Path) -> None:
    make, words = ODD[damage]
    make(tmp_path / "data.npz")
    with pytest.raises(lfl.UserError, match=words) as caught:
        read_npz(tmp_path / "data.npz")
    assert "data.npz" in str(caught.value)


def test_encrypted_and_damaged_members_are_named(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    content = archive(path, x_train=GOOD, y_train=GOOD).read_bytes()
    local, listed = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    hidden = bytearray(content)
    hidden[local + 6] |= 1
    hidden[listed + 8] |= 1
    path.write_bytes(hidden)
    with pytest.raises(lfl.UserError, match="is encrypted"):
        read_npz(path)
    changed = bytearray(content)
    changed[content.index(GOOD[-16:])] ^= 1  # the checksum is of other numbers
    path.write_bytes(changed)
    with pytest.raises(lfl.UserError, match=r"cannot read .*CRC"):
        read_npz(path)


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("x_train.npy", "x_train.npy", "y_train.npy"):
            file.writestr(name, GOOD)
    with pytest.raises(lfl.UserError, match="two arrays of one name"):
        read_npz(tmp_path / "data.npz")


@pytest.mark.slow
def test_a_member_larger_than_its_array_is_never_unpacked(tmp_path: Path) -> None:
    member = GOOD + bytes(300_000_000)
    path = archive(tmp_path / "data.npz", method=zipfile.ZIP_DEFLATED, x_train=member, y_train=GOOD)
    del member
    tracemalloc.start()
    with pytest.raises(lfl.UserError, match="300000016 bytes follow"):
        read_npz(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


def test_an_array_beyond_the_memory_is_never_unpacked(tmp_path: Path) -> None:
    size = 2**32 - 2  # the archive's list says more than is there
    member = npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size - 77},), }}\n")
    assert len(member) == 77
    path = archive(tmp_path / "data.npz", x_train=member, y_train=GOOD)
    content = bytearray(path.read_bytes())
    listed = content.index(b"PK\x01\x02")
    content[listed + 24 : listed + 28] = size.to_bytes(4, "little")
    path.write_bytes(content)
    assert free_memory() < 4 * 4 * size
    with pytest.raises(lfl.UserError, match=r"needs about 68.7 GB of memory, and .* GB are free"):
        read_npz(path)
