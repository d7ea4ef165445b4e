"""Every random draw comes from a generator keyed by seed, stream and step: repeatable, resumable, order-free."""

import hashlib

import torch


def generator(seed: int, stream: str, step: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator for one purpose at one step.

    Args:
        seed: the run's seed.
        stream: what is drawn, such as `"train batch"`; streams do not share numbers.
        step: the step that it is drawn for.
        device: where the draws will live.

    Returns:
        A `torch.Generator`, the same for the same arguments, whatever was drawn before.

    Example:
        >>> a, b = (torch.randn(2, generator=generator(0, "demo", 7)) for _ in range(2))
        >>> bool((a == b).all())
        True
    """
    digest = hashlib.blake2b(f"{seed}/{stream}/{step}".encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "big") >> 1)
