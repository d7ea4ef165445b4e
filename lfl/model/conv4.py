"""The four convolutions of few-shot learning (Vinyals et al. 2016; with strides, Finn et al. 2017)."""

from torch import nn

from .requirements import needs_images

WIDTH = 64


def conv4(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """Builds four convolutions 3x3x64 of stride 2 with batch norm and ReLU, a mean over the pixels, a linear head.

    Made for Omniglot's 28x28 pixels. Published with biases of the convolutions, 112,261 parameters for five classes;
    batch norm would cancel them, so that here are 112,005. Weights start as torch draws them, smaller than the
    published ones (Glorot's, and N(0, 1) in the head), with which MAML learns more slowly at first.

    Raises:
        UserError: the input is not an image.
    """
    needs_images("conv4", input_shape)
    layers: list[nn.Module] = []
    for channels in (input_shape[0], *[WIDTH] * 3):
        layers += [_convolution(channels, stride=2), nn.BatchNorm2d(WIDTH), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTH, num_outputs))


def conv4_pool(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """Builds four convolutions 3x3x64 with batch norm, ReLU and max-pooling by 2, and a linear head on all pixels.

    Made for larger pictures: 84x84 pixels leave 5x5 for the head.

    Raises:
        UserError: the input is not an image of at least 16x16 pixels.
    """
    needs_images("conv4-pool", input_shape, least=16)
    layers: list[nn.Module] = []
    for channels in (input_shape[0], *[WIDTH] * 3):
        layers += [_convolution(channels), nn.BatchNorm2d(WIDTH), nn.ReLU(), nn.MaxPool2d(2)]
    height, width = (size // 16 for size in input_shape[1:])
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(WIDTH * height * width, num_outputs))


def _convolution(channels: int, stride: int = 1) -> nn.Module:
    return nn.Conv2d(channels, WIDTH, 3, stride=stride, padding=1, bias=False)
