"""How raw inputs become a model's, and its outputs what was asked for: all that predicting needs beside the model."""

from dataclasses import dataclass
from typing import Any

import torch

from ..data.arrays import Range, Scale
from ..data.table import Column
from ..errors import UserError, reason
from ..types import Kind


@dataclass(frozen=True)
class Encoding:
    """What a task learned from its train split about its inputs and targets.

    Args:
        kind: `"classification"` or `"regression"`.
        input_shape: shape of one input.
        num_outputs: classes, or width of the targets.
        scale: of inputs.
        range: of real targets; None for classes.
        classes: the names of the classes in the order of their ids; None for real targets.
        columns: of a table, and how they become inputs; None for arrays.
    """

    kind: Kind
    input_shape: tuple[int, ...]
    num_outputs: int
    scale: Scale
    range: Range | None = None
    classes: list[Any] | None = None
    columns: list[Column] | None = None

    def content(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "kind": self.kind,
            "input_shape": list(self.input_shape),
            "num_outputs": self.num_outputs,
            "scale": [t.tolist() for t in self.scale],
            "range": None if self.range is None else [t.tolist() for t in self.range],
            "classes": self.classes,
            "columns": self.columns,
        }

    @classmethod
    def of(cls, content: dict[str, Any], where: str) -> "Encoding":
        """The encoding that has such a content; `UserError` naming `where` if there is none."""
        try:
            scale, span = (
                None if content[name] is None else [torch.tensor(t, dtype=torch.float64) for t in content[name]]
                for name in ("scale", "range")
            )
            columns = content["columns"]
            return cls(
                content["kind"],
                tuple(content["input_shape"]),
                content["num_outputs"],
                Scale(*scale or ()),
                None if span is None else Range(*span),
                content["classes"],
                None if columns is None else [Column(name, words) for name, words in columns],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{where} is damaged ({reason(error)}); the run cannot be used.") from error
