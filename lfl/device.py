"""Choice of the device to compute on, and settings of its memory and arithmetic."""

import ctypes
import sys

import torch

from .catalogue import DEVICES
from .errors import UserError, one_of


def resolve_device(name: str) -> torch.device:
    """The device called `name`; for `"auto"` the first available one of cuda, mps, cpu.

    Raises:
        UserError: an unknown name, or a device that is not available.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    one_of("device", name, list(DEVICES))
    if name == "auto":
        return torch.device(next(device for device, found in there.items() if found))
    if not there[name]:
        raise UserError(f"device {name} is not available to torch {torch.__version__}; choose --device auto or cpu.")
    return torch.device(name)


def set_precision(precision: str, device: torch.device) -> None:
    """Sets for this process how float32 matrix products and convolutions are computed on a GPU.

    Args:
        precision: `"float32"` computes them in full, also where torch's default would not (cuDNN's convolutions);
            `"tf32"` rounds their inputs to 10 bits; `"bfloat16"` changes nothing here, see `lfl.functional`.
        device: where the run will compute.

    Raises:
        UserError: tf32 on a device other than an NVIDIA GPU.
    """
    if precision == "tf32" and device.type != "cuda":
        raise UserError(
            f"--precision tf32 needs an NVIDIA GPU, but the run is on {device}; choose float32 or bfloat16."
        )
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"


def keep_freed_memory() -> None:
    """Makes this process keep the memory that it frees, for its next step, where glibc manages memory.

    glibc returns large blocks to the system at once, which must then clear the pages of the next step's blocks: a tenth
    of a convolutional step's time on the CPU. The peak does not change.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_max = -1, -4  # the numbers of these parameters in malloc.h
        libc.mallopt(trim_threshold, -1)  # -1: never give back
        libc.mallopt(mmap_max, 0)  # no block has a mapping of its own
