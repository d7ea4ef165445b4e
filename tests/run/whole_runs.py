"""What the processes of `test_together.py` run: whole runs of the digits, in double precision."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

import lfl
from lfl.method import plan
from lfl.run.session import Session, run_session
from lfl.run.together import follow, ranks_for
from lfl.task import Task, load_task
from lfl.training import build_problem, build_programs, resolve
from lfl.training.losses import learned
from lfl.trees import map_tree

SETTINGS: dict[str, Any] = {"steps": 24, "offline_steps": 6, "inner_steps": 2, "horizon": 2, "clip_norm": 1.0}
SETTINGS |= {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-4, "log_every": 12, "eval_every": 24}


def convolutional(input_shape: Any, num_outputs: int) -> nn.Module:
    """Batch norm and dropout, on pictures of eight by eight pixels."""
    layers = (nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2))
    return nn.Sequential(*layers, nn.Linear(36, num_outputs))


@contextmanager
def in_double() -> Iterator[None]:
    """Models and rates are made in double precision."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def digits() -> Task:
    """The digits in double precision."""
    task = load_task("digits", None)
    splits = {
        name: map_tree(lambda t: t.double() if t.is_floating_point() else t, s) for name, s in task.splits.items()
    }
    return dataclasses.replace(task, **splits)


def in_float64(root: Path, group: Any) -> None:
    """A run as `lfl train` does it, with checkpoints and evaluation, of which every number is a double."""
    with in_double():
        task = digits()
        settings = resolve(
            task.defaults, model="tests.run.whole_runs:convolutional", batch_norm="synchronised", **SETTINGS
        )
        ranks = ranks_for(group, settings)
        steps = build_programs(task, settings, many_seeds=False, compiled=False, group=ranks)
        phi = {name: t.double() for name, t in (learned(task, settings, 0).phi_0 or {}).items()}
        problem = build_problem(task, settings, steps=steps, phi=phi)
        session = Session(task, settings, plan(settings.method, problem), None, None, ranks=ranks)
        if ranks is not None and ranks.rank:
            follow(ranks, session.plan, settings, task.kind)
        else:
            root.mkdir()
            run_session(session, root, [root])


def trained(root: Path, group: Any, **settings: Any) -> Any:
    """A run by `lfl.train`, and what its `Run` says."""
    given: dict[str, Any] = {"steps": 4, "method": "baseline", "inner_lr": 0.1} | settings
    try:
        run = lfl.train("digits", "tests.run.whole_runs:convolutional", out=root, device="cpu", group=group, **given)
    except lfl.UserError as error:
        return str(error)
    return {"errors": run.result.test_error, "theta": run.theta, "settings": run.settings.batch_norm}


def everything(rank: int, size: int) -> dict[str, Any]:
    """Runs of two ranks and of four."""
    folder = Path.cwd()
    pair, found = dist.new_group([0, 1]), {}
    if rank < 2:
        in_float64(folder / "two", pair)
        for name in ("local", "synchronised"):
            found[name] = trained(folder / name, lfl.Ranks(pair, batch_norm=name), batch_norm=name)
        found["own"] = trained(folder / "no", lfl.Ranks(pair, batches="own"))
        found["other"] = trained(folder / "no", lfl.Ranks(pair, batch_norm="synchronised"))
        found["compiled"] = trained(folder / "no", pair, batch_norm="synchronised", compile="on")
        found["task"] = said_of_few_shot(pair)
    dist.barrier()
    in_float64(folder / "four", dist.group.WORLD)
    return found


def said_of_few_shot(group: Any) -> str:
    try:
        lfl.train("sinusoid", group=group)
    except lfl.UserError as error:
        return str(error)
    return "nothing"
