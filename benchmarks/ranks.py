"""Steps of two processes of one core each against one process of one core: time, and what goes between them.

    python benchmarks/ranks.py mlp lenet5 allcnnc deep
    python benchmarks/ranks.py --tables              # those of docs/distributed.md, from the committed results

Two processes with gloo on the loopback device, each pinned to a core. In turns, so that all see the same machine: a
step of one process alone on a batch; of both on the same batch (strong scaling); of both on a batch of twice the size
(weak scaling); each with gradients in buckets that are on their way while the rest is computed, and as one tensor after
it. `base` is `lfl.base_step`, `meta` is `lfl.meta_step`. Random data of the true shapes; `deep` is an MLP of 9 layers
of 1,500 units, whose gradient is large and quick to compute. Writes `results/ranks.csv`: median, quartiles and least
time in milliseconds, all-reduces and megabytes of a step, and the load of the machine, which others use too.
"""

import argparse
import csv
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "ranks.csv"
MODELS = ["mlp", "lenet5", "allcnnc", "deep"]
BATCH = {"mlp": 64, "lenet5": 64, "allcnnc": 8, "deep": 64}
COLUMNS = ["model", "parameters", "step", "processes", "batch_size", "gradients", "median_ms", "low_ms", "high_ms"]
COLUMNS += ["least_ms", "repetitions", "all_reduces", "megabytes", "load", "torch", "machine"]
ONE, BUCKETS, AFTER = "of one process", "in buckets, overlapped", "as one, afterwards"
WAYS = [(1, 1, ONE), (2, 1, BUCKETS), (2, 1, AFTER), (2, 2, BUCKETS), (2, 2, AFTER)]
"""Processes, how many times the batch, how gradients are averaged."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(MODELS))
    parser.add_argument("--seconds", type=float, default=40.0, help="time spent on each model")
    parser.add_argument("--tables", action="store_true")
    asked = parser.parse_args()
    if asked.tables:
        print(tables(read()))
        return
    for model in asked.models or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            context = multiprocessing.get_context("spawn")
            arguments = Path(folder), model, asked.seconds
            processes = [context.Process(target=measure, args=(rank, *arguments)) for rank in range(2)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
            if any(process.exitcode for process in processes):
                sys.exit(f"a process failed at {model}")


def measure(rank: int, folder: Path, model: str, seconds: float) -> None:
    """One of the two processes; the first one writes."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    import torch
    import torch.distributed as dist

    import lfl
    from lfl.device import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    groups = {ONE: None, BUCKETS: lfl.Ranks(), AFTER: lfl.Ranks(bucket_mb=1e6)}
    calls, count = steps_of(model, groups)
    times: dict[Any, list[float]] = {way: [] for way in calls}
    sizes: dict[Any, list[int]] = {}
    for way, call in calls.items():
        if rank == 0 or way[1] == 2:
            call()
            sizes[way] = sizes_of(call)
    end = time.monotonic() + seconds
    going = torch.ones(1)
    while going:
        for way, call in calls.items():
            dist.barrier()
            began = time.perf_counter()
            if rank == 0 or way[1] == 2:
                call()
                times[way].append(1e3 * (time.perf_counter() - began))
        going.fill_(float(time.monotonic() < end or len(times[next(iter(calls))]) < 5))
        dist.broadcast(going, 0)
    if rank == 0:
        rows = [row for row in read() if row["model"] != model]
        for (step, processes, batch_size, gradients), found in times.items():
            low, median, high = statistics.quantiles(found, n=4)
            sent = sizes[step, processes, batch_size, gradients]
            rows.append(
                {"model": model, "parameters": count, "step": step, "processes": processes, "batch_size": batch_size}
                | {"gradients": gradients, "median_ms": f"{median:.2f}", "low_ms": f"{low:.2f}"}
                | {
                    "high_ms": f"{high:.2f}",
                    "least_ms": f"{min(found):.2f}",
                    "repetitions": len(found),
                    "all_reduces": len(sent),
                }
                | {"megabytes": f"{sum(sent) / 1e6:.3f}", "load": f"{os.getloadavg()[0]:.1f}"}
                | {"torch": torch.__version__, "machine": f"{os.cpu_count()} cores, {platform.machine()}, shared"}
            )
        rows.sort(key=lambda row: MODELS.index(row["model"]))
        with RESULTS.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    dist.destroy_process_group()


