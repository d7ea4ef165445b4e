"""The forms of a batch: one batch, or a list of several for a horizon of steps; and checks of them.

The input x of a batch is a tensor, or a tree of tensors for a model with several inputs. How it is handed to the model
follows from its outermost type alone: a dict is named inputs, `model(**x)`; a tuple, also a NamedTuple, is positional
ones, `model(*x)`; anything else is one input, `model(x)`, a list of tensors too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..errors import UserError
from ..model import is_seed
from ..randomness import refuse_seed_in_programs
from ..trees import leaves, map_tree
from ..types import Batch

FORMS = "(x, y), (x, y, masks) or (x, y, seed)"


def as_batch(name: str, given: Any) -> Batch:
    """Returns one batch as a tuple; a list `[x, y]`, as a `DataLoader` gives, is one batch too.

    An x that is a mapping of another type than dict, such as the encoding that a tokeniser returns, becomes a dict.

    Args:
        name: of the argument.
        given: the argument's value.

    Raises:
        UserError: it is not a batch; it has a seed, and the caller is compiled or vmapped.
    """
    if not isinstance(given, (tuple, list)):
        keys = f" of {', '.join(map(str, given))}" if isinstance(given, dict) else ""
        raise UserError(f"{name} must be {FORMS}, got a {type(given).__name__}{keys}.")
    if len(given) not in (2, 3):
        raise UserError(f"{name} must be {FORMS}, got {len(given)} entries.")
    if isinstance(given, list) and isinstance(given[0], (tuple, list)):
        raise UserError(
            f"{name} must be one batch, {FORMS}, got a list that starts with a {type(given[0]).__name__}; several "
            "inputs are one tuple, ((x_1, x_2), y)."
        )
    x = given[0]
    batch = (dict(x) if isinstance(x, Mapping) and not isinstance(x, dict) else x, *given[1:])
    if len(batch) == 3 and is_seed(batch[2]):
        refuse_seed_in_programs()
    return batch


def as_batches(name: str, given: Any) -> list[Batch]:
    """Returns the train batches of a step as a list, from one batch or a list of batches.

    A list whose first entry is neither tuple nor list is one batch.

    Raises:
        UserError: the list is empty, or as `as_batch`.
    """
    if not isinstance(given, list):
        return [as_batch(name, given)]
    if not given:
        raise UserError(f"{name} must hold at least one train batch, {FORMS}, got an empty list.")
    if not isinstance(given[0], (tuple, list)):
        return [as_batch(name, given)]
    for i, batch in enumerate(given):
        if not isinstance(batch, (tuple, list)):
            raise UserError(
                f"{name} is a list of a {type(given[0]).__name__} and a {type(batch).__name__} (entry {i}), which is "
                f"neither one batch nor a list of them: give one as a tuple, {FORMS}; several inputs are one tuple, "
                "((x_1, x_2), y)."
            )
    return [as_batch(f"{name}[{i}]", batch) for i, batch in enumerate(given)]


def first_examples(batches_tr: Sequence[Batch], batch_val: Batch, count: int) -> Batch:
    """Returns the first `count` examples of the validation batch.

    Raises:
        UserError: a train batch that will be cut too has a seed, from which part of a batch draws other numbers.
    """
    if count < 1:
        raise UserError(f"meta_batch_size must be at least 1, got {count}.")
    for batch in batches_tr:
        if len(batch) == 3 and is_seed(batch[2]) and count < len(leaves(batch[1])[0]):
            raise UserError(
                "meta_batch_size takes part of each train batch, which draws other numbers from a seed than the whole "
                "batch; give the batch with masks, or leave meta_batch_size out."
            )
    cut = lambda leaf: leaf[:count] if isinstance(leaf, torch.Tensor) else leaf  # noqa: E731
    return tuple(map_tree(cut, part) for part in batch_val)
