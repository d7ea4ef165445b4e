"""Run folders written by hand, so that what a report should say of them is known."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lfl.method import METHODS
from lfl.task import Defaults
from lfl.task.defaults import for_regression
from lfl.training import resolve

CLASSIFICATION = Defaults(steps=100, inner_lr=0.01, offline_steps=20)
DEFAULTS = {"classification": CLASSIFICATION, "regression": for_regression(CLASSIFICATION)}


def write_run(
    folder: Path,
    *,
    method: str = "adalfl",
    seed: int = 0,
    test_error: float | None = 0.1,
    valid: Sequence[float] = (0.5, 0.3, 0.2),
    kind: str = "classification",
    completed: bool = True,
    **asked: Any,
) -> Path:
    """A run with a validation error every tenth step, and an inner_lr or an effective_lr of its tenth part.

    Args:
        folder: made with its parents.
        test_error: None for a run that still trains.
        kind: of the targets, and with it of the learned loss.
        asked: other settings.
    """
    if method == "fixed":
        asked = {"loss_from": "a run"} | asked
    settings = resolve(DEFAULTS[kind], **({"task": "mnist", "method": method, "seed": seed} | asked))
    folder.mkdir(parents=True)
    facts = {"device": "cpu", "threads": 1, "versions": {"torch": "2.15.0"}}
    (folder / "config.json").write_text(json.dumps(asdict(settings) | facts))
    rate = {"inner_lr": METHODS[method].learns_rate, "effective_lr": METHODS[method].learns_loss}
    lines = [{"phase": "train", "step": 5, "inner_loss": 1.0, "outer_loss": 1.0}]
    lines += [
        {"phase": "train", "step": 10 * (i + 1), "valid_error": error}
        | {name: error / 10 for name, learned in rate.items() if learned}
        for i, error in enumerate(valid)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "timing.jsonl").write_text(json.dumps({"phase": "train", "step": 5, "seconds": 1.5}) + "\n")
    if test_error is not None:
        ended = {"phase": "train", "step": 100, "completed": completed}
        (folder / "result.json").write_text(json.dumps(ended | {"valid_error": valid[-1], "test_error": test_error}))
    if METHODS[method].learns_loss and test_error is not None:
        (folder / "loss_curves.npz").write_bytes(curves(kind, seed))
    return folder


def curves(kind: str = "classification", seed: int = 0) -> bytes:
    """A loss that grows with the step, as `loss_curves.npz`: three looks at init, four at train."""
    steps = np.array([0, 10, 20, 0, 30, 60, 100])
    phases = np.array(["init"] * 3 + ["train"] * 4)
    targets, low = (2, 0.0) if kind == "classification" else (1, -1.0)
    axis = np.linspace(low, 1.0, 101, dtype=np.float32)
    growth = (1.0 + np.arange(7) + seed)[:, None, None] * np.array([-1.0, 2.0])[:targets, None]
    file = io.BytesIO()
    np.savez(file, axis=axis, phase=phases, step=steps, curves=(growth * axis**2).astype(np.float32))
    return file.getvalue()
