"""Sources of episodes by name: every entry is there, and what does not apply is named."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import lfl
from lfl.fewshot.episode import Episodes
from lfl.fewshot.sources import EPISODES, is_folder, load_episodes


@pytest.mark.parametrize("name", EPISODES)
def test_every_source_can_be_imported_and_takes_the_same_arguments(name: str) -> None:
    assert EPISODES[name].about
    taken = list(inspect.signature(EPISODES[name].load()).parameters)
    assert taken[:7] == ["data_dir", "ways", "shots", "queries", "seed", "device", "rotations"]


def test_sine_curves_by_name(tmp_path: Path) -> None:
    source = load_episodes("sinusoid", shots=5, queries=10, seed=3, data_dir=tmp_path)
    drawn = source.draw("train", 0, 4)
    assert (source.ways, source.shots, source.queries, source.kind) == (1, 5, 10, "regression")
    assert drawn.query_x.shape == (4, 10, 1)
    again = load_episodes("sinusoid", shots=5, queries=10, seed=3, data_dir=tmp_path, device=torch.device("cpu"))
    assert torch.equal(drawn.x, again.draw("train", 0, 4).x)


def test_a_folder_by_its_path(tmp_path: Path) -> None:
    for i in range(40):
        file = tmp_path / "photos" / f"c{i % 20}" / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((3, 3), i, dtype=np.uint8)).save(file)

    def load(**options: object) -> Episodes:
        return load_episodes(
            str(tmp_path / "photos"), ways=3, shots=1, queries=1, data_dir=tmp_path, rotations="drawn", **options
        )

    assert load().draw("test", 0, 2).x.shape == (2, 3, 1, 3, 3)
    assert not torch.equal(load(split_seed=1).draw("test", 0, 2).x, load(split_seed=2).draw("test", 0, 2).x)


def test_what_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "omniglot").mkdir()
    (tmp_path / "photos").mkdir()
    assert [is_folder(name) for name in ("omniglot", "omniglot/", "photos", "nowhere/", "nowhere")] == [
        *(False, True, True, True, False)
    ]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (
            "imagenet",
            {},
            r"unknown source of episodes 'imagenet'; choose one of: omniglot, cifar-fs, fc100, sinus",
        ),
        ("nowhere/", {}, r"nowhere is not a folder"),
        ("sinusoid", {"split": "random"}, r"sinusoid has no option split; leave it out"),
        ("omniglot", {"split_seed": 1}, r"omniglot has no option split_seed; it has split"),
        ("omniglot", {"split": "lake"}, r"unknown split of omniglot 'lake'"),
        ("sinusoid", {"ways": 5}, r"ways must be 1, got 5"),
        ("sinusoid", {"rotations": "classes"}, r"rotations must be none, got classes"),
    ],
)
def test_what_does_not_apply_is_named(name: str, options: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match=words):
        load_episodes(name, data_dir=tmp_path, **options)
