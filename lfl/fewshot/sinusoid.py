"""Regression of sine curves: the tasks without data on which MAML was first shown."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import UserError, one_of
from ..types import Kind
from .class_images import LISTS_SEED, Rotations
from .episode import Episode, SplitName
from .keyed_draws import random_bits, uniform

AMPLITUDES = (0.1, 5.0)
PHASES = (0.0, math.pi)
INPUTS = (-5.0, 5.0)


@dataclass(frozen=True)
class SinusoidEpisodes:
    """Episodes of points on a sine curve, `y = amplitude sin(x - phase)`.

    Each task draws its amplitude from [0.1, 5], its phase from [0, pi] and each x from [-5, 5], evenly. Episodes are
    numbered and keyed as in `ImageEpisodes`.

    Args:
        shots: support points.
        queries: query points.
        seed: of the train episodes; the others are the same for all seeds.
        place: the device that they are for. They are computed on the CPU: not every device has double precision.

    Raises:
        UserError: counts below 1.

    Source:
        Finn, Abbeel and Levine 2017, section 5.1.
    """

    shots: int
    queries: int
    seed: int = 0
    place: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        for what in ("shots", "queries"):
            if getattr(self, what) < 1:
                raise UserError(f"an episode needs {what} of at least 1, got {getattr(self, what)}.")

    @property
    def name(self) -> str:
        return "sinusoid"

    @property
    def kind(self) -> Kind:
        return "regression"

    @property
    def ways(self) -> int:
        return 1

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (1,)

    @property
    def num_outputs(self) -> int:
        return 1

    @property
    def device(self) -> torch.device:
        return torch.device(self.place)

    def draw(self, split: SplitName, step: int, num_tasks: int) -> Episode:
        """Draws the episodes of a step: points `[tasks, shots, 1]` in float32.

        Raises:
            UserError: no such split, or a negative step, or no tasks.
        """
        one_of("split", split, ["train", "valid", "test"])
        if step < 0 or num_tasks < 1:
            raise UserError(f"episodes are drawn for a step from 0 and 1 or more tasks, got {step} and {num_tasks}.")
        seed = self.seed if split == "train" else LISTS_SEED
        numbers = step * num_tasks + torch.arange(num_tasks)[:, None]
        points = torch.arange(self.shots + self.queries)
        amplitude = uniform(random_bits(seed, f"few-shot amplitude {split}", numbers), *AMPLITUDES)
        phase = uniform(random_bits(seed, f"few-shot phase {split}", numbers), *PHASES)
        x = uniform(random_bits(seed, f"few-shot x {split}", numbers, points), *INPUTS)
        y = amplitude * torch.sin(x - phase)
        values = torch.stack([x, y]).to(torch.float32)[..., None].to(self.device)
        support, query = values[:, :, : self.shots], values[:, :, self.shots :]
        return Episode(support[0], support[1], query[0], query[1])


def sinusoid(
    data_dir: Path | None = None,
    *,
    ways: int = 1,
    shots: int,
    queries: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    rotations: Rotations = "none",
) -> SinusoidEpisodes:
    """Episodes of sine curves; there are no data, and one class.

    Raises:
        UserError: `ways` other than 1, or rotations; or as `SinusoidEpisodes`.
    """
    if ways != 1:
        raise UserError(f"sinusoid is a regression, which has no classes: ways must be 1, got {ways}.")
    if rotations != "none":
        raise UserError(f"sinusoid has no images to turn: rotations must be none, got {rotations}.")
    return SinusoidEpisodes(shots, queries, seed, device)
