"""The files of a few-shot run's folder: their content has these types, or is refused."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, to_builtins

from ..boundary import HEADER, Count, Positive, num_bytes, parse_tensors, read_bytes, read_json
from ..errors import UserError
from ..fewshot_catalogue import EPISODES
from ..fewshot_settings import FEWSHOT_TYPES, FewShot
from ..run.folder import write_json
from ..run.load import check_tensors
from ..run.schema import Facts, read_facts
from ..run.trust import asked_for
from ..types import Kind, Tensors
from .class_images import ImageEpisodes
from .episode import Episodes

ABOUT = "episodes.json"
"""The file that makes a run folder that of a few-shot run."""

MOST_SIDE = 4096
Side = Annotated[int, Meta(ge=1, le=MOST_SIDE)]
Numbers = Annotated[list[float], Meta(max_length=10_000)]


class Scaling(Struct, frozen=True, kw_only=True):
    """How pixels from 0 to 255 become inputs: `(pixels / 255 - mean) / std` for each channel; `ink` is dark on paper
    and counts from there."""

    mean: Annotated[list[float], Meta(min_length=1, max_length=16)]
    std: Annotated[list[Annotated[float, Meta(gt=0.0)]], Meta(min_length=1, max_length=16)]
    ink: bool = False


class About(Struct, frozen=True, kw_only=True):
    """The content of `episodes.json`: what the episodes are.

    Args:
        kind: of the targets.
        input_shape, num_outputs: of a model.
        data: digest of the first episodes.
        scaling: of pictures; None where there are none.
    """

    format: Literal[1] = 1
    kind: Kind
    input_shape: Annotated[list[Side], Meta(min_length=1, max_length=4)]
    num_outputs: Positive
    data: str
    scaling: Scaling | None = None


class EpisodeErrors(Struct, frozen=True):
    """Errors on fixed episodes.

    Args:
        tasks: how many episodes.
        errors: mean error rate, or mean squared error, after each number of steps on a task, from none on.
        intervals: half of the 95 % interval of each.
    """

    tasks: Count
    errors: Numbers
    intervals: Numbers


class FewShotEnded(Struct, frozen=True, kw_only=True):
    """The content of `result.json`.

    Args:
        kind: of the targets.
        phase, step, completed: where training stopped.
        transductive: whether an answer to a query depends on the other queries.
        best_step: the step of what was kept.
        valid_error, test_error: after all steps on a task.
        valid, test: after each.
        floor: error of the nearest picture in pixels, without any training; None where there are no pictures.
    """

    kind: Kind
    phase: str
    step: Count
    completed: bool
    transductive: bool
    best_step: Count
    valid_error: float
    test_error: float
    valid: EpisodeErrors
    test: EpisodeErrors
    floor: float | None = None


def is_few_shot(folder: Path) -> bool:
    """Whether a folder is that of a few-shot run, finished or not."""
    return (folder / ABOUT).is_file()


def about_episodes(episodes: Episodes) -> About:
    """What `episodes.json` says of episodes."""
    scaling = None
    if isinstance(episodes, ImageEpisodes):
        mean, std = (list(each) for each in (episodes.images.mean, episodes.images.std))
        scaling = Scaling(mean=mean, std=std, ink=episodes.name == "omniglot")
    return About(
        kind=episodes.kind,
        input_shape=list(episodes.input_shape),
        num_outputs=episodes.num_outputs,
        data=digest_of(episodes),
        scaling=scaling,
    )


def digest_of(episodes: Episodes) -> str:
    """A digest of the first episodes of each split, by which data that have changed are recognised."""
    found = hashlib.blake2b(digest_size=16)
    for split in ("train", "valid", "test"):
        for tensor in episodes.draw(split, 0, 4):
            found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def begin_folder(folder: Path, settings: FewShot, facts: dict[str, Any], about: About) -> None:
    """Writes the files that the folder holds before the first step."""
    write_json(folder / ABOUT, to_builtins(about))
    write_json(folder / "config.json", asdict(settings) | facts)


def read_few_shot(folder: Path) -> tuple[FewShot, Facts, About]:
    """Reads what a few-shot run is.

    Raises:
        UserError: there is none, or a file of it is damaged.
    """
    if not is_few_shot(folder):
        raise UserError(f"{folder} is not the folder of a few-shot run; name one of lfl train --task omniglot.")
    path = folder / "config.json"
    config = read_json(path, dict[str, Any])
    missing = sorted(FEWSHOT_TYPES.keys() - config.keys())
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}; it is not the whole config.json of a few-shot run.")
    try:
        settings = FewShot(**{name: config[name] for name in FEWSHOT_TYPES})
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    about = read_json(folder / ABOUT, About)
    scaling = about.scaling
    if scaling is not None and not len(scaling.mean) == len(scaling.std) == about.input_shape[0]:
        raise UserError(f"{folder / ABOUT} scales other channels than it has; the run cannot be used.")
    if about.kind == "classification" and about.num_outputs != settings.ways:
        raise UserError(f"{folder / ABOUT} is of other classes than the ways of config.json; the run cannot be used.")
    return settings, read_facts(folder), about


def read_few_shot_ended(folder: Path) -> FewShotEnded | None:
    """Reads how a few-shot run ended or was interrupted; None before that."""
    path = folder / "result.json"
    return read_json(path, FewShotEnded) if path.exists() or path.is_symlink() else None


def asked_by(settings: FewShot, data_dir: str | None) -> dict[str, str]:
    """The code and data beyond lfl itself and its own cache that a few-shot run asks for, by name."""
    held: dict[str, Any] = {name: getattr(settings, name) for name in ("model", "log", "pretrained_from")}
    if settings.task in EPISODES:
        return asked_for(held, None if settings.task == "sinusoid" else data_dir)
    return {**asked_for(held, None), "task": settings.task}


def read_tensors(path: Path, like: Tensors) -> Tensors:
    """Reads the tensors of a file, which must have the names, shapes and types of `like`, to the device of `like`.

    Raises:
        UserError: the file is missing, damaged, or of another model or method.
    """
    found = parse_tensors(read_bytes(path, num_bytes(like) + HEADER), path)
    check_tensors(found, like, path, finite=True)
    return {name: found[name].to(t.device) for name, t in like.items()}
