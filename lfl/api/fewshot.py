"""Few-shot runs from Python: trained by `lfl.train`, opened by `lfl.load_run`, adapted to new tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..device import resolve_device
from ..errors import UserError
from ..fewshot import Episode, Episodes
from ..fewshot.build import build_episodes, downloads_of
from ..fewshot.episode import SplitName
from ..fewshot.execute import execute_few_shot, load_episodes_of
from ..fewshot.folder import EpisodeErrors, FewShotEnded, read_few_shot, read_few_shot_ended
from ..fewshot.load import Trained, adapt_to, answer, load_trained
from ..fewshot.session import FewShotResult, FewShotWatch, measured
from ..fewshot_settings import FewShot, resolve_fewshot
from ..run import Logger, Named
from ..run.folder import check_plain
from ..run.schema import read_lines
from ..types import Tree


class FewShotRun:
    """A few-shot run: its settings, metrics, errors, what it learned, and its adaptation to new tasks.

    `lfl.train` and `lfl.load_run` return it for tasks that are episodes. Files are read when they are asked for.

    Attributes:
        folder: the path of the run folder.
        settings: the `FewShot` settings of the run.

    Example:
        >>> import tempfile, torch, lfl
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = lfl.train("sinusoid", shots=5, steps=20, test_tasks=8, out=f"{folder}/run", device="cpu")
        ...     x = torch.linspace(-5, 5, 5)[:, None]
        ...     theta = run.adapt(x, x.sin())
        ...     run.predict(x, x.sin(), torch.zeros(3, 1)).shape
        torch.Size([3, 1])
    """

    def __init__(self, folder: Path, named: Named, device: torch.device | str) -> None:
        check_plain(folder)
        self.folder = folder
        self.settings: FewShot = read_few_shot(folder)[0]
        self._named, self._device = named, device

    def metrics(self) -> list[dict[str, Any]]:
        """Reads the rows of `metrics.jsonl`: a dict for each step that was recorded, `valid_error` in those that were
        evaluated."""
        return read_lines(self.folder / "metrics.jsonl")

    @property
    def result(self) -> FewShotEnded | None:
        """How the run ended: errors with their intervals, `completed` False where interrupted; None while it trains."""
        return read_few_shot_ended(self.folder)

    @property
    def transductive(self) -> bool:
        """Whether the answer to a query depends on the other queries."""
        return self._trained.method.transductive

    @property
    def phi(self) -> Tree:
        """What the run learned, a tree of tensors by name."""
        return self._trained.phi

    @cached_property
    def episodes(self) -> Episodes:
        """The episodes that the run was trained on, from their data."""
        settings, facts, about = read_few_shot(self.folder)
        return load_episodes_of(self.folder, settings, facts, about, self._device, self._named)

    def adapt(self, x: Any, y: Any, *, steps: int | None = None, query_x: Any = None) -> Tree:
        """Adapts to a task: theta'.

        Args:
            x: `[n, ...]` support inputs, as those of the run's episodes.
            y: `[n]` classes from 0 on, at most as many as the run's ways; or `[n, width]` real values.
            steps: on the task; those of the run's evaluation when omitted.
            query_x: query inputs, where the method looks at them while it adapts (`npbml`).

        Returns:
            The adapted parameters by name.

        Raises:
            UserError: inputs or targets that the run's model does not take.
        """
        return adapt_to(self._trained, self._episode(x, y, query_x), steps)

    def predict(self, x: Any, y: Any, query_x: Any, *, steps: int | None = None) -> torch.Tensor:
        """Adapts to a task, and predicts for its queries, as `lfl predict` does.

        Args:
            x, y, steps: as in `adapt`.
            query_x: `[m, ...]` query inputs. Where the run is transductive, answers depend on which are given together.

        Returns:
            Class probabilities `[m, ways]`, or values `[m, width]`.

        Raises:
            UserError: as `adapt`.
        """
        outputs = answer(self._trained, self._episode(x, y, query_x), steps)
        return outputs.softmax(-1) if self._trained.kind == "classification" else outputs  # type: ignore[no-any-return]

    def evaluate(self, num_tasks: int = 600, *, split: SplitName = "test", steps: int | None = None) -> EpisodeErrors:
        """Measures the error on fixed episodes after each number of steps on a task, as `lfl eval` does.

        Args:
            num_tasks: the first of the list, at least 1.
            split: `"test"`, `"valid"` or `"train"`.
            steps: the most on a task; those of the run's evaluation when omitted.
        """
        settings = self.settings if steps is None else resolved_with(self.settings, test_steps=steps)
        return measured(self._trained.method, settings, self.episodes, self.phi, split, num_tasks)

    @cached_property
    def _trained(self) -> Trained:
        return load_trained(self.folder, self._device, model=self._named.model, trust=self._named.trust)

    def _episode(self, x: Any, y: Any, query_x: Any) -> Episode:
        support = self._inputs("x", x)
        targets = torch.as_tensor(y).to(support.device)
        kind, ways = self._trained.kind, self.settings.ways
        if kind == "classification":
            if targets.shape != (len(support),) or targets.is_floating_point() or targets.dtype is torch.bool:
                raise UserError(f"y must be {len(support)} classes, whole numbers, got {list(targets.shape)}.")
            if not 0 <= int(targets.min()) <= int(targets.max()) < ways:
                raise UserError(
                    f"y must be classes from 0 to {ways - 1}, got {int(targets.min())} to {int(targets.max())}."
                )
            targets = targets.long()
        else:
            targets = targets.float().reshape(len(support), -1)
        query = support if query_x is None else self._inputs("query_x", query_x)
        return Episode(support, targets, query, self._placeholder(len(query)))

    def _inputs(self, name: str, x: Any) -> torch.Tensor:
        found = torch.as_tensor(x).to(self._trained.device, torch.float32)
        shape = self._trained.about.input_shape
        if list(found.shape[1:]) != shape or not len(found):
            raise UserError(
                f"{name} must be inputs of {shape}, with an axis of examples before, got {list(found.shape)}."
            )
        return found

    def _placeholder(self, count: int) -> torch.Tensor:
        """Targets that are not read."""
        device, about = self._trained.device, self._trained.about
        if about.kind == "classification":
            return torch.zeros(count, dtype=torch.int64, device=device)
        return torch.zeros(count, about.num_outputs, device=device)

    def __repr__(self) -> str:
        chosen = self.settings
        size = f"{chosen.ways}-way {chosen.shots}-shot"
        return f"FewShotRun({str(self.folder)!r}: {chosen.task}, {size}, {chosen.model}, {chosen.method})"


class PreparedFewShot(NamedTuple):
    """Episodes and settings, ready to train; and the folder of their data."""

    episodes: Episodes
    settings: FewShot
    data_dir: Path | None


def resolved_with(settings: FewShot, **changes: Any) -> FewShot:
    """Settings of a few-shot run with others in place of some, checked."""
    return resolve_fewshot({**asdict(settings), **changes})


def prepare_few_shot(
    asked: Mapping[str, Any], data_dir: str | Path | None, device: torch.device | str | None
) -> PreparedFewShot:
    """Resolves the settings of a few-shot run, and loads its episodes.

    Args:
        asked: settings by name.
        data_dir, device: as in `lfl.train`.
    """
    asked = {name: str(value) if isinstance(value, Path) else value for name, value in asked.items()}
    settings = resolve_fewshot(asked)
    where = device if isinstance(device, torch.device) else resolve_device(device or "auto")
    folder = downloads_of(settings, None if data_dir is None else Path(data_dir))
    return PreparedFewShot(build_episodes(settings, folder, where), settings, folder)


def train_few_shot(
    ready: PreparedFewShot,
    out: Path | None = None,
    watch: FewShotWatch | None = None,
    *,
    loggers: Sequence[Logger] = (),
) -> FewShotResult:
    """Trains a few-shot run; an interrupted one returns its result with its `signal`."""
    return execute_few_shot(ready.episodes, ready.settings, out, watch, data_dir=ready.data_dir, loggers=loggers)


def run_of(result: FewShotResult, ready: PreparedFewShot, trust: bool) -> FewShotRun:
    """Opens the run that was just made; whoever made it has named its code and data.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    if result.signal is not None:
        state = "complete" if result.ended.completed else f"stopped at step {result.ended.step}"
        raise KeyboardInterrupt(f"the run in {result.folder} is {state}; lfl resume continues what is not complete")
    settings = ready.settings
    model = settings.model if ":" in settings.model else None
    named = Named(model=model, task=settings.task, data_dir=ready.data_dir, trust=trust)
    run = FewShotRun(result.folder, named, ready.episodes.device)
    run.__dict__["episodes"] = ready.episodes
    return run
