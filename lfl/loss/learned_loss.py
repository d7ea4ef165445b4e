"""Learned losses of a batch: a function of one output at a time, or of all outputs of an example."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, Literal

import torch
import torch.nn.functional as F

from ..errors import UserError
from ..trees import leaves, map_tree
from ..types import Kind, TaskLoss
from .classes import IGNORE_INDEX, Classes, as_classes
from .examples import expected_over_classes, of_rows, weighted_examples
from .handcrafted import real_values
from .interpolation import LEAST_VALUES, interpolated
from .labels import as_labels
from .many_classes import Many, rules_for
from .rows import Layout
from .weighted import scale_by

Reduction = Literal["mean", "sum"]
Pointwise = Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]
"""`pointwise(phi, target, output) -> loss`, all three scalar tensors; for `lfl export` also all three of one shape."""

OfExamples = Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]
"""`function(phi, outputs, targets) -> [batch]`."""


@dataclass(frozen=True)
class LearnedLoss:
    """M_phi as a function of one output at a time: `pointwise` at each output, reduced over the outputs.

    Args:
        pointwise: the loss l_phi(y_i, f_i) of two numbers, evaluated with `torch.func.vmap`.
        kind: kind of targets: class ids (outputs are logits), real values, or several labels of 0 and 1, for each of
            which the output is sigmoid(logit).
        reduction: over the outputs of an example.
        ignore_index: class id of ignored examples.
        many_classes: whether C > 10 classes are made like ten. If true, f_i is the probability to the power
            log 10 / log C, which is 1/10 at even chances for any C, and the C - 1 wrong classes weigh as much as nine:

                1/10 (l_phi(1, f_t) + 9/(C-1) sum_{i != t} l_phi(0, f_i))        t the true class

            so that a loss starts as with ten classes. If false, f_i is the probability and every class weighs 1/C.
        base: a hand-made loss `base(outputs, targets) -> [batch]` that is added: M_phi = base + the above. It is given
            logits of at least two classes and class ids in range, or real values; of several labels each as an
            example with two classes. None for none.
        layout: where the classes are in logits of dense targets, as in `lfl.in_layout`; None as in torch.
        interpolate: for classes and labels: whether l_phi(0, .) and l_phi(1, .) are smooth, so that for many outputs
            they are evaluated at 1,025 probabilities, in float64, with cubic polynomials in between. That is as exact
            as float32, and takes a fraction of the time and memory (`docs/targets.md`). Outputs in float64 and few
            outputs are each evaluated all the same.
        elementwise_only: whether `pointwise` takes whole tensors of one shape as well and acts on each element alone;
            it is then called without `vmap`, which is faster.
    """

    pointwise: Pointwise
    kind: Kind
    reduction: Reduction = "mean"
    ignore_index: int = IGNORE_INDEX
    many_classes: bool = False
    base: TaskLoss | None = None
    layout: Layout | None = None
    interpolate: bool = False
    elementwise_only: bool = False

    def __call__(self, phi: Any, outputs: torch.Tensor, targets: Any) -> torch.Tensor:
        """Computes the loss of each example.

        Args:
            phi: parameters of `pointwise`.
            outputs: logits `[batch, classes]` or `[batch, classes, ...]`, logits of labels or real values `[batch]` or
                `[batch, ...]`. One logit z of classes, `[batch]`, `[batch, 1]` or `[batch, 1, ...]`, becomes the two
                logits (0, z) of classes 0 and 1: with p = sigmoid(z), f = (1 - p, p).
            targets: class ids `[batch]` or `[batch, ...]`; labels or real values of the outputs' shape; soft labels,
                probabilities of the outputs' shape, of which the loss is sum_k p_k M_phi(class k). Any of them may be
                `lfl.Weighted`.

        Returns:
            Losses `[batch]`; with ignored or weighted targets scaled as in `cross_entropy`.

        Raises:
            UserError: outputs and targets do not fit each other; a class id out of range, as in `cross_entropy`.
        """
        phi, outputs = in_one_precision(phi, outputs)
        if self.kind == "regression":
            return self._of_real(phi, outputs, targets)
        if self.kind == "multilabel":
            return self._of_labels(phi, outputs, as_labels(outputs, targets, self.ignore_index))
        classes = as_classes(outputs, targets, self.ignore_index, layout=self.layout)
        if classes.shares is not None:
            return classes.over_counted(self.expected(phi, classes.logits, classes.shares))
        losses = self.of_classes(phi, classes.one_hot.to(outputs.dtype), self.probabilities(classes.logits))
        return classes.over_counted(self._on_base(losses, classes.logits, classes.ids))

    def _of_real(self, phi: Any, outputs: torch.Tensor, targets: Any) -> torch.Tensor:
        real, scale = real_values(outputs, targets)
        real = real.to(outputs.dtype)
        y, f = (t.reshape(outputs.shape[0], -1) for t in (real, outputs))
        losses = self.elementwise(phi, y, f)
        if scale is None:
            return self._on_base(self.over_outputs(losses), outputs, real)
        losses = self.over_outputs(scale_by(scale.reshape(y.shape), losses))
        if self.base is None:
            return losses
        if targets.weight.dim() == 1:
            return losses + weighted_examples(self.base, outputs, real, targets.weight)
        each = self.base(f.reshape(-1), y.reshape(-1)).reshape(y.shape)  # each value as an example with one output
        return losses + scale_by(scale.reshape(y.shape), each).mean(1)

    def _of_labels(self, phi: Any, outputs: torch.Tensor, labels: Classes) -> torch.Tensor:
        f = outputs.sigmoid().reshape(outputs.shape[0], -1)
        if labels.shares is None:
            y = labels.ids.to(f.dtype).reshape(f.shape)
            if not self._interpolates(f):
                losses = self.elementwise(phi, y, f)
            else:
                losses = torch.where(y != 0, self.curve(phi, 1.0, f), self.curve(phi, 0.0, f))
        else:
            true, false = self.curve(phi, 1.0, f), self.curve(phi, 0.0, f)
            share = labels.shares[:, 1].reshape(f.shape)
            losses = share * true + (1 - share) * false
        losses = self.over_outputs(labels.scaled(losses.reshape(-1)).reshape(f.shape))
        return losses if self.base is None else losses + labels.over_counted(of_rows(self.base, labels))

    def of_ids(self, phi: Any, logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Computes losses `[batch]` of logits `[batch, classes]`, at least two, and class ids `[batch]` in range."""
        f = self.probabilities(logits)
        one_hot = torch.zeros_like(f).scatter(1, ids[:, None], 1.0)  # unlike a comparison, fails on ids out of range
        return self._on_base(self.of_classes(phi, one_hot, f), logits, ids)

    def expected(self, phi: Any, logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """Computes expected losses `[batch]`, sum_k p_k M_phi(class k), for class probabilities `[batch, classes]`."""
        f = self.probabilities(logits)
        true, false = self.curve(phi, 1.0, f), self.curve(phi, 0.0, f)
        losses = self.over_classes(shares * true, (1 - shares) * false)
        return losses if self.base is None else losses + expected_over_classes(self.base, logits, shares)

    def of_values(self, phi: Any, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Computes losses of real values of any shape, each an example with one output; targets have the same shape."""
        y, f = (t.to(outputs.dtype).reshape(-1, 1) for t in (targets, outputs))
        losses = self.elementwise(phi, y, f).reshape(-1)
        return self._on_base(losses, f.reshape(-1), y.reshape(-1)).reshape(outputs.shape)

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Computes f of logits `[batch, classes]`: their softmax, or a power of it for many classes."""
        many = self._many(logits)
        if many is None:
            return F.softmax(logits, -1)
        return (F.log_softmax(logits, -1) * many.power).exp()

    def elementwise(self, phi: Any, y: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
        """Computes l_phi(y, f) elementwise; for classes y is 1 or 0, and f are `probabilities`.

        Args:
            phi: parameters of `pointwise`.
            y, f: `[batch, outputs]`.

        Returns:
            Losses `[batch, outputs]`.
        """
        if self.elementwise_only or torch.compiler.is_exporting():  # before torch 2.12 the exporter fails on vmap
            return self.pointwise(phi, y, f)
        over_outputs = torch.func.vmap(self.pointwise, (None, 0, 0))
        return torch.func.vmap(over_outputs, (None, 0, 0))(phi, y, f)

    def curve(self, phi: Any, y: float, f: torch.Tensor) -> torch.Tensor:
        """Computes l_phi(y, f) elementwise for one target, 0 or 1, and `probabilities` f, or interpolates it."""
        if not self._interpolates(f):
            return self.elementwise(phi, torch.full_like(f, y), f)
        wide = map_tree(lambda t: t.double() if t.is_floating_point() else t, phi)
        return interpolated(lambda x: self.pointwise(wide, torch.full_like(x, y), x), f)

    def of_classes(self, phi: Any, one_hot: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
        """Computes losses `[batch]` of one-hot targets and `probabilities`, both `[batch, classes]`."""
        if self._interpolates(f):
            own = self.curve(phi, 1.0, (one_hot * f).sum(1, keepdim=True))
            return self.over_classes(one_hot * own, (1 - one_hot) * self.curve(phi, 0.0, f))
        losses = self.elementwise(phi, one_hot, f)
        if self._many(f) is None:
            return self.over_outputs(losses)
        return self.over_classes(one_hot * losses, (1 - one_hot) * losses)

    def over_classes(self, true: torch.Tensor, wrong: torch.Tensor) -> torch.Tensor:
        """Reduces losses of true and of wrong classes, `[batch, classes]`, to `[batch]`."""
        many = self._many(true)
        if many is None:
            return self.over_outputs(true + wrong)
        total = (true + many.weight * wrong).sum(-1)
        return total / many.divisor if self.reduction == "mean" else total

    def over_outputs(self, losses: torch.Tensor) -> torch.Tensor:
        """Reduces losses `[batch, outputs]` to `[batch]`."""
        return losses.mean(-1) if self.reduction == "mean" else losses.sum(-1)

    def _on_base(self, losses: torch.Tensor, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return losses if self.base is None else self.base(outputs, targets) + losses

    def _interpolates(self, f: torch.Tensor) -> bool:
        """Whether the losses of `probabilities` f are interpolated; not on Apple GPUs, which have no float64."""
        if not self.interpolate or torch.compiler.is_exporting():
            return False
        return f.numel() >= LEAST_VALUES and f.dtype != torch.float64 and f.device.type != "mps"

    def _many(self, outputs: torch.Tensor) -> Many | None:
        return rules_for(outputs) if self.many_classes else None


@dataclass(frozen=True)
class ExampleLoss:
    """M_phi as a function of all outputs of an example together.

    Args:
        function: `function(phi, outputs, targets) -> [batch]`. Outputs are logits `[batch, classes]`, at least two of
            them, and targets class ids `[batch]` in range; or both are real values of one shape, with the batch first.
        kind: kind of targets. Of several labels each is an example with two classes.
        num_outputs: the number of outputs that the loss is for; None for any.
        ignore_index: class id of ignored examples.
        layout: as in `LearnedLoss`.
    """

    function: OfExamples
    kind: Kind
    num_outputs: int | None = None
    ignore_index: int = IGNORE_INDEX
    layout: Layout | None = None

    def __call__(self, phi: Any, outputs: torch.Tensor, targets: Any) -> torch.Tensor:
        """Computes the loss of each example; arguments, result and errors as in `LearnedLoss`.

        Of real values there is one weight for each example, since the loss is of all of its outputs together.
        """
        phi, outputs = in_one_precision(phi, outputs)
        if self.kind == "regression":
            y, scale = real_values(outputs, targets)
            y = y.to(outputs.dtype)
            if scale is None:
                return self._checked(phi, outputs, y)
            if targets.weight.dim() > 1:
                raise UserError(
                    f"this loss is of all outputs of an example together: it takes weights [batch], got "
                    f"{list(targets.weight.shape)}; use a loss of one output at a time, such as lfl.loss_network."
                )
            return weighted_examples(partial(self._checked, phi), outputs, y, targets.weight)
        if self.kind == "multilabel":
            classes = as_labels(outputs, targets, self.ignore_index)
        else:
            classes = as_classes(outputs, targets, self.ignore_index, layout=self.layout)
        return classes.over_counted(of_rows(partial(self._checked, phi), classes))

    def of_ids(self, phi: Any, logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Computes losses `[batch]` of logits `[batch, classes]`, at least two, and class ids `[batch]` in range."""
        return self._checked(phi, logits, ids)

    def expected(self, phi: Any, logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """Computes expected losses `[batch]`, sum_k p_k M_phi(class k), for class probabilities `[batch, classes]`."""
        return expected_over_classes(partial(self._checked, phi), logits, shares)

    def of_values(self, phi: Any, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Computes losses of real values of any shape, each an example with one output; targets have the same shape."""
        flat = (t.to(outputs.dtype).reshape(-1) for t in (outputs, targets))
        return self._checked(phi, *flat).reshape(outputs.shape)

    def _checked(self, phi: Any, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        width = outputs.shape[1] if outputs.dim() > 1 else 1
        if self.num_outputs is not None and self.num_outputs != width:
            raise UserError(
                f"this loss was made for {self.num_outputs} outputs, got {list(outputs.shape)}; draw one for that many."
            )
        losses = self.function(phi, outputs, targets)
        if losses.shape != outputs.shape[:1]:
            raise UserError(
                f"a learned loss must return a loss for each example, {list(outputs.shape[:1])}, got "
                f"{list(losses.shape)}."
            )
        return losses


AnyLearnedLoss = LearnedLoss | ExampleLoss
"""A learned loss, of one output at a time or of all outputs of an example."""


def in_one_precision(phi: Any, outputs: torch.Tensor) -> tuple[Any, torch.Tensor]:
    """Converts phi and outputs to the wider of their precisions, such as a float32 phi and float64 outputs."""
    dtypes = {t.dtype for t in leaves(phi) if t.is_floating_point()} | {outputs.dtype}
    if len(dtypes) == 1:
        return phi, outputs
    wide = reduce(torch.promote_types, dtypes)
    return map_tree(lambda t: t.to(wide) if t.is_floating_point() else t, phi), outputs.to(wide)
