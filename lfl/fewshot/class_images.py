"""Episodes of images: all images of all classes are one tensor of bytes on the device, and episodes index into it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Literal, NamedTuple, get_args

import torch

from ..data.quoting import shortened
from ..errors import UserError, one_of
from ..types import Kind
from .episode import Episode, SplitName
from .keyed_draws import random_bits, smallest

Rotations = Literal["none", "classes", "drawn"]
"""What is done with turns by 90 degrees. `classes`: each class turned by 0, 90, 180 and 270 degrees is four classes.
`drawn`: a class of an episode is turned by one of the four, drawn for it; no episode holds a class in two turns."""

TURNS = 4
LISTS_SEED = 0
"""The seed of the valid and test lists, which are the same for all runs."""

LARGEST_BITS = 2**63 - 1


class ClassImages(NamedTuple):
    """Images of many classes.

    Args:
        pixels: `[n, channels, height, width]` uint8, from 0 to 255; those of a class follow each other.
        counts: the number of images of each class.
        names: of the classes.
        mean, std: of each channel of `pixels / 255`: episodes hold `(pixels / 255 - mean) / std`.
    """

    pixels: torch.Tensor
    counts: tuple[int, ...]
    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class ImageEpisodes:
    """Episodes of images: `ways` classes, and of each of them `shots` images to adapt to and `queries` others.

    Episode i of a step is number `step * num_tasks + i` of its split's list, and follows from that number alone
    (of train, from the run's seed, too). Classes are drawn without replacement, then the images of each class. A list
    of more shots or queries has the same classes.

    Args:
        name: of the data set.
        images: of all splits, on the device that episodes are drawn on.
        splits: numbers of the classes of each split; no class is in two splits.
        ways: classes of an episode.
        shots: support images of each class.
        queries: query images of each class.
        seed: of the train episodes; the others are the same for all seeds.
        rotations: `"none"`, `"classes"` or `"drawn"`; see `Rotations`.

    Raises:
        UserError: too few classes in a split or images of a class, counts below 1, or rotations of images that are
            not square.

    Example:
        >>> pixels = torch.arange(6 * 4, dtype=torch.uint8).reshape(6, 1, 2, 2)
        >>> images = ClassImages(pixels, (3, 3), ("a", "b"), (0.0,), (1.0,))
        >>> episodes = ImageEpisodes("toy", images, {"train": (0, 1)}, ways=2, shots=1, queries=2)
        >>> episodes.draw("train", 0, 5).query_x.shape
        torch.Size([5, 4, 1, 2, 2])
    """

    name: str
    images: ClassImages
    splits: Mapping[SplitName, tuple[int, ...]]
    ways: int
    shots: int
    queries: int
    seed: int = 0
    rotations: Rotations = "none"

    def __post_init__(self) -> None:
        one_of("rotations", self.rotations, list(get_args(Rotations)))
        for what in ("ways", "shots", "queries"):
            if getattr(self, what) < 1:
                raise UserError(f"an episode needs {what} of at least 1, got {getattr(self, what)}.")
        height, width = self.input_shape[1:]
        if self.rotations != "none" and height != width:
            raise UserError(
                f"images of {self.name} are {width}x{height} pixels, and only square ones can be turned; choose "
                "rotations none."
            )
        turns = TURNS if self.rotations == "classes" else 1
        for split, classes in self.splits.items():
            if len(classes) * turns < self.ways:
                raise UserError(
                    f"{self.name} has {len(classes) * turns} classes in {split}, too few for {self.ways} ways; choose "
                    f"at most {len(classes) * turns} ways."
                )
            fewest = min(classes, key=lambda c: self.images.counts[c])
            if self.images.counts[fewest] < self.shots + self.queries:
                raise UserError(
                    f"class {shortened(self.images.names[fewest])} of {self.name} has {self.images.counts[fewest]} "
                    f"images, too few for {self.shots} shots and {self.queries} queries; choose fewer, or leave the "
                    "class out."
                )

    @property
    def kind(self) -> Kind:
        return "classification"

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.images.pixels.shape[1:])

    @property
    def num_outputs(self) -> int:
        return self.ways

    @property
    def device(self) -> torch.device:
        return self.images.pixels.device

    def draw(self, split: SplitName, step: int, num_tasks: int) -> Episode:
        """Draws the episodes of a step: images `[tasks, ways * shots, channels, height, width]` in float32.

        Raises:
            UserError: no such split, or a negative step, or no tasks.
        """
        chosen, turns = (part.to(self.device) for part in self.chosen(split, step, num_tasks))
        pixels = self.images.pixels[chosen]
        if self.rotations != "none":
            pixels = _turned(pixels, turns)
        values = scaled(pixels, self.images.mean, self.images.std)
        support, query = values[:, :, : self.shots], values[:, :, self.shots :]
        labels = torch.arange(self.ways, device=self.device)
        y, query_y = (
            labels.repeat_interleave(count).expand(num_tasks, -1).contiguous() for count in (self.shots, self.queries)
        )
        return Episode(support.flatten(1, 2), y, query.flatten(1, 2), query_y)

    def chosen(self, split: SplitName, step: int, num_tasks: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns which images a step's episodes hold, and how they are turned.

        Returns:
            Numbers of images `[tasks, ways, shots + queries]`, a class's support before its queries; and the turns of
            each class by 90 degrees against the clock, `[tasks, ways]`.
        """
        one_of("split", split, list(self.splits))
        if step < 0 or num_tasks < 1:
            raise UserError(f"episodes are drawn for a step from 0 and 1 or more tasks, got {step} and {num_tasks}.")
        seed = self.seed if split == "train" else LISTS_SEED
        classes, starts, counts = self._tables[split]
        numbers = step * num_tasks + torch.arange(num_tasks, device=self._drawing)[:, None]
        per_class = TURNS if self.rotations == "classes" else 1
        places = torch.arange(len(classes) * per_class, device=self._drawing)
        drawn = smallest(random_bits(seed, f"few-shot classes {split}", numbers, places), self.ways)
        rows = drawn // per_class
        if self.rotations == "drawn":
            turns = random_bits(seed, f"few-shot turns {split}", numbers, drawn) & (TURNS - 1)
        else:
            turns = drawn % per_class
        images = torch.arange(int(max(self.images.counts[c] for c in self.splits[split])), device=self._drawing)
        bits = random_bits(seed, f"few-shot images {split}", numbers[..., None], drawn[..., None], images)
        bits = torch.where(images < counts[rows][..., None], bits, LARGEST_BITS)
        return starts[rows][..., None] + smallest(bits, self.shots + self.queries), turns

    @property
    def _drawing(self) -> torch.device:
        """The device that draws: that of the images, but where it is Apple's, which lacks operations on int64."""
        return torch.device("cpu") if self.device.type == "mps" else self.device

    @cached_property
    def _tables(self) -> dict[SplitName, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Of each split: its classes, where their images begin, and how many there are."""
        counts = torch.tensor(self.images.counts, device=self._drawing)
        starts = torch.tensor([0, *accumulate(self.images.counts)][:-1], device=self._drawing)
        classes = {split: torch.tensor(numbers, device=self._drawing) for split, numbers in self.splits.items()}
        return {split: (numbers, starts[numbers], counts[numbers]) for split, numbers in classes.items()}


def scaled(pixels: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """Returns `(pixels / 255 - mean) / std` in float32, of bytes `[..., channels, height, width]`."""
    values = pixels.to(torch.float32).div_(255)
    if any(mean):
        values.sub_(torch.tensor(mean, device=pixels.device)[:, None, None])
    if set(std) != {1.0}:
        values.div_(torch.tensor(std, device=pixels.device)[:, None, None])
    return values


def standardised(images: ClassImages, classes: Sequence[int]) -> ClassImages:
    """Returns images whose mean and deviation are those of the pixels of some classes, each channel's own.

    A channel that is constant keeps the deviation 1.
    """
    starts = [0, *accumulate(images.counts)]
    rows = torch.cat([torch.arange(starts[c], starts[c + 1]) for c in classes])
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean, std = [], []
    for channel in range(images.pixels.shape[1]):
        shares = images.pixels[rows, channel].flatten().bincount(minlength=256).to(torch.float64)
        shares /= shares.sum()
        mean.append(float(shares @ levels))
        std.append(float(shares @ (levels - mean[-1]) ** 2) ** 0.5 or 1.0)
    return images._replace(mean=tuple(mean), std=tuple(std))


def _turned(pixels: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Turns images `[tasks, ways, n, channels, height, width]` by 90 degrees `turns` times, `[tasks, ways]`."""
    turns = turns[..., None, None, None, None]
    once = torch.where(turns % 2 == 1, pixels.rot90(1, (-2, -1)), pixels)
    return torch.where(turns >= 2, once.rot90(2, (-2, -1)), once)
