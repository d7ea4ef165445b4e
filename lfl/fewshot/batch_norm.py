"""Batch norm in few-shot learning: from which examples the statistics come, by name."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from ..errors import UserError, one_of, reason
from ..model import PureModule, functional
from ..trees import map_tree
from ..types import Tensors

PROTOCOLS = {
    "batch": "the query's outputs from the query's own statistics, so that they depend on each other (transductive)",
    "support": "from those of the support set at the adapted parameters (inductive)",
    "running": "from a running mean over the query sets of training; while training, from the query's own (inductive)",
}
"""Where the statistics of the query's outputs come from. Those of the support's outputs are always its own."""

MOMENTUM = 0.1
"""Share of the newest statistics in a running mean of them."""


class EpisodeModel(NamedTuple):
    """A module as pure functions of support and query inputs, under one protocol of batch norm.

    Args:
        apply_fn, buffers: of the module, its batch norm without running statistics of its own.
        protocol: a name in `PROTOCOLS`.
        statistics: of each call of batch norm before training, mean 0 and variance 1; empty unless `running`.
        has_batch_norm: whether batch norm is called at all.
    """

    apply_fn: PureModule
    buffers: Tensors
    protocol: str
    statistics: list[Tensors]
    has_batch_norm: bool

    @property
    def transductive(self) -> bool:
        """Whether a query example's output depends on the other query examples."""
        return self.protocol == "batch" and self.has_batch_norm

    def support(self, theta: Tensors, x: torch.Tensor) -> torch.Tensor:
        """Outputs on one batch from its own statistics."""
        outputs: torch.Tensor = self.apply_fn(theta, self.buffers, x)[0]
        return outputs

    def query(self, theta: Tensors, x: torch.Tensor, query_x: torch.Tensor) -> tuple[torch.Tensor, list[Tensors]]:
        """Outputs on the query set while training, and the statistics to be carried, for `running`.

        Args:
            theta: parameters by name.
            x: support inputs, which `support` takes the statistics from, in the same pass.
            query_x: query inputs.
        """
        if self.protocol == "support" and self.has_batch_norm:
            with _of_first(len(x)):
                return self.support(theta, torch.cat([x, query_x]))[len(x) :], []
        if self.protocol == "running":
            found: list[Tensors] = []
            with _recording(found):
                outputs = self.support(theta, query_x)
            return outputs, found
        return self.support(theta, query_x), []

    def predict(
        self, theta: Tensors, x: torch.Tensor, query_x: torch.Tensor, statistics: list[Tensors]
    ) -> torch.Tensor:
        """Outputs on the query set in evaluation; `statistics` are those carried over training, for `running`."""
        if self.protocol == "running" and statistics:
            with _given(statistics):
                return self.support(theta, query_x)
        return self.query(theta, x, query_x)[0]


def episode_model(module: nn.Module, protocol: str, input_shape: tuple[int, ...]) -> tuple[Tensors, EpisodeModel]:
    """Splits a module into parameters and an `EpisodeModel`.

    Args:
        module: any module that `lfl.functional` takes; it is copied, not changed.
        protocol: a name in `PROTOCOLS`.
        input_shape: shape of one input.

    Raises:
        UserError: an unknown protocol, dropout, or a module that `lfl.functional` refuses, or that cannot take such
            inputs.
    """
    one_of("batch-norm protocol", protocol, dict(PROTOCOLS))
    module = copy.deepcopy(module)
    for layer in module.modules():
        if isinstance(layer, _BatchNorm) and (layer.training or not module.training):  # not those that are frozen
            layer.track_running_stats = False
            layer.running_mean = layer.running_var = layer.num_batches_tracked = None
    theta, buffers, apply_fn = functional(module)
    if apply_fn.dropouts:
        raise UserError(
            f"few-shot learning has no dropout, got a model with some ({', '.join(apply_fn.dropouts)}); build it with "
            "probability 0."
        )
    model = EpisodeModel(apply_fn, buffers, protocol, [], False)
    first = next(iter(theta.values()))
    recorded: list[Tensors] = []
    with _recording(recorded), torch.no_grad():
        try:
            model.support(theta, torch.zeros(2, *input_shape, dtype=first.dtype, device=first.device))
        except (RuntimeError, ValueError) as error:
            raise UserError(
                f"the model cannot take inputs of the shape {tuple(input_shape)} ({reason(error)}); choose another, "
                "or the shape of one input."
            ) from error
    start = {"mean": torch.zeros_like, "variance": torch.ones_like}
    statistics = [{name: start[name](t) for name, t in found.items()} for found in recorded]
    kept = statistics if protocol == "running" else []
    return theta, model._replace(statistics=kept, has_batch_norm=bool(statistics))


def carried(statistics: list[Tensors], newest: list[Tensors]) -> list[Tensors]:
    """The running mean of statistics after those of one more meta-batch, which have a leading axis of tasks."""
    return map_tree(lambda old, new: old + MOMENTUM * (new.mean(0) - old), statistics, newest)  # type: ignore[no-any-return]


def normalised(
    x: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor, weight: Any, bias: Any, eps: float
) -> torch.Tensor:
    """`weight (x - mean) / sqrt(variance + eps) + bias`, for each channel, the second axis of x."""
    each = [1, -1] + [1] * (x.dim() - 2)
    scale = (variance + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return x * scale.view(each) + shift.view(each)


Norm = Callable[..., torch.Tensor]
"""`norm(x, weight, bias, eps)`, in place of batch norm in training."""


class _Norms(TorchFunctionMode):
    """A context in which every call of batch norm is `norm`."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.norm = norm

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.batch_norm:
            return _called(self.norm, *args, **kwargs or {})
        return func(*args, **kwargs or {})


def _called(
    norm: Norm,
    x: torch.Tensor,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> torch.Tensor:
    """The signature of `F.batch_norm`; frozen layers, which are not in training, stay as they are."""
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, eps=eps)
    return norm(x, weight, bias, eps)


def _axes(x: torch.Tensor) -> list[int]:
    return [d for d in range(x.dim()) if d != 1]


def _of_first(rows: int) -> _Norms:
    """Statistics from the first rows of each batch alone."""

    def norm(x: torch.Tensor, weight: Any, bias: Any, eps: float) -> torch.Tensor:
        variance, mean = torch.var_mean(x[:rows], _axes(x), correction=0)
        return normalised(x, mean, variance, weight, bias, eps)

    return _Norms(norm)


def _recording(found: list[Tensors]) -> _Norms:
    """The batch's own statistics, appended to `found` as constants, the variance without bias."""

    def norm(x: torch.Tensor, weight: Any, bias: Any, eps: float) -> torch.Tensor:
        variance, mean = torch.var_mean(x.detach(), _axes(x), correction=1)
        found.append({"mean": mean, "variance": variance})
        return F.batch_norm(x, None, None, weight, bias, training=True, eps=eps)

    return _Norms(norm)


def _given(statistics: list[Tensors]) -> _Norms:
    """Given statistics, in the order of the calls."""
    calls = 0

    def norm(x: torch.Tensor, weight: Any, bias: Any, eps: float) -> torch.Tensor:
        nonlocal calls
        own = statistics[calls]
        calls += 1
        return normalised(x, own["mean"], own["variance"], weight, bias, eps)

    return _Norms(norm)
