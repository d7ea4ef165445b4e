"""The multilayer perceptron of the paper: two hidden layers of 1000 ReLU units (Baydin et al. 2018)."""

import math

from torch import nn


def mlp(input_shape: tuple[int, ...], num_outputs: int, width: int = 1000) -> nn.Module:
    """Builds two hidden layers of `width` ReLU units on the flattened input, and a linear output layer."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(input_shape), width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, num_outputs),
    )
