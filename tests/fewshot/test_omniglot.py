"""Omniglot: the published split, small images against an area average in floats, files that are not its own."""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from PIL import Image

import lfl
from lfl.fewshot.class_images import ImageEpisodes
from lfl.fewshot.omniglot import (
    FOLDER,
    KEPT,
    PARTS,
    SHA256,
    _check,
    _drawings,
    _kept,
    omniglot,
    read_omniglot,
)

REAL = Path(os.environ.get("LFL_DATA", "~/.cache/lfl")).expanduser()
needs_real = pytest.mark.skipif(
    not all((REAL / FOLDER / part).is_dir() for part in PARTS),
    reason="Omniglot is not at hand: set LFL_DATA to a folder that holds omniglot-py",
)
LISTS = REAL / FOLDER / "splits"


def area_average(ink: np.ndarray) -> np.ndarray:
    """The mean over each of 28x28 equal parts of an image, by the share of each pixel that lies in them."""
    edges = np.arange(29) * len(ink) / 28
    pixels = np.arange(len(ink))
    shares = np.clip(np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels), 0, None)
    return shares @ ink @ shares.T / (len(ink) / 28) ** 2


def drawing(path: Path, ink: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(~ink).save(path)


def character(folder: Path, seed: int = 0) -> np.ndarray:
    """Writes twenty random drawings in Omniglot's form, and returns their ink."""
    ink = np.random.default_rng(seed).random((20, 105, 105)) < np.linspace(0, 1, 20)[:, None, None]
    for number, each in enumerate(ink):
        drawing(folder / f"0001_{number + 1:02d}.png", each)
    return ink


def test_small_images_are_area_averages(tmp_path: Path) -> None:
    ink = character(tmp_path / "character01")
    small = _drawings(tmp_path / "character01")
    assert small.dtype == np.uint8
    assert small.shape == (20, 28, 28)
    expected = np.stack([255 * area_average(each.astype(float)) for each in ink])
    assert np.abs(small - expected).max() <= 0.5 + 1e-9
    assert not small[0].any()
    assert small.max() > 250


@needs_real
def test_the_real_drawings_are_read() -> None:
    files = sorted((REAL / FOLDER / "images_background" / "Latin" / "character05").glob("*.png"))
    ink = np.stack([~np.asarray(Image.open(file)) for file in files])
    small = _drawings(files[0].parent)
    assert np.abs(small - np.stack([255 * area_average(each) for each in ink])).max() <= 0.5 + 1e-9


@pytest.fixture(scope="module")
def real() -> ImageEpisodes:
    return omniglot(REAL, ways=20, shots=5, queries=15, rotations="none")


@needs_real
@pytest.mark.slow
def test_the_real_images_load_whole(real: ImageEpisodes) -> None:
    images = real.images
    assert images.pixels.shape == (32_460, 1, 28, 28)
    assert images.counts == (20,) * 1623
    assert len(set(images.names)) == 1623
    assert len({name.split("/")[0] for name in images.names}) == 50
    number = images.names.index("Latin/character05")
    own = _drawings(REAL / FOLDER / "images_background" / "Latin" / "character05")
    assert np.array_equal(images.pixels[20 * number : 20 * number + 20, 0].numpy(), own)
    drawn = real.draw("test", 0, 3)
    assert drawn.x.shape == (3, 100, 1, 28, 28)
    assert (float(drawn.x.min()), float(drawn.x.max())) == (0.0, 1.0)
    assert float(drawn.x.mean()) < 0.15  # ink is 1, and most of an image is paper


@needs_real
@pytest.mark.slow
@pytest.mark.parametrize(("split", "sizes"), [("vinyals", (1028, 172, 423)), ("random", (1100, 100, 423))])
def test_splits_share_no_character_and_leave_none_out(split: str, sizes: tuple[int, ...]) -> None:
    source = omniglot(REAL, ways=5, shots=1, queries=1, split=split, seed=7)
    assert tuple(len(source.splits[part]) for part in ("train", "valid", "test")) == sizes
    assert sorted(number for part in source.splits.values() for number in part) == list(range(1623))
    assert source.splits == omniglot(REAL, ways=5, shots=1, queries=1, split=split, seed=8).splits


@needs_real
@pytest.mark.slow
@pytest.mark.skipif(not LISTS.is_dir(), reason=f"the published lists are not at hand: no {LISTS}")
def test_the_split_is_that_of_the_published_lists(real: ImageEpisodes) -> None:
    for part, file in {"train": "train", "valid": "val", "test": "test"}.items():
        published = (LISTS / f"vinyals-{file}.txt").read_text().split()
        assert Counter(real.images.names[number] for number in real.splits[part]) == Counter(published)


@needs_real
@pytest.mark.slow
def test_the_nearest_neighbour_is_as_good_as_on_episodes_drawn_by_numpy(real: ImageEpisodes) -> None:
    """Of 5,000 episodes drawn by numpy: 42.09 +- 0.25 %; here 600, so within 0.75."""
    source = ImageEpisodes("omniglot", real.images, real.splits, ways=5, shots=1, queries=15)
    found = []
    for step in range(30):
        x, y, query_x, query_y = source.draw("test", step, 20)
        nearest = torch.cdist(query_x.flatten(2), x.flatten(2)).argmin(-1)
        found.append((y.gather(1, nearest) == query_y).double().mean(1))
    accuracy = torch.cat(found)
    assert abs(float(accuracy.mean()) - 0.4209) < 1.96 * float(accuracy.std()) / 600**0.5 + 0.0025


def tree(folder: Path) -> Path:
    """As many empty characters as Omniglot has."""
    for part, count in PARTS.items():
        for number in range(count):
            (folder / FOLDER / part / "Alphabet" / f"character{number}").mkdir(parents=True)
    return folder


def test_a_tree_that_lacks_something_is_named(tmp_path: Path) -> None:
    background = tree(tmp_path) / FOLDER / "images_background" / "Alphabet"
    with pytest.raises(lfl.UserError, match=r"character\d+ has 0 drawings, expected 20; download Omniglot anew"):
        read_omniglot(tmp_path)
    (background / "character3").rmdir()
    with pytest.raises(lfl.UserError, match=r"images_background has 963 characters, expected 964 .*Delete"):
        read_omniglot(tmp_path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("truncated", r"0001_03.png is not a drawing of Omniglot"),
        ("small", r"0001_03.png is not a drawing of Omniglot \(9x8 pixels, expected 105x105\)"),
        ("missing", r"has 19 drawings, expected 20"),
    ],
)
def test_a_damaged_drawing_is_named(damage: str, words: str, tmp_path: Path) -> None:
    character(tmp_path)
    victim = tmp_path / "0001_03.png"
    if damage == "truncated":
        victim.write_bytes(victim.read_bytes()[:60])
    elif damage == "small":
        drawing(victim, np.zeros((8, 9), dtype=bool))
    else:
        victim.unlink()
    with pytest.raises(lfl.UserError, match=words):
        _drawings(tmp_path)


