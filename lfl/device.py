"""Which device to compute on."""

import torch

from .errors import UserError, one_of

DEVICES = ["auto", "cpu", "cuda", "mps"]


def resolve_device(name: str) -> torch.device:
    """The device called `name`; for `"auto"` the first that is there of cuda, mps, cpu.

    Raises:
        UserError: an unknown name, or a device that is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    one_of("device", name, DEVICES)
    if name == "auto":
        return torch.device(next(device for device, found in there.items() if found))
    if not there[name]:
        raise UserError(f"device {name} is not there for torch {torch.__version__}; choose --device auto or cpu.")
    return torch.device(name)
