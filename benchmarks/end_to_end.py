"""Time of a complete `lfl train` against a plain PyTorch loop over the same batches: the cost of a learned loss.

    python benchmarks/end_to_end.py --task mnist --model lenet5 --data-dir FOLDER

Wall time of `lfl train` as a process (start-up, data, initialisation, all steps, evaluation, logging, compilation), and
of a process that trains the same model on cross-entropy with `torch.optim.SGD` for the same number of steps, eagerly,
and evaluates it once. Both keep freed memory. They run one after the other, with nothing else on the machine. Writes
`results/end-to-end.json`.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "end-to-end.json"


def plain(task_name: str, model: str, steps: int, data_dir: Path, threads: int) -> None:
    """Trains with an ordinary PyTorch loop, on lfl's batches."""
    import torch
    import torch.nn.functional as F

    from lfl.data.splits import draw_rows
    from lfl.device import keep_freed_memory
    from lfl.model import build_model, xavier_uniform
    from lfl.randomness import generator
    from lfl.task import load_task

    keep_freed_memory()
    torch.set_num_threads(threads)
    task = load_task(task_name, data_dir)
    module = build_model(model, task.input_shape, task.num_outputs)
    module.load_state_dict(xavier_uniform(dict(module.named_parameters()), generator(0, "theta_0")))
    optimiser = torch.optim.SGD(module.parameters(), task.defaults.inner_lr)
    size, count = task.defaults.batch_size, len(task.train.y)
    for step in range(steps):
        rows = draw_rows(count, size, seed=0, stream="train", step=step)
        optimiser.zero_grad()
        F.cross_entropy(module(task.train.x[rows]), task.train.y[rows]).backward()
        optimiser.step()
    with torch.no_grad():
        outputs = torch.cat([module(x) for x in task.test.x.split(1000)])
    print(float((outputs.argmax(-1) != task.test.y).float().mean()))


def seconds(command: list[str]) -> tuple[float, str]:
    begin = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return round(time.perf_counter() - begin, 1), done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="mnist")
    parser.add_argument("--model", default="lenet5")
    parser.add_argument("--steps", type=int, default=25_000)
    parser.add_argument("--data-dir", type=Path, default=Path("~/.cache/lfl").expanduser())
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plain", action="store_true", help="run the plain loop in this process")
    asked = parser.parse_args()
    if asked.plain:
        plain(asked.task, asked.model, asked.steps, asked.data_dir, asked.threads)
        return
    import torch

    from lfl.run.schema import environment

    torch.set_num_threads(asked.threads)
    same = ["--task", asked.task, "--model", asked.model, "--steps", str(asked.steps)]
    same += ["--data-dir", str(asked.data_dir), "--threads", str(asked.threads)]
    base, printed = seconds([sys.executable, __file__, *same, "--plain"])
    row: dict[str, object] = {"task": asked.task, "model": asked.model, "steps": asked.steps}
    row |= {"plain_seconds": base, "plain_test_error": float(printed.split()[-1])}
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        lfl = shutil.which("lfl") or "lfl"
        row["adalfl_seconds"], _ = seconds([lfl, "train", *same, "--method", "adalfl", "--out", str(out)])
        row["adalfl_test_error"] = json.loads((out / "result.json").read_text())["test_error"]
        row["compiled"] = json.loads((out / "config.json").read_text())["compiled"]
    row["ratio"] = round(float(str(row["adalfl_seconds"])) / base, 3)
    rows = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
    RESULTS.write_text(json.dumps([*rows, row | environment(torch.device("cpu"))], indent=1) + "\n")
    print(json.dumps(row, indent=1))


if __name__ == "__main__":
    main()
