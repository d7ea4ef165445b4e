"""A run folder from Python: its metrics, errors, model, data and learned loss."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import UserError
from ..export import FixedLoss, load_loss
from ..fewshot.folder import is_few_shot
from ..loss import IGNORE_INDEX
from ..run import Model, Named, Result, load_all_phi, load_data, load_model, read_facts, read_result, read_settings
from ..run.folder import check_plain
from ..run.generate import LENGTH, generate
from ..run.load import check_data, read_encoding
from ..run.predict import check_inputs, class_names, predict_values, read_inputs, takes_as_given
from ..run.schema import read_lines
from ..task import Encoding, Task
from ..training import Settings
from ..types import Tensors
from .fewshot import FewShotRun


class Run:
    """A run folder: its settings, metrics, errors, trained model and learned loss.

    `lfl.train` and `lfl.load_run` return it. Files are read when they are asked for, model, data and phi only once.
    Nothing in the folder can run code: a user's own model or loss is imported only where `lfl.load_run` allows it.

    Attributes:
        folder: the path of the run folder.
        settings: the `Settings` of the run, with a field for each flag of `lfl train`.
    """

    def __init__(self, folder: Path, named: Named, device: torch.device | str, task: Task | None) -> None:
        check_plain(folder)
        self.folder = folder
        self.settings: Settings = read_settings(folder)
        self._named, self._device, self._task = named, device, task

    def metrics(self) -> list[dict[str, Any]]:
        """Reads the rows of `metrics.jsonl`, for instance for `pandas.DataFrame(run.metrics())`.

        Returns:
            A dict for each step that was recorded, in order: `phase` (`"init"` for offline steps, `"train"`), `step`,
            and the numbers of the step by name; `valid_error` is in the rows of steps that were evaluated.
        """
        return read_lines(self.folder / "metrics.jsonl")

    @property
    def result(self) -> Result | None:
        """How the run ended: errors and metrics, `completed` False where interrupted; None while it trains."""
        return read_result(self.folder, interrupted=True)

    @property
    def theta(self) -> Tensors:
        """The parameters of the trained model, by name."""
        return self._model.theta

    @property
    def buffers(self) -> Tensors:
        """The buffers of the trained model, such as running statistics, by name."""
        return self._model.buffers

    @cached_property
    def phi(self) -> Tensors | None:
        """What the run learned beside the model, by name: the loss's parameters, and the rate as `inner_lr`.

        None where the method learns nothing. Tensors are on the CPU.
        """
        return load_all_phi(self.folder)

    @cached_property
    def task(self) -> Task:
        """The data that the run was trained on, read again from where they are."""
        named, given = self._named, self._task or self._named.task
        task = load_data(self.folder, named.data_dir, task=given, valid=named.valid, trust=named.trust)
        check_data(task, self._encoding, self.folder)
        return task.to(torch.device(self._device))

    @property
    def classes(self) -> list[Any] | None:
        """The names of the classes or labels, in the order of the columns of `predict`; None for real values."""
        return None if self._encoding.kind == "regression" else class_names(self._encoding)

    def predict(self, x: Any) -> torch.Tensor:
        """Predicts with the trained model, as `lfl predict` does.

        Args:
            x: inputs `[n, ...]` as an array, a tensor or nested lists, raw as the task's own inputs are: they are
                scaled here; a dict or tuple of them for a model with several inputs; or the path of a `.npz` or `.csv`.

        Returns:
            Class probabilities `[n, classes]`, or values in the units of the targets `[n, width]`; in double precision
            on the CPU. Of a text the inputs are numbers of characters `[n, context]`, places in `classes`, and the
            result is `[n, context, vocabulary]`, the probabilities of what follows each.

        Raises:
            UserError: the model does not take such inputs, or as `lfl.load_run`.
        """
        if isinstance(x, str | Path):
            inputs = read_inputs(Path(x), self._encoding)
        else:
            if not takes_as_given(self._encoding):
                x = x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
            inputs = check_inputs(x, self._encoding, "x")
        return predict_values(self._model, inputs)

    def generate(self, prompt: str, length: int = LENGTH, *, temperature: float = 1.0, seed: int = 0) -> str:
        """Continues a text with the trained model, as `lfl predict --prompt` does; the run was trained on a `.txt`.

        Args:
            prompt: at least one character, all of them in the text that the run was trained on.
            length: characters to draw.
            temperature: below 1 likelier characters are drawn more often; 0 takes the likeliest each time.
            seed: of the draws.

        Returns:
            The characters that follow the prompt.

        Raises:
            UserError: a run on something else, or a prompt that cannot be continued.
        """
        return generate(self._model, prompt, length, temperature=temperature, seed=seed)

    def loss(self, *, reduction: str = "mean", ignore_index: int = IGNORE_INDEX) -> FixedLoss:
        """Loads the learned loss as a module, in place of `nn.CrossEntropyLoss()` or `nn.MSELoss()`.

        Args:
            reduction, ignore_index: as in `lfl.load_loss`.

        Raises:
            UserError: as `lfl.load_loss`: above all, the run learned no loss.
        """
        named = self._named
        return load_loss(
            self.folder,
            reduction=reduction,
            ignore_index=ignore_index,
            loss=named.loss,
            base=named.base,
            trust=named.trust,
        )

    @cached_property
    def _encoding(self) -> Encoding:
        return read_encoding(self.folder)

    @cached_property
    def _model(self) -> Model:
        return load_model(self.folder, self._device, model=self._named.model, trust=self._named.trust)

    def __repr__(self) -> str:
        chosen = self.settings
        return f"Run({str(self.folder)!r}: {chosen.task}, {chosen.model}, {chosen.method}, seed {chosen.seed})"


def load_run(
    folder: str | Path,
    data_dir: str | Path | None = None,
    device: torch.device | str = "cpu",
    *,
    model: str | None = None,
    loss: str | None = None,
    base: str | None = None,
    task: str | Task | None = None,
    valid: str | None = None,
    trust: bool = False,
) -> Any:
    """Opens a run folder. Only its settings are read at once; the rest when it is asked for.

    A folder that was not made here may ask for code or for data elsewhere; they are used only where they are named.

    Args:
        folder: the run folder; also of a run that is still training.
        data_dir: folder of the data sets; the run's own when omitted.
        device: where the model and the data will be.
        model, loss, base: the run's own `"module:function"`, whose code may run.
        task: where the run's own data are now, a file or folder; or the `Task` itself.
        valid: where the run's own clean data are now.
        trust: whether everything is allowed that the folder asks for.

    Returns:
        The `Run`; of a few-shot run a `FewShotRun`.

    Raises:
        UserError: there is no run, or its settings are damaged. When a part is read: a file of it is missing, damaged
            or of another model, it asks for code or data that were not named, or the data have changed since.
    """
    folder = Path(folder)
    if is_few_shot(folder):
        where = None if data_dir is None else Path(data_dir)
        moved = task if isinstance(task, str) else None
        return FewShotRun(folder, Named(model=model, task=moved, data_dir=where, trust=trust), device)
    seeds = read_facts(folder).seeds if folder.is_dir() else None
    if seeds is not None:
        raise UserError(f"{folder} holds runs of several seeds; name one of them, such as {folder}/seed-{seeds[0]}.")
    given = task if isinstance(task, Task) else None
    named = Named(
        model=model,
        loss=loss,
        base=base,
        task=None if isinstance(task, Task) else task,
        valid=valid,
        data_dir=None if data_dir is None else Path(data_dir),
        trust=trust,
    )
    return Run(folder, named, device, given)
