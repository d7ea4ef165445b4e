"""Pictures of the user's own are scaled as the run's episodes are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lfl.errors import UserError
from lfl.fewshot.class_folders import class_folders
from lfl.fewshot.folder import Scaling, about_episodes
from lfl.fewshot.omniglot import _drawings
from lfl.fewshot.pictures import _pixels


def test_drawings_are_made_small_as_those_of_omniglot(tmp_path: Path) -> None:
    source = np.random.default_rng(0)
    for i in range(20):
        Image.fromarray(source.integers(0, 2, (105, 105)).astype(bool)).save(tmp_path / f"{i:02d}.png")
    scaling = Scaling(mean=[0.0], std=[1.0], ink=True)
    found = np.stack([_pixels(file, scaling, [1, 28, 28]) for file in sorted(tmp_path.iterdir())])
    assert np.abs(found[:, 0] - _drawings(tmp_path)).max() <= 0.5  # those are rounded to whole numbers


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_scaled_as_those_of_the_episodes(tmp_path: Path, channels: int) -> None:
    source = np.random.default_rng(0)
    for number in range(10):
        (tmp_path / f"c{number}").mkdir()
        for i in range(2):
            values = source.integers(0, 256, (6, 5, channels)).astype(np.uint8)
            Image.fromarray(values.squeeze()).save(tmp_path / f"c{number}" / f"{i}.png")
    episodes = class_folders(tmp_path, ways=2, shots=1, queries=1)
    about = about_episodes(episodes)
    scaling = about.scaling
    assert scaling is not None
    assert about.input_shape == [channels, 6, 5]
    files = sorted(tmp_path.glob("*/*.png"))
    mean, std = (torch.tensor(each)[:, None, None] for each in (scaling.mean, scaling.std))
    read = torch.stack([torch.from_numpy(_pixels(file, scaling, about.input_shape)) for file in files])
    scaled = (read / 255 - mean) / std
    for x in episodes.draw("train", 0, 3).x.flatten(0, 1):
        assert float((scaled - x).abs().flatten(1).max(1).values.min()) < 1e-6
    with pytest.raises(UserError, match="is 5x6 pixels, but the run was trained on 8x8"):
        _pixels(files[0], scaling, [channels, 8, 8])
