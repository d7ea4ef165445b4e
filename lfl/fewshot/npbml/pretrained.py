"""What NPBML starts from: an encoder and a relation network, trained for some episodes, kept in a file."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from ...data.limits import regular_file
from ...errors import UserError, reason
from ...optimiser import Optimiser
from ...randomness import generator
from ...types import Tensors
from ..class_images import ImageEpisodes
from .film import as_layer, layer_of
from .pretraining import pretrain, training_batches
from .relation import WIDTHS, draw_relation, train_relation
from .trunk import Network, in_order, network_of

Stages = Callable[[str, int, dict[str, float]], None]
"""`progress(stage, step, numbers)`: the stage is `"pre-training"` or `"relation network"`."""


class Pretrained(NamedTuple):
    """What is trained before NPBML and stays as it is, or where NPBML starts.

    Args:
        network: of the encoder.
        trunk: parameters of its frozen part.
        stage: where the part that adapts starts, without FiLM.
        relation: parameters of the relation network; None where no part needs its scores.
    """

    network: Network
    trunk: Tensors
    stage: Tensors
    relation: Tensors | None = None


def prepared(
    episodes: ImageEpisodes,
    *,
    network: str = "conv4",
    pretraining_steps: int = 200_000,
    lr: float = 0.01,
    optimiser: Optimiser | None = None,
    batch_size: int = 128,
    relation_steps: int = 100_000,
    relation_widths: tuple[int, ...] = WIDTHS,
    relation_lr: float = 1e-3,
    every: int = 500,
    num_valid: int = 600,
    seed: int = 0,
    progress: Stages | None = None,
) -> Pretrained:
    """Pre-trains an encoder on all training classes, and trains a relation network on training episodes.

    Args:
        episodes: images, ways and shots; its queries are those of the relation network's episodes.
        network: a name for `network_of`.
        pretraining_steps, lr, optimiser, batch_size: see `pretrain`.
        relation_steps, relation_widths, relation_lr: see `train_relation`.
        every: steps between two selections on `num_valid` validation episodes.
        seed: of the initial parameters and batches.
        progress: called at each selection.

    Returns:
        A `Pretrained` for `npbml`. Defaults are the published settings, for a GPU; on a CPU, Adam at 2e-3 brings
        `"conv4-32"` a long way in 1,000 steps.
    """

    def told(stage: str) -> Callable[[int, dict[str, float]], None] | None:
        return (lambda step, numbers: progress(stage, step, numbers)) if progress else None

    built, valid = network_of(network), episodes.draw("valid", 0, num_valid)
    batch, num_classes = training_batches(episodes, batch_size, seed)
    encoder = pretrain(
        built, batch, num_classes, valid, episodes.ways, seed=seed, steps=pretraining_steps, lr=lr,
        optimiser=optimiser, every=every, progress=told("pre-training"),
    )  # fmt: skip
    first = draw_relation(
        episodes.input_shape, generator(seed, "relation network", 0, episodes.device), relation_widths
    )
    relation = train_relation(
        first, lambda step: episodes.draw("train", step, 1), valid, episodes.ways, steps=relation_steps,
        lr=relation_lr, every=every, progress=told("relation network"),
    )  # fmt: skip
    return Pretrained(built, encoder.trunk, encoder.stage, relation.params)


def save_pretrained(path: Path, pretrained: Pretrained) -> None:
    """Writes what `prepared` returned to a safetensors file."""
    from safetensors.torch import save_file

    parts = {"trunk": pretrained.trunk, "stage": pretrained.stage, "relation": pretrained.relation or {}}
    tensors = {key: t.contiguous() for name, part in parts.items() for key, t in as_layer(name, part).items()}
    save_file(tensors, path, metadata={"network": pretrained.network.name})


def load_pretrained(path: Path, device: torch.device | str = "cpu") -> Pretrained:
    """Reads what `save_pretrained` wrote.

    Raises:
        UserError: the file is not one of these.
    """
    from safetensors import safe_open

    regular_file(path)
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            name = (file.metadata() or {})["network"]
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no dict
    except Exception as error:  # a damaged file raises nearly anything
        raise UserError(f"{path} is no encoder written by save_pretrained: {reason(error)}.") from error
    network = network_of(name)
    stage = in_order(network, layer_of(tensors, "stage"))
    return Pretrained(network, layer_of(tensors, "trunk"), stage, layer_of(tensors, "relation") or None)
