"""Loads a run folder: the trained model, the data it was trained on, how it ended, and its error on the test split."""

from collections.abc import Set as AbstractSet
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch
from msgspec import structs

from ..boundary import HEADER, num_bytes, parse_tensors, read_bytes, read_json
from ..errors import LflError, UserError, reason
from ..model import PureModule, build_model, initial_theta
from ..places import own_cache
from ..task import WITHOUT_DATA_DIR, Encoding, Task, is_file_task, load_task
from ..training import ERRORS, Settings, build_functional, mean_error, metrics_of, outputs_on
from ..types import Tensors
from .folder import check_plain
from .record import Result
from .schema import Ended, last_seconds, read_ended, read_facts, read_settings
from .trust import Named, allow, asked_for


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


def load_model_and_data(
    folder: Path,
    data_dir: Path | None = None,
    device: torch.device | str = "cpu",
    *,
    model: str | None = None,
    task: str | None = None,
    valid: str | None = None,
    trust: bool = False,
) -> tuple[Model, Task]:
    """Loads the model of a run, and the data that it was trained on.

    A folder that was not made here may ask for code or for data elsewhere; they are used only where they are named.

    Args:
        folder: the run folder.
        data_dir: folder of the data sets; the run's own when omitted.
        device: where the model and the data will be.
        model: the run's own model `"module:function"`, whose code may run.
        task: where the run's own data are now, a file or folder.
        valid: where the run's own clean data are now.
        trust: whether everything is allowed that the folder asks for.

    Raises:
        UserError: there is no run, a file of it is missing, damaged or of another model, it asks for code or data that
            were not named, or the data have changed since.
    """
    named = Named(model=model, task=task, valid=valid, data_dir=data_dir, trust=trust)
    asked = asked_for(asdict(read_settings(folder)), read_facts(folder).data_dir)
    allow(folder, asked, named, ["model", "task", "valid", "data_dir"])  # all in one line, before either is loaded
    found = load_model(folder, device, model=model, trust=trust)
    data = load_data(folder, data_dir, task=task, valid=valid, trust=trust).to(torch.device(device))
    check_data(data, found.encoding, folder)
    return found, data


def check_data(task: Task, encoding: Encoding, folder: Path) -> None:
    """Raises `UserError` where a task has other inputs or outputs than a run's model was trained for."""
    if (task.input_shape, task.num_outputs) != (encoding.input_shape, encoding.num_outputs):
        raise UserError(f"{task.name} is not what it was when {folder} was trained: inputs or classes have changed.")


def load_model(
    folder: Path, device: torch.device | str = "cpu", *, model: str | None = None, trust: bool = False
) -> Model:
    """Loads the model of a run without its data.

    Args:
        folder, device, model, trust: as in `load_model_and_data`.

    Raises:
        UserError: as `load_model_and_data`.
    """
    check_plain(folder)
    settings = read_settings(folder)
    allow(folder, asked_for(asdict(settings), read_facts(folder).data_dir), Named(model=model, trust=trust), ["model"])
    ended = require_ended(folder)
    encoding = read_encoding(folder)
    sizes = _Sizes(encoding.input_shape, encoding.num_outputs, torch.device(device))
    if ":" in settings.model:
        shapes, apply_fn = build_functional(sizes, settings)
        theta = read_tensors(folder / "theta.safetensors", shapes, finite=True)
    else:
        theta = read_tensors(
            folder / "theta.safetensors", _named_shapes(settings, sizes, folder / "encoding.json"), finite=True
        )
        _, apply_fn = build_functional(sizes, settings)
    buffers = read_tensors(folder / "buffers.safetensors", apply_fn.buffers)
    theta, buffers = ({name: t.to(device) for name, t in tensors.items()} for tensors in (theta, buffers))
    return Model(settings, encoding, theta, buffers, apply_fn, ended.completed)


def require_ended(folder: Path) -> Ended:
    """Reads how a run ended; raises `UserError` where it has not."""
    ended = read_ended(folder)
    if ended is None:
        raise UserError(f"{folder} has no result.json: its run has not ended; lfl resume {folder} continues it.")
    return ended


def read_encoding(folder: Path) -> Encoding:
    """Reads how raw inputs and targets are encoded for a run's model, `encoding.json`."""
    path = folder / "encoding.json"
    return Encoding.of(read_json(path, dict[str, object]), str(path))


class _Sizes(NamedTuple):
    input_shape: tuple[int, ...]
    num_outputs: int
    device: torch.device


def _named_shapes(settings: Settings, sizes: _Sizes, encoding: Path) -> Tensors:
    """Returns the shapes of theta without its memory: sizes in a file may ask for more than there is."""
    try:
        with torch.device("meta"):
            return initial_theta(build_model(settings.model, sizes.input_shape, sizes.num_outputs))
    except LflError:
        raise
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise UserError(
            f"{encoding} has inputs {list(sizes.input_shape)} that no {settings.model} takes ({reason(error)})."
        ) from error


