"""Peak memory of one form of the step, in a process of its own: how much the steps add to it.

    python benchmarks/memory.py allcnnc mixed --horizon 1

Prints two numbers in megabytes: the peak, and how far it lies above the memory in use before the steps. On the CPU
this is the process's resident memory while three steps run (one where K > 1), after a warm-up; allocations beyond
64 KiB go back to the system when they are freed (set in the environment by `measure`), so that the peak counts only
memory in use. On a GPU it is the allocator's count.
"""

import argparse
import ctypes
import gc
import os
import re
import subprocess
import sys
from pathlib import Path


def measure(
    model: str, form: str, *, horizon: int = 1, batch_size: int = 0, threads: int, device: str
) -> dict[str, float | None]:
    """Runs this file as a process; returns None where the form fails (out of memory)."""
    command = [sys.executable, __file__, model, form, "--horizon", str(horizon), "--threads", str(threads)]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command += ["--batch-size", str(batch_size), "--device", device]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    peak, growth = map(float, done.stdout.split()[-2:]) if done.returncode == 0 else (None, None)
    return {"peak_mb": peak, "growth_mb": growth}


def resident(field: str) -> float:
    kilobytes = re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(kilobytes[1]) / 1024 if kilobytes else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("form")
    parser.add_argument("--horizon", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=0, help="0 for the model's usual one")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()

    import torch
    from forms import FORMS, setup

    torch.set_num_threads(asked.threads)
    device = torch.device(asked.device)
    s = setup(asked.model, device, batch_size=asked.batch_size or None)
    call = FORMS[asked.form](s)
    batches, valid = [s.batch() for _ in range(asked.horizon)], s.batch()
    call(batches, valid)
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    else:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    for _ in range(3 if asked.horizon == 1 else 1):
        call(batches, valid)
    if device.type == "cuda":
        peak, before = torch.cuda.max_memory_allocated() / 2**20, before / 2**20
    else:
        peak = resident("VmHWM")
    print(round(peak, 1), round(peak - before, 1))


if __name__ == "__main__":
    main()
