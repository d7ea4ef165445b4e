"""ResNet-18 in its CIFAR form (He et al. 2016): torchvision's network with a 3x3 first layer and no first pooling."""

from torch import nn

from .requirements import needs_images, torchvision_models


def resnet18(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """Builds four stages of two residual blocks, of 64 to 512 channels; 11,173,962 parameters for 10 classes.

    Raises:
        UserError: the input is not an image, or torchvision cannot be imported.
    """
    needs_images("resnet18", input_shape)
    network: nn.Module = torchvision_models("resnet18").resnet18(num_classes=num_outputs)
    network.conv1 = nn.Conv2d(input_shape[0], 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network
