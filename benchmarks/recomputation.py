"""Peak memory and time of one step of a transformer of 100 million parameters, with and without recomputed blocks.

    python benchmarks/recomputation.py                       # every row that results/recomputation.csv lacks
    python benchmarks/recomputation.py --device cuda
    python benchmarks/recomputation.py --table               # the table of docs/cost.md, from the committed results

14 layers of width 768 with 12 heads, 256 characters, 100 million parameters; a batch of 2 windows of 768 characters,
random ones; the true-class loss. Each row is a process of its own: steps whose peak and median time are recorded, on a
GPU after one that is not counted. On the CPU the peak is resident memory, with freed blocks going back to the system at
once (as in `memory.py`); on a GPU it is the allocator's count. `growth_mb` is what the steps add to the memory in use
before them; `seconds` are the processor's on the CPU, which other processes lengthen less than a clock's, and a clock's
on a GPU. The plain step is `backward` and `torch.optim.SGD`; with recomputation it is torch.utils.checkpoint's.
"""

import argparse
import csv
import ctypes
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "recomputation.csv"
COLUMNS = [
    *("form", "horizon", "recompute", "peak_mb", "growth_mb", "seconds", "steps", "device", "threads", "torch"),
    *("layers", "width", "batch", "window"),
]
ROWS = [
    *(("plain", 1, False), ("plain", 1, True), ("mixed", 1, False), ("mixed", 1, True), ("base", 1, False)),
    *(("base", 1, True), ("mixed", 2, False), ("mixed", 2, True), ("unroll", 1, True), ("unroll", 1, False)),
]
"""Form, horizon, and whether blocks are recomputed."""

SECONDS = 30.0
"""Steps are repeated up to five times, as long as they take less than this together."""


def transformer(layers: int, width: int, window: int, characters: int = 256, *, checkpoint: bool = False) -> Any:
    """A transformer that predicts the next character at each place of a window, its layers in `blocks`."""
    import torch
    import torch.nn.functional as F
    from torch import nn
    from torch.utils.checkpoint import checkpoint as torch_checkpoint

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            heads = [t.unflatten(-1, (-1, 64)).transpose(1, 2) for t in self.qkv(self.norm1(x)).chunk(3, -1)]
            attended = F.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2).flatten(2)
            x = x + self.out(attended)
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.characters, self.places = nn.Embedding(characters, width), nn.Embedding(window, width)
            self.blocks = nn.ModuleList(Block() for _ in range(layers))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, characters)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            x = self.characters(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
            for block in self.blocks:
                x = torch_checkpoint(block, x, use_reentrant=False) if checkpoint else block(x)
            return self.head(self.norm(x)).flatten(0, 1)

    return Transformer()


def step_of(asked: argparse.Namespace, device: Any) -> Callable[[], None]:
    """Returns a call that takes one step."""
    import torch
    import torch.nn.functional as F
    from torch.nn.attention import SDPBackend, sdpa_kernel

    import lfl

    torch.manual_seed(0)
    sizes = asked.layers, asked.width, asked.window

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        ids = torch.randint(256, (asked.batch, asked.window + 1), device=device)
        return ids[:, :-1], ids[:, 1:].flatten()

    batches, valid = [batch() for _ in range(asked.horizon)], batch()
    if asked.form == "plain":
        module = transformer(*sizes, checkpoint=asked.recompute).to(device)
        optimiser = torch.optim.SGD(module.parameters(), 0.01)

        def call() -> None:
            with sdpa_kernel(SDPBackend.MATH):  # as lfl's steps
                for x, y in batches:
                    optimiser.zero_grad()
                    F.cross_entropy(module(x), y).backward()
                    optimiser.step()

        return call
    recompute = "auto" if asked.recompute else None
    theta, _, apply_fn = lfl.functional(transformer(*sizes).to(device), recompute=recompute)
    phi, loss_fn = lfl.true_class_loss("classification", generator=torch.Generator().manual_seed(0))
    phi = {name: t.to(device) for name, t in phi.items()}
    inner, outer = lfl.sgd(0.01), lfl.adam(1e-5)
    learns = asked.form != "base"
    carry = lfl.fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner, outer=outer if learns else None)
    common: dict[str, Any] = {"apply_fn": apply_fn, "task_loss": lfl.cross_entropy, "inner": inner}
    base = partial(lfl.base_step, loss=lfl.cross_entropy, **common)
    meta = partial(lfl.meta_step, loss_fn=loss_fn, outer=outer, hypergradient=asked.form, **common)

    def call() -> None:
        nonlocal theta, phi, carry
        if learns:
            theta, phi, carry, _ = meta(theta, phi, batches, valid, carry)
        else:
            theta, carry, _ = base(theta, batches[0], carry)

    return call


