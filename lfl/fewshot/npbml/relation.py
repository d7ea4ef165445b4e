"""The relation network: how much each query image resembles each class of the support set, from 0 to 1."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from ...errors import UserError
from ...optimiser import adam
from ...types import Tensors
from ..episode import Episode
from .film import as_layer, draw_linear, layer_of
from .losses import one_hot
from .warp import normalise

WIDTHS = (64, 128, 256, 512)
Progress = Callable[[int, dict[str, float]], None]
"""`progress(step, numbers)`, called at each selection."""


class Trained(NamedTuple):
    """Parameters chosen in training by an error on validation episodes.

    Args:
        params: of the step with the lowest error.
        error: there, on the validation episodes.
        step: which it was.
    """

    params: Tensors
    error: float
    step: int


def draw_relation(
    input_shape: tuple[int, ...], generator: torch.Generator, widths: tuple[int, ...] = WIDTHS
) -> Tensors:
    """Draws a relation network: an encoder of residual blocks, and two more on pairs of a class and a query.

    Args:
        input_shape: `(channels, height, width)` of an image, at least 16 x 16.
        generator: source of the draws; the tensors are on its device.
        widths: channels of the encoder's blocks; published: 64, 128, 256, 512.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < 16:
        raise UserError(f"the relation network takes images of at least 16 x 16, got inputs of shape {input_shape}.")
    params: Tensors = {}
    for i, (fan_in, fan_out) in enumerate(zip((input_shape[0], *widths[:-1]), widths, strict=True)):
        params |= as_layer(f"encoder.{i}", _draw_block(fan_in, fan_out, generator))
    last = widths[-1]
    for i, fan_in in enumerate((2 * last, last)):
        params |= as_layer(f"pairs.{i}", _draw_block(fan_in, last, generator))
    return params | as_layer("score", draw_linear(last, 1, generator))


def relation_scores(
    params: Tensors, x: torch.Tensor, y: torch.Tensor, query_x: torch.Tensor, ways: int
) -> torch.Tensor:
    """Computes relation scores of one task.

    Images of the support and the query set are encoded together; embeddings are summed over the examples of a class.

    Args:
        params: from `draw_relation`.
        x: `[n, channels, height, width]`, support images; y: `[n]` classes from 0 on.
        query_x: `[queries, channels, height, width]`.
        ways: number of classes.

    Returns:
        `[queries, ways]`, between 0 and 1.

    Source: Sung et al. (2018), section 3.2, with residual blocks.
    """
    maps = torch.cat([x, query_x])
    for i in range(_num_blocks(params)):
        maps = _block(layer_of(params, f"encoder.{i}"), maps)
        maps = F.max_pool2d(maps, 2) if i < 2 else maps
    support, query = maps[: len(x)], maps[len(x) :]
    classes = torch.einsum("nw,nchv->wchv", one_hot(y, support.new_empty(0, ways)), support)
    pairs = F.max_pool2d(_block_of_pairs(layer_of(params, "pairs.0"), classes, query), 2)
    pairs = _block(layer_of(params, "pairs.1"), pairs)
    pairs = F.max_pool2d(pairs, 2) if min(pairs.shape[2:]) > 1 else pairs
    scores = F.linear(pairs.mean((2, 3)), params["score.weight"], params["score.bias"])
    return scores.sigmoid().reshape(len(query_x), ways)


def scores_of(params: Tensors, episode: Episode, ways: int) -> torch.Tensor:
    """Relation scores of several tasks, `[tasks, queries, ways]`, without a gradient."""
    with torch.no_grad():
        tasks = zip(episode.x, episode.y, episode.query_x, strict=True)
        return torch.stack([relation_scores(params, x, y, query_x, ways) for x, y, query_x in tasks])


def relation_error(params: Tensors, episode: Episode, ways: int) -> float:
    """The share of query images whose highest score is that of another class."""
    return float((scores_of(params, episode, ways).argmax(-1) != episode.query_y).float().mean())


