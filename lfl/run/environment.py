"""What a run ran on."""

import platform
from typing import Any

import numpy as np
import torch

from ..version import VERSION


def environment(device: torch.device) -> dict[str, Any]:
    """Device, threads and versions, for `config.json`."""
    on_gpu = device.type == "cuda"
    return {
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if on_gpu else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "versions": {
            "lfl": VERSION,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }
