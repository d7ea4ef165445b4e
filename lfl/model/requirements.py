"""What architectures ask of their input and of the installation."""

from typing import Any

from ..errors import UserError


def needs_images(model: str, input_shape: tuple[int, ...], *, least: int = 1) -> None:
    """Raise `UserError` unless inputs are `[channels, height, width]` of at least `least` pixels each way."""
    if len(input_shape) != 3 or min(input_shape[1:]) < least:
        raise UserError(
            f"{model} needs images [channels, height, width] of at least {least}x{least} pixels, but inputs here are "
            f"{list(input_shape)}; choose --model mlp or logistic."
        )


def torchvision_models(model: str) -> Any:
    """`torchvision.models`; `UserError` where it does not import."""
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:
        raise UserError(f"{model} needs torchvision, which does not import ({error}); install it.") from error
    return models
