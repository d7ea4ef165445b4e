"""Random crops and flips of a batch of images, taken in one gather from images that were padded once."""

from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F

from .stored import Stored


class Augmentation(NamedTuple):
    """The augmentation of train images: random crops of padded images, and flips.

    Args:
        padded: all train images with a margin, `[n, channels, height + 2 pad, width + 2 pad]`, or `Stored`.
        pad: the margin's width.
        flip: whether each image is mirrored with probability one half.
    """

    padded: torch.Tensor | Stored
    pad: int
    flip: bool

    @property
    def images(self) -> torch.Tensor | Stored:
        """The images without their margin, as a view."""
        inside = partial(_inside, self.pad)
        return self.padded.then(inside) if isinstance(self.padded, Stored) else inside(self.padded)

    def to(self, device: torch.device) -> "Augmentation":
        """Moves the padded images to `device`."""
        return self._replace(padded=self.padded.to(device))


class Draws(NamedTuple):
    """Random draws for a batch, each `[batch]`: the first row and column of a window, and whether it is mirrored."""

    rows: torch.Tensor
    columns: torch.Tensor
    mirrored: torch.Tensor


def augmentation_of(images: torch.Tensor | Stored, *, pad: int, fill: torch.Tensor, flip: bool = True) -> Augmentation:
    """Pads images `[n, channels, height, width]` by `pad` pixels of the colour `fill`, `[channels, 1, 1]`."""
    padded = partial(_padded, pad, fill)
    return Augmentation(images.then(padded) if isinstance(images, Stored) else padded(images), pad, flip)


def _padded(pad: int, fill: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    # F.pad takes one value for all channels, and the fill has one for each: shift it to zero first.
    return F.pad(images - fill, (pad, pad, pad, pad)) + fill


def _inside(pad: int, padded: torch.Tensor) -> torch.Tensor:
    inner = slice(pad, -pad or None)
    return padded[:, :, inner, inner]


def draw_crops(augmentation: Augmentation, size: int, generator: torch.Generator) -> Draws:
    """Draws windows and flips for a batch of `size` images; each window is equally likely."""
    rows, columns = (torch.randint(2 * augmentation.pad + 1, (size,), generator=generator) for _ in range(2))
    mirrored = torch.rand(size, generator=generator) < 0.5 if augmentation.flip else torch.zeros(size, dtype=torch.bool)
    return Draws(rows, columns, mirrored)


def crop_and_flip(augmentation: Augmentation, chosen: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Cuts and mirrors the chosen images.

    Args:
        augmentation: the padded images, in memory.
        chosen: indices of the images in the batch, `[batch]`.
        draws: from `draw_crops`, on the device of the images.

    Returns:
        `[batch, channels, height, width]`: a window of each padded image, mirrored where `draws` say so.

    Example:
        >>> image = torch.arange(4.0).reshape(1, 1, 2, 2)
        >>> augmentation = augmentation_of(image, pad=1, fill=torch.zeros(1, 1, 1))
        >>> draws = Draws(torch.tensor([1]), torch.tensor([0]), torch.tensor([True]))
        >>> crop_and_flip(augmentation, torch.tensor([0]), draws)
        tensor([[[[0., 0.],
                  [2., 0.]]]])
    """
    padded, margin = augmentation.padded, 2 * augmentation.pad
    assert isinstance(padded, torch.Tensor)
    height, width = padded.shape[-2] - margin, padded.shape[-1] - margin
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    cut = windows[chosen, :, draws.rows, draws.columns]
    mirrored = draws.mirrored.nonzero()[:, 0]
    return cut.index_copy_(0, mirrored, cut.index_select(0, mirrored).flip(-1))
