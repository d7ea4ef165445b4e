"""Time and memory of a learned step against the number of outputs: each output evaluated, or interpolated.

    python benchmarks/num_outputs.py --outputs 10 100 1000 10000 100000
    python benchmarks/num_outputs.py --table        # the table of docs/targets.md, from the committed results

A multilayer perceptron (784-1000-1000-C) at batch 128, of 100,000 outputs at batch 16, the paper's network as the
learned loss, one step of plain SGD and one of Adam on phi. Time: a learned and a plain step alternate in a process of
their own; the medians of both, and of the ratios of neighbouring calls. The plain step is always torch's own, eager.
Memory: how far the peak of resident memory lies above what was in use before the steps, in a process of its own.
Writes `results/num_outputs.csv` after each row, and skips rows that it already holds.
"""

import argparse
import csv
import ctypes
import gc
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results" / "num_outputs.csv"
COLUMNS = ["outputs", "loss", "form", "ms", "plain_ms", "plain_steps", "growth_mb", "steps", "torch", "threads"]
LOSSES = {"each output": False, "interpolated": True}
SMALL_BATCH = {100_000: 16}
FORMS = ["eager", "compiled"]
CALLS, SECONDS = 12, 10.0
"""Calls that are timed, fewer where they take longer than so many seconds together, but at least three."""


def child(asked: argparse.Namespace) -> None:
    """Prints the measurement of one setting."""
    import torch
    from forms import ours, plain, setup
    from memory import resident

    torch.set_num_threads(1)
    device = torch.device("cpu")
    sizes = {"num_outputs": asked.outputs[0], "batch_size": SMALL_BATCH.get(asked.outputs[0])}
    s = setup("mlp", device, **sizes)
    rival = plain(setup("mlp", device, **sizes)) if asked.child == "time" else None
    if asked.loss == "plain":
        learned = plain(s)
    else:
        s = s._replace(loss_fn=replace(s.loss_fn, interpolate=LOSSES[asked.loss]))
        learned = ours(s, "auto", compiled=asked.form == "compiled")
    batch, valid = s.batch(), s.batch()
    learned([batch], valid)
    if rival is None:
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        for _ in range(2):
            learned([batch], valid)
        print(resident("VmHWM") - before)
        return
    rival([batch], valid)
    times: list[tuple[float, float]] = []
    end = time.perf_counter() + SECONDS
    while len(times) < 3 or (len(times) < CALLS and time.perf_counter() < end):
        points = [time.perf_counter()]
        for call in (learned, rival):
            call([batch], valid)
            points.append(time.perf_counter())
        times.append((points[1] - points[0], points[2] - points[1]))
    mine, theirs = zip(*times, strict=True)
    ratio = median(a / b for a, b in times)
    print(f"{1e3 * median(mine)} {1e3 * median(theirs)} {ratio} {len(times)}")


def in_a_process(what: str, outputs: int, loss: str, form: str, limit_mb: int) -> list[float] | None:
    """Returns the numbers that a process of its own prints; None where it is out of memory."""
    command = [sys.executable, __file__, "--child", what, "--outputs", str(outputs), "--loss", loss, "--form", form]
    environment = dict(os.environ)
    if what == "memory":  # the peak then counts only memory in use
        environment |= {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    shell = f'ulimit -v {1024 * limit_mb}; exec "$@"'
    done = subprocess.run(
        ["bash", "-c", shell, "bash", *command], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        if "alloc" in done.stderr or done.returncode < 0 or "MemoryError" in done.stderr:
            return None
        raise SystemExit(done.stderr)
    return [float(word) for word in done.stdout.split()[-4:]]


def rows() -> list[dict[str, str]]:
    return list(csv.DictReader(RESULTS.open())) if RESULTS.is_file() else []


def measure(outputs: int, loss: str, form: str, limit_mb: int) -> dict[str, Any]:
    import torch

    row: dict[str, Any] = dict.fromkeys(COLUMNS, "") | {"outputs": outputs, "loss": loss, "form": form}
    row |= {"torch": torch.__version__, "threads": 1}
    if (timed := in_a_process("time", outputs, loss, form, limit_mb)) is not None:
        ms, plain_ms, ratio, steps = timed
        row |= {"ms": f"{ms:.1f}", "plain_ms": f"{plain_ms:.1f}", "plain_steps": f"{ratio:.2f}", "steps": int(steps)}
    if (grown := in_a_process("memory", outputs, loss, form, limit_mb)) is not None:
        row["growth_mb"] = f"{grown[-1]:.0f}"
    return row


def table() -> str:
    """Returns the committed results as Markdown."""
    known = sorted(rows(), key=lambda row: int(row["outputs"]))
    forms = sorted(
        {(row["loss"], row["form"]) for row in known},
        key=lambda f: ([*LOSSES].index(f[0]) if f[0] in LOSSES else -1, f[1]),
    )
    lines = [f"| outputs | {' | '.join(', '.join(form) for form in forms)} |", "|" + " --- |" * (1 + len(forms))]
    for outputs in dict.fromkeys(row["outputs"] for row in known):
        cells = []
        for form in forms:
            found = [r for r in known if (r["outputs"], r["loss"], r["form"]) == (outputs, *form)]
            if not found:
                cells.append("")
            elif not found[0]["ms"]:
                cells.append("out of memory")
            else:
                (row,) = found
                cells.append(f"{row['plain_steps']} ({float(row['ms']):.0f} ms, {row['growth_mb'] or '-'} MB)")
        lines.append(f"| {int(outputs):,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outputs", nargs="+", type=int, default=[10, 100, 1000, 10_000, 100_000])
    parser.add_argument("--losses", nargs="+", default=["plain", *LOSSES])
    parser.add_argument("--forms", nargs="+", default=FORMS, choices=FORMS)
    parser.add_argument("--limit", type=int, default=12_000, help="most memory of a process, in MB")
    parser.add_argument("--table", action="store_true", help="print the Markdown table and exit")
    parser.add_argument("--child", choices=["time", "memory"], help=argparse.SUPPRESS)
    parser.add_argument("--loss", help=argparse.SUPPRESS)
    parser.add_argument("--form", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(asked)
        return
    if asked.table:
        print(table())
        return
    for outputs in asked.outputs:
        for loss in asked.losses:
            for form in asked.forms if loss != "plain" else ["eager"]:
                old = rows()
                if any((r["outputs"], r["loss"], r["form"]) == (str(outputs), loss, form) for r in old):
                    continue
                new = measure(outputs, loss, form, asked.limit)
                with RESULTS.open("w", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows([*old, new])
                print(new, flush=True)


if __name__ == "__main__":
    main()
