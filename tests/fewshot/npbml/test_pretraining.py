import math

import pytest
import torch

import lfl
from lfl.fewshot.class_images import ClassImages, ImageEpisodes
from lfl.fewshot.npbml import conv4, nearest_mean_error, pretrain, training_batches, untrained
from lfl.randomness import generator

SIDE, DRAWINGS, CLASSES = 16, 6, 9


def images(noise: float = 40.0) -> ImageEpisodes:
    """Classes are patterns, their drawings the pattern with noise."""
    g = generator(0, "images")
    patterns = 255.0 * torch.rand(CLASSES, 1, 1, SIDE, SIDE, generator=g)
    drawn = patterns + noise * torch.randn(CLASSES, DRAWINGS, 1, SIDE, SIDE, generator=g)
    pixels = drawn.clamp(0.0, 255.0).flatten(0, 1).to(torch.uint8)
    held = ClassImages(pixels, (DRAWINGS,) * CLASSES, tuple("abcdefghi"), (0.0,), (1.0,))
    splits = {"train": (7, 2, 4, 0), "valid": (1, 3, 8), "test": (5, 6)}
    return ImageEpisodes("patterns", held, splits, ways=2, shots=1, queries=2)  # type: ignore[arg-type]


@pytest.mark.parametrize("rotations", ["none", "classes", "drawn"])
def test_batches_name_each_image_by_its_class(rotations: str) -> None:
    from dataclasses import replace

    episodes = replace(images(noise=0.0), rotations=rotations)  # type: ignore[arg-type]
    batch, num_classes = training_batches(episodes, 64, seed=3)
    x, y = batch(5)
    assert num_classes == (16 if rotations == "classes" else 4)
    assert x.shape == (64, 1, SIDE, SIDE)
    assert set(y.tolist()) <= set(range(num_classes))
    assert len(set(y.tolist())) > num_classes // 2
    pixels = episodes.images.pixels.float()[::DRAWINGS] / 255
    for image, name in zip(x, y.tolist(), strict=True):
        row, turns = (name // 4, name % 4) if rotations == "classes" else (name, None)
        pattern = pixels[episodes.splits["train"][row]]
        found = [torch.equal(image, pattern.rot90(k, (-2, -1))) for k in range(4)]
        assert found[turns] if turns is not None else any(found[: 4 if rotations == "drawn" else 1])
    assert torch.equal(batch(5)[0], x)
    assert not torch.equal(batch(6)[0], x)


def test_nearest_means_by_hand() -> None:
    network, episodes = conv4(4), images()
    encoder = untrained(network, (1, SIDE, SIDE), 0)
    episode = episodes.draw("valid", 0, 3)
    wrong = 0
    for x, y, query_x, query_y in zip(*episode, strict=True):
        features = network.stage(encoder.stage, network.trunk(encoder.trunk, torch.cat([x, query_x])))
        features = torch.nn.functional.batch_norm(features, None, None, training=True)[:, :, 0, 0]
        for query, name in zip(features[2:], query_y, strict=True):
            apart = [(query - features[int(torch.nonzero(y == way)[0])]).norm() for way in range(2)]
            wrong += int(torch.stack(apart).argmin() != name)
    error = nearest_mean_error(network, encoder.trunk, encoder.stage, episode, 2)
    assert error == pytest.approx(wrong / 12)


def test_it_learns_to_tell_training_classes_apart_and_keeps_the_best() -> None:
    network, episodes, seen = conv4(6), images(noise=90.0), []
    valid = episodes.draw("valid", 0, 30)
    batch, num_classes = training_batches(episodes, 16)
    encoder = pretrain(
        *(network, batch, num_classes, valid, 2),
        **{"steps": 30, "lr": 0.01, "optimiser": lfl.adam(0.01), "every": 10},
        progress=lambda step, numbers: seen.append((step, numbers["loss"], numbers["error"])),
    )
    first = untrained(network, (1, SIDE, SIDE), 0)
    errors = [nearest_mean_error(network, first.trunk, first.stage, valid, 2), *(error for _, _, error in seen)]
    assert [step for step, _, _ in seen] == [10, 20, 30]
    assert seen[-1][1] < 0.7 * math.log(num_classes)
    assert encoder.error == min(errors)
    assert encoder.error == nearest_mean_error(network, encoder.trunk, encoder.stage, valid, 2)
    assert encoder.stage.keys() == first.stage.keys()
    assert encoder.trunk.keys() == first.trunk.keys()


def test_the_rate_falls_as_published() -> None:
    """Plain gradient descent on a constant gradient shows the rates."""
    network, episodes, rates = conv4(4), images(), []
    batch, num_classes = training_batches(episodes, 8)

    def update(grads: object, state: object, theta: object, lr: object = None) -> tuple[object, object]:
        rates.append(lr)
        return theta, state

    pretrain(
        *(network, batch, num_classes, episodes.draw("valid", 0, 2), 2),
        **{"steps": 20, "lr": 1.0, "every": 20, "optimiser": lfl.Optimiser(lambda theta: {}, update)},  # type: ignore[arg-type]
    )
    assert rates == pytest.approx([1.0] * 10 + [0.1] * 5 + [0.01] * 3 + [0.001] + [0.0001])
