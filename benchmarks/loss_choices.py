"""What the paper leaves open about the loss network, chosen by validation error on seeds apart from the reported ones.

    python benchmarks/loss_choices.py gain=1 gain=0.25 valid,gain=1 valid,gain=0.25
    python benchmarks/loss_choices.py --table        # the table of docs/choices.md, from the committed results

MNIST, logistic regression, ML3: 2,500 offline steps, then 5,000 of 25,000 steps on the learned loss, for seeds 10 to
17 as one vmapped program. A variant is a comma-separated list of options of `lfl.loss_network`, `valid` (offline steps
judge the loss on a validation batch, not on their own train batch) and `fixed_theta`.
Writes `results/loss-choices.json`: validation error of each seed, and how far the learned loss spans for y = 0.
The test split is not touched.
"""

import argparse
import json
import statistics
from functools import partial
from pathlib import Path

import torch
from torch.func import vmap

import lfl
from lfl.data.batches import draw_rows
from lfl.loss.curve import sample_curves
from lfl.model import build_model, xavier_uniform
from lfl.randomness import generator
from lfl.run.environment import environment
from lfl.task import Task, load_task

SEEDS = range(10, 18)
INIT_STEPS, STEPS = 2500, 5000
RESULTS = Path(__file__).parent / "results" / "loss-choices.json"


def stack(trees: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([tree[name] for tree in trees]) for name in trees[0]}


def measure(task: Task, options: dict[str, object]) -> dict[str, object]:
    fixed_theta, on_valid = (bool(options.pop(name, False)) for name in ("fixed_theta", "valid"))
    shapes, _, apply_fn = lfl.functional(build_model("logistic", task.input_shape, 10))
    losses = [lfl.loss_network("classification", generator=generator(s, "phi_0"), **options) for s in SEEDS]
    phi, loss_fn = stack([phi for phi, _ in losses]), losses[0][1]
    inner, outer = lfl.sgd(0.01), lfl.adam(1e-3)

    def theta_0(stream: str, step: int) -> dict[str, torch.Tensor]:
        return stack([xavier_uniform(shapes, generator(s, stream, step)) for s in SEEDS])

    def batch(split: str, stream: str, step: int) -> tuple[torch.Tensor, ...]:
        data = getattr(task, split)
        rows = torch.stack([draw_rows(len(data.y), 128, seed=s, stream=stream, step=step) for s in SEEDS])
        return data.x[rows], data.y[rows]

    common = {"apply_fn": apply_fn, "task_loss": lfl.cross_entropy, "inner": inner}
    offline = vmap(partial(lfl.offline_step, loss_fn=loss_fn, outer=outer, **common))
    state = outer.init(phi)._replace(num_updates=torch.zeros(len(SEEDS), dtype=torch.int64))
    for step in range(INIT_STEPS):
        start = theta_0("theta_0", 0) if fixed_theta else theta_0("offline theta_0", step)
        batch_tr = batch("train", "offline train", step)
        judged = batch("valid", "offline valid", step) if on_valid else batch_tr
        phi, state, _ = offline(start, phi, [batch_tr], judged, state)

    def train(theta: dict[str, torch.Tensor], phi: dict[str, torch.Tensor], b: tuple[torch.Tensor, ...]) -> object:
        carry = lfl.Carry({}, None, {})
        return lfl.base_step(theta, b, carry, loss=partial(loss_fn, phi), **common)[0]

    theta = theta_0("theta_0", 0)
    for step in range(STEPS):
        theta = vmap(train)(theta, phi, batch("train", "train", step))
    outputs = vmap(lambda th: apply_fn(th, {}, task.valid.x, training=False)[0])(theta)
    errors = [float(lfl.error_rate(out, task.valid.y).mean()) for out in outputs]
    spans = [sample_curves(loss_fn, {name: t[i] for name, t in phi.items()})[1] for i in range(len(SEEDS))]
    return {
        "valid_error": [round(e, 5) for e in errors],
        "mean": round(statistics.mean(errors), 5),
        "stdev": round(statistics.stdev(errors), 5),
        "span_y0": [round(float(curve.max() - curve.min()), 1) for curve in spans],
    }


def parse(variant: str) -> dict[str, object]:
    """`"gain=0.5,bias"` as options: numbers where they are numbers, True where no value is given."""
    options: dict[str, object] = {}
    for part in variant.split(","):
        name, _, value = part.partition("=")
        try:
            options[name] = float(value) if value else True
        except ValueError:
            options[name] = value
    return options


def table() -> str:
    """The committed results as Markdown."""
    lines = ["| variant | validation error, mean ± deviation | lowest | highest |", "| --- | --- | --- | --- |"]
    for variant, found in json.loads(RESULTS.read_text())["variants"].items():
        errors = found["valid_error"]
        spread = f"{found['mean']:.4f} ± {found['stdev']:.4f}"
        lines.append(f"| `{variant}` | {spread} | {min(errors):.4f} | {max(errors):.4f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*")
    parser.add_argument("--data-dir", type=Path, default=Path("~/.cache/lfl").expanduser())
    parser.add_argument("--table", action="store_true", help="print the Markdown table and leave")
    chosen = parser.parse_args()
    if chosen.table:
        print(table())
        raise SystemExit
    torch.set_num_threads(1)
    data = load_task("mnist", chosen.data_dir)
    for variant in chosen.variants:
        found = measure(data, parse(variant))
        content = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"variants": {}}
        content = environment(torch.device("cpu")) | {"seeds": list(SEEDS), "variants": content["variants"]}
        content["variants"][variant] = found
        RESULTS.write_text(json.dumps(content, indent=1) + "\n")
        print(variant, found, flush=True)
