"""Whether a change of lfl made its steps slower: times this checkout and another in turns, in one process.

    git worktree add /tmp/before COMMIT
    python benchmarks/paired.py /tmp/before lenet5 mlp logistic

One step of each form on random data of the model's true shape, eager and compiled; the package of the other checkout is
loaded under another name, so that both are timed under the same conditions. Prints medians, and the median of the
ratios of pairs; writes `results/paired.json`.
"""

import argparse
import importlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results" / "paired.json"
INPUTS = {"logistic": (1, 28, 28), "mlp": (1, 28, 28), "lenet5": (1, 28, 28), "allcnnc": (3, 32, 32)}
BATCH = {"allcnnc": 32}
FORMS = ["base", "unroll", "mixed", "finite-difference", "base, compiled", "unroll, compiled", "mixed, compiled"]


def steps(package: Any, model: str) -> dict[str, Callable[[], None]]:
    """Returns a call for each form, which keeps its state for the next call."""
    shape, size, device = INPUTS[model], BATCH.get(model, 128), torch.device("cpu")
    g = torch.Generator().manual_seed(0)
    batches = [(torch.randn(size, *shape, generator=g), torch.randint(10, (size,), generator=g)) for _ in range(2)]
    theta, _, apply_fn = package.functional(package.model.build_model(model, shape, 10))
    phi, loss_fn = package.loss_network("classification", generator=torch.Generator().manual_seed(1))
    inner, outer, loss = package.sgd(0.01), package.adam(1e-5), package.cross_entropy
    compile_program = importlib.import_module(f"{package.__name__}.training.compilation").compile_program

    def call(form: str) -> Callable[[], None]:
        name = form.removesuffix(", compiled")
        state: list[Any] = [theta, phi, package.fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner, outer=outer)]

        def base(theta: Any, carry: Any) -> Any:
            theta, carry, _ = package.base_step(
                theta, batches[0], carry, apply_fn=apply_fn, loss=loss, task_loss=loss, inner=inner
            )
            return theta, carry

        def meta(theta: Any, phi: Any, carry: Any) -> Any:
            return package.meta_step(
                theta,
                phi,
                *batches,
                carry,
                apply_fn=apply_fn,
                loss_fn=loss_fn,
                task_loss=loss,
                inner=inner,
                outer=outer,
                hypergradient=name,
            )[:3]

        program = base if name == "base" else meta
        if form != name:
            program = compile_program(program, device)

        def step() -> None:
            if name == "base":
                state[0], state[2] = program(state[0], state[2])
            else:
                state[:] = program(*state)

        return step

    return {form: call(form) for form in FORMS}


def interleaved(before: Callable[[], None], after: Callable[[], None], seconds: float) -> dict[str, float]:
    for call in (before, after) * 3:
        call()
    times: list[tuple[float, float]] = []
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 20:
        order = (before, after) if len(times) % 2 else (after, before)
        took = {}
        for call in order:
            began = time.perf_counter()
            call()
            took[call] = 1e3 * (time.perf_counter() - began)
        times.append((took[before], took[after]))
    ratios = [b / a for a, b in times]
    return {
        "before_ms": statistics.median(a for a, _ in times),
        "after_ms": statistics.median(b for _, b in times),
        "ratio": statistics.median(ratios),
        "ratio_quartiles": statistics.quantiles(ratios, n=4)[::2],
        "pairs": len(times),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("models", nargs="+", metavar="MODEL", help=", ".join(INPUTS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0, help="time spent on each form")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    import lfl
    from lfl.device import keep_freed_memory
    from lfl.run.schema import environment

    keep_freed_memory()
    commits = [
        subprocess.run(["git", "-C", str(where), "describe", "--always", "--dirty"], capture_output=True, text=True)
        for where in (asked.before, Path(__file__).parent)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(asked.before / "lfl", Path(scratch) / "lfl_before")
        sys.path.insert(0, scratch)
        packages = importlib.import_module("lfl_before"), lfl
        rows: dict[str, Any] = {}
        for model in asked.models:
            before, after = map(partial(steps, model=model), packages)
            rows[model] = {}
            for form in FORMS:
                rows[model][form] = row = interleaved(before[form], after[form], asked.seconds)
                low, high = row["ratio_quartiles"]
                print(
                    f"{model:9} {form:17} {row['before_ms']:8.3g} ms {row['after_ms']:8.3g} ms  "
                    f"{row['ratio']:.3f} ({low:.3f} to {high:.3f})",
                    flush=True,
                )
    names = dict(zip(("before", "after"), (done.stdout.strip() for done in commits), strict=True))
    RESULTS.write_text(json.dumps({**environment(torch.device("cpu")), **names, "models": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
