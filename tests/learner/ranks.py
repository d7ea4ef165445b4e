"""What the processes of `test_ranks.py` run: learners of several ranks."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

import lfl
from lfl.loss import draw_loss
from lfl.randomness import generator

from .cases import OPTIMISERS, batch, made

SIZE = 8


def pair() -> Any:
    phi, loss_fn = draw_loss("network", "classification", num_outputs=3, generator=generator(0, "phi_0"))
    return {name: t.double() for name, t in phi.items()}, loss_fn


def trained(module: nn.Module, group: Any, **settings: Any) -> dict[str, Any]:
    """Four calls of a learner, and what they leave."""
    learner = lfl.Learner(module, pair(), group=group, **settings)
    infos = []
    for call in range(4):
        train, valid = (batch(call, stream, SIZE, torch.float64) for stream in (0, 1))
        infos.append(learner.step(train, valid if learner.needs_validation else None))
    return {"module": {**module.state_dict()}, "phi": learner.phi, "info": infos[-1]}


def learned_offline(group: Any) -> dict[str, Any]:
    module = made("dropout").double()
    learner = lfl.Learner(module, pair(), group=group)
    batches = [batch(step, 0, SIZE, torch.float64) for step in range(3)]
    info = learner.offline(batches, batches[::-1], steps=3, inner_steps=2)
    return {"phi": learner.phi, "info": info}


def all_learners(group: Any) -> dict[str, Any]:
    """Learners of several settings; of one process where `group` is None."""
    settings: dict[str, Callable[[], dict[str, Any]]] = {
        f"{module}, {optimiser}": lambda module=module, optimiser=optimiser: trained(
            made(module).double(), group, optimizer=OPTIMISERS[optimiser], clip_norm=0.05, meta_every=2
        )
        for module in ("plain", "dropout")
        for optimiser in OPTIMISERS
    }
    settings["accumulated"] = lambda: trained(made("dropout").double(), group, accumulate=2, optimizer=lfl.adam(1e-2))
    settings["torch.optim"] = lambda: torch_optim(group)
    settings["offline"] = lambda: learned_offline(group)
    return {name: run() for name, run in settings.items()}


def torch_optim(group: Any) -> dict[str, Any]:
    module = made("plain").double()
    return trained(module, group, optimizer=torch.optim.AdamW(module.parameters(), lr=1e-2), schedule="cosine", steps=9)


def everything(rank: int, size: int) -> dict[str, Any]:
    found = all_learners(dist.group.WORLD)
    return {"learners": found, "batch norm": statistics(), "said": said(rank), "own": own_masks(rank)}


def statistics() -> dict[str, Any]:
    """Buffers after two micro-batches of a step that has not ended, so that parameters are the first ones."""
    module = made("batch norm").double()
    learner = lfl.Learner(module, pair(), accumulate=4, group=dist.group.WORLD)
    for call in range(2):
        learner.step(batch(call, 0, SIZE, torch.float64))
    return dict(module.named_buffers())


def own_masks(rank: int) -> dict[str, Any]:
    """Ranks with batches of their own draw masks of their own, and stay together."""
    module = made("dropout").double()
    learner = lfl.Learner(module, pair(), group=lfl.Ranks(batches="own"))
    for call in range(2):
        learner.step(batch(call, 10 + rank, SIZE, torch.float64), batch(call, 20 + rank, SIZE, torch.float64))
    return {**module.state_dict()}


def said(rank: int) -> list[str]:
    """What ranks say that were not made alike, that compile, and that save within a step."""
    world, texts = dist.group.WORLD, []

    def note(attempt: Callable[[], object]) -> None:
        try:
            attempt()
        except lfl.UserError as error:
            texts.append(str(error))

    different = lfl.Learner(made("plain", seed=rank).double(), pair(), group=world)
    note(lambda: different.step(batch(0, dtype=torch.float64), batch(1, dtype=torch.float64)))
    note(lambda: lfl.Learner(made("plain"), pair(), compile=True, group=world))
    accumulating = lfl.Learner(made("plain").double(), pair(), accumulate=2, group=world)
    accumulating.step(batch(0, dtype=torch.float64), batch(1, dtype=torch.float64))
    note(accumulating.state_dict)
    noisy = lfl.Learner(nn.Sequential(made("plain"), Noisy()).double(), pair(), group=world)
    note(lambda: noisy.step(batch(0, dtype=torch.float64), batch(1, dtype=torch.float64)))
    return texts


class Noisy(nn.Module):
    """Draws what no mask replaces."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 0.1 * torch.randperm(x.shape[1]).to(x)
