"""How each named task is trained unless other settings are asked for: known without its data."""

from dataclasses import replace

from .task import Defaults


def colour_defaults(steps: int) -> Defaults:
    """The paper's settings for colour images; each architecture starts as it does by itself."""
    return Defaults(
        steps=steps, inner_lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.0005, theta_init="architecture"
    )


def for_regression(settings: Defaults) -> Defaults:
    """The same for real values, with offline steps along one training: models as they are drawn lie below their
    targets, and a loss that has seen no outputs above them is asked about those later (docs/reproduction.md)."""
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
