"""Which device to compute on, and how its memory and arithmetic are used."""

import ctypes
import sys

import torch

from .choices import DEVICES
from .errors import UserError, one_of


def resolve_device(name: str) -> torch.device:
    """Returns the device called `name`; for `"auto"` the first that is there of cuda, mps, cpu.

    Args:
        name: one of `DEVICES`, or `"cuda:1"` for the second of several GPUs.

    Raises:
        UserError: an unknown name, or a device that is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    kind, _, number = name.partition(":")
    numbered = kind == "cuda" and number.isdecimal()
    one_of("device", kind if numbered else name, list(DEVICES))
    if name == "auto":
        return torch.device(next(device for device, found in there.items() if found))
    if not there[kind]:
        raise UserError(f"device {name} is not available to torch {torch.__version__}; choose --device auto or cpu.")
    if numbered and int(number) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise UserError(f"device {name} is not there: this machine has cuda:0 to cuda:{last}; choose one of these.")
    return torch.device(name)


def set_precision(precision: str, device: torch.device) -> None:
    """Say for this process how matrix products and convolutions of float32 are computed on a GPU.

    Args:
        precision: `"float32"` computes them in full, also where torch's default would not (cuDNN's convolutions);
            `"tf32"` rounds their inputs to 10 bits; `"bfloat16"` is the model's own affair (`lfl.functional`).
        device: where the run will compute.

    Raises:
        UserError: tf32 on a device that does not have it.
    """
    if precision == "tf32" and device.type != "cuda":
        raise UserError(f"--precision tf32 is an NVIDIA GPU's, but the run is on {device}; choose float32 or bfloat16.")
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"


def keep_freed_memory() -> None:
    """Have this process keep the memory that it frees, for its next step, where glibc manages it.

    glibc gives large blocks back to the system at once, which must then clear the pages of the next step's: a tenth
    of a convolutional step's time on the CPU. The peak stays as it was.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_max = -1, -4  # the numbers of these parameters in malloc.h
        libc.mallopt(trim_threshold, -1)  # -1: never give back
        libc.mallopt(mmap_max, 0)  # no block has a mapping of its own
