"""The encoding of inputs and targets: all that a prediction needs besides the model."""

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta, Struct

from ..boundary import converted
from ..data.csv_table import Column
from ..data.scaling import Range, Scale
from ..errors import UserError, reason
from ..trees import is_shape
from ..types import Kind, Shape

LARGEST = 2**31
"""The largest dimension that is read from a file."""


@dataclass(frozen=True)
class Encoding:
    """The encoding of a task's inputs and targets, learned from its train split.

    Args:
        kind: `"classification"`, `"regression"` or `"multilabel"`.
        input_shape: shape of one input; of several, a tree of shapes.
        num_outputs: classes, labels, or width of the targets.
        scale: standardisation of inputs.
        range: scaling of real targets; None for others.
        classes: the names of the classes in the order of their ids, or of the labels; None for real targets.
        columns: columns of a table and how they become inputs; None for arrays.
        tokens: whether an input is a row of class ids, as characters of a text are, and at each of them a class is
            predicted: outputs are `[batch, length, classes]`.
    """

    kind: Kind
    input_shape: Shape
    num_outputs: int
    scale: Scale
    range: Range | None = None
    classes: list[Any] | None = None
    columns: list[Column] | None = None
    tokens: bool = False

    def content(self) -> dict[str, Any]:
        """Returns the encoding as JSON values."""
        return {
            "kind": self.kind,
            "input_shape": self.input_shape,
            "num_outputs": self.num_outputs,
            "scale": [t.tolist() for t in self.scale],
            "range": None if self.range is None else [t.tolist() for t in self.range],
            "classes": self.classes,
            "columns": self.columns,
            "tokens": self.tokens,
        }

    @classmethod
    def of(cls, content: dict[str, Any], where: str) -> "Encoding":
        """Builds an encoding from JSON values; raises `UserError` naming `where` if they do not make one."""
        found = converted(content, _Content, where)
        try:
            mean, deviation = (torch.tensor(t, dtype=torch.float64) for t in found.scale)
            span = None if found.range is None else [torch.tensor(t, dtype=torch.float64) for t in found.range]
        except (TypeError, ValueError, RuntimeError, OverflowError, RecursionError) as error:
            raise UserError(f"{where} is damaged ({reason(error)}); the run cannot be used.") from error
        shape, width = _shape_of(found.input_shape, where), (found.num_outputs,)
        fits = mean.shape == deviation.shape and _spreads_over(mean, shape) and bool((deviation > 0).all())
        fits = fits and (span is None) == (found.kind != "regression")
        fits = fits and all(t.shape == width for t in span or ())
        fits = fits and (found.classes is None or len(found.classes) == found.num_outputs)
        fits = fits and (not found.tokens or (found.kind == "classification" and len(shape) == 1 and _is_text(found)))
        if not fits or not all(bool(t.isfinite().all()) for t in (mean, deviation, *(span or ()))):
            raise UserError(f"{where} is damaged (its parts do not fit together); the run cannot be used.")
        return cls(
            found.kind,
            shape,
            found.num_outputs,
            Scale(mean, deviation),
            None if span is None else Range(*span),
            found.classes,
            found.columns,
            found.tokens,
        )


class _Content(Struct, frozen=True):
    """The content of `encoding.json`."""

    kind: Kind
    input_shape: list[Any] | dict[str, Any]
    num_outputs: Annotated[int, Meta(ge=1, le=LARGEST)]
    scale: Annotated[list[Any], Meta(min_length=2, max_length=2)]
    range: Annotated[list[Any], Meta(min_length=2, max_length=2)] | None
    classes: list[str | int | float | bool] | None
    columns: list[Column] | None
    tokens: bool = False


def _is_text(found: _Content) -> bool:
    """Whether the classes are different characters, in their order."""
    names = [name for name in found.classes or [] if isinstance(name, str) and len(name) == 1]
    return found.classes is not None and found.classes == sorted(set(names))


def _shape_of(value: Any, where: str) -> Shape:
    """Returns a shape, or a tree of shapes, of the lists and dicts that JSON has for it."""
    if isinstance(value, list) and all(type(size) is int and 1 <= size <= LARGEST for size in value):
        return tuple(value)
    if isinstance(value, list):
        return tuple(_shape_of(part, where) for part in value)
    if isinstance(value, dict):
        return {name: _shape_of(part, where) for name, part in value.items()}
    raise UserError(f"{where} is damaged (input_shape holds {value!r}); the run cannot be used.")


def _spreads_over(tensor: torch.Tensor, shape: Shape) -> bool:
    """Whether a tensor can be expanded to a shape; to several only a number."""
    if not is_shape(shape):
        return tensor.dim() == 0
    try:
        return bool(tensor.expand(shape).shape == shape)
    except RuntimeError:
        return False
