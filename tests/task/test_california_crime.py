"""Crime and California: read from files that are there, checked, and never half downloaded."""

import os
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

import lfl
from lfl.task.california import read_california
from lfl.task.crime import read_crime

READERS = {"crime": read_crime, "california": read_california}
REAL = Path(os.environ.get("LFL_DATA", "~/.cache/lfl")).expanduser()


def crime_file(folder: Path, rows: int = 6, columns: int = 128) -> Path:
    """Rows whose 6th column counts, whose 7th is mostly missing, and whose 8th is missing once."""
    path = folder / "communities" / "communities.data"
    path.parent.mkdir()
    lines = []
    for i in range(rows):
        cells = ["8", "?", "?", "Someplace", "1", str(i), "1" if i == 0 else "?", "?" if i == 1 else "2"]
        lines.append(",".join([*cells, *["0.5"] * (columns - len(cells) - 1), str(i / 10)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_crime_leaves_names_and_mostly_missing_columns_out(tmp_path: Path) -> None:
    crime_file(tmp_path)
    rows = read_crime(tmp_path)
    assert rows.x.shape == (6, 121)
    assert rows.x[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert rows.x[:, 1].isnan().tolist() == [False, True, False, False, False, False]
    np.testing.assert_allclose(rows.y[:, 0], np.arange(6) / 10, rtol=1e-6)


def test_another_file_in_crimes_place_is_named(tmp_path: Path) -> None:
    path = crime_file(tmp_path, columns=100)
    with pytest.raises(lfl.UserError, match=r"communities.data is not UCI's .*rows of 100 columns in place of 128"):
        read_crime(tmp_path)
    path.write_text("no table at all\n")
    with pytest.raises(lfl.UserError, match="is not UCI's"):
        read_crime(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["crime", "california"])
def test_without_a_network_nothing_half_written_is_left(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("lfl.task.crime"), "URL", "http://127.0.0.1:9/communities.data")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(lfl.Failure, match=f"could not download {name} into .*Check the network"):
        READERS[name](tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_damaged_california_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "scikit_learn_data").mkdir()
    (tmp_path / "scikit_learn_data" / "cal_housing_py3.pkz").write_bytes(b"not what it should be")
    with pytest.raises(lfl.UserError, match=r"cal_housing_py3.pkz cannot be read .*Delete it"):
        read_california(tmp_path)


@pytest.mark.parametrize(
    ("name", "file", "shape"),
    [
        ("crime", "communities/communities.data", (1994, 100)),
        ("california", "scikit_learn_data/cal_housing_py3.pkz", (20_640, 8)),
    ],
)
def test_the_real_files_load_whole(name: str, file: str, shape: tuple[int, int]) -> None:
    if not (REAL / file).is_file():
        pytest.skip(f"{name} is not at hand: set LFL_DATA to a folder that holds {file}")
    rows = READERS[name](REAL)
    assert rows.x.shape == shape
    assert rows.y.shape == (shape[0], 1)
    assert int(rows.x.isnan().sum()) == (1 if name == "crime" else 0)
    assert bool(torch.isfinite(rows.y).all())
