"""VGG-16 in its CIFAR form: configuration D of Simonyan and Zisserman (2015), with batch norm and one linear layer."""

from torch import nn

from .requirements import needs_images

STAGES = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]
"""Output channels and number of 3x3 convolutions of each stage; 2x2 max pooling follows each."""


def vgg16(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """Builds thirteen 3x3 convolutions with batch norm and ReLU, then a linear layer.

    On 32x32 pixels the last stage leaves one position, so that one linear layer replaces the three large ones of the
    ImageNet form: 14,728,266 parameters for colour images of 10 classes.

    Raises:
        UserError: the input is not an image of at least 32x32 pixels.
    """
    needs_images("vgg16", input_shape, least=32)
    layers: list[nn.Module] = []
    channels = input_shape[0]
    for width, depth in STAGES:
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_outputs))
