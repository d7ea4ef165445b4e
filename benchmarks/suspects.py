"""How well wrong labels are found: `lfl suspects` beside cleanlab, from the same models and from cross-validated ones.

    pip install "lfl[benchmarks]"
    python benchmarks/suspects.py                              # digits, seeds 0 to 4; what is there is not run again
    python benchmarks/suspects.py --task mnist --seeds 0 1 2
    python benchmarks/suspects.py --table                      # the table of docs/suspects.md, from the results

Train labels are made wrong by `--label-noise`, and a model is trained on them by each of `WAYS`. Its probabilities of
the labels that it was trained on are ranked by lfl's score and by two of cleanlab's. cleanlab's authors ask for
probabilities of examples that a model was not trained on: `5-fold` trains five baselines, each on four fifths of the
labels, and ranks each fifth by the model that did not see it. Recorded: the area under the ROC curve, the precision
among as many suspects as there are wrong labels and among the first 100, how often `rather` is the true label of a
wrong one, what cleanlab's `find_label_issues` flags, the test error, and the seconds that training took. Writes
`results/suspects.json` after each row.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rows import add_row, refuse_interrupted

RESULTS = Path(__file__).parent / "results" / "suspects.json"
NOISES = ("symmetric:0.2", "symmetric:0.4", "pair:0.2", "pair:0.45")
FOLDS = 5
LONG = {"method": "baseline", "momentum": 0.9, "schedule": "cosine", "inner_lr": 0.1}
WAYS: dict[str, dict[str, Any]] = {
    "baseline": {"method": "baseline"},
    "baseline, to the end": LONG,
    "adalfl": {"method": "adalfl"},
    "residual": {"method": "residual"},
    "5-fold": {"method": "baseline"},
}
"""By `--method baseline` at the task's rate the model is stopped before it has learned the wrong labels by heart; `to
the end` it has."""

STEPS = {"digits": {"baseline, to the end": 3000}, "mnist": {"baseline, to the end": 10_000}}
MNIST_STEPS = {"steps": 2000, "init_steps": 500}


def asked_of(task: str, way: str) -> dict[str, Any]:
    few = MNIST_STEPS if task == "mnist" else {}
    steps = STEPS[task].get(way)
    return few | WAYS[way] | ({} if steps is None else {"steps": steps})


def probabilities(run: Any, x: Any) -> Any:
    import torch

    from lfl.loss import class_logits

    with torch.no_grad():
        outputs = run.apply_fn(run.theta, run.buffers, x, training=False)[0]
    return torch.softmax(class_logits(outputs.double()), -1)


def trained(task: Any, settings: Any) -> tuple[Any, float]:
    """The run of settings, without its folder, and its seconds."""
    from lfl.run import Run, execute, load_model

    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        refuse_interrupted(execute(task, settings, Path(scratch) / "run"))
        seconds = time.perf_counter() - start
        found = load_model(Path(scratch) / "run")
    return Run(settings, task, found.theta, found.buffers, found.apply_fn, True), seconds


def measure(task: Any, way: str, noise: str, seed: int) -> dict[str, Any]:
    """A row: what each ranking finds."""
    import torch
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    from lfl.run import agreement, rank_suspects, test_error
    from lfl.training import resolve

    settings = resolve(
        task.defaults, task=task.name, model="mlp-256", seed=seed, label_noise=noise, **asked_of(task.name, way)
    )
    if way == "5-fold":
        likely, spoiled, seconds = cross_validated(task, settings)
        labels, wrong, rows = spoiled.y, spoiled.wrong, spoiled.rows
        row: dict[str, Any] = {"seconds": round(seconds, 1)}
    else:
        run, seconds = trained(task, settings)
        ranked = rank_suspects(run)
        labels, wrong, rows = ranked.y, ranked.wrong, ranked.rows
        likely = probabilities(run, task.train.x[rows])
        right = ranked.found.rather == task.train.y[rows]
        row = {
            "seconds": round(seconds, 1),
            "test_error": round(test_error(run), 4),
            "rather_right": round(float(right[wrong].double().mean()), 4),
        }
        row["lfl"] = shown(agreement(wrong, ranked.found.scores))
    for method in ("self_confidence", "normalized_margin"):
        quality = get_label_quality_scores(labels.numpy(), likely.numpy(), method=method)
        row[f"cleanlab {method}"] = shown(agreement(wrong, -torch.from_numpy(quality)))
    flagged = torch.from_numpy(find_label_issues(labels.numpy(), likely.numpy(), n_jobs=1))
    hits = float((flagged & wrong).sum())
    row["find_label_issues"] = {
        "flagged": int(flagged.sum()),
        "precision": round(hits / max(1, int(flagged.sum())), 4),
        "recall": round(hits / int(wrong.sum()), 4),
    }
    return row


def cross_validated(task: Any, settings: Any) -> tuple[Any, Any, float]:
    """Probabilities of each train example by a baseline that was trained on the other folds."""
    import torch
    from sklearn.model_selection import StratifiedKFold

    from lfl.data.arrays import Split
    from lfl.training import spoiled_train

    spoiled = spoiled_train(task, settings, settings.seed)
    x, y = task.train.x[spoiled.rows], spoiled.y
    likely = torch.zeros(len(y), task.num_outputs, dtype=torch.float64)
    seconds = 0.0
    for kept, held in StratifiedKFold(FOLDS, shuffle=True, random_state=settings.seed).split(y, y):
        part = replace(task, train=Split(x[kept], y[kept]), rows=None)
        run, more = trained(part, replace(settings, label_noise=None))
        likely[held] = probabilities(run, x[held])
        seconds += more
    return likely, spoiled, seconds


def shown(found: Any) -> dict[str, float]:
    return {name: round(value, 4) for name, value in found._asdict().items()}


RANKINGS = ("lfl", "cleanlab self_confidence", "cleanlab normalized_margin")


def table() -> str:
    """Means over seeds as Markdown: area under the ROC curve and precision, a line for each kind of noise and way."""
    rows = json.loads(RESULTS.read_text())["rows"]
    blocks = []
    for task in dict.fromkeys(row["task"] for row in rows):
        lines = [
            f"| {task} | trained by | test error | rather is right | lfl | self-confidence | normalised margin |",
            "|" + " --- |" * 7,
        ]
        for noise in NOISES:
            for way in WAYS:
                found = [r for r in rows if (r["task"], r["noise"], r["way"]) == (task, noise, way)]
                if found:
                    cells = [number(found, "test_error"), number(found, "rather_right")]
                    cells += [pair_of(found, ranking) for ranking in RANKINGS]
                    lines.append(f"| {noise} | {way} | {' | '.join(cells)} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def number(found: list[dict[str, Any]], name: str) -> str:
    return f"{statistics.fmean(row[name] for row in found):.3f}" if name in found[0] else ""


def pair_of(found: list[dict[str, Any]], ranking: str) -> str:
    if ranking not in found[0]:
        return ""
    return ", ".join(f"{statistics.fmean(row[ranking][name] for row in found):.4f}" for name in ("area", "precision"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="digits", choices=["digits", "mnist"])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--noises", nargs="+", default=list(NOISES), choices=list(NOISES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--data-dir", type=Path, default=Path("~/.cache/lfl").expanduser())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="print the Markdown table and leave")
    asked = parser.parse_args()
    if asked.table:
        print(table())
        return

    import torch

    from lfl.task import load_task

    torch.set_num_threads(asked.threads)
    task = load_task(asked.task, asked.data_dir)
    packages = {"cleanlab": version("cleanlab"), "scikit-learn": version("scikit-learn")}
    for seed in asked.seeds:
        for noise in asked.noises:
            for way in asked.ways:
                key = {"task": asked.task, "noise": noise, "way": way, "seed": seed}
                work = partial(measure, task, way, noise, seed)
                if row := add_row(RESULTS, key, lambda work=work: work() | {"packages": packages}, task.device):
                    print(row, flush=True)


if __name__ == "__main__":
    main()
