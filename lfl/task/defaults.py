"""Default settings of each named task. Needs neither its data nor torch."""

from dataclasses import dataclass, replace

PAD = 4
"""Pixels around a colour image from which crops are cut."""


@dataclass(frozen=True)
class Defaults:
    """Default settings of a task, the published ones where there are any; steps are counts, rates per step."""

    steps: int
    inner_lr: float
    batch_size: int = 128
    offline_steps: int = 2500
    restart_every: int = 1
    offline_lr: float = 1e-3
    outer_lr: float = 1e-5
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    theta_init: str = "xavier"
    loss: str = "cross-entropy"


def colour_defaults(steps: int) -> Defaults:
    """Returns the paper's settings for colour images; each architecture draws its own initial parameters."""
    return Defaults(
        steps=steps, inner_lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.0005, theta_init="architecture"
    )


def for_regression(settings: Defaults) -> Defaults:
    """Returns the same settings for real values.

    Offline steps follow one training (`restart_every=0`): the outputs of a fresh model lie below their targets, and a
    loss learned on fresh models alone would have seen no outputs above them (docs/reproduction.md).
    """
    return replace(settings, inner_lr=0.001, loss="squared-error", restart_every=0)


REGRESSION = for_regression(Defaults(steps=10_000, inner_lr=0.001))

DEFAULTS = {
    "digits": Defaults(steps=1000, inner_lr=0.01, offline_steps=500, batch_size=64),
    "diabetes": REGRESSION,
    "crime": REGRESSION,
    "california": REGRESSION,
    "mnist": Defaults(steps=25_000, inner_lr=0.01),
    "cifar10": colour_defaults(100_000),
    "cifar100": colour_defaults(150_000),
    "svhn": colour_defaults(150_000),
}
