"""What `value.py` measures: scenarios of bad data, and the rivals of a learned loss in each.

A rival is settings of lfl, the data that its model is trained on, and the choices that are tuned for it beside the rate
of the model. All share the model's optimiser: SGD with momentum 0.9, a cosine schedule, and gradients clipped at 1;
but for `adalfl+lr`, as published without momentum: its rate is judged by one step, does not count the nine tenths of a
step that momentum brings later, and grows until the model diverges.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

import lfl

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
OWN = "own"
"""The name by which a rival's own loss, not one of lfl's, is asked for."""


class Scenario(NamedTuple):
    """Data, how they are spoiled, and the model.

    Args:
        task, model, steps, batch_size, rates: of lfl's settings; the rates are tried for every rival.
        clean: clean examples that the rivals may use.
        spoiled: settings that spoil train.
        train_size: examples that are trained on, the first ones; None for all.
        rivals: by name, in the order of the tables.
    """

    task: str
    model: str
    steps: int
    clean: int
    spoiled: dict[str, Any]
    rivals: "dict[str, Rival]"
    rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1)
    batch_size: int = 128
    train_size: int | None = None


class Rival(NamedTuple):
    """A way to train on bad data.

    Args:
        settings: of lfl, beside what all rivals share.
        data: what the model is trained on: `"train"`, `"clean"`, or `"mixed"`, both, the clean part repeated.
        loss: `loss(train targets, num_classes, option)`, the loss made by hand where it is not one of lfl's.
        options: the values of one choice that is tuned beside the rate; `"repeat"` of a mixture, `"lr"` of fine-tuning,
            or whatever `loss` takes.
        start: the rival whose model, at its best step, is trained on by the options' rates on the clean data.
        fixed: whether it is run by lfl's defaults, its rate among them, and nothing is tuned: `residual, defaults`, and
            `adalfl+lr`, which learns the rate.
    """

    settings: dict[str, Any]
    data: str = "train"
    loss: Callable[[torch.Tensor, int, Any], Loss] | None = None
    options: tuple[Any, ...] = (None,)
    start: str | None = None
    fixed: bool = False


def class_weights(y: torch.Tensor, num_classes: int, option: Any) -> Loss:
    """Cross-entropy of each example over the share of its class (King and Zeng 2001)."""
    counts = torch.bincount(y, minlength=num_classes).float()
    weights = counts.sum() / (num_classes * counts.clamp(min=1.0))
    return lambda outputs, targets: weights[targets] * lfl.cross_entropy(outputs, targets)


def logit_adjustment(y: torch.Tensor, num_classes: int, option: Any) -> Loss:
    """Cross-entropy of logits raised by tau log of the share of their class (Menon et al. 2021, eq. 10)."""
    prior = torch.bincount(y, minlength=num_classes).float() / len(y)
    return lambda outputs, targets: lfl.cross_entropy(outputs + option * prior.clamp(min=1e-12).log(), targets)


def huber(y: torch.Tensor, num_outputs: int, option: Any) -> Loss:
    """Huber's loss over its delta, so that its slope beyond is 1 for every delta."""
    return lambda outputs, targets: lfl.huber(outputs, targets, option) / option


BY_HAND = {"method": "baseline"}
LEARNED_ONLINE = {"method": "adalfl", "offline_steps": 0}
OFFLINE = {"offline_steps": 500}
REPEATS = (5, 20)
FINE_TUNING = (0.001, 0.003, 0.01)
WEIGHT_NET = {**LEARNED_ONLINE, "loss": "weight-net", "outer_lr": 1e-3}
"""As published: Adam at 1e-3 for the weight network, no schedule."""


def learned_rivals(published: bool = True) -> dict[str, Rival]:
    """What learns: the published methods, which take long, where they are wanted, and ours."""
    rivals = {"meta-weight-net": Rival(WEIGHT_NET)}
    if published:
        rivals |= {
            "adalfl": Rival({"method": "adalfl", **OFFLINE}),
            "adalfl+lr": Rival({"method": "adalfl+lr", **OFFLINE, "momentum": 0.0}, fixed=True),
            "residual, every step": Rival({"method": "residual", "meta_every": 1}),
        }
    return rivals | {
        "residual": Rival({"method": "residual"}),
        "residual, defaults": Rival({"method": "residual"}, fixed=True),
        "residual, fine-tuned": Rival(BY_HAND, start="residual", options=FINE_TUNING),
    }


def other_forms() -> dict[str, Rival]:
    """The recipe of `residual` with other losses: what its parts are worth."""
    forms = ("residual-network", "true-class", "weight-net", "vector-scaling")
    return {f"residual, {loss}": Rival({"method": "residual", "loss": loss}) for loss in forms} | {
        "residual, from gce": Rival({"method": "residual", "base": "generalised-cross-entropy"})
    }


