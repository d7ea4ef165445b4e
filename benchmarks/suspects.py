"""How well wrong labels are found: `lfl suspects` beside cleanlab, from the same models and from cross-validated ones.

    pip install "lfl[benchmarks]"
    python benchmarks/suspects.py                              # digits, seeds 0 to 4; what is there is not run again
    python benchmarks/suspects.py --task mnist --seeds 0 1 2
    python benchmarks/suspects.py --seeds 100 101 102          # the seeds that lfl's score was chosen on
    python benchmarks/suspects.py --table                      # docs/suspects.md, from the results; also --scores

Train labels are made wrong by `--label-noise`, and a model is trained on them by each of `WAYS`. Its probabilities of
the labels that it was trained on are ranked by lfl's score and by two of cleanlab's. cleanlab's authors ask for
probabilities of examples that a model was not trained on: `5-fold` trains five baselines, each on four fifths of the
labels, and ranks each fifth by the model that did not see it. Recorded: the area under the ROC curve, the precision
among as many suspects as there are wrong labels and among the first 100, how often `rather` is the true label of a
wrong one, what cleanlab's `find_label_issues` flags, the test error, and the CPU seconds that training took. Where a
loss was learned: also the areas of rankings by that loss. Writes `results/suspects.json` after each row.
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
    "residual, 3000 steps": {"method": "residual", "steps": 3000},
    "5-fold": {"method": "baseline"},
}
"""By `--method baseline` at the task's rate the model is stopped before it has learned the wrong labels by heart; `to
the end` it has."""

LONG_STEPS = {"digits": 3000, "mnist": 10_000}
MNIST_STEPS = {"steps": 2000, "offline_steps": 500}


def asked_of(task: str, way: str) -> dict[str, Any]:
    few = MNIST_STEPS if task == "mnist" else {}
    return few | WAYS[way] | ({"steps": LONG_STEPS[task]} if WAYS[way] is LONG else {})


def logits_of(run: Any, x: Any) -> Any:
    import torch

    from lfl.loss import class_logits

    with torch.no_grad():
        return class_logits(run.apply_fn(run.theta, run.buffers, x, training=False)[0].double())


def trained(task: Any, settings: Any) -> tuple[Any, Any, float]:
    """The run of settings, without its folder, what it learned beside the model (None without), and its CPU seconds."""
    from safetensors.torch import load_file

    from lfl.run import Run, execute, load_model

    with tempfile.TemporaryDirectory() as scratch:
        start = time.process_time()
        refuse_interrupted(execute(task, settings, Path(scratch) / "run"))
        seconds = time.process_time() - start
        found = load_model(Path(scratch) / "run")
        kept = Path(scratch) / "run" / "phi.safetensors"
        phi = load_file(kept) if kept.is_file() else None
    return Run(settings, task, found.theta, found.buffers, found.apply_fn, True), phi, seconds


def log_odds(logits: Any, labels: Any) -> Any:
    import torch

    is_label = labels[:, None] == torch.arange(logits.shape[1])
    return logits.masked_fill(is_label, -torch.inf).amax(1) - logits[is_label]


def of_the_loss(task: Any, settings: Any, phi: Any, logits: Any, labels: Any, wrong: Any) -> dict[str, float]:
    """Areas of rankings by a learned loss: its value, that less its least of another class, and its pull.

    The pull is the size of its gradient over that of cross-entropy's: small where the loss lets an example go.
    """
    import torch

    import lfl
    from lfl.run import agreement
    from lfl.training import learned

    loss = learned(task, settings, settings.seed).loss_fn
    classes = torch.arange(logits.shape[1])
    with torch.no_grad():
        values = torch.stack([loss(phi, logits, torch.full_like(labels, int(c))) for c in classes], 1)
    is_label = labels[:, None] == classes
    value = values[is_label]

    def pull_of(loss_of: Any) -> Any:
        at = logits.clone().requires_grad_()
        return torch.autograd.grad(loss_of(at).sum(), at)[0].norm(dim=1)

    own, usual = pull_of(lambda at: loss(phi, at, labels)), pull_of(lambda at: lfl.cross_entropy(at, labels))
    scores = {
        "value": value,
        "value less the least": value - values.masked_fill(is_label, torch.inf).amin(1),
        "pull": -own / usual.clamp(min=1e-12),
    }
    return {name: round(agreement(wrong, score).area, 4) for name, score in scores.items()}


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
        run, phi, seconds = trained(task, settings)
        ranked = rank_suspects(run)
        labels, wrong, rows = ranked.y, ranked.wrong, ranked.rows
        logits = logits_of(run, task.train.x[rows])
        likely = torch.softmax(logits, -1)
        right = ranked.found.rather == task.train.y[rows]
        row = {
            "seconds": round(seconds, 1),
            "test_error": round(test_error(run), 4),
            "rather_right": round(float(right[wrong].double().mean()), 4),
        }
        row["log odds"] = shown(agreement(wrong, log_odds(logits, labels)))
        if phi is not None:
            row["learned loss"] = of_the_loss(task, settings, phi, logits, labels, wrong)
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
        run, _, more = trained(part, replace(settings, label_noise=None))
        likely[held] = torch.softmax(logits_of(run, x[held]), -1)
        seconds += more
    return likely, spoiled, seconds


def shown(found: Any) -> dict[str, float]:
    return {name: round(value, 4) for name, value in found._asdict().items()}


RANKINGS = ("lfl", "cleanlab self_confidence", "cleanlab normalized_margin")
OF_A_LOSS = ("value", "value less the least", "pull")
CHOOSING_SEEDS = (100, 101, 102)


def tables() -> tuple[str, str]:
    """The results as Markdown, means over seeds: what was measured, and what the score was chosen by."""
    rows = json.loads(RESULTS.read_text())["rows"]
    measured, scores = [], []
    for task in dict.fromkeys(row["task"] for row in rows):
        lines = [
            f"| {task} | trained by | seeds | CPU s | test error | right | lfl | self-confidence | margin |",
            "|" + " --- |" * 9,
        ]
        others = ["label probability", "log odds", *(f"loss: {name}" for name in OF_A_LOSS)]
        chosen = [f"| {task} | trained by | seeds | lfl | {' | '.join(others)} |", "|" + " --- |" * 9]
        for noise in NOISES:
            for way in WAYS:
                alike = [r for r in rows if (r["task"], r["noise"], r["way"]) == (task, noise, way)]
                found = [r for r in alike if r["seed"] not in CHOOSING_SEEDS]
                if found:
                    cells = [str(len(found)), f"{statistics.fmean(r['seconds'] for r in found):.0f}"]
                    cells += [number(found, "test_error"), number(found, "rather_right")]
                    cells += [pair_of(found, ranking) for ranking in RANKINGS]
                    lines.append(f"| {noise} | {way} | {' | '.join(cells)} |")
                if before := [r for r in alike if r["seed"] in CHOOSING_SEEDS]:
                    means = [mean_area(before, name) for name in ("lfl", "cleanlab self_confidence", "log odds")]
                    means += [mean_area(before, "learned loss", name) for name in OF_A_LOSS]
                    chosen.append(f"| {noise} | {way} | {len(before)} | {' | '.join(means)} |")
        measured.append("\n".join(lines))
        scores += ["\n".join(chosen)] if len(chosen) > 2 else []
    return "\n\n".join(measured), "\n\n".join(scores)


def mean_area(found: list[dict[str, Any]], ranking: str, name: str = "area") -> str:
    return f"{statistics.fmean(row[ranking][name] for row in found):.4f}" if ranking in found[0] else ""


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
    parser.add_argument("--table", action="store_true", help="print what was measured as Markdown and leave")
    parser.add_argument("--scores", action="store_true", help="the same of what the score was chosen by")
    asked = parser.parse_args()
    if asked.table or asked.scores:
        print(tables()[asked.scores])
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
