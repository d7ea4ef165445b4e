"""Generators keyed by seed, stream and step: every random draw is repeatable, resumable, and free of order."""

import hashlib
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch._C._functorch import TransformType, get_interpreter_stack

from .errors import UserError


def generator(seed: int, stream: str, step: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """Makes a generator for one purpose at one step.

    Args:
        seed: the run's seed.
        stream: what is drawn, such as `"train batch"`; streams do not share numbers.
        step: the step that it is drawn for.
        device: where the draws are made.

    Returns:
        A `torch.Generator`, the same for the same arguments, whatever was drawn before.

    Example:
        >>> a, b = (torch.randn(2, generator=generator(0, "demo", 7)) for _ in range(2))
        >>> bool((a == b).all())
        True
    """
    return torch.Generator(device).manual_seed(_number_of(seed, stream, step) >> 1)


def choices(seed: int, stream: str, *steps: int) -> random.Random:
    """Makes a generator of Python's own, for choices among a few, for one purpose at one step.

    Args:
        seed: the run's seed.
        stream: what is chosen, such as `"crossover"`; streams do not share numbers.
        steps: the place that it is chosen for, such as a generation and a slot.

    Returns:
        A `random.Random`, the same for the same arguments, whatever was drawn before.

    Example:
        >>> choices(0, "demo", 3, 1).random() == choices(0, "demo", 3, 1).random()
        True
    """
    return random.Random(_number_of("choices", seed, stream, *steps))


def _number_of(*key: object) -> int:
    """A number of 64 bits that follows from the parts of a key."""
    digest = hashlib.blake2b("/".join(map(str, key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


@contextmanager
def seeded(seed: int, tensors: Iterable[torch.Tensor]) -> Iterator[None]:
    """A context in which torch's global generators start at `seed`; afterwards they continue where they were.

    Args:
        seed: at least 0.
        tensors: their CUDA devices have generators too.

    Raises:
        UserError: the seed is negative or too large, or the caller is compiled or vmapped.
    """
    refuse_seed_in_programs()
    if not 0 <= seed < 2**63:
        raise UserError(f"the seed of a batch must be an int from 0 to 2**63 - 1, got {seed}.")
    devices = {torch.cuda.current_device() if t.device.index is None else t.device.index for t in tensors if t.is_cuda}
    with torch.random.fork_rng(sorted(devices)):
        torch.default_generator.manual_seed(seed)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(seed)
        yield


def random_state(device: torch.device | str = "cuda") -> torch.Tensor:
    """Returns the state of the global generators that a model could draw from: the CPU's, and a GPU's.

    Args:
        device: the GPU, where CUDA is in use; the present one when omitted.
    """
    states = [torch.random.get_rng_state()]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states.append(torch.cuda.get_rng_state(device))
    return torch.cat(states)


def refuse_seed_in_programs() -> None:
    """Raises `UserError` in a compiled or vmapped program, which draws other numbers from a seed than an eager pass."""
    words = (
        "a batch (x, y, seed) is for eager steps: a compiled or vmapped step cannot draw from the seed. Give masks, "
        "(x, y, lfl.draw_masks(lfl.mask_specs(apply_fn, theta, x), generator)), or run the step eagerly."
    )
    if torch.compiler.is_compiling():
        torch._dynamo.graph_break(msg=words)  # with fullgraph this is the error; else the line below is
        raise UserError(words)
    if any(level.key() == TransformType.Vmap for level in get_interpreter_stack() or []):
        raise UserError(words)