def noisy_labels(published: bool = True) -> dict[str, Rival]:
    """For wrong labels."""
    gce = {**BY_HAND, "loss": "generalised-cross-entropy"}
    return {
        "cross-entropy": Rival(BY_HAND),
        "clean alone": Rival(BY_HAND, data="clean"),
        "cross-entropy, fine-tuned": Rival(BY_HAND, start="cross-entropy", options=FINE_TUNING),
        "mixed": Rival(BY_HAND, data="mixed", options=REPEATS),
        "label smoothing": Rival({**BY_HAND, "loss": "label-smoothing"}),
        "gce": Rival(gce),
        "gce, fine-tuned": Rival(BY_HAND, start="gce", options=FINE_TUNING),
        "gce, mixed": Rival(gce, data="mixed", options=REPEATS),
        **learned_rivals(published),
    }


def bad_targets() -> dict[str, Rival]:
    """For outliers among real targets."""
    absolute = {**BY_HAND, "loss": "absolute-error"}
    return {
        "squared error": Rival(BY_HAND),
        "clean alone": Rival(BY_HAND, data="clean"),
        "squared error, fine-tuned": Rival(BY_HAND, start="squared error", options=FINE_TUNING),
        "mixed": Rival(BY_HAND, data="mixed", options=REPEATS),
        "absolute error": Rival(absolute),
        "absolute error, fine-tuned": Rival(BY_HAND, start="absolute error", options=FINE_TUNING),
        "absolute error, mixed": Rival(absolute, data="mixed", options=REPEATS),
        "huber": Rival(BY_HAND, loss=huber, options=(0.01, 0.03, 0.1)),
        **learned_rivals(),
    }


def long_tail() -> dict[str, Rival]:
    """For rare classes."""
    return {
        "cross-entropy": Rival(BY_HAND),
        "clean alone": Rival(BY_HAND, data="clean"),
        "cross-entropy, fine-tuned": Rival(BY_HAND, start="cross-entropy", options=FINE_TUNING),
        "mixed": Rival(BY_HAND, data="mixed", options=REPEATS),
        "class weights": Rival(BY_HAND, loss=class_weights),
        "logit adjustment": Rival(BY_HAND, loss=logit_adjustment, options=(0.5, 1.0, 1.5)),
        "logit adjustment, mixed": Rival(BY_HAND, loss=logit_adjustment, data="mixed", options=(1,)),
        **learned_rivals(published=False),
        "residual, vector scaling": Rival({"method": "residual", "loss": "vector-scaling"}),
    }


def scenarios() -> dict[str, Scenario]:
    """All of them by name, the quickest first."""
    found = {}
    for clean in (144, 50):
        for noise in ("symmetric:0.4", "none", "symmetric:0.2", "symmetric:0.6", "symmetric:0.8", "pair:0.45"):
            spoiled = {} if noise == "none" else {"label_noise": noise}
            rivals = noisy_labels(published=clean == 144)
            if (clean, noise) == (144, "symmetric:0.4"):
                rivals |= other_forms()
            found[f"digits, {noise}, {clean} clean"] = Scenario(
                "digits", "mlp-256", 3000, clean, spoiled, rivals, rates=(0.001, 0.003, 0.01, 0.03, 0.1), batch_size=64
            )
    for name, rates in (("california", (0.003, 0.01, 0.03, 0.1)), ("crime", (0.001, 0.003, 0.01, 0.03, 0.1))):
        for outliers in ("uniform:0.3", "shift:0.3"):
            found[f"{name}, {outliers}"] = Scenario(
                name, "mlp-256", 3000, 200, {"outliers": outliers}, bad_targets(), rates=rates
            )
    for noise, rates in (
        ("symmetric:0.4", (0.01, 0.03, 0.1)),
        ("symmetric:0.7", (0.003, 0.01, 0.03, 0.1)),
        ("none", (0.01, 0.03, 0.1)),
    ):
        spoiled = {} if noise == "none" else {"label_noise": noise}
        found[f"mnist, {noise}"] = Scenario(
            "mnist",
            "mlp-256",
            5000,
            500,
            spoiled,
            noisy_labels(published=False),
            rates=rates,
            train_size=20_000,
        )
    found["mnist, 100:1"] = Scenario(
        "mnist", "mlp-256", 5000, 200, {"imbalance": 100.0}, long_tail(), rates=(0.01, 0.03, 0.1)
    )
    found["mnist lenet5, symmetric:0.4"] = Scenario(
        "mnist",
        "lenet5",
        2000,
        500,
        {"label_noise": "symmetric:0.4"},
        noisy_labels(published=False),
        rates=(0.003, 0.01, 0.03, 0.1),
        train_size=20_000,
    )
    return found
