"""A rank's slice of a batch: each `size`-th example from the `rank`-th on.

So the first examples of a batch, which a `meta_batch_size` takes, are the first ones of all slices together.
"""

from typing import Any

import torch

from ..errors import UserError
from ..model import is_seed
from ..trees import leaves, map_tree
from ..types import Batch


def slice_of(name: str, batch: Batch, rank: int, size: int) -> Batch:
    """Returns a rank's slice of a batch, and of its dropout masks.

    Args:
        name: of the batch, for errors.
        batch: `(x, y)` or `(x, y, masks)`.
        rank, size: which of how many slices.

    Raises:
        UserError: a batch whose examples cannot be shared equally, or one with a seed; a tensor with other rows.
    """
    if len(batch) == 3 and is_seed(batch[2]):
        raise UserError(
            f"{name} has a seed, from which a slice of the batch draws other numbers than the whole; give it with "
            'masks, lfl.draw_masks(lfl.mask_specs(apply_fn, theta, x), generator), or use lfl.Ranks(batches="own").'
        )
    count = len(leaves(batch[1])[0])
    if count % size:
        raise UserError(
            f"{name} has {count} examples, which {size} ranks cannot share equally; give a multiple of {size} "
            "(drop_last=True leaves out the rest of a DataLoader's epoch)."
        )

    def own_rows(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor) or leaf.dim() == 0 or (len(leaf) == 1 and count > 1):
            return leaf
        if len(leaf) != count:
            raise UserError(
                f"{name} has a tensor of {len(leaf)} rows beside {count} examples, so that it cannot be shared among "
                'ranks; give tensors with one row for each example, or use lfl.Ranks(batches="own").'
            )
        return leaf[rank::size].contiguous()

    def rows_of_mask(mask: torch.Tensor) -> torch.Tensor:
        """Attention has several rows, one after the other, for each example."""
        if mask.dim() == 0 or len(mask) % count:
            return mask
        rows = mask.reshape(count, len(mask) // count, *mask.shape[1:])
        return rows[rank::size].flatten(0, 1).contiguous()

    x, y, *masks = batch
    return (*map_tree(own_rows, (x, y)), *(map_tree(rows_of_mask, each) for each in masks))
