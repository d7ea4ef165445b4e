"""Requirements of architectures: images as inputs, and torchvision."""

from typing import Any

from ..errors import UserError


def needs_images(model: str, input_shape: tuple[int, ...], *, least: int = 1) -> None:
    """Raises `UserError` unless inputs are images `[channels, height, width]` of at least `least` x `least` pixels."""
    if len(input_shape) != 3 or min(input_shape[1:]) < least:
        raise UserError(
            f"{model} needs images [channels, height, width] of at least {least}x{least} pixels, got inputs "
            f"{list(input_shape)}; choose --model mlp or logistic."
        )


def torchvision_models(model: str) -> Any:
    """Imports `torchvision.models`; raises `UserError` if it cannot be imported."""
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:
        raise UserError(f"{model} needs torchvision, which cannot be imported ({error}); install it.") from error
    return models
