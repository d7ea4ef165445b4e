"""Pre-training: the encoder learns to tell all training classes apart, before it learns to adapt."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F

from ...optimiser import Optimiser, sgd
from ...randomness import generator
from ...types import Tensors
from ..class_images import TURNS, ImageEpisodes
from ..episode import Episode
from .film import as_layer, draw_linear, layer_of
from .relation import Progress, descend
from .trunk import Network, embed, in_order

FALLS = (0.5, 0.75, 0.875, 0.95)
"""Shares of the steps after which the rate falls to a tenth: 100,000, 150,000, 175,000 and 190,000 of 200,000."""


class Pretrained(NamedTuple):
    """What is trained before NPBML and stays as it is, or where NPBML starts.

    Args:
        network: of the encoder.
        trunk: parameters of its frozen part.
        stage: where the part that adapts starts, without FiLM.
        relation: parameters of the relation network; None where no part needs its scores.
    """

    network: Network
    trunk: Tensors
    stage: Tensors
    relation: Tensors | None = None


class Encoder(NamedTuple):
    """A pre-trained encoder: its trunk, its stage, its error by nearest class mean, and the step that had it."""

    trunk: Tensors
    stage: Tensors
    error: float
    step: int


def training_batches(
    episodes: ImageEpisodes, batch_size: int = 128, seed: int = 0
) -> tuple[Callable[[int], tuple[torch.Tensor, torch.Tensor]], int]:
    """Batches of the images of all training classes, drawn with replacement; turned classes are classes of their own.

    Args:
        episodes: whose training classes, and their rotations, are taken.
        batch_size: images of a batch.
        seed: of the draws.

    Returns:
        `batch(step) -> (x, y)`, with `[batch_size, ...]` images as episodes hold them; and the number of classes.
    """
    turns = TURNS if episodes.rotations == "classes" else 1
    num_classes = len(episodes.splits["train"]) * turns
    # one episode of one class and one image for each row of a batch; its class is what was drawn
    single = replace(episodes, ways=1, shots=1, queries=1, seed=seed)
    row_of = {number: row for row, number in enumerate(episodes.splits["train"])}
    counts = episodes.images.counts
    rows = torch.tensor([row_of.get(number, -1) for number, n in enumerate(counts) for _ in range(n)])
    rows = rows.to(episodes.device)

    def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        images, turned = single.chosen("train", step, batch_size)
        y = rows[images[:, 0, 0]] * turns + (turned[:, 0] if turns > 1 else 0)
        return single.draw("train", step, batch_size).x[:, 0], y

    return batch, num_classes


def untrained(network: Network, input_shape: tuple[int, ...], seed: int, device: torch.device | str = "cpu") -> Encoder:
    """Draws an encoder by a seed, without training."""
    trunk, stage = network.draw(input_shape, generator(seed, "encoder", 0, device))
    return Encoder(trunk, stage, float("nan"), 0)


def nearest_mean_error(network: Network, trunk: Tensors, stage: Tensors, episode: Episode, ways: int) -> float:
    """The share of query images that lie nearest to the mean features of another class; Euclidean distances.

    Images of a task's support and query set pass through the encoder together.
    """
    wrong = []
    with torch.no_grad():
        for x, y, query_x, query_y in zip(*episode, strict=True):
            features = embed(network, stage, {}, network.trunk(trunk, torch.cat([x, query_x])))
            support, query = features[: len(x)], features[len(x) :]
            means = torch.stack([support[y == way].mean(0) for way in range(ways)])
            wrong.append((torch.cdist(query, means).argmin(1) != query_y).float().mean())
    return float(torch.stack(wrong).mean())


def pretrain(
    network: Network,
    batch: Callable[[int], tuple[torch.Tensor, torch.Tensor]],
    num_classes: int,
    valid: Episode,
    ways: int,
    *,
    seed: int = 0,
    steps: int = 200_000,
    lr: float = 0.01,
    optimiser: Optimiser | None = None,
    every: int = 500,
    progress: Progress | None = None,
) -> Encoder:
    """Trains an encoder with a linear layer over all training classes, by cross-entropy.

    The warp is batch norm alone (a Dirac kernel without FiLM), so that the stage's features are those that NPBML starts
    from. The rate falls to a tenth after a half, three quarters, seven eighths and 95 % of the steps.

    Args:
        network: of the encoder.
        batch: `batch(step) -> (x, y)`, images of all training classes and their class ids.
        num_classes: how many there are.
        valid: the episodes that an encoder is chosen by, by its nearest class mean.
        ways: classes of an episode.
        seed: of the initial parameters.
        steps: 200,000 as published.
        lr: the rate at first.
        optimiser: SGD with Nesterov's momentum 0.9 and weight decay 5e-4 when omitted.
        every: steps between two selections.
        progress: called at each selection.

    Returns:
        The encoder with the lowest error.

    Source: Raymond et al. (2024), the published code's settings.
    """
    optimiser = optimiser or sgd(lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    shape, device = tuple(valid.x.shape[2:]), valid.x.device
    trunk, stage, _, _ = untrained(network, shape, seed, device)
    head = draw_linear(network.channels, num_classes, generator(seed, "head of pre-training", 0, device))
    params = as_layer("trunk", trunk) | as_layer("stage", stage) | as_layer("head", head)

    def loss(params: Tensors, pair: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        x, y = pair
        features = embed(network, layer_of(params, "stage"), {}, network.trunk(layer_of(params, "trunk"), x))
        return F.cross_entropy(F.linear(features, params["head.weight"], params["head.bias"]), y)

    def error(params: Tensors) -> float:
        return nearest_mean_error(network, layer_of(params, "trunk"), layer_of(params, "stage"), valid, ways)

    def rate(step: int) -> float:
        return lr * 0.1 ** sum(step >= share * steps for share in FALLS)

    best = descend(loss, params, batch, error, optimiser, steps=steps, rate=rate, every=every, progress=progress)
    stage = in_order(network, layer_of(best.params, "stage"))
    return Encoder(layer_of(best.params, "trunk"), stage, best.error, best.step)
