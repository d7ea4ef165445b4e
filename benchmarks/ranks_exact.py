"""A whole run of the digits in double precision, on two and on four processes, against one.

    python benchmarks/ranks_exact.py                     # the defaults: 500 offline steps, 1,000 steps
    python benchmarks/ranks_exact.py --steps 100 --offline-steps 50

AdaLFL, the default MLP, all that `lfl train` does: offline steps, steps, checkpoints, evaluation, the run folder; every
number of it is a double. Writes `results/ranks-exact.json`: for two and for four processes the largest difference of
theta, of phi and of the metrics from those of one process, relative to the largest number of each tensor or column.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "ranks-exact.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--offline-steps", type=int, default=500)
    asked = parser.parse_args()

    import torch

    from lfl.run.schema import environment

    context, seconds = multiprocessing.get_context("spawn"), {}
    with tempfile.TemporaryDirectory() as scratch:
        for size in (1, 2, 4):
            began = time.time()
            arguments = size, Path(scratch), {"steps": asked.steps, "offline_steps": asked.offline_steps}
            processes = [context.Process(target=train, args=(rank, *arguments)) for rank in range(size)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
            if any(process.exitcode for process in processes):
                raise SystemExit(f"a run on {size} processes failed")
            seconds[size] = round(time.time() - began)
            print(size, "processes,", seconds[size], "s", flush=True)
        found = {f"{size} processes": differences(Path(scratch), size) for size in (2, 4)}
    content = {"steps": asked.steps, "offline_steps": asked.offline_steps, "differences": found, "seconds": seconds}
    RESULTS.write_text(json.dumps(content | {"environment": environment(torch.device("cpu"))}, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def train(rank: int, size: int, scratch: Path, asked: dict[str, Any]) -> None:
    """The run as one of `size` processes."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    import torch
    import torch.distributed as dist

    from lfl.method import plan
    from lfl.run.session import Session, run_session
    from lfl.run.together import follow, ranks_for
    from lfl.task import load_task
    from lfl.training import build_problem, build_programs, resolve
    from lfl.training.losses import learned
    from lfl.trees import map_tree

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    dist.init_process_group("gloo", init_method=f"file://{scratch / f'meeting-{size}'}", rank=rank, world_size=size)
    task = load_task("digits", None)
    splits = {
        name: map_tree(lambda t: t.double() if t.is_floating_point() else t, split)
        for name, split in task.splits.items()
    }
    task = dataclasses.replace(task, **splits)
    settings = resolve(task.defaults, **asked)
    ranks = ranks_for(dist.group.WORLD, settings)
    steps = build_programs(task, settings, many_seeds=False, compiled=False, group=ranks)
    phi = {name: t.double() for name, t in (learned(task, settings, settings.seed).phi_0 or {}).items()}
    problem = build_problem(task, settings, steps=steps, phi=phi)
    session = Session(task, settings, plan(settings.method, problem), None, None, ranks=ranks)
    if rank:
        follow(session.ranks, session.plan, settings, task.kind)
    else:
        (scratch / f"run-{size}").mkdir()
        run_session(session, scratch / f"run-{size}", [scratch / f"run-{size}"])
    dist.destroy_process_group()


def differences(scratch: Path, size: int) -> dict[str, float]:
    """The largest relative differences of a run from that of one process."""
    from safetensors.torch import load_file

    most = {}
    for name in ("theta", "phi"):
        ours, alone = (load_file(scratch / f"run-{each}" / f"{name}.safetensors") for each in (size, 1))
        most[name] = max(float((ours[key] - t).abs().max() / t.abs().max()) for key, t in alone.items())
    rows, others = (
        [json.loads(line) for line in (scratch / f"run-{each}" / "metrics.jsonl").read_text().splitlines()]
        for each in (size, 1)
    )
    columns = sorted({key for row in others for key, value in row.items() if isinstance(value, float)})
    most["metrics"] = max(
        max(abs(row[key] - other[key]) for row, other in zip(rows, others, strict=True) if key in other)
        / max(abs(other[key]) for other in others if key in other)
        for key in columns
    )
    return most


if __name__ == "__main__":
    main()
