"""Wide residual networks (Zagoruyko and Komodakis 2016), with pre-activation blocks of two 3x3 convolutions."""

import torch
import torch.nn.functional as F
from torch import nn

from .requirements import needs_images


class Block(nn.Module):
    """Batch norm, ReLU and 3x3 convolution, twice; added to the input, or to its 1x1 convolution if shapes differ."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(channels, width, 1, stride, bias=False) if channels != width or stride > 1 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        active = F.relu(self.norm1(x))
        y: torch.Tensor = self.conv2(F.relu(self.norm2(self.conv1(active))))
        return y + (x if self.shortcut is None else self.shortcut(active))


def wide_resnet(
    input_shape: tuple[int, ...], num_outputs: int, *, depth: int, widen: int, name: str = "wide_resnet"
) -> nn.Module:
    """Builds WRN-depth-widen: three groups of (depth - 4) / 6 blocks, of 16, 32 and 64 channels times `widen`.

    WRN-28-10 has 36.5 million parameters, WRN-16-8 11.0 million. Without the paper's optional dropout.

    Raises:
        UserError: the input is not an image of at least 8x8 pixels.
    """
    needs_images(name, input_shape, least=8)
    layers: list[nn.Module] = [nn.Conv2d(input_shape[0], 16, 3, padding=1, bias=False)]
    channels = 16
    for width, stride in ((16 * widen, 1), (32 * widen, 2), (64 * widen, 2)):
        for i in range((depth - 4) // 6):
            layers.append(Block(channels, width, stride if i == 0 else 1))
            channels = width
    layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(channels, num_outputs))


def wrn28_10(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """Builds WRN-28-10, 28 layers and ten times as wide: the network of Raymond et al. (2025) for CIFAR-100."""
    return wide_resnet(input_shape, num_outputs, depth=28, widen=10, name="wrn28-10")


def wrn16_8(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """Builds WRN-16-8, 16 layers and eight times as wide: the network of Raymond et al. (2025) for SVHN."""
    return wide_resnet(input_shape, num_outputs, depth=16, widen=8, name="wrn16-8")
