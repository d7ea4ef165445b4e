"""A step of MAML on Omniglot's sizes: time beside higher and torchopt, and memory against the number of inner steps.

    python benchmarks/fewshot_step.py --repeats 3
    python benchmarks/fewshot_step.py --table        # from the committed results

5 ways, 5 shots, 15 queries a class, 32 tasks, 5 inner steps of SGD at 0.1, Adam at 1e-3; 3 times [convolution 3x3 to
64 channels, no padding, batch norm on the batch's statistics, ReLU, max-pool 2], a linear layer; random images of
28 x 28, since no time depends on what is on them. higher and torchopt run their own examples of this step, one task
after the other. All are timed in turns in one process. Memory is the peak of all tensors alive at once, counted by a
dispatch mode, for one task at a time (unrolling all tasks together would need 18 GB). Writes
`results/fewshot-step.json`.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

import lfl

RESULTS = Path(__file__).parent / "results" / "fewshot-step.json"
WAYS, SHOTS, QUERIES = 5, 5, 15
INNER_LR, OUTER_LR = 0.1, 1e-3


def network() -> nn.Module:
    layers: list[nn.Module] = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for channels in (1, 64, 64):
            norm = nn.BatchNorm2d(64, momentum=1.0, track_running_stats=False)
            layers += [nn.Conv2d(channels, 64, 3), norm, nn.ReLU(), nn.MaxPool2d(2)]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, WAYS))


def meta_batch(num_tasks: int) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    images = torch.randn(num_tasks, WAYS * (SHOTS + QUERIES), 1, 28, 28, generator=g)
    support, query = images.split([WAYS * SHOTS, WAYS * QUERIES], 1)
    classes = torch.arange(WAYS)
    labels = {"y": classes.repeat(num_tasks, SHOTS), "query_y": classes.repeat(num_tasks, QUERIES)}
    return {"x": support.contiguous(), "query_x": query.contiguous(), **labels}


def ours(form: str, at_once: int | None, num_steps: int) -> Callable[[Any], Any]:
    theta, _, apply_fn = lfl.functional(network())

    def objective(images: str, labels: str) -> Callable[..., torch.Tensor]:
        return lambda theta, phi, task: F.cross_entropy(apply_fn(theta, {}, task[images])[0], task[labels])

    inner = lfl.Adaptation(objective("x", "y"), lfl.sgd(INNER_LR), num_steps)
    outer, (init, update) = objective("query_x", "query_y"), lfl.adam(OUTER_LR)
    state = [theta, init(theta)]

    def step(tasks: Any) -> Any:
        grads, _ = lfl.bilevel_gradient(
            inner, outer, lambda phi: phi, state[0], tasks, form=form, tasks_at_once=at_once
        )
        state[:] = update(grads, state[1], state[0])
        return grads

    return step


def with_higher(num_steps: int) -> Callable[[Any], Any]:
    import higher

    net = network()
    outer, inner = torch.optim.Adam(net.parameters(), OUTER_LR), torch.optim.SGD(net.parameters(), INNER_LR)

    def step(tasks: Any) -> Any:
        outer.zero_grad()
        for i in range(len(tasks["x"])):
            with higher.innerloop_ctx(net, inner, copy_initial_weights=False) as (model, optimiser):
                for _ in range(num_steps):
                    optimiser.step(F.cross_entropy(model(tasks["x"][i]), tasks["y"][i]))
                loss = F.cross_entropy(model(tasks["query_x"][i]), tasks["query_y"][i])
                (loss / len(tasks["x"])).backward()
        grads = {name: p.grad.clone() for name, p in net.named_parameters()}
        outer.step()
        return grads

    return step


def with_torchopt(num_steps: int) -> Callable[[Any], Any]:
    import torchopt

    net = network()
    outer, inner = torch.optim.Adam(net.parameters(), OUTER_LR), torchopt.MetaSGD(net, lr=INNER_LR)

    def step(tasks: Any) -> Any:
        outer.zero_grad()
        start = torchopt.extract_state_dict(net, by="reference"), torchopt.extract_state_dict(inner, by="reference")
        for i in range(len(tasks["x"])):
            for _ in range(num_steps):
                inner.step(F.cross_entropy(net(tasks["x"][i]), tasks["y"][i]))
            loss = F.cross_entropy(net(tasks["query_x"][i]), tasks["query_y"][i])
            (loss / len(tasks["x"])).backward()
            torchopt.recover_state_dict(net, start[0])
            torchopt.recover_state_dict(inner, start[1])
        grads = {name: p.grad.clone() for name, p in net.named_parameters()}
        outer.step()
        return grads

    return step


STEPS: dict[str, Callable[[int], Callable[[Any], Any]]] = {
    "higher": with_higher,
    "torchopt": with_torchopt,
    "unroll, one by one": lambda k: ours("unroll", 1, k),
    "mixed, one by one": lambda k: ours("mixed", 1, k),
    "mixed, 8 vmapped": lambda k: ours("mixed", 8, k),
    "first-order, one by one": lambda k: ours("first-order", 1, k),
}


def peak_mb(name: str, num_steps: int) -> float:
    from tests.hypergradient.live_bytes import LiveBytes

    step, tasks = STEPS[name](num_steps), meta_batch(1)
    step(tasks)
    with LiveBytes() as counted:
        step(tasks)
    return round(counted.peak / 2**20, 2)


def timed(num_tasks: int, num_steps: int, repeats: int) -> dict[str, Any]:
    """The median seconds of each step, all run in turns; and how far the first gradients are from those of `higher`."""
    steps, tasks = {name: make(num_steps) for name, make in STEPS.items()}, meta_batch(num_tasks)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    first: dict[str, Any] = {}
    for repeat in range(repeats):
        for name, step in steps.items():
            began = time.perf_counter()
            grads = step(tasks)
            seconds[name].append(time.perf_counter() - began)
            first.setdefault(name, grads)
            print(repeat, name, round(seconds[name][-1], 2), flush=True)
    scale = max(float(g.abs().max()) for g in first["higher"].values())
    apart = {
        name: max(float((g - first["higher"][key]).abs().max()) for key, g in grads.items()) / scale
        for name, grads in first.items()
    }
    return {
        name: {"median_s": statistics.median(took), "all_s": took, "from_higher": apart[name]}
        for name, took in seconds.items()
    }


def table(found: dict[str, Any]) -> str:
    forms, memory, counts = found["forms"], found["memory_mb"], found["inner_steps"]
    lines = [
        "| step | s | higher's time over it | " + " | ".join(f"MB, K = {k}" for k in counts) + " |",
        "| --- " * (3 + len(counts)) + "|",
    ]
    for name, row in forms.items():
        sizes = memory.get(name, ["" for _ in counts])
        ratio = forms["higher"]["median_s"] / row["median_s"]
        lines.append(f"| {name} | {row['median_s']:.2f} | {ratio:.2f} | {' | '.join(map(str, sizes))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if not asked.table:
        from lfl.device import keep_freed_memory
        from lfl.run.schema import environment

        sys.path.insert(0, str(Path(__file__).parents[1]))
        torch.set_num_threads(asked.threads)
        counts = [1, 5, 10, 20]
        named = ("higher", "torchopt", "unroll, one by one", "mixed, one by one", "first-order, one by one")
        memory = {name: [peak_mb(name, k) for k in counts] for name in named}
        keep_freed_memory()
        forms = timed(asked.tasks, 5, asked.repeats)
        found = {"tasks": asked.tasks, "repeats": asked.repeats, "threads": asked.threads, "inner_steps": counts}
        parameters = round(sum(p.nbytes for p in network().parameters()) / 2**20, 3)
        found |= {**environment(torch.device("cpu")), "theta_mb": parameters, "memory_mb": memory, "forms": forms}
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(table(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    sys.exit(main())
