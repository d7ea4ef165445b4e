"""How the cost of a step grows: with the horizon K, the number of outputs, the number of seeds, and `meta_every`.

    python benchmarks/scaling.py horizon outputs seeds meta_every
    python benchmarks/scaling.py --device cuda seeds
    python benchmarks/scaling.py --tables            # the tables of docs/cost.md, from the committed results

The horizon is measured with All-CNN-C at batch 8; outputs and `meta_every` with LeNet-5, seeds with logistic regression
(and three seeds of two larger models) at batch 128. Calls alternate in one process. Writes `results/scaling.json` (on a
GPU `scaling-cuda.json`) after each setting, and skips settings that it already holds.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LONGEST_UNROLL = 5
"""The longest horizon at which the time of `unroll` is measured; beyond it, only its memory."""

Row = dict[str, Any]


def horizon(k: int, device: Any, threads: int) -> list[Row]:
    """Measures time and peak memory through K steps."""
    from forms import FORMS, interleaved, setup, summary
    from memory import measure as peak_memory

    make = partial(setup, "allcnnc", device, batch_size=8)
    draw = make().batch
    batches, valid = [draw() for _ in range(k)], draw()
    names = ["higher", "unroll", "mixed", "mixed, in compiled pieces"]
    same: Any = {"horizon": k, "batch_size": 8, "threads": threads, "device": device.type}
    peaks = {name: peak_memory("allcnnc", name, **same) for name in names}
    timed = [name for name in names if name != "unroll" or k <= LONGEST_UNROLL]
    times = interleaved({name: partial(FORMS[name](make()), batches, valid) for name in timed}, device, 0.0, least=3)
    measured: dict[str, Row] = {name: summary(times[name]) for name in timed}
    return [{"K": k, "form": name, "median_ms": None} | measured.get(name, {}) | peaks[name] for name in names]


def outputs(count: int, device: Any, threads: int) -> list[Row]:
    """Measures the time with a number of outputs, the loss network evaluated at each."""
    from forms import FORMS, Setup, interleaved, setup, summary

    def make() -> Setup:
        s = setup("lenet5", device, num_outputs=count)
        return s._replace(loss_fn=replace(s.loss_fn, interpolate=False))

    draw = make().batch
    batch, valid = draw(), draw()
    names = ["plain", "higher", "unroll", "mixed", "unroll, compiled"]
    times = interleaved({name: partial(FORMS[name](make()), [batch], valid) for name in names}, device, 15.0)
    return [{"outputs": count, "form": name, **summary(times[name])} for name in names]


def seeds(setting: tuple[str, int], device: Any, threads: int) -> list[Row]:
    """Measures the time of one step of all seeds: one after the other, or as one program; eager and compiled."""
    import torch
    from forms import Setup, interleaved, setup, summary

    import lfl
    from lfl.method import programs
    from lfl.training.compilation import compile_program
    from lfl.trees import map_tree

    def steps(s: Setup, count: int, together: bool, compiled: bool) -> Callable[[], None]:
        run = programs(
            apply_fn=s.apply_fn,
            loss_fn=s.loss_fn,
            task_loss=lfl.cross_entropy,
            inner=lfl.sgd(0.01),
            outer=lfl.adam(1e-5),
            many_seeds=together,
            compile_program=partial(compile_program, device=device) if compiled else None,
        )
        start: Any = (s.theta, s.phi, [s.batch()], s.batch())
        if together:
            start = map_tree(lambda t: torch.stack([t] * count), start)
        rate = torch.tensor(1e-5, device=device)
        carry = run.fresh(*start[:2])

        def call() -> None:
            for _ in range(1 if together else count):
                run.meta(*start, carry, rate)

        return call

    model, count = setting
    s = setup(model, device)
    calls = {
        f"{'together' if together else 'one after the other'}, {'compiled' if compiled else 'eager'}": steps(
            s, count, together, compiled
        )
        for together in (False, True)
        for compiled in (False, True)
    }
    times = interleaved(calls, device, 10.0)
    return [{"model": model, "seeds": count, "form": name, **summary(t)} for name, t in times.items()]


def meta_every(model: str, device: Any, threads: int) -> list[Row]:
    """Measures the programs that a run with `meta_every` or `meta_batch_size` consists of."""
    from forms import FORMS, interleaved, ours, setup, summary

    s = setup(model, device)
    batch, valid = s.batch(), s.batch()
    names = {"plain": "plain", "base": "base, compiled", "meta": "unroll, compiled"}
    forms = {program: FORMS[name](setup(model, device)) for program, name in names.items()}
    for part in (64, 32, 16):
        forms[f"meta, {part} examples"] = ours(setup(model, device), "auto", compiled=True, meta_batch_size=part)
    times = interleaved({n: partial(call, [batch], valid) for n, call in forms.items()}, device, 60.0)
    return [{"program": name, **summary(t)} for name, t in times.items()]


QUESTIONS: dict[str, tuple[Callable[[Any, Any, int], list[Row]], list[Any]]] = {
    "horizon": (horizon, [1, 2, 5, 10, 20]),
    "outputs": (outputs, [10, 30, 100, 300, 1000]),
    "seeds": (seeds, [*(("logistic", count) for count in (1, 3, 10, 30)), ("lenet5", 3), ("mlp", 3)]),
    "meta_every": (meta_every, ["lenet5"]),
}
"""The questions: how each is measured, and for which settings."""


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.is_file() else {}


def tables(content: dict[str, Any]) -> str:
    """Returns a Markdown table for each question: a row for each setting, a column for each form, medians in ms."""
    parts = []
    for question, key in (("horizon", "K"), ("outputs", "outputs"), ("seeds", "seeds")):
        rows = content.get(question, {}).get("rows", [])
        forms = list(dict.fromkeys(row["form"] for row in rows))
        settings = list(dict.fromkeys((row.get("model", ""), row[key]) for row in rows))
        lines = [f"| {key} | {' | '.join(forms)} |", "|" + " --- |" * (1 + len(forms))]
        for model, setting in settings:
            cells = []
            for form in forms:
                row = next(r for r in rows if (r.get("model", ""), r[key], r["form"]) == (model, setting, form))
                time = "" if row["median_ms"] is None else f"{row['median_ms']:.3g} ms"
                peak = f", {row['growth_mb']:.0f} MB" if row.get("growth_mb") else ""
                cells.append(time + peak if time else peak.removeprefix(", "))
            lines.append(f"| {f'{model} {setting}'.strip()} | {' | '.join(cells)} |")
        if rows:
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=", ".join(QUESTIONS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tables", action="store_true")
    asked = parser.parse_args()
    if asked.tables:
        print(tables(read(RESULTS / "scaling.json")), end="")
        return
    sys.path.insert(0, str(Path(__file__).parent))
    import torch

    from lfl.device import keep_freed_memory
    from lfl.run.schema import environment

    keep_freed_memory()
    torch.set_num_threads(asked.threads)
    torch.backends.cudnn.allow_tf32 = False
    device = torch.device(asked.device)
    path = RESULTS / ("scaling.json" if device.type == "cpu" else f"scaling-{device.type}.json")
    for question in asked.questions or QUESTIONS:
        measure, settings = QUESTIONS[question]
        for setting in settings:
            content = read(path)
            rows = content.get(question, {}).get("rows", [])
            if any(row["setting"] == str(setting) for row in rows):
                continue
            new = [{"setting": str(setting), **row} for row in measure(setting, device, asked.threads)]
            content[question] = {**environment(device), "rows": [*rows, *new]}
            path.write_text(json.dumps(content, indent=1) + "\n")
            print(*new, sep="\n", flush=True)


if __name__ == "__main__":
    main()