def steps_of(model: str, groups: dict[str, Any]) -> tuple[dict[Any, Callable[[], Any]], int]:
    """The calls to time, and the number of parameters."""
    import torch
    from torch import nn

    import lfl
    from lfl.model import build_model

    torch.manual_seed(0)
    shape = {"mlp": (1, 28, 28), "lenet5": (1, 28, 28), "allcnnc": (3, 32, 32), "deep": (64,)}[model]
    if model == "deep":
        hidden = [part for _ in range(8) for part in (nn.Linear(1500, 1500), nn.ReLU())]
        module: nn.Module = nn.Sequential(nn.Linear(64, 1500), nn.ReLU(), *hidden, nn.Linear(1500, 10))
    else:
        module = build_model(model, shape, 10)
    theta, _, apply_fn = lfl.functional(module)
    source = torch.Generator().manual_seed(0)
    phi, loss_fn = lfl.loss_network("classification", generator=source)
    inner, outer = lfl.sgd(0.01, momentum=0.9), lfl.adam(1e-5)
    carry = lfl.fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner, outer=outer)
    most = 2 * BATCH[model]
    x, y = torch.randn(most, *shape, generator=source), torch.randint(10, (most,), generator=source)
    shared: dict[str, Any] = {"apply_fn": apply_fn, "task_loss": lfl.cross_entropy, "inner": inner}
    calls: dict[Any, Callable[[], Any]] = {}
    for processes, times, gradients in WAYS:
        batch_size = times * BATCH[model]
        batch, group = (x[:batch_size], y[:batch_size]), groups[gradients]
        calls["base", processes, batch_size, gradients] = lambda batch=batch, group=group: lfl.base_step(
            theta, batch, carry, **shared, loss=lfl.cross_entropy, group=group
        )
        calls["meta", processes, batch_size, gradients] = lambda batch=batch, group=group: lfl.meta_step(
            theta, phi, batch, batch, carry, **shared, loss_fn=loss_fn, outer=outer, hypergradient="mixed", group=group
        )
    return calls, sum(t.numel() for t in theta.values())


def sizes_of(call: Callable[[], Any]) -> list[int]:
    """The bytes of each all-reduce of a step."""
    import torch.distributed as dist

    sizes: list[int] = []
    real = dist.all_reduce

    def counting(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        sizes.append(tensor.numel() * tensor.element_size())
        return real(tensor, *args, **kwargs)

    dist.all_reduce = counting
    try:
        call()
    finally:
        dist.all_reduce = real
    return sizes


def read() -> list[dict[str, Any]]:
    if not RESULTS.is_file():
        return []
    with RESULTS.open(newline="") as file:
        return list(csv.DictReader(file))


def tables(rows: list[dict[str, Any]]) -> str:
    """The page's table: a row for each model and step, all relative to one process."""
    lines = [
        "| model, step | parameters | one process, ms | strong, overlapped | strong, afterwards | weak, overlapped "
        "| weak, afterwards | all-reduces, MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for model in MODELS:
        for step in ("base", "meta"):
            own = {
                (int(row["processes"]), int(row["batch_size"]) // BATCH[model], row["gradients"]): row
                for row in rows
                if row["model"] == model and row["step"] == step
            }
            if not own:
                continue
            alone, sent = own[WAYS[0]], own[WAYS[1]]
            speeds = []
            for way in WAYS[1:]:
                median, least = (way[1] * float(alone[ms]) / float(own[way][ms]) for ms in ("median_ms", "least_ms"))
                speeds.append(f"{median:.2f} ({least:.2f})")
            spread = f"{float(alone['median_ms']):.3g} ({float(alone['low_ms']):.3g} to {float(alone['high_ms']):.3g})"
            cells = [f"{model}, batch {BATCH[model]}, {step}", f"{int(alone['parameters']):,}", spread, *speeds]
            cells.append(f"{sent['all_reduces']}, {float(sent['megabytes']):.3g}")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
