"""Ranks the train examples of a run by how likely their label or target is wrong."""

import csv
import io
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..catalogue import TASKS
from ..errors import UserError
from ..task import Task
from ..task.load import Places, is_file_task, places_of
from ..text import to_cell
from ..training import Suspects, corrupted_train, is_corrupted, suspects
from .load import Model
from .predict import class_names

AT = 100
"""The precision is also measured among so many of the most suspect."""


class Ranked(NamedTuple):
    """The train examples of a run, with a score for each.

    Args:
        task: of the run.
        rows: `[n]`, numbers of the examples in `task.train`.
        y: `[n]` or `[n, width]`, the labels or targets that the run was trained on, as in `task.train.y`.
        wrong: booleans `[n]`, whether each was made wrong on purpose; None where none was.
        found: the `Suspects`, in the order of `rows`.
    """

    task: Task
    rows: torch.Tensor
    y: torch.Tensor
    wrong: torch.Tensor | None
    found: Suspects


class Agreement(NamedTuple):
    """Measures of how well a ranking finds the labels that were made wrong.

    Args:
        wrong: their number k.
        precision: share of wrong ones among the first k.
        precision_at_100: the same among the first 100, or among all of fewer.
        area: under the ROC curve: the probability that a wrong label has a higher score than a right one.
    """

    wrong: int
    precision: float
    precision_at_100: float
    area: float


def rank_suspects(model: Model, task: Task) -> Ranked:
    """Ranks the train examples of a run, with the labels that it saw: the wrong ones where train was spoiled.

    Args:
        model, task: of the run, as `load_model_and_data` returns them.

    Raises:
        UserError: as `lfl.training.suspects`.
    """
    settings = model.settings
    if task.tokens:
        raise UserError(
            f"suspects are examples with a label each, but {task.name} is a text; there is nothing to rank."
        )
    rows, y, wrong = torch.arange(len(task.train.y)), task.train.y.cpu(), None
    if is_corrupted(settings):
        rows, y, changed = corrupted_train(task, settings, settings.seed)
        wrong = changed if bool(changed.any()) else None
    split = task.train.subset(rows.to(task.device))._replace(y=y)
    return Ranked(task, rows, y, wrong, suspects(model.apply_fn, model.theta, model.buffers, split, task.kind))


def agreement(wrong: torch.Tensor, scores: torch.Tensor) -> Agreement:
    """Measures scores `[n]` against booleans `[n]`, of which some are true and some are false."""
    from sklearn.metrics import roc_auc_score  # a slow import

    first = wrong[torch.argsort(scores, descending=True, stable=True)].double()
    count = int(wrong.sum())
    area = float(roc_auc_score(wrong.numpy(), scores.numpy()))
    return Agreement(count, float(first[:count].mean()), float(first[:AT].mean()), area)


def to_csv(ranked: Ranked, top: int | None = None) -> bytes:
    """Writes the most suspect examples as a table; `docs/suspects.md` describes its columns."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    order = ranked.found.order[:top]
    columns = {"rank": list(range(1, len(order) + 1)), **_places(ranked, order), **_values(ranked, order)}
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(to_cell(value) if isinstance(value, str) else value for value in row)
    return text.getvalue().encode()


def _places(ranked: Ranked, order: torch.Tensor) -> dict[str, list[Any]]:
    """Returns where the examples are in the user's own data."""
    rows = ranked.rows[order]
    if ranked.task.rows is None:
        return {"row of train": rows.tolist()}
    given: list[int] = ranked.task.rows[rows].tolist()
    places = _places_of(ranked.task)
    return {"row": given} | ({} if places is None else {places.kind: [places.of_rows[row] for row in given]})


def _places_of(task: Task) -> Places | None:
    own = task.name not in TASKS and is_file_task(task.name)
    return places_of(Path(task.name)) if own else None


def _values(ranked: Ranked, order: torch.Tensor) -> dict[str, list[Any]]:
    """Returns labels or targets, the model's own choice, and the distance of the two."""
    found, task = ranked.found, ranked.task
    y, rather, scores = ranked.y[order], found.rather[order], found.scores[order].tolist()
    was, wrong = task.train.y.cpu()[ranked.rows][order], None if ranked.wrong is None else ranked.wrong[order].int()
    if task.encoding.range is not None:
        y, rather, was = (task.encoding.range.back(t) for t in (y, rather, was))
        parts = {"target": y, "predicted": rather, "error": rather - y}
        columns = {name: column for what, t in parts.items() for name, column in _columns(what, t).items()}
        columns["score"] = scores
        return columns if wrong is None else columns | _columns("was", was) | {"wrong": wrong.tolist()}
    assert found.label_probability is not None
    assert found.rather_probability is not None
    names = class_names(task.encoding)
    columns = {
        "label": [names[i] for i in y.tolist()],
        "rather": [names[i] for i in rather.tolist()],
        "score": scores,
        "probability of label": found.label_probability[order].tolist(),
        "probability of rather": found.rather_probability[order].tolist(),
    }
    return columns if wrong is None else columns | {"was": [names[i] for i in was.tolist()], "wrong": wrong.tolist()}


def _columns(name: str, values: torch.Tensor) -> dict[str, list[float]]:
    """Returns the columns of the table for values `[n, width]`."""
    heads = [name] if values.shape[1] == 1 else [f"{name} {i}" for i in range(values.shape[1])]
    return dict(zip(heads, values.T.tolist(), strict=True))
