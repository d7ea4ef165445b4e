"""Logistic regression: one linear map from the flattened input (linear regression on real targets)."""

import math

from torch import nn


def logistic(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """Builds one linear layer on the flattened input."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), num_outputs))