@needs_real
@pytest.mark.slow
@pytest.mark.parametrize("damage", ["truncated", "flipped", "pickle", "missing"])
def test_a_damaged_file_of_small_images_is_not_used(damage: str, real: ImageEpisodes, tmp_path: Path) -> None:
    kept = tmp_path / KEPT
    pixels = real.images.pixels.reshape(1623, 20, 28, 28).numpy()
    np.save(kept, pixels)
    found = _kept(kept)
    assert found is not None
    assert np.array_equal(found, pixels)
    content = bytearray(kept.read_bytes())
    if damage == "truncated":
        kept.write_bytes(content[:-5])
    elif damage == "flipped":
        kept.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "pickle":
        np.save(kept, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    else:
        kept.unlink()
    assert _kept(kept) is None


def test_other_pictures_in_omniglots_form_are_named() -> None:
    with pytest.raises(
        lfl.UserError, match=rf"in here are not Omniglot's: SHA-256 of all \w+, expected {SHA256}. Delete"
    ):
        _check(np.zeros((1623, 20, 28, 28), dtype=np.uint8), Path("here"))


def test_unknown_splits_are_named(tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match="unknown split of omniglot 'lake'; choose one of: vinyals, random"):
        omniglot(tmp_path, ways=5, shots=1, queries=1, split="lake")


def torchvisions() -> type:
    torchvision = pytest.importorskip(
        "torchvision", reason="torchvision does not import beside this torch", exc_type=(ImportError, RuntimeError)
    )
    dataset: type = torchvision.datasets.Omniglot
    return dataset


def test_without_a_network_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvisions(), "download_url_prefix", "http://127.0.0.1:9")
    with pytest.raises(lfl.Failure, match=r"could not download omniglot .*put the folders images_background and"):
        read_omniglot(tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves a folder on this machine; gives its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_download_is_moved_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision downloads archives of one character each from a server here, with their checksums."""
    dataset, checksums = torchvisions(), {}
    for part in PARTS:
        character(tmp_path / "made" / part / part / "Alphabet" / "character01")
        archive = shutil.make_archive(str(tmp_path / "made" / part), "zip", tmp_path / "made" / part)
        checksums[part] = hashlib.md5(Path(archive).read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setattr(dataset, "zips_md5", checksums)
    with served(tmp_path / "made") as address:
        monkeypatch.setattr(dataset, "download_url_prefix", address)
        with pytest.raises(lfl.UserError, match=r"images_background has 1 characters, expected 964"):
            read_omniglot(tmp_path / "data")
    found = sorted(path.name for path in (tmp_path / "data" / FOLDER).iterdir())
    assert found == sorted(PARTS)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FOLDER]
    assert len(list((tmp_path / "data").rglob("*.png"))) == 40