def train_relation(
    params: Tensors,
    draw: Callable[[int], Episode],
    valid: Episode,
    ways: int,
    *,
    steps: int = 100_000,
    lr: float = 1e-3,
    every: int = 500,
    progress: Progress | None = None,
) -> Trained:
    """Trains a relation network: squared error of its scores against one-hot labels, one episode a step.

    Args:
        params: from `draw_relation`.
        draw: `draw(step)`, the training episodes of a step, with a leading axis of one task or more.
        valid: the episodes that parameters are chosen by.
        ways: classes of an episode.
        steps: of Adam, at a constant rate `lr`.
        every: steps between two selections.
        progress: called at each selection.

    Returns:
        The parameters with the lowest error on `valid`, and that error.

    Source: Sung et al. (2018), eq. 2; the settings of Raymond et al. (2024).
    """

    def loss(params: Tensors, task: Episode) -> torch.Tensor:
        scores = relation_scores(params, task.x, task.y, task.query_x, ways)
        return (scores - one_hot(task.query_y, scores)).square().mean()

    def mean_loss(params: Tensors, episode: Episode) -> torch.Tensor:
        tasks = [loss(params, Episode(*parts)) for parts in zip(*episode, strict=True)]
        return torch.stack(tasks).mean()

    return descend(
        mean_loss, params, lambda step: draw(step), lambda params: relation_error(params, valid, ways), adam(lr),
        steps=steps, rate=lambda step: lr, every=every, progress=progress,
    )  # fmt: skip


def descend(
    loss: Callable[[Tensors, Any], torch.Tensor],
    params: Tensors,
    batch: Callable[[int], Any],
    error: Callable[[Tensors], float],
    optimiser: Any,
    *,
    steps: int,
    rate: Callable[[int], float],
    every: int,
    progress: Progress | None,
) -> Trained:
    """Steps of an optimiser down a loss of batches; keeps the parameters with the lowest error at a selection."""
    state, best = optimiser.init(params), Trained(params, error(params), 0)
    with_value = torch.func.grad_and_value(loss)
    for step in range(steps):
        grads, value = with_value(params, batch(step))
        params, state = optimiser.update(grads, state, params, rate(step))
        if (step + 1) % every == 0 or step + 1 == steps:
            found = error(params)
            if found <= best.error:
                best = Trained(params, found, step + 1)
            if progress:
                progress(step + 1, {"loss": float(value), "error": found})
    return best


def _num_blocks(params: Tensors) -> int:
    return len({name.split(".")[1] for name in params if name.startswith("encoder.")})


def _draw_block(fan_in: int, fan_out: int, generator: torch.Generator) -> Tensors:
    drawn: Tensors = {}
    for name, inputs, side in ("conv1", fan_in, 3), ("conv2", fan_out, 3), ("residual", fan_in, 1):
        weight = torch.empty(fan_out, inputs, side, side, device=generator.device)
        drawn[name] = torch.nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
    return drawn


def _block(params: Tensors, x: torch.Tensor) -> torch.Tensor:
    """Two convolutions with batch norm, a third beside them, their sum, ReLU."""
    return _joined(params, F.conv2d(x, params["conv1"], padding=1), F.conv2d(x, params["residual"]))


def _block_of_pairs(params: Tensors, classes: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """`_block` of all pairs of a class and a query, `[queries * classes, ...]`.

    A convolution of two maps side by side is the sum of one convolution of each: those are taken before the pairs.
    """
    channels = classes.shape[1]

    def paired(weight: torch.Tensor, padding: int) -> torch.Tensor:
        of_class = F.conv2d(classes, weight[:, :channels], padding=padding)
        of_query = F.conv2d(queries, weight[:, channels:], padding=padding)
        return (of_query[:, None] + of_class).flatten(0, 1)

    return _joined(params, paired(params["conv1"], 1), paired(params["residual"], 0))


def _joined(params: Tensors, first: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
    main = normalise(F.conv2d(F.relu(normalise(first)), params["conv2"], padding=1))
    return F.relu(main + normalise(beside))
