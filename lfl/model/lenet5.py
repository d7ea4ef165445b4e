"""LeNet-5 (LeCun et al. 1998): tanh, average pooling, no padding; 44,426 parameters on 28x28 pixels."""

from torch import nn

from .requirements import needs_images


def lenet5(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """Builds two convolutions with average pooling, then layers of 120, 84 and `num_outputs` units.

    Raises:
        UserError: the input is not an image of at least 16x16 pixels.
    """
    needs_images("lenet5", input_shape, least=16)
    channels, *pixels = input_shape
    height, width = (((size - 4) // 2 - 4) // 2 for size in pixels)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * height * width, 120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, num_outputs),
    )
