"""How a candidate is evaluated: local search, rejection, partial training."""

from dataclasses import dataclass, fields
from typing import Literal

from ..errors import UserError, one_of
from ..evolution_settings import FILTER_STEPS


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a candidate is evaluated. The defaults are EvoMAL's, but for `order` and `clip`.

    Args:
        local_steps: steps of local search on the weights; 0 for none (GP-LFL), and then no noise on them either.
        local_lr: Adam's rate on the weights.
        weight_noise: standard deviation of normal noise on the first weights, which are 1.
        inner_steps: steps of a fresh model in each step of local search.
        objective: the batch on which local search measures the task loss: a `"valid"` one, or `"train"`, the last train
            batch itself.
        clip: the greatest norm of the gradient of the weights; a longer one is scaled down. None for no limit.
        rejection: whether a candidate that does not train is rejected. A fresh model's logits on the first
            `filter_rows` train examples are optimised under it with Adam at the base rate: `"improves"` asks that their
            error falls; `"0.6"` that it falls by more than 0.6; `"off"` asks for nothing.
        filter_steps, filter_rows: of that test.
        wide_gate: for real values, whether the slope of the loss must change its sign within the range of the targets:
            a loss that falls for ever in f passes the rejection test.
        fitness_steps: steps of training a fresh model before its validation error is measured.
        order: `"gate first"` tests the first weights on a grid and by the rejection test, then searches those that
            passed; `"published"` searches first, and tests then.

    Raises:
        UserError: a value out of range.

    Source: Raymond et al. (2023), EvoMAL; the published code's settings.
    """

    local_steps: int = 250
    local_lr: float = 1e-3
    weight_noise: float = 1e-3
    inner_steps: int = 1
    objective: Literal["valid", "train"] = "valid"
    clip: float | None = 1.0
    rejection: Literal["improves", "0.6", "off"] = "improves"
    filter_steps: int = FILTER_STEPS
    filter_rows: int = 100
    wide_gate: bool = False
    fitness_steps: int = 500
    order: Literal["gate first", "published"] = "gate first"

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            one_of(name, getattr(self, name), allowed)
        least = {"local_steps": 0, "weight_noise": 0.0, "inner_steps": 1, "filter_steps": 1, "filter_rows": 1}
        for name, number in {**least, "fitness_steps": 1}.items():
            value = getattr(self, name)
            if isinstance(number, int) and (not isinstance(value, int) or isinstance(value, bool)):
                raise UserError(f"{name} is a whole number, got {value!r}.")
            if not number <= value < float("inf"):
                raise UserError(f"{name} is at least {number}, got {value!r}.")
        for name in ("local_lr", "clip"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < float("inf"):
                raise UserError(f"{name} is greater than 0, got {value!r}.")

    def as_dict(self) -> dict[str, object]:
        """Returns the fields by name, as values of JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


CHOICES = {
    "objective": ["valid", "train"],
    "rejection": ["improves", "0.6", "off"],
    "order": ["gate first", "published"],
}
"""The choices of a `Protocol`'s fields that are names."""
