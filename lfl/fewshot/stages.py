"""What NPBML is trained on before it learns to adapt: an encoder and a relation network, kept in the run folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from ..errors import UserError
from ..fewshot_settings import FewShot
from ..randomness import generator
from ..run.folder import check_plain, write_tensors
from .build import Sizes, build_method, parts_of
from .class_images import ImageEpisodes
from .episode import Episodes
from .folder import read_tensors
from .method import FewShotMethod
from .npbml import Pretrained, draw_relation, network_of, pretrain, train_relation, training_batches, untrained
from .npbml.film import as_layer, layer_of
from .train import FewShotProgress, FewShotState, Stage

ENCODER, RELATION = "encoder.safetensors", "relation.safetensors"
STAGED = ("npbml",)
"""Methods that have such stages."""

SELECT_ON, BATCH_SIZE = 100, 128
"""Validation episodes that networks are chosen by, and images of a batch of pre-training."""

Watch = Callable[[FewShotProgress], None]


def needs_relation(settings: FewShot) -> bool:
    """Whether a part of the run uses scores of the relation network."""
    return bool({"transductive", "relation"} & set(parts_of(settings)))


def method_of(settings: FewShot, sizes: Sizes, folder: Path | None = None) -> FewShotMethod:
    """Builds the method of a run, with the networks in its folder where it has stages; without one, as drawn."""
    if settings.method not in STAGED:
        return build_method(settings, sizes)
    found = drawn_stages(settings, sizes) if folder is None else read_stages(folder, settings, sizes)
    return build_method(settings, sizes, found)


def drawn_stages(settings: FewShot, sizes: Sizes) -> Pretrained:
    """The networks as they are drawn, without training."""
    network = network_of(settings.model)
    encoder = untrained(network, sizes.input_shape, settings.seed, sizes.device)
    drawn = None
    if needs_relation(settings):
        drawn = draw_relation(sizes.input_shape, generator(settings.seed, "relation network", 0, sizes.device))
    return Pretrained(network, encoder.trunk, encoder.stage, drawn)


def make_stages(folder: Path, settings: FewShot, episodes: Episodes, watch: Watch | None = None) -> Pretrained:
    """Trains the networks that are not in the folder yet, or takes those of another run, and keeps them in it.

    Raises:
        UserError: episodes without pictures, or another run of another model.
    """
    sizes = Sizes.of(episodes)
    if settings.pretrained_from is not None:
        other = Path(settings.pretrained_from)
        check_plain(other)
        read_stages(other, settings, sizes)
        for name in (ENCODER, RELATION) if needs_relation(settings) else (ENCODER,):
            if not (folder / name).is_file():
                shutil.copyfile(other / name, folder / name)
        return read_stages(folder, settings, sizes)
    drawn = drawn_stages(settings, sizes)
    valid = episodes.draw("valid", 0, min(SELECT_ON, settings.valid_tasks))
    if not (folder / ENCODER).is_file():
        trunk, stage = drawn.trunk, drawn.stage
        if settings.pretrain_steps:
            assert isinstance(episodes, ImageEpisodes)
            batch, classes = training_batches(episodes, BATCH_SIZE, settings.seed)
            steps = settings.pretrain_steps
            encoder = pretrain(
                drawn.network,
                batch,
                classes,
                valid,
                settings.ways,
                seed=settings.seed,
                steps=steps,
                every=_every(steps),
                progress=_shown("encoder", steps, watch),
            )
            trunk, stage = encoder.trunk, encoder.stage
        write_tensors(folder / ENCODER, as_layer("trunk", trunk) | as_layer("stage", stage))
    if drawn.relation is not None and not (folder / RELATION).is_file():
        relation, steps = drawn.relation, settings.relation_steps
        if steps:
            relation = train_relation(
                relation,
                lambda step: episodes.draw("train", step, 1),
                valid,
                settings.ways,
                steps=steps,
                every=_every(steps),
                progress=_shown("relation", steps, watch),
            ).params
        write_tensors(folder / RELATION, relation)
    return read_stages(folder, settings, sizes)


def read_stages(folder: Path, settings: FewShot, sizes: Sizes) -> Pretrained:
    """Reads the networks of a run.

    Raises:
        UserError: they are not there, damaged, or of another model.
    """
    like = drawn_stages(settings, sizes)
    if not (folder / ENCODER).is_file():
        raise UserError(f"{folder} has no {ENCODER}; name an npbml run that has been pre-trained.")
    named = as_layer("trunk", like.trunk) | as_layer("stage", like.stage)
    found = read_tensors(folder / ENCODER, named)
    relation = None if like.relation is None else read_tensors(folder / RELATION, like.relation)
    # in the order in which they are drawn: the regulariser of npbml reads tensors by their place
    trunk, stage = (
        {name: layer_of(found, part)[name] for name in tensors}
        for part, tensors in (("trunk", like.trunk), ("stage", like.stage))
    )
    return Pretrained(like.network, trunk, stage, relation)


def _every(steps: int) -> int:
    return max(1, min(500, steps // 10))


def _shown(name: str, steps: int, watch: Watch | None) -> Callable[[int, dict[str, float]], None] | None:
    """Shows a stage as a phase of training."""
    if watch is None:
        return None
    watch(FewShotProgress(Stage(name, steps), 0, FewShotState({}, {}), None))

    def show(step: int, numbers: dict[str, float]) -> None:
        shown = {"outer_loss": numbers["loss"], "valid_error": numbers["error"]}
        watch(FewShotProgress(Stage(name, steps), step, FewShotState({}, {}), [shown]))

    return show
