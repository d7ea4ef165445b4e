"""The state of a learner as plain dicts of tensors and numbers, which `torch.load(weights_only=True)` reads."""

from typing import Any

import torch
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_unflatten

from ..errors import UserError
from ..types import Tree
from .accumulation import Gathered

FORMAT = 1
"""Of the dict; raised where an older one can no longer be read."""

KEYS = {"format", "steps", "calls", "offline_steps", "seed", "num_outputs", "warned", "phi", "inner", "outer"} | {
    "gathered"
}


def flat(tree: Tree) -> dict[str, Any]:
    """The leaves of a tree, tensors, numbers, strings and None, by their path in it."""
    found, _ = tree_flatten_with_path(tree)
    return {keystr(path): leaf for path, leaf in found}


def filled(tree: Tree, leaves: Any, what: str) -> Tree:
    """The tree with its leaves replaced by those of `flat`; tensors are copied to the device of those they replace.

    Raises:
        UserError: other paths, kinds, shapes or precisions than the tree's.
    """
    found, structure = tree_flatten_with_path(tree)
    names = [keystr(path) for path, _ in found]
    if not isinstance(leaves, dict) or leaves.keys() != set(names):
        got = ", ".join(map(str, leaves)) if isinstance(leaves, dict) else type(leaves).__name__
        raise UserError(
            f"the state's {what} is of a learner with other settings: this one has {', '.join(names) or 'nothing'}, "
            f"got {got or 'nothing'}; make the lfl.Learner with the settings of the saved one."
        )
    return tree_unflatten(
        [_leaf(f"{what}{name}", leaf, leaves[name]) for name, (_, leaf) in zip(names, found, strict=True)], structure
    )


def _leaf(name: str, own: Any, given: Any) -> Any:
    if not isinstance(own, torch.Tensor):
        if isinstance(given, torch.Tensor):
            raise UserError(
                f"{name} in the state must be a number, got a tensor; give the state of a learner like this."
            )
        return given
    if not isinstance(given, torch.Tensor) or given.shape != own.shape or given.dtype != own.dtype:
        got = f"{list(given.shape)} of {given.dtype}" if isinstance(given, torch.Tensor) else type(given).__name__
        raise UserError(
            f"{name} in the state must be a tensor {list(own.shape)} of {own.dtype}, got {got}; give the state of a "
            "learner with the same settings."
        )
    return given.detach().to(own.device, copy=True)


def checked(state: Any) -> dict[str, Any]:
    """Returns a state whose format this version reads.

    Raises:
        UserError: it is something else.
    """
    if not isinstance(state, dict) or state.keys() != KEYS or state["format"] != FORMAT:
        got = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise UserError(
            f"load_state_dict takes what Learner.state_dict returned, in format {FORMAT}, got {got}; the module's own "
            "state_dict is loaded by module.load_state_dict."
        )
    return state


def gathered_state(gathered: Gathered | None) -> dict[str, Any] | None:
    """What is gathered of an unfinished step, in plain dicts, lists and tuples."""
    return None if gathered is None else gathered._asdict()


def gathered_of(state: Any, device: torch.device) -> Gathered | None:
    """The inverse of `gathered_state`, with tensors on a device."""
    if state is None:
        return None

    def moved(part: Any) -> Any:
        if isinstance(part, torch.Tensor):
            return part.to(device)
        if isinstance(part, dict):
            return {key: moved(value) for key, value in part.items()}
        return type(part)(map(moved, part)) if isinstance(part, (list, tuple)) else part

    return Gathered(**moved(state))
