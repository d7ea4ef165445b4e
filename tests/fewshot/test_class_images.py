"""Episodes of images: what every episode keeps, and the same episode drawn anew in plain Python."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.fewshot.class_images import ClassImages, ImageEpisodes, scaled, standardised
from lfl.fewshot.episode import Episode
from lfl.randomness import choices

from .test_keyed_draws import GOLDEN, MASK, mixed, signed

COUNTS = (4, 9, 5, 4, 7, 6, 4, 8, 5, 4, 6, 5)
SPLITS = {"train": (0, 2, 4, 6, 8), "valid": (1, 3, 5), "test": (7, 9, 10, 11)}


def numbered(counts: tuple[int, ...] = COUNTS) -> ClassImages:
    """Images that hold their class, their number within it, and which corner is the upper left one."""
    rows = [[255, label, number, 0] for label, count in enumerate(counts) for number in range(count)]
    pixels = torch.tensor(rows, dtype=torch.uint8).reshape(-1, 1, 2, 2)
    return ClassImages(pixels, counts, tuple(f"class {c}" for c in range(len(counts))), (0.0,), (1.0,))


def episodes(ways: int = 3, shots: int = 1, queries: int = 2, **changes: object) -> ImageEpisodes:
    counts = {"ways": ways, "shots": shots, "queries": queries}
    return ImageEpisodes(**{"name": "numbered", "images": numbered(), "splits": SPLITS, **counts, **changes})


def read_back(x: torch.Tensor) -> np.ndarray:
    """The class, the number and the turn of images `[tasks, n, 1, 2, 2]` as `[tasks, n, 3]`."""
    pixels = (x * 255).round().long()[:, :, 0].numpy()
    found = np.empty((*pixels.shape[:2], 3), dtype=int)
    for place in np.ndindex(*pixels.shape[:2]):
        (turn,) = (k for k in range(4) if np.rot90(pixels[place], -k)[0, 0] == 255)
        upright = np.rot90(pixels[place], -turn)
        found[place] = upright[0, 1], upright[1, 0], turn
    return found


def same(one: Episode, other: Episode) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


drawings = st.fixed_dictionaries(
    {
        "ways": st.integers(1, 3),
        "shots": st.integers(1, 2),
        "queries": st.integers(1, 2),
        "seed": st.integers(0, 2**31),
        "rotations": st.sampled_from(["none", "classes", "drawn"]),
    }
)


@settings(deadline=None)
@given(drawings, st.sampled_from(sorted(SPLITS)), st.integers(0, 10**9), st.integers(1, 4))
def test_every_episode(drawing: Mapping, split: str, step: int, num_tasks: int) -> None:
    source = episodes(**drawing)
    drawn = source.draw(split, step, num_tasks)
    ways, shots, queries = source.ways, source.shots, source.queries
    assert drawn.x.shape == (num_tasks, ways * shots, 1, 2, 2)
    assert drawn.query_x.shape == (num_tasks, ways * queries, 1, 2, 2)
    support, query = read_back(drawn.x), read_back(drawn.query_x)
    for task in range(num_tasks):
        assert drawn.y[task].tolist() == [way for way in range(ways) for _ in range(shots)]
        assert drawn.query_y[task].tolist() == [way for way in range(ways) for _ in range(queries)]
        parts = [(support[task], drawn.y[task]), (query[task], drawn.query_y[task])]
        of_way = [
            {(int(c), int(turn)) for images, labels in parts for c, _, turn in images[labels.numpy() == way]}
            for way in range(ways)
        ]
        assert all(len(found) == 1 for found in of_way)
        classes = [next(iter(found)) for found in of_way]
        assert len(set(classes)) == ways
        assert all(label in SPLITS[split] for label, _ in classes)
        if source.rotations != "classes":
            assert len({label for label, _ in classes}) == ways
        if source.rotations == "none":
            assert all(turn == 0 for _, turn in classes)
        shown = [tuple(map(int, image)) for images, _ in parts for image in images]
        assert len(set(shown)) == ways * (shots + queries)
        assert all(number < COUNTS[label] for label, number, _ in shown)


@settings(deadline=None)
@given(drawings, st.sampled_from(sorted(SPLITS)), st.integers(0, 1000), st.integers(1, 4))
def test_a_step_is_a_window_of_the_list(drawing: Mapping, split: str, step: int, num_tasks: int) -> None:
    source = episodes(**drawing)
    drawn = source.draw(split, step, num_tasks)
    for i in range(num_tasks):
        alone = source.draw(split, step * num_tasks + i, 1)
        assert same(alone, Episode(*(part[i : i + 1] for part in drawn)))
    assert same(drawn, episodes(**drawing).draw(split, step, num_tasks))


@settings(deadline=None)
@given(drawings, st.integers(0, 2**31))
def test_lists_are_the_same_for_all_seeds(drawing: Mapping, other: int) -> None:
    one, two = episodes(**drawing), episodes(**{**drawing, "seed": other})
    assert all(same(one.draw(split, 0, 20), two.draw(split, 0, 20)) for split in ("valid", "test"))
    if one.seed != two.seed:
        assert not same(one.draw("train", 0, 20), two.draw("train", 0, 20))
        assert not torch.equal(one.chosen("train", 0, 20)[0], one.chosen("train", 1, 20)[0])


def test_more_shots_and_queries_keep_the_classes() -> None:
    few, many = episodes(shots=1, queries=1, rotations="drawn"), episodes(shots=2, queries=2, rotations="drawn")
    (first, turns), (second, same_turns) = few.chosen("test", 3, 50), many.chosen("test", 3, 50)
    assert torch.equal(first, second[:, :, :2])
    assert torch.equal(turns, same_turns)


def bits(seed: int, stream: str, *places: int) -> int:
    state = choices(seed, stream).getrandbits(64) - 2**63
    for place in places:
        state = mixed(state + (place + 1) * GOLDEN & MASK)
    return signed(state)


@pytest.mark.parametrize("rotations", ["none", "classes", "drawn"])
@pytest.mark.parametrize(("split", "seed"), [("train", 5), ("test", 0)])
def test_an_episode_drawn_in_plain_python(rotations: str, split: str, seed: int) -> None:
    source = episodes(shots=2, queries=1, seed=5, rotations=rotations)
    drawn = source.draw(split, 7, 4)
    found = np.concatenate(
        [part.reshape(4, 3, -1, 3) for part in (read_back(drawn.x), read_back(drawn.query_x))], axis=2
    )
    for task in range(4):
        number = 7 * 4 + task
        turns = 4 if rotations == "classes" else 1
        places = range(len(SPLITS[split]) * turns)
        order = sorted(places, key=lambda c: bits(seed, f"few-shot classes {split}", number, c))[:3]
        for way, place in enumerate(order):
            label, turn = SPLITS[split][place // turns], place % turns
            if rotations == "drawn":
                turn = bits(seed, f"few-shot turns {split}", number, place) % 4
            images = sorted(
                range(COUNTS[label]), key=lambda i, p=place: bits(seed, f"few-shot images {split}", number, p, i)
            )
            assert found[task, way].tolist() == [[label, image, turn] for image in images[:3]]


@pytest.mark.slow
def test_classes_images_and_turns_are_even() -> None:
    source = episodes(ways=2, shots=1, queries=1, rotations="classes")
    chosen, turns = source.chosen("train", 0, 40_000)
    starts = np.cumsum([0, *COUNTS])
    labels = np.searchsorted(starts, chosen[:, :, 0].numpy(), side="right") - 1
    kinds = labels * 4 + turns.numpy()
    counts = np.bincount(kinds.ravel(), minlength=48).reshape(12, 4)[list(SPLITS["train"])]
    assert scipy.stats.chisquare(counts.ravel()).pvalue > 1e-3
    for label in SPLITS["train"]:
        images = chosen[torch.from_numpy(labels == label)].flatten() - starts[label]
        assert scipy.stats.chisquare(np.bincount(images.numpy(), minlength=COUNTS[label])).pvalue > 1e-3
    _, turns = episodes(ways=2, rotations="drawn").chosen("train", 0, 20_000)
    assert scipy.stats.chisquare(np.bincount((turns[:, 0] * 4 + turns[:, 1]).numpy(), minlength=16)).pvalue > 1e-3


def test_rotations_make_four_classes_of_one() -> None:
    source = ImageEpisodes("one", numbered((4,)), {"train": (0,)}, 4, 1, 3, rotations="classes")
    drawn = read_back(source.draw("train", 0, 30).x)
    assert all(sorted(turn for _, _, turn in task) == [0, 1, 2, 3] for task in drawn)


def test_turns_go_against_the_clock() -> None:
    pixels = torch.arange(2 * 9, dtype=torch.uint8).reshape(2, 1, 3, 3).repeat(1, 3, 1, 1)
    source = ImageEpisodes(
        "square", ClassImages(pixels, (2,), ("a",), (0.0,) * 3, (1.0,) * 3), {"test": (0,)}, 1, 1, 1, 0, "drawn"
    )
    chosen, turns = source.chosen("test", 0, 40)
    drawn = source.draw("test", 0, 40)
    assert set(turns.flatten().tolist()) == {0, 1, 2, 3}
    for task in range(40):
        for part, image in ((drawn.x, chosen[task, 0, 0]), (drawn.query_x, chosen[task, 0, 1])):
            expected = np.rot90(pixels[image].numpy(), int(turns[task, 0]), (1, 2)) / np.float32(255)
            assert np.array_equal(part[task, 0].numpy(), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
def test_a_gpu_draws_the_same_episodes() -> None:
    here = episodes(rotations="classes", seed=3)
    there = replace(here, images=here.images._replace(pixels=here.images.pixels.cuda()))
    drawn = there.draw("train", 5, 64)
    assert drawn.x.is_cuda
    assert same(here.draw("train", 5, 64), Episode(*(part.cpu() for part in drawn)))


def test_channels_are_standardised_by_some_classes() -> None:
    pixels = torch.randint(0, 256, (10, 2, 3, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels[:, 1] = 51
    images = standardised(ClassImages(pixels, (3, 4, 3), ("a", "b", "c"), (0.0,) * 2, (1.0,) * 2), (0, 2))
    known = pixels[[0, 1, 2, 7, 8, 9]].double() / 255
    assert images.mean == (pytest.approx(float(known[:, 0].mean()), rel=1e-12), pytest.approx(0.2, rel=1e-12))
    assert images.std == (pytest.approx(float(known[:, 0].std(correction=0)), rel=1e-12), 1.0)
    values = scaled(pixels, images.mean, images.std)
    assert values.dtype == torch.float32
    expected = (pixels.double() / 255 - torch.tensor(images.mean)[:, None, None].double()) / torch.tensor(
        images.std, dtype=torch.float64
    )[:, None, None]
    assert torch.allclose(values.double(), expected, atol=1e-6)
    assert torch.equal(scaled(pixels, (0.0,), (1.0,)), pixels.float() / 255)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ways": 4}, r"has 3 classes in valid, too few for 4 ways; choose at most 3 ways"),
        ({"ways": 13, "rotations": "classes"}, r"has 12 classes in valid, too few for 13 ways"),
        ({"shots": 3}, r"class class 0 of numbered has 4 images, too few for 3 shots and 2 queries; choose fewer"),
        ({"ways": 0}, r"needs ways of at least 1, got 0"),
        ({"shots": 0}, r"needs shots of at least 1, got 0"),
        ({"queries": 0}, r"needs queries of at least 1, got 0"),
        ({"rotations": "some"}, r"unknown rotations 'some'; choose one of: none, classes, drawn"),
    ],
)
def test_what_cannot_be_drawn_is_named(changes: dict, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        episodes(**changes)


def test_images_that_cannot_be_turned_are_named() -> None:
    oblong = numbered()._replace(pixels=torch.zeros(sum(COUNTS), 1, 2, 3, dtype=torch.uint8))
    assert episodes(images=oblong).input_shape == (1, 2, 3)
    with pytest.raises(lfl.UserError, match=r"3x2 pixels, and only square ones can be turned; choose rotations none"):
        episodes(images=oblong, rotations="classes")


def test_steps_and_splits_that_are_not_there_are_named() -> None:
    source = replace(episodes(), splits={"train": (0, 1, 2)})
    with pytest.raises(lfl.UserError, match="unknown split 'test'; choose one of: train"):
        source.draw("test", 0, 1)
    for step, num_tasks in ((-1, 1), (0, 0)):
        with pytest.raises(lfl.UserError, match=f"from 0 and 1 or more tasks, got {step} and {num_tasks}"):
            source.draw("train", step, num_tasks)


def test_what_a_model_is_built_for() -> None:
    source = episodes()
    assert (source.kind, source.input_shape, source.num_outputs) == ("classification", (1, 2, 2), 3)
    assert source.device == torch.device("cpu")
