"""A rank of a run killed at random moments, and the run resumed, against an unbroken run.

    python benchmarks/rank_kills.py                        # 20 kills
    python benchmarks/rank_kills.py --kills 5 --seed 1

AdaLFL, an MLP of 20 units on the digits, with a checkpoint at every 10th step, on two processes with gloo. In turn a
run is started, one of its ranks killed with SIGKILL a random moment after a random number of steps, and resumed, on
one, two or four ranks by turns, to its end. As torchrun does, the other rank is sent SIGTERM, though only after ten
seconds, so that it is seen whether it ends by itself. Writes `results/rank-kills.json`: for each kill the rank, what
the run left, the seconds until the other rank had ended and its status; and the largest difference of its final tensors
from an unbroken run's of one process, relative to the largest number of each.
"""

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "rank-kills.json"
RUN = ["--model", "mlp-20", "--batch-size", "32", "--offline-steps", "10", "--steps", "80", "--checkpoint-every", "10"]
RUN += ["--log-every", "1", "--eval-every", "40", "--device", "cpu", "--compile", "off"]
SIZES = (1, 2, 4)
LONGEST = 0.1
"""Seconds after a step until a kill, at most; after no step they begin with the processes."""

PATIENCE = 10.0
"""Seconds until the other rank gets SIGTERM, which torchrun sends at once."""

LIMIT = 60.0
"""Seconds in which the other rank must have ended."""

CONTEXT = multiprocessing.get_context("forkserver")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    import torch

    from lfl.run.schema import environment

    CONTEXT.set_forkserver_preload(["lfl_cli.app", "lfl.run", "lfl.report", "sklearn.datasets", "torch._dynamo"])
    draw, kills, began = random.Random(asked.seed), [], time.time()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        whole = root / "whole"
        finish(start(1, root, "train", *RUN, "--out", str(whole)))
        finish(start(2, root, "train", *RUN, "--out", str(root / "two")))
        unbroken = difference(root / "two", whole)
        moments = [draw.randrange(lines(whole)) for _ in range(asked.kills)]
        for i in range(asked.kills):
            kills.append(kill_and_resume(draw, root, root / str(i), moments[i], SIZES[i % len(SIZES)]))
            kills[-1]["largest_difference"] = difference(root / str(i), whole)
            print(i, kills[-1], flush=True)
    content = {
        **{"kills": asked.kills, "seed": asked.seed},
        "ended_within_limit": sum(kill["seconds"] < LIMIT for kill in kills),
        "ended_without_signal": sum(kill["without_signal"] for kill in kills),
        "most_seconds": max(kill["seconds"] for kill in kills),
        "largest_difference": max(kill["largest_difference"] for kill in kills),
        "difference_of_an_unbroken_run_on_two_ranks": unbroken,
        "each": kills,
        "environment": environment(torch.device("cpu"))
        | {"load": os.getloadavg(), "minutes": (time.time() - began) / 60},
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


def start(size: int, root: Path, *arguments: str) -> tuple[list[Any], Any]:
    """The processes of a command, which meet as torchrun's do, and the store where they meet."""
    import torch.distributed as dist

    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60))
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "WORLD_SIZE": str(size)}
    meeting |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    processes = []
    for rank in range(size):
        own = meeting | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        processes.append(CONTEXT.Process(target=command, args=(own, root / f"{rank}.log", arguments)))
        processes[-1].start()
    return processes, store


def command(environment: dict[str, str], log: Path, arguments: tuple[str, ...]) -> None:
    """`lfl` as one rank."""
    os.environ.update(environment)
    with log.open("w") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        sys.argv = ["lfl", *arguments]
        from lfl_cli.app import main as lfl

        lfl()


def finish(started: tuple[list[Any], Any]) -> None:
    """Waits for all, which must succeed."""
    for process in started[0]:
        process.join()
        if process.exitcode:
            raise SystemExit(f"a rank ended with status {process.exitcode}")


def kill_and_resume(draw: random.Random, root: Path, folder: Path, step: int, size: int) -> dict[str, Any]:
    """Starts a run on two ranks, kills one, and resumes the run on `size` ranks."""
    killed, pause = draw.randrange(2), draw.uniform(0.0, LONGEST)
    processes, _meeting = start(2, root, "train", *RUN, "--out", str(folder))
    while lines(folder) < step and processes[killed].is_alive():
        time.sleep(0.002)
    time.sleep(pause)
    processes[killed].kill()
    since = time.perf_counter()
    other = processes[1 - killed]
    other.join(PATIENCE)
    alone = other.exitcode is not None
    other.terminate()
    other.join(LIMIT)
    seconds = time.perf_counter() - since
    other.kill()
    processes[killed].join()
    other.join()
    row = {"rank": killed, "after_steps": step, "found": found(folder), "seconds": round(seconds, 2)}
    row |= {"without_signal": alone, "status_of_the_other": other.exitcode, "resumed_on": size}
    if not (folder / "result.json").is_file():
        there = (folder / "config.json").is_file()
        finish(start(size, root, *(("resume", str(folder)) if there else ("train", *RUN, "--out", str(folder)))))
    return row


def found(folder: Path) -> str:
    """What the kill left."""
    if not (folder / "config.json").is_file():
        return "nothing"
    if (folder / "result.json").is_file():
        return "a complete run"
    steps = [path.name.split("-")[1] for path in folder.glob("checkpoints/*.safetensors")]
    return f"a checkpoint of step {max(map(int, steps))}" if steps else "a run without a checkpoint"


def lines(folder: Path) -> int:
    """How many steps a run has recorded."""
    metrics = folder / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.is_file() else 0


def difference(run: Path, other: Path) -> float:
    """The largest difference of theta and phi, relative to the largest number of each tensor."""
    from safetensors.torch import load_file

    most = 0.0
    for name in ("theta", "phi"):
        ours, theirs = (load_file(each / f"{name}.safetensors") for each in (run, other))
        most = max(most, *(float((ours[key] - t).abs().max() / t.abs().max()) for key, t in theirs.items()))
    return most


if __name__ == "__main__":
    main()
