"""Time and memory of sparse label smoothing against dense, with its gradient, over 10 to 10,000 classes.

    python benchmarks/label_smoothing.py
    python benchmarks/label_smoothing.py --table     # the table of docs/cost.md, from the committed results

Batches of 128, forward and backward, in turns in one process; memory is the peak that a call has allocated beyond its
inputs. Writes `results/label-smoothing.json`.
"""

import argparse
import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "label-smoothing.json"
CLASSES = [10, 100, 1000, 10_000]
SIZE = 128


def measure(threads: int, seconds: float) -> list[dict[str, Any]]:
    import torch
    from forms import interleaved, summary

    import lfl
    from lfl.randomness import generator

    torch.set_num_threads(threads)
    rows = []
    for classes in CLASSES:
        g = generator(0, "logits")
        outputs = torch.randn(SIZE, classes, generator=g, requires_grad=True)
        targets = torch.randint(classes, (SIZE,), generator=g)

        def call(loss: Any, outputs: Any = outputs, targets: Any = targets) -> None:
            torch.autograd.grad(loss(outputs, targets).mean(), outputs)

        losses = {
            "cross-entropy": lfl.cross_entropy,
            "label smoothing": lfl.label_smoothing,
            "sparse label smoothing": lfl.sparse_label_smoothing,
        }
        calls = {name: (lambda loss=loss: call(loss)) for name, loss in losses.items()}
        times = interleaved(calls, torch.device("cpu"), seconds)
        for name, one in calls.items():
            rows.append({"classes": classes, "loss": name, **summary(times[name]), "peak_kb": peak_kilobytes(one)})
            print(rows[-1], flush=True)
    return rows


def peak_kilobytes(call: Any) -> float:
    """Returns the peak of memory allocated during a call, from the profiler's record of allocations."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        call()
    alive = peak = 0
    events = profile.profiler.kineto_results.events()
    for event in sorted(events, key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            alive += event.nbytes()
            peak = max(peak, alive)
    return round(peak / 1024, 1)


def table() -> str:
    rows = json.loads(RESULTS.read_text())["rows"]
    names = list(dict.fromkeys(row["loss"] for row in rows))
    lines = [f"| classes | {' | '.join(names)} |", "|" + " --- |" * (1 + len(names))]
    for classes in CLASSES:
        found = {row["loss"]: row for row in rows if row["classes"] == classes}
        cells = [f"{found[n]['median_ms'] * 1e3:.0f} µs, {found[n]['peak_kb']:,.0f} KB" for n in names]
        lines.append(f"| {classes:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        print(table())
        return
    import torch

    from lfl.run.schema import environment

    rows = measure(asked.threads, asked.seconds)
    RESULTS.write_text(json.dumps({**environment(torch.device("cpu")), "rows": rows}, indent=1) + "\n")
    print(table())


if __name__ == "__main__":
    main()
