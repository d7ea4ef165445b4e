"""Files are read only where they are plain, of a limited size, and of the declared types."""

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lfl
from lfl.boundary import Count, Positive, converted, parse_json, read_bytes, read_json, read_npz


class Kept(msgspec.Struct):
    count: Count
    share: float = 0.5
    names: list[str] | None = None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_json_is_what_python_s_own_reader_says(value: Any) -> None:
    assert parse_json(json.dumps(value).encode(), "x") == value


BAD_JSON = [
    b"",
    b"{",
    b"\xff",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"9" * 5000,
    b'"\\ud800"',
    b'{"\\udfff": 1}',
    b"[1]]",
]


@pytest.mark.parametrize("content", BAD_JSON, ids=range(len(BAD_JSON)))
def test_what_is_not_json_is_named(content: bytes) -> None:
    with pytest.raises(lfl.UserError, match=r"^place is not JSON"):
        parse_json(content, "place")


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        1,
        {"count": -1},
        {"count": 2**63},
        {"count": True},
        {"count": 1.0},
        {"count": "1"},
        {"count": 1, "share": ""},
    ],
)
def test_another_type_is_named(content: object, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(lfl.UserError, match=r"a\.json is damaged \(.*; the run cannot be used"):
        read_json(tmp_path / "a.json", Kept)


def test_the_right_type_is_read_and_more_is_left_out() -> None:
    assert converted({"count": 3, "share": 2, "odd": []}, Kept, "x") == Kept(3, 2.0)
    assert converted(1, Positive, "x") == 1


def test_only_plain_files_of_a_sensible_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert read_bytes(path, 3) == b"abc"
    with pytest.raises(lfl.UserError, match="has 3 bytes, more than the 2"):
        read_bytes(path, 2)
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe")
    for name, words in (
        ("link", "symbolic link"),
        ("pipe", "not a plain"),
        ("", "not a plain"),
        ("no", "No such file"),
    ):
        with pytest.raises(lfl.UserError, match=words):
            read_bytes(tmp_path / name)
    with pytest.raises(lfl.UserError, match="cannot read"):
        read_bytes(Path("a\0b"))


def packed(members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return out.getvalue()


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


GOOD = npy(np.arange(6.0).reshape(2, 3))
LIE = GOOD.replace(b"(2, 3)", b"(9, 9)")
BAD_NPZ = {
    "no zip": b"abc",
    "lacks it": packed({"b.npy": GOOD}),
    "a bomb": packed({"a.npy": bytes(5_000_000)}),
    "declares more than there is": packed({"a.npy": LIE}),
    "objects": packed({"a.npy": npy(np.array([None]))}),
    "no header": packed({"a.npy": b""}),
    "cut": packed({"a.npy": GOOD})[:-30],
    "no npy": packed({"a.npy": b"{}"}),
}


@pytest.mark.parametrize("case", BAD_NPZ)
def test_a_damaged_npz_is_named(case: str, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(BAD_NPZ[case])
    with pytest.raises(lfl.UserError, match=r"a\.npz is damaged"):
        read_npz(tmp_path / "a.npz", ["a"], 1_000_000)


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("array", [np.arange(6).reshape(2, 3), np.array(["a", "bc"]), np.zeros((0, 2)), np.array(3.0)])
def test_a_whole_npz_is_read(array: np.ndarray, how: int, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(packed({"a.npy": npy(array)}, how))
    found = read_npz(tmp_path / "a.npz", ["a"], 1_000_000)["a"]
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found, array)
