"""All-CNN-C (Springenberg et al. 2015, Table 1) with batch norm after each convolution."""

from torch import nn

from .requirements import needs_images

LAYERS = [  # output channels, kernel, stride, padding
    (96, 3, 1, 1),
    (96, 3, 1, 1),
    (96, 3, 2, 1),
    (192, 3, 1, 1),
    (192, 3, 1, 1),
    (192, 3, 2, 1),
    (192, 3, 1, 0),
    (192, 1, 1, 0),
]


def allcnnc(input_shape: tuple[int, ...], num_outputs: int, *, batch_norm: bool = True) -> nn.Module:
    """Builds nine convolutions with ReLU, the last with a channel for each class, then the mean over positions.

    On colour images of 10 classes it has the published 1,369,738 parameters without batch norm. Batch norm adds 2,516
    and removes the 1,258 biases before it.

    Raises:
        UserError: the input is not an image of at least 12x12 pixels.
    """
    needs_images("allcnnc", input_shape, least=12)
    layers: list[nn.Module] = []
    channels = input_shape[0]
    for width, kernel, stride, padding in [*LAYERS, (num_outputs, 1, 1, 0)]:
        layers.append(nn.Conv2d(channels, width, kernel, stride, padding, bias=not batch_norm))
        layers += [nn.BatchNorm2d(width), nn.ReLU()] if batch_norm else [nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
