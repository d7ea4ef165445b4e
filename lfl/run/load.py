"""Read a run folder back."""

import json
from collections.abc import Set as AbstractSet
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load

from ..errors import UserError, reason
from ..loss import REPRESENTATIONS
from ..model import PureModule
from ..task import Encoding, Task, load_task
from ..training import ERRORS, Settings, build_functional, evaluate
from ..training.learned import RATE
from ..types import Kind, Tensors
from .history import History
from .record import Result


class Model(NamedTuple):
    """A trained model, and how raw inputs and targets are encoded for it.

    Args:
        settings: of its run.
        encoding: of its task.
        theta, buffers, apply_fn: the model.
        completed: whether training ran to its end.
    """

    settings: Settings
    encoding: Encoding
    theta: Tensors
    buffers: Tensors
    apply_fn: PureModule
    completed: bool


class Run(NamedTuple):
    """A trained model with the task it was trained on.

    Args:
        settings: of the run.
        task: its data.
        theta, buffers, apply_fn: the trained model.
        completed: whether training ran to its end.
    """

    settings: Settings
    task: Task
    theta: Tensors
    buffers: Tensors
    apply_fn: PureModule
    completed: bool


def load_run(folder: Path, data_dir: Path | None = None, device: torch.device | str = "cpu") -> Run:
    """Load what `execute` left behind, and the data that it was made with.

    Args:
        folder: the run folder.
        data_dir: folder of the data sets; where the run had them when omitted.
        device: where the model and the data will live.

    Returns:
        The `Run`.

    Raises:
        UserError: no run is there, or a file of it is missing, corrupt or of another model.
    """
    model = load_model(folder, device)
    task = load_data(folder, data_dir).to(torch.device(device))
    if (task.input_shape, task.num_outputs) != (model.encoding.input_shape, model.encoding.num_outputs):
        raise UserError(f"{task.name} is not what it was when {folder} was trained: inputs or classes have changed.")
    return Run(model.settings, task, model.theta, model.buffers, model.apply_fn, model.completed)


def load_model(folder: Path, device: torch.device | str = "cpu") -> Model:
    """Load the model of a run without its data.

    Raises:
        UserError: as `load_run`.
    """
    settings = read_settings(folder)
    result = read_json(folder / "result.json")
    path = folder / "encoding.json"
    encoding = Encoding.of(read_json(path), str(path))
    sizes = _Sizes(encoding.input_shape, encoding.num_outputs, torch.device(device))
    shapes, apply_fn = build_functional(sizes, settings)
    theta = _read_tensors(folder / "theta.safetensors", shapes)
    buffers = _read_tensors(folder / "buffers.safetensors", apply_fn.buffers)
    theta, buffers = ({name: t.to(device) for name, t in tensors.items()} for tensors in (theta, buffers))
    return Model(settings, encoding, theta, buffers, apply_fn, bool(result.get("completed")))


class _Sizes(NamedTuple):
    input_shape: tuple[int, ...]
    num_outputs: int
    device: torch.device


def load_data(folder: Path, data_dir: Path | None = None) -> Task:
    """The task of a run, from `data_dir` or from where the run had it."""
    settings = read_settings(folder)
    noted = read_json(folder / "config.json").get("data_dir")
    where = data_dir or Path(noted or "~/.cache/lfl").expanduser()
    return load_task(settings.task, where, target=settings.target, kind=settings.kind, eval_split=settings.eval_split)


def read_settings(folder: Path) -> Settings:
    """The settings of a run.

    Raises:
        UserError: no run is there, or its `config.json` is damaged.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a run folder: there is no such folder; name one that lfl train made.")
    config = read_json(folder / "config.json")
    names = {field.name for field in fields(Settings)}
    missing = sorted(names - config.keys())
    if missing:
        raise UserError(f"{folder / 'config.json'} lacks {', '.join(missing)}; it is not a whole run's.")
    return Settings(**{name: config[name] for name in names})


def read_result(folder: Path) -> Result | None:
    """How a run ended; None while it has not ended, or was told to stop."""
    if not (folder / "result.json").is_file():
        return None
    ended = read_json(folder / "result.json")
    try:
        if not ended["completed"]:
            return None
        seconds = json.loads(_read(folder / "timing.jsonl").splitlines()[-1])["seconds"]
        return Result(folder, **ended, seconds=seconds)
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(f"{folder} holds a damaged result.json or timing.jsonl ({reason(error)}).") from error


def learned_loss_of(folder: Path) -> str:
    """What the learned loss of a run is made of: the name of its representation.

    Raises:
        UserError: not the folder of a run that learned a loss.
    """
    config = read_json(folder / "config.json")
    if not (folder / "loss_curves.npz").is_file() or config.get("loss") not in REPRESENTATIONS:
        raise UserError(f"{folder} learned no loss (method {config.get('method')}); name a run of ml3 or adalfl.")
    return str(config["loss"])


def load_phi(folder: Path, representation: str, kind: Kind) -> Tensors:
    """The learned loss of a run, without a learning rate that it may have learned beside it.

    Raises:
        UserError: not the folder of a run that learned such a loss for such targets.
    """
    found = learned_loss_of(folder)
    if found != representation:
        raise UserError(f"the loss of {folder} is {found}, but --loss {representation} came; leave --loss out.")
    with np.load(folder / "loss_curves.npz") as curves:
        learned_for = "classification" if curves["curves"].shape[1] == 2 else "regression"
    if learned_for != kind:
        raise UserError(
            f"the loss of {folder} was learned for {learned_for}, but this task is {kind}; choose another run."
        )
    like, _ = REPRESENTATIONS[representation](kind, generator=torch.Generator())
    return _read_tensors(folder / "phi.safetensors", like, ignored={RATE})


def load_history(folder: Path) -> History:
    """What a run learned beside its model, by step.

    Raises:
        UserError: the run learned nothing, or the file is corrupt.
    """
    path = folder / "phi_history.safetensors"
    try:
        return History.of(load(_read(path)))
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{path} is corrupt ({error}); the run cannot be used.") from error


def test_error(run: Run) -> float:
    """The test error of a run's model: error rate from 0 to 1, or mean squared error."""
    return evaluate(run.apply_fn, run.theta, run.buffers, run.task.test, ERRORS[run.task.kind])


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; `UserError` where there is none."""
    content = _read(path)
    try:
        value = json.loads(content)
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); the run cannot be used.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a {type(value).__name__}, not settings; the run cannot be used.")
    return value


def _read_tensors(path: Path, like: Tensors, ignored: AbstractSet[str] = frozenset()) -> Tensors:
    content = _read(path)
    try:
        tensors = {name: t for name, t in load(content).items() if name not in ignored}
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path} is corrupt ({error}); the run cannot be used.") from error
    expected, found = ({name: list(t.shape) for name, t in ts.items()} for ts in (like, tensors))
    if expected != found:
        odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise UserError(
            f"{path} does not fit the model of config.json: {odd[0]} should be "
            f"{expected.get(odd[0], 'absent')}, but is {found.get(odd[0], 'absent')}."
        )
    return tensors


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}); name a folder that lfl train made.") from error
