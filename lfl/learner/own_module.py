"""The user's own module: its tensors as trees, and new values written into those very tensors."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from ..errors import UserError
from ..model import functional
from ..step.carry import NO_PARAMETER
from ..trees import leaves, map_tree
from ..types import Tensors, Tree


class Place(NamedTuple):
    """Where a tensor of a module is held: `held[key]`; and what it was when the learner was made."""

    held: dict[str, torch.Tensor | None]
    key: str
    shape: torch.Size
    dtype: torch.dtype
    device: torch.device
    requires_grad: bool

    def tensor(self, name: str) -> torch.Tensor:
        """Returns the tensor, without its graph.

        Raises:
            UserError: it is not what it was.
        """
        tensor = self.held.get(self.key)
        if tensor is None:
            raise UserError(f"{name} is no longer in the module; make a new lfl.Learner after changing the module.")
        if tensor.device != self.device:
            raise UserError(
                f"{name} was on {self.device} when the learner was made, got it on {tensor.device}; move the module "
                "first, then make the lfl.Learner."
            )
        if tensor.shape != self.shape or tensor.dtype != self.dtype or tensor.requires_grad != self.requires_grad:
            kind = ("frozen", "trainable")
            raise UserError(
                f"{name} was {list(self.shape)} of {self.dtype}, {kind[self.requires_grad]}, when the learner was "
                f"made, got {list(tensor.shape)} of {tensor.dtype}, {kind[tensor.requires_grad]}; make a new "
                "lfl.Learner after changing the module."
            )
        return tensor.detach()


class OwnModule:
    """A module that is trained in place.

    Args:
        module: the user's; nothing of it is changed but by `write`.
        autocast, recompute: as in `lfl.functional`.

    Raises:
        UserError: as `lfl.functional`; no trainable parameter, several devices, or a precision below float32.
    """

    def __init__(
        self, module: nn.Module, autocast: torch.dtype | None, recompute: str | Sequence[str] | None = None
    ) -> None:
        theta, _, self.apply_fn = functional(module, autocast=autocast, recompute=recompute)
        if not theta:
            raise UserError(NO_PARAMETER)
        self.module = module
        parameters = _places(module, "_parameters", dict(module.named_parameters()))
        self._theta = {name: parameters[name] for name in theta}
        self._frozen = {name: place for name, place in parameters.items() if name not in theta}
        self._buffers = _places(module, "_buffers", dict(module.named_buffers()))
        places = [*self._theta.values(), *self._frozen.values(), *self._buffers.values()]
        devices = sorted({str(place.device) for place in places})
        if len(devices) > 1:
            raise UserError(f"the module's tensors must be on one device, got {', '.join(devices)}; move it to one.")
        for name, place in self._theta.items():
            if place.dtype not in (torch.float32, torch.float64):
                raise UserError(
                    f"parameters must be float32 or float64, got {name} of {place.dtype}; keep the parameters in "
                    'float32 and give precision="bfloat16".'
                )
        first = next(iter(self._theta.values()))
        self.device, self.dtype = first.device, first.dtype

    def read(self) -> tuple[Tensors, Tensors]:
        """Returns theta and buffers: the module's own tensors, not copies.

        Raises:
            UserError: a tensor is on another device, or of another form, than when the learner was made.
        """
        theta = {name: place.tensor(name) for name, place in self._theta.items()}
        rest = {name: place.tensor(name) for name, place in (*self._frozen.items(), *self._buffers.items())}
        return theta, rest

    @torch.no_grad()
    def write(self, theta: Tensors, buffers: Tensors) -> None:
        """Copies new values into the module's tensors; frozen parameters stay."""
        for name, place in self._theta.items():
            place.tensor(name).copy_(theta[name])
        self.write_buffers(buffers)

    @torch.no_grad()
    def write_buffers(self, buffers: Tensors) -> None:
        """Copies new values into the module's buffers alone."""
        for name, place in self._buffers.items():
            place.tensor(name).copy_(buffers[name])

    def kept_apart(self, state: Tree) -> Tree:
        """The tree with its tensors that share memory with the module's copied, so that `write` leaves them alone."""
        own = {place.tensor(name).untyped_storage().data_ptr() for name, place in self._theta.items()}

        def apart(leaf: object) -> object:
            shared = isinstance(leaf, torch.Tensor) and leaf.untyped_storage().data_ptr() in own
            return leaf.clone() if shared else leaf  # type: ignore[attr-defined]

        return map_tree(apart, state) if leaves(state) else state


def _places(module: nn.Module, kind: str, tensors: dict[str, torch.Tensor]) -> dict[str, Place]:
    """The places of named parameters or buffers."""
    places = {}
    for name, t in tensors.items():
        path, _, key = name.rpartition(".")
        held = getattr(module.get_submodule(path), kind)
        places[name] = Place(held, key, t.shape, t.dtype, t.device, t.requires_grad)
    return places
