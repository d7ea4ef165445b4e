"""Where episodes come from, by name: the named sources, and a user's own folder."""

import os
from pathlib import Path
from typing import Any

import torch

from ..errors import UserError, one_of
from ..fewshot_catalogue import EPISODES, OWN_EPISODES
from .class_images import Rotations
from .episode import Episodes

OWN_FOLDER = "FOLDER/"
"""How lists name a user's own pictures: in `train/CLASS/`, `valid/CLASS/` and `test/CLASS/`, or in `CLASS/`."""


def load_episodes(
    name: str,
    *,
    ways: int | None = None,
    shots: int = 1,
    queries: int = 15,
    seed: int = 0,
    device: torch.device | str = "cpu",
    data_dir: Path,
    rotations: Rotations | None = None,
    **options: Any,
) -> Episodes:
    """Loads the source of episodes called `name`, or that of a user's own folder of pictures.

    Args:
        name: one of `EPISODES`, or the path of a folder.
        ways: classes of an episode; 5 when omitted, 1 for a regression.
        shots, queries: support and query examples of each class.
        seed: of the train episodes; those of valid and test are the same for all seeds.
        device: holds the images, and draws.
        data_dir: folder with the data of named sources, or to download them to.
        rotations: see `Rotations`; `"classes"` for omniglot when omitted, `"none"` for others.
        options: of the source: `split="vinyals"` or `"random"` of omniglot, `split_seed` of a folder.

    Raises:
        UserError: an unknown name, an option that does not apply, data that cannot be used, or too few classes or
            images for the ways, shots and queries.
        Failure: a download failed.

    Example:
        >>> load_episodes("sinusoid", shots=5, queries=5, data_dir=Path(".")).draw("train", 0, 25).x.shape
        torch.Size([25, 5, 1])
    """
    own = is_folder(name)
    if not own:
        one_of("source of episodes", name, [*EPISODES, OWN_FOLDER])
    known = _OPTIONS["FOLDER" if own else name]
    for option in options:
        if option not in known:
            raise UserError(
                f"{name} has no option {option}; " + (f"it has {', '.join(known)}." if known else "leave it out.")
            )
    given = dict(options) if rotations is None else {"rotations": rotations, **options}
    ways = (1 if name == "sinusoid" else 5) if ways is None else ways
    entry = OWN_EPISODES if own else EPISODES[name]
    episodes: Episodes = entry.load()(
        Path(name) if own else data_dir, ways=ways, shots=shots, queries=queries, seed=seed, device=device, **given
    )
    return episodes


def is_folder(name: str) -> bool:
    """Whether a source's name is the path of a user's own folder."""
    return name not in EPISODES and (name.endswith("/") or os.path.isdir(name))


_OPTIONS: dict[str, tuple[str, ...]] = {
    "omniglot": ("split",),
    "cifar-fs": (),
    "fc100": (),
    "sinusoid": (),
    "FOLDER": ("split_seed",),
}
