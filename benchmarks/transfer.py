"""What a loss that was learned on one task and model does on the others: a matrix.

    python benchmarks/transfer.py            # 87 runs, 10 minutes on one free core
    python benchmarks/transfer.py --table    # the table of docs/ablations.md, from the committed results

Every source learns a loss with `adalfl` as published but shorter, 1,000 offline and 1,000 online steps, the online ones
at the rate 1e-4; every target then trains from scratch on that loss as it stands (`--method fixed --loss-from`), for as
many steps and at the same rate of the model as its own cross-entropy (`baseline`). Seed s of a target takes the loss of
seed s of a source. No rate is searched for, so that a row with a smaller error may only have larger steps. MNIST is its
first 10,000 train images. Writes `results/transfer.json` after each row, and skips rows that it already holds.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from command_line import parse
from part_of_mnist import part_of_mnist
from rows import add_row, read_rows, spread

RESULTS = Path(__file__).parent / "results" / "transfer.json"
SEEDS = [0, 1, 2]
SOURCES = [("digits", "logistic"), ("digits", "mlp-100"), ("mnist", "logistic"), ("mnist", "mlp-100")]
CELLS = [*SOURCES, ("mnist", "lenet5")]
ROWS = 10_000
STEPS: dict[str, Any] = {"steps": 1000, "compile": "off", "device": "cpu", "log_every": 1000, "eval_every": 1000}
LEARNING: dict[str, Any] = {"offline_steps": 1000, "outer_lr": 1e-4}


def train(cell: tuple[str, str], method: str, folder: Path, data: Path | None, **asked: Any) -> float | None:
    """Returns the test error of a run, None where it diverged."""
    import lfl
    from lfl.errors import Diverged

    name, model = cell
    rates = {"inner_lr": 0.01, "batch_size": 128}
    try:
        task = part_of_mnist(ROWS, data) if name == "mnist" else name
        run = lfl.train(task, model, method, out=folder, data_dir=data, **STEPS, **rates, **asked)
    except Diverged:
        return None
    assert run.result is not None
    return round(run.result.test_error, 6)


def measure(source: tuple[str, str] | None, data: Path | None) -> dict[str, Any]:
    """Test errors of every target on the losses of a source; on cross-entropy without one."""
    found: dict[str, list[float | None]] = {" ".join(target): [] for target in CELLS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in SEEDS:
            loss = folder / f"loss-{seed}"
            here = None if source is None else train(source, "adalfl", loss, data, seed=seed, **LEARNING)
            for i, target in enumerate(CELLS):
                out = folder / f"{seed}-{i}"
                if source is None:
                    error = train(target, "baseline", out, data, seed=seed)
                elif here is None:
                    error = None
                else:
                    error = train(target, "fixed", out, data, seed=seed, loss_from=str(loss))
                found[" ".join(target)].append(error)
    return {"test_error": found}


def table() -> str:
    """Returns the committed results as Markdown: targets in columns, sources in rows."""
    lines = ["| loss learned on | " + " | ".join(f"{task}, {model}" for task, model in CELLS) + " |"]
    lines.append("|---" * (1 + len(CELLS)) + "|")
    for row in read_rows(RESULTS):
        cells = [spread(row["test_error"][" ".join(target)]) or "diverged" for target in CELLS]
        lines.append(f"| {row['source'].replace(' ', ', ')} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    asked = parse(__doc__, table, data=True)
    if asked is None:
        return

    import torch

    for source in (None, *SOURCES):
        key = {"source": "cross-entropy" if source is None else " ".join(source), "seeds": SEEDS, "rows": ROWS}
        row = add_row(RESULTS, key, partial(measure, source, asked.data_dir), torch.device("cpu"))
        print(row or f"{key['source']}: there already", flush=True)


if __name__ == "__main__":
    main()
