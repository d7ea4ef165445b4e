"""How far each form of the hypergradient is from the exact one: against `unroll` in float64.

    python benchmarks/gradient_error.py
    python benchmarks/gradient_error.py --table      # the table of docs/cost.md, from the committed results

Relative error |g - g64| / |g64| over all of phi, median and largest of ten measurements while a model trains on random
data of its true shape; `finite-difference` also at other step sizes. tf32 is emulated: the inputs of products and
convolutions are rounded as such a GPU rounds them. Writes `results/gradient-error.json`.
"""

import argparse
import json
import statistics
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "gradient-error.json"
MODELS = ["mlp", "lenet5", "allcnnc"]
STEP_SIZES = [1 / 64, 1 / 4, 1.0, 4.0, 16.0]
NUM_STEPS = 10


def measure(threads: int, device_name: str) -> None:
    import torch
    from forms import setup

    import lfl
    from lfl.hypergradient import mixed
    from lfl.hypergradient.directional import one_sided_difference
    from lfl.randomness import generator
    from lfl.run.schema import environment
    from lfl.trees import leaves, map_tree

    torch.set_num_threads(threads)
    device = torch.device(device_name)
    keep = lfl.Optimiser(lambda phi: phi, lambda grads, state, phi, lr=None: (phi, grads))

    def with_step_size(size: float) -> Any:
        return partial(mixed, directional=partial(one_sided_difference, step_size=size))

    rows = []
    for model in MODELS:
        s = setup(model, device, batch_size=32)
        low = lfl.functional(s.module, autocast=torch.bfloat16)[2]
        exact = lfl.functional(s.module)[2]
        forms: dict[str, tuple[Any, Any]] = {name: (exact, name) for name in ("unroll", "mixed", "finite-difference")}
        forms |= {f"finite-difference, step size {h:g}": (exact, with_step_size(h)) for h in STEP_SIZES}
        forms["unroll, bfloat16"] = (low, "unroll")
        forms["unroll, tf32"] = (exact, "unroll")

        def gradient(apply_fn: Any, form: Any, theta: Any, phi: Any, tr: Any, val: Any, buffers: Any) -> Any:
            step = partial(lfl.meta_step, apply_fn=apply_fn, loss_fn=s.loss_fn, task_loss=lfl.cross_entropy)  # noqa: B023
            carry = lfl.Carry({}, phi, buffers)
            _, _, carry, _ = step(theta, phi, tr, val, carry, inner=lfl.sgd(0.01), outer=keep, hypergradient=form)
            return torch.cat([t.flatten().double() for t in leaves(carry.outer)])

        def wide(tree: Any) -> Any:
            return map_tree(lambda t: t.double() if t.is_floating_point() else t, tree)

        errors: dict[str, list[float]] = {name: [] for name in forms}
        phi, _ = lfl.loss_network("classification", gain=1.0, generator=generator(1, "phi"))
        theta, carry = s.theta, lfl.fresh_carry(s.theta, None, apply_fn=exact, inner=lfl.sgd(0.01))
        for _ in range(NUM_STEPS):
            for _ in range(5):  # between two measurements the model trains on cross-entropy
                loss = lfl.cross_entropy
                theta, carry, _ = lfl.base_step(
                    theta, s.batch(), carry, apply_fn=exact, loss=loss, task_loss=loss, inner=lfl.sgd(0.01)
                )
            tr, val = s.batch(), s.batch()
            inputs = (theta, phi, tr, val, carry.buffers)
            truth = gradient(exact, "unroll", *map(wide, inputs))
            for name, (apply_fn, form) in forms.items():
                with emulated_tf32() if name.endswith("tf32") else nullcontext():
                    found = gradient(apply_fn, form, *inputs)
                errors[name].append(float((found - truth).norm() / truth.norm()))
        rows += [
            {"model": model, "form": name, "median": statistics.median(e), "largest": max(e)}
            for name, e in errors.items()
        ]
        print(*rows[-len(forms) :], sep="\n", flush=True)
    RESULTS.write_text(json.dumps({**environment(device), "rows": rows}, indent=1) + "\n")


def emulated_tf32() -> Any:
    """Makes products and convolutions round their inputs to 10 bits within a context: to the nearest, ties upwards."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    factors = {"mm": (0, 1), "bmm": (0, 1), "addmm": (1, 2), "baddbmm": (1, 2), "convolution": (0, 1)}
    factors["convolution_backward"] = (0, 1, 2)

    def rounded(value: torch.Tensor) -> torch.Tensor:
        return ((value.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)

    class Rounding(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            which = factors.get(func.overloadpacket.__name__, ())
            args = tuple(rounded(value) if i in which else value for i, value in enumerate(args))
            return func(*args, **kwargs or {})

    return Rounding()


def table() -> str:
    rows = json.loads(RESULTS.read_text())["rows"]
    lines = [f"| relative error, median (largest) | {' | '.join(MODELS)} |", "|" + " --- |" * (1 + len(MODELS))]
    for form in dict.fromkeys(row["form"] for row in rows):
        cells = [f"{row['median']:.1e} ({row['largest']:.1e})" for row in rows if row["form"] == form]
        lines.append(f"| {form} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        print(table())
        return
    sys.path.insert(0, str(Path(__file__).parent))
    measure(asked.threads, asked.device)


if __name__ == "__main__":
    main()
