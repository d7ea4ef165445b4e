"""The three learned losses: of the support set, of the query set without labels, and of the parameters."""

import math

import torch
import torch.nn.functional as F

from ...loss.network import slrelu
from ...types import Tensors
from .film import as_layer, draw_film_linear, film_linear, layer_of

HIDDEN = 40
SLOPE, SHARPNESS = 0.25, 5.0
AT_ZERO = (1.0 - SLOPE) * math.log(2.0) / SHARPNESS
"""The output activation's value at 0, so what a network of zeros returns unless it is centred."""
TINY = 1e-8
"""Added to a sum of squares below a square root, whose second derivative at zero is then `1e4` instead of undefined."""
STATISTICS = 4
"""Numbers that the regulariser sees of each tensor."""


def draw_loss(num_inputs: int, generator: torch.Generator, *, with_film: bool = True) -> Tensors:
    """Draws a loss network, num_inputs -> 40 -> 40 -> 1 layers, each with FiLM of its own inputs.

    Weights are normal with deviation 0.01, so that the first loss is nearly constant; biases as torch draws them.

    Args:
        num_inputs: `2 ways + 1` for losses of logits, `4 tensors` for the regulariser.
        generator: source of the draws; the tensors are on its device.
        with_film: plain linear layers otherwise.
    """
    sizes = (num_inputs, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 1)
    layers = [as_layer(str(i), draw_film_linear(*size, generator, with_film=with_film)) for i, size in enumerate(sizes)]
    return layers[0] | layers[1] | layers[2]


def loss_network(params: Tensors, x: torch.Tensor, *, centred: bool = False) -> torch.Tensor:
    """Computes a learned loss of each row.

    Two hidden layers with ReLU, and one output with the smooth leaky ReLU, slope 0.25 and sharpness 5.

    Args:
        params: from `draw_loss`.
        x: `[n, num_inputs]`, as they are: logits and norms are not scaled.
        centred: subtract what the output activation has at zero, 0.104, a constant.

    Returns:
        `[n]`.
    """
    for i in range(2):
        x = F.relu(film_linear(layer_of(params, str(i)), x))
    loss = slrelu(film_linear(layer_of(params, "2"), x)[:, 0], slope=SLOPE, sharpness=SHARPNESS)
    return loss - AT_ZERO if centred else loss


def one_hot(y: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Class ids `[n]` as rows of 0 and 1, in the shape and dtype of logits `[n, ways]`."""
    return (y[:, None] == torch.arange(like.shape[1], device=y.device)).to(like.dtype)


def cross_entropy_of_scores(logits: torch.Tensor, scores: torch.Tensor, *, hard: bool) -> torch.Tensor:
    """Cross-entropy of each query example against its relation scores.

    Args:
        logits: `[n, ways]`.
        scores: `[n, ways]`, from 0 to 1; they need not add up to 1: an example that resembles no class counts less.
        hard: against the class with the highest score, instead of the scores.

    Returns:
        `[n]`.
    """
    targets = one_hot(scores.argmax(1), logits) if hard else scores
    return -(targets * F.log_softmax(logits, 1)).sum(1)


def inductive_inputs(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """What the inductive loss sees of support examples: logits, one-hot labels, cross-entropy; `[n, 2 ways + 1]`."""
    targets = one_hot(y, logits)
    loss = -(targets * F.log_softmax(logits, 1)).sum(1, keepdim=True)
    return torch.cat([logits, targets, loss], 1)


def transductive_inputs(logits: torch.Tensor, scores: torch.Tensor, *, hard: bool) -> torch.Tensor:
    """What the transductive loss sees of query examples: logits, relation scores, their cross-entropy."""
    return torch.cat([logits, scores, cross_entropy_of_scores(logits, scores, hard=hard)[:, None]], 1)


def statistics(theta: Tensors, *, detached: bool = False, l2_twice: bool = False) -> torch.Tensor:
    """What the regulariser sees of parameters: mean, deviation, L1 norm and L2 norm of each tensor.

    Both square roots are of a sum with something tiny, so that tensors of zeros (a bias at its start) have derivatives
    of all orders.

    Args:
        theta: adapted tensors, weights and biases apart, in their order.
        detached: mean and deviation are constants for differentiation.
        l2_twice: the L2 norm in place of the L1 norm.

    Returns:
        `[1, 4 tensors]`.
    """
    found = []
    for tensor in theta.values():
        flat = tensor.reshape(1, -1)  # sums keep an axis: forward mode of scalars plus a number changes their dtype
        mean = flat.mean(1)
        deviation = ((flat - mean).square().sum(1) / max(tensor.numel() - 1, 1) + TINY).sqrt()
        if detached:
            mean, deviation = mean.detach(), deviation.detach()
        l2 = (flat.square().sum(1) + TINY).sqrt()
        found += [mean, deviation, l2 if l2_twice else flat.abs().sum(1), l2]
    return torch.stack(found, 1)
