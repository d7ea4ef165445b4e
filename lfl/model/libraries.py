"""Models of timm and torchvision, by name: `timm:NAME`, `torchvision:NAME`, with random weights.

These packages' own builders make them, for images of the task's channels and size, with an output for each class. A
name is looked up in the package's list alone: nothing is downloaded, and no code outside of the package runs.
"""

import difflib
from typing import Any

import torch
from torch import nn

from ..catalogue import MODEL_LIBRARIES
from ..errors import UserError, missing_package, reason
from .requirements import needs_images

AUXILIARY = {"googlenet", "inception_v3"}
"""Networks of torchvision with further outputs in training, which are left out."""


def is_library(name: str) -> bool:
    """Whether a model's name has the form `timm:NAME` or `torchvision:NAME`."""
    return ":" in name and name.partition(":")[0] in MODEL_LIBRARIES


def library_model(name: str, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """Builds a model of timm or torchvision for images, without pretrained weights.

    timm builds its first layer for the number of channels; in torchvision's networks the first convolution is replaced
    where images have other than three. Where timm's networks are made for one size of image (vision transformers), it
    is that of the task.

    Args:
        name: `timm:NAME` (`timm.list_models()`), or `torchvision:NAME` of an image classifier
            (`torchvision.models.list_models(torchvision.models)`).
        input_shape: `(channels, height, width)`.
        num_outputs: classes, or width of the targets.

    Raises:
        MissingPackage: the package is not installed.
        UserError: it has no such network, inputs are not images, or are too small for it.

    Example:
        >>> library_model("torchvision:squeezenet1_1", (1, 32, 32), 10)(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 10])
    """
    needs_images(name, input_shape)
    package, _, own = name.partition(":")
    module: nn.Module = _BUILDERS[package](name, own, input_shape, num_outputs)
    _check_inputs(name, module, input_shape, num_outputs)
    return module


def _of_timm(name: str, own: str, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    try:
        import timm
    except ModuleNotFoundError as error:
        raise missing_package(f"model {name}", error) from error
    _check_name(name, own, timm.list_models())
    sizes: dict[str, Any] = {"num_classes": num_outputs, "in_chans": input_shape[0]}
    try:
        fixed: nn.Module = timm.create_model(own, pretrained=False, img_size=input_shape[1:], **sizes)
        return fixed
    except TypeError:  # convolutional networks take any size, and no such argument
        pass
    except (AssertionError, RuntimeError, ValueError, ZeroDivisionError) as error:
        raise _does_not_fit(name, input_shape, reason(error)) from error
    module: nn.Module = timm.create_model(own, pretrained=False, **sizes)
    return module


def _of_torchvision(name: str, own: str, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    try:
        from torchvision import models
    except ModuleNotFoundError as error:
        raise missing_package(f"model {name}", error) from error
    except (ImportError, RuntimeError) as error:  # built for another torch
        raise UserError(f"{name} needs torchvision, which cannot be imported ({error}); install it.") from error
    _check_name(name, own, models.list_models(module=models))
    more: dict[str, Any] = {"aux_logits": False, "init_weights": True} if own in AUXILIARY else {}
    if own.startswith("vit_"):  # the others take any size
        if input_shape[1] != input_shape[2]:
            raise _does_not_fit(name, input_shape, "it takes squares")
        more["image_size"] = input_shape[1]
    try:
        module: nn.Module = models.get_model(own, num_classes=num_outputs, **more)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise _does_not_fit(name, input_shape, reason(error)) from error
    if input_shape[0] != 3:
        first, layer = next((n, m) for n, m in module.named_modules() if isinstance(m, nn.Conv2d))
        module.set_submodule(
            first,
            nn.Conv2d(
                input_shape[0],
                layer.out_channels,
                layer.kernel_size,  # type: ignore[arg-type]
                layer.stride,  # type: ignore[arg-type]
                layer.padding,  # type: ignore[arg-type]
                bias=layer.bias is not None,
            ),
        )
    return module


_BUILDERS = {"timm": _of_timm, "torchvision": _of_torchvision}


def _check_name(name: str, own: str, known: list[str]) -> None:
    if own not in known:
        near = difflib.get_close_matches(own, known, n=3, cutoff=0.4)
        hint = f"; did you mean {', '.join(near)}?" if near else "."
        raise UserError(f"{name.partition(':')[0]} has no image classifier {own!r}{hint}")


@torch.no_grad()
def _check_inputs(name: str, module: nn.Module, input_shape: tuple[int, ...], num_outputs: int) -> None:
    """Runs the network once on two black images, since it has no other way to say which sizes it takes."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        outputs = module.eval()(torch.zeros(2, *input_shape))
    except (AssertionError, RuntimeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise _does_not_fit(name, input_shape, reason(error)) from error
    finally:
        for part, training in modes:
            part.training = training
    if not isinstance(outputs, torch.Tensor) or outputs.shape != (2, num_outputs):
        raise UserError(f"{name} is no classifier with one output for each class; choose another network.")


def _does_not_fit(name: str, input_shape: tuple[int, ...], why: str) -> UserError:
    return UserError(
        f"{name} cannot be built for inputs {list(input_shape)} ({why}); give larger images, or choose a network for "
        "small ones, such as --model resnet18."
    )
