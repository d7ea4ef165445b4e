"""SqueezeNet 1.0 in its CIFAR form (Iandola et al. 2016): torchvision's network with a 3x3 first layer of stride 1."""

from torch import nn

from .requirements import needs_images, torchvision_models


def squeezenet(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """Builds eight fire modules between two convolutions, with dropout before the last.

    A fire module squeezes channels by 1x1 convolutions, then expands them by 1x1 and 3x3 ones in parallel. It has
    729,034 parameters for colour images of 10 classes.

    Raises:
        UserError: the input is not an image of at least 16x16 pixels, or torchvision cannot be imported.
    """
    needs_images("squeezenet", input_shape, least=16)
    network: nn.Module = torchvision_models("squeezenet").squeezenet1_0(num_classes=num_outputs)
    network.set_submodule("features.0", nn.Conv2d(input_shape[0], 96, 3, padding=1))
    return network
