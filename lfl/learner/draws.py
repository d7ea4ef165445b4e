"""Dropout masks and seeds for the batches of a module that draws random numbers."""

from typing import Any

import torch
from torch.utils._pytree import tree_flatten

from ..model import PureModule, draw_masks, mask_specs
from ..model.dropout import MaskSpec
from ..model.noise import NoiseSpec
from ..randomness import generator, random_state, seeded
from ..trees import map_tree
from ..types import Batch, Tensors


class Draws:
    """Completes batches `(x, y)` to `(x, y, masks)` or `(x, y, seed)`, whichever the model needs.

    Which it is, a pass over the first batch says; the shapes of the masks are found once for each shape of x. Masks are
    drawn on the CPU and moved, so that each device has the same ones.

    Args:
        apply_fn: the model.
        device: where it is.
    """

    def __init__(self, apply_fn: PureModule, device: torch.device) -> None:
        self._apply_fn, self._device = apply_fn, device
        self._own: bool | None = None  # whether the model draws what no mask replaces; None: not known yet
        self._specs: dict[Any, tuple[MaskSpec | NoiseSpec, ...]] = {}
        self._dropout = bool(apply_fn.dropouts)

    def complete(self, batch: Batch, theta: Tensors, buffers: Tensors, *, seed: int, stream: str, step: int) -> Batch:
        """Returns the batch with its third entry; one that has it is returned unchanged.

        Args:
            batch: `(x, y)`.
            theta, buffers: of the model.
            seed, stream, step: the key of the draws, as in `lfl.randomness.generator`.
        """
        if len(batch) == 3:
            return batch
        if self._own is None:
            specs = self._specs_for(batch[0], theta, buffers)
            self._dropout = self._dropout or bool(specs)
            self._own = self._draws_itself(batch[0], theta, buffers, specs)
        if self._own:
            return (*batch, generator(seed, stream, step).initial_seed())
        if not self._dropout:
            return batch
        masks = draw_masks(self._specs_for(batch[0], theta, buffers), generator(seed, stream, step))
        return (*batch, map_tree(lambda mask: mask.to(self._device), masks)) if masks else batch

    def _specs_for(self, x: Any, theta: Tensors, buffers: Tensors) -> tuple[MaskSpec | NoiseSpec, ...]:
        flat, structure = tree_flatten(x)
        key = str(structure), tuple(tuple(leaf.shape) if isinstance(leaf, torch.Tensor) else leaf for leaf in flat)
        if key not in self._specs:
            self._specs[key] = mask_specs(self._apply_fn, theta, x, buffers)
        return self._specs[key]

    @torch.no_grad()
    def _draws_itself(self, x: Any, theta: Tensors, buffers: Tensors, specs: tuple[MaskSpec | NoiseSpec, ...]) -> bool:
        drawn = draw_masks(specs, generator(0, "probe")) if specs else ()
        masks = map_tree(lambda mask: mask.to(self._device), drawn)
        with seeded(0, theta.values()):
            device = self._device if self._device.type == "cuda" else "cuda"
            before = random_state(device)
            self._apply_fn(theta, buffers, x, masks=masks)
            return not torch.equal(before, random_state(device))