def child(asked: argparse.Namespace) -> None:
    """Prints the measurement of one row."""
    import torch
    from memory import resident

    torch.set_num_threads(asked.threads)
    device = torch.device(asked.device)
    cuda = device.type == "cuda"
    call = step_of(asked, device)
    if cuda:  # whose first step compiles kernels
        call()
    gc.collect()
    if cuda:
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated() / 2**20
        torch.cuda.reset_peak_memory_stats()
    else:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    clock = time.perf_counter if cuda else time.process_time
    times: list[float] = []
    while not times or (len(times) < 5 and sum(times) + times[-1] < SECONDS):
        begin = clock()
        call()
        if cuda:
            torch.cuda.synchronize()
        times.append(clock() - begin)
    peak = torch.cuda.max_memory_allocated() / 2**20 if cuda else resident("VmHWM")
    name = torch.cuda.get_device_name(device) if cuda else "cpu"
    print(round(peak), round(peak - before), round(statistics.median(times), 3), len(times), torch.__version__, name)


def in_a_process(asked: argparse.Namespace, form: str, horizon: int, recompute: bool) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", "--form", form, "--horizon", str(horizon)]
    command += ["--recompute"] if recompute else []
    for name in ("layers", "width", "batch", "window", "threads", "device"):
        command += [f"--{name}", str(getattr(asked, name))]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
    found = done.stdout.strip().splitlines()[-1].split(maxsplit=5) if done.returncode == 0 else [""] * 6
    return dict(zip(["peak_mb", "growth_mb", "seconds", "steps", "torch", "device"], found, strict=True))


def rows() -> list[dict[str, str]]:
    if not RESULTS.is_file():
        return []
    with RESULTS.open() as file:
        return list(csv.DictReader(file))


def table() -> str:
    lines = ["| step | peak memory, MB | of it the step's own | seconds | over the plain step |", "| --- " * 5 + "|"]
    for device in dict.fromkeys(row["device"] for row in rows()):
        of_device = [row for row in rows() if row["device"] == device]
        plain = next(row for row in of_device if row["form"] == "plain" and row["recompute"] == "False")
        for row in of_device:
            name = row["form"] + (f", K = {row['horizon']}" if row["horizon"] != "1" else "")
            name += ", recomputed" if row["recompute"] == "True" else ""
            name += "" if device == "cpu" else f", {device}"
            if not row["peak_mb"]:
                lines.append(f"| {name} | out of memory | | | |")
                continue
            memory, times = (float(row[key]) / float(plain[key]) for key in ("peak_mb", "seconds"))
            lines.append(
                f"| {name} | {row['peak_mb']} | {row['growth_mb']} | {float(row['seconds']):.1f} | "
                f"memory {memory:.2f}, time {times:.2f} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=14)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--window", type=int, default=768)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, default=len(ROWS), help="so many of the rows; the last needs most memory")
    parser.add_argument("--table", action="store_true")
    for hidden in ("--child", "--recompute"):
        parser.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--form", help=argparse.SUPPRESS)
    parser.add_argument("--horizon", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.table:
        print(table())
        return
    if asked.child:
        child(asked)
        return
    sizes = {name: str(getattr(asked, name)) for name in ("layers", "width", "batch", "window", "threads")}
    for form, horizon, recompute in ROWS[: asked.rows]:
        key = {"form": form, "horizon": str(horizon), "recompute": str(recompute)} | sizes
        on_cpu = asked.device == "cpu"
        if any(key.items() <= row.items() and (row["device"] == "cpu") == on_cpu for row in rows()):
            continue
        row = key | in_a_process(asked, form, horizon, recompute)
        row["device"] = row["device"] or asked.device
        print(row, flush=True)
        found = [*rows(), row]
        with RESULTS.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)


if __name__ == "__main__":
    main()