def load_data(
    folder: Path,
    data_dir: Path | None = None,
    *,
    task: str | Task | None = None,
    valid: str | None = None,
    trust: bool = False,
) -> Task:
    """Loads the task of a run, from `data_dir` or from where the run had it.

    Args:
        folder, data_dir, valid, trust: as in `load_model_and_data`.
        task: where the run's own data are now, or the `Task` itself; read from where the run had them when omitted.

    Raises:
        UserError: the folder asks for data that were not named, or they have changed since.
    """
    facts = read_facts(folder)
    data = task if isinstance(task, Task) else _read_data(folder, data_dir, task, valid, trust=trust)
    if facts.data is not None and data.digest != facts.data:
        raise UserError(
            f"the data of {data.name} are not those that {folder} was trained on; put the old ones back, or train "
            "again."
        )
    return data


def _read_data(folder: Path, data_dir: Path | None, task: str | None, valid: str | None, *, trust: bool) -> Task:
    settings, facts = read_settings(folder), read_facts(folder)
    asked = asked_for(asdict(settings), facts.data_dir)
    if task is not None and "task" not in asked and task != settings.task:
        raise UserError(f"{folder} was trained on {settings.task}, got --task {task}; leave it out.")
    if valid is not None and settings.valid is None:
        raise UserError(f"{folder} was trained without --valid, got --valid {valid}; leave it out.")
    named = Named(task=task, valid=valid, data_dir=data_dir, trust=trust)
    allow(folder, asked, named, ["task", "valid", "data_dir"])
    return task_of(settings, facts.data_dir, named)


def task_of(settings: Settings, noted: str | None, named: Named) -> Task:
    """Loads the task that settings name, from where the user named its data now, or from where they were."""
    name = named.task or settings.task
    return load_task(
        name,
        data_folder(name, named.data_dir, noted),
        target=settings.target,
        kind=settings.kind,
        valid=settings.valid if named.valid is None else named.valid,
        valid_size=settings.valid_size,
        eval_split=settings.eval_split,
        context=settings.context,
    )


def data_folder(task: str, given: Path | None, noted: str | None = None) -> Path:
    """Returns the folder of a task's data: as given, as noted in a run, or lfl's own cache.

    Raises:
        UserError: it needs the cache, and the user has no home directory.
    """
    if given is not None:
        try:
            return given.expanduser()
        except RuntimeError as error:
            raise UserError(f"{given} names no home directory; give the whole path.") from error
    if noted is not None:
        return Path(noted)
    return Path() if task in WITHOUT_DATA_DIR or is_file_task(task) else own_cache()


def read_result(folder: Path, *, interrupted: bool = False) -> Result | None:
    """Reads how a run ended; None before that. An interrupted run counts as ended only with `interrupted`."""
    ended = read_ended(folder)
    if ended is None or not (ended.completed or interrupted):
        return None
    if ended.kind is None:
        raise UserError(f"{folder / 'result.json'} lacks kind: it was written by an older version; make the run again.")
    early = not ended.completed and not read_bytes(folder / "timing.jsonl")  # interrupted before its first line
    return Result(folder, **structs.asdict(ended) | {"seconds": 0.0 if early else last_seconds(folder)})


def test_error(model: Model, task: Task) -> float:
    """Computes the test error of a model: error rate from 0 to 1, or mean squared error."""
    return measure_test(model, task)[0]


def measure_test(model: Model, task: Task) -> tuple[float, dict[str, float]]:
    """Computes the test error of a model, and the metrics of `lfl.training.metrics_of`."""
    outputs, targets = outputs_on(model.apply_fn, model.theta, model.buffers, task.test)
    numbers = metrics_of(task.kind, outputs, targets, tokens=task.tokens)
    return mean_error(outputs, targets, ERRORS[task.kind]), numbers


def read_tensors(
    path: Path, like: Tensors, ignored: AbstractSet[str] = frozenset(), *, finite: bool = False
) -> Tensors:
    """Reads the tensors of a file, which must have the names, shapes and types of `like`.

    Args:
        path: of the file.
        like: the expected tensors; their values are not used.
        ignored: names that may be there too, and are left out.
        finite: whether all values must be finite.

    Raises:
        UserError: the tensors are others, or the file is damaged.
    """
    content = read_bytes(path, num_bytes(like) + HEADER)
    tensors = {name: t for name, t in parse_tensors(content, path).items() if name not in ignored}
    check_tensors(tensors, like, path, finite=finite)
    return tensors


def check_tensors(tensors: Tensors, like: Tensors, path: Path, *, finite: bool) -> None:
    """Refuses tensors of other names, shapes or types than `like`; with `finite` also infinite values."""
    expected, found = ({name: _described(t) for name, t in ts.items()} for ts in (like, tensors))
    if expected != found:
        odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise UserError(
            f"{path} does not fit the model of config.json: {odd[0]} must be "
            f"{expected.get(odd[0], 'absent')}, got {found.get(odd[0], 'absent')}; make the run again."
        )
    for name, t in tensors.items():
        if finite and not bool(t.isfinite().all()):
            raise UserError(f"{path} is damaged: {name} holds values that are not finite; make the run again.")


def _described(t: torch.Tensor) -> str:
    return f"{list(t.shape)} of {str(t.dtype).removeprefix('torch.')}"
