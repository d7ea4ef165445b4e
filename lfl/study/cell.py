"""A cell of a study: a variant on a task and model, with a run folder for each seed."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..task import Defaults
from ..training import Settings, resolve
from .variant import Variant


@dataclass(frozen=True)
class Cell:
    """A variant on a task and model.

    Args:
        folder: OUT/TASK-MODEL-METHOD, with the variant's own settings behind; its runs are seed-S inside.
        settings: of its runs; the seed is each run's own.
        plain: what they would be if nothing were asked for.
    """

    folder: Path
    settings: Settings
    plain: Settings

    @property
    def row(self) -> str:
        """TASK/MODEL."""
        return f"{self.settings.task}/{self.settings.model}"

    def run(self, seed: int) -> Path:
        """The run folder of a seed."""
        return self.folder / f"seed-{seed}"

    def divergence(self, seed: int) -> Path:
        """What a seed that diverged leaves in place of a run folder."""
        return self.folder / f"diverged-{seed}.json"

    def scratch(self, seed: int | None) -> Path:
        """Where a seed, or several together (None), are made; what is there when nobody works on it is half-made."""
        return self.folder / (".running" if seed is None else f".running-{seed}")

    def lock(self, seed: int | None) -> Path:
        """The lock of a seed; of the cell (None): shared by those who work on one seed, held alone for several."""
        return self.folder / (".lock" if seed is None else f".lock-{seed}")


def make_cell(
    out: Path, task: str, model: str, variant: Variant, defaults: Defaults, common: Mapping[str, Any]
) -> Cell:
    """The cell of a variant. Settings that are no news beside `common` do not enter its folder's name.

    Args:
        out: folder of the study.
        task, model, variant: what is run.
        defaults: of the task.
        common: settings asked for in all cells; None stands for the task's.

    Raises:
        UserError: a setting out of range.
    """
    names: dict[str, Any] = {"task": task, "model": model, "method": variant.method}
    if "loss_from" in variant.asked:  # no run of `fixed` is without
        names["loss_from"] = variant.asked["loss_from"]
    shared = asdict(resolve(defaults, **names, **common)) | {"loss_from": None}
    settings = resolve(defaults, **{**names, **common, **variant.asked})
    news = [f"{name}={value}" for name, value in variant.asked.items() if shared[name] != value]
    stem = "-".join([Path(task).stem, model, variant.method, *sorted(news)])
    return Cell(out / re.sub(r"[^\w.+=-]", "_", stem), settings, resolve(defaults, **names))
