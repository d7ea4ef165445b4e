"""Finds the folder of a learned loss by its path, by the name of one that comes with lfl, or on the Hugging Face Hub.

A shared loss is a folder of its own: `config.json` says what it is made of, `loss.safetensors` is its phi. It is data
as a run folder is: code that it names is used only where the user names it too.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ..boundary import MEBIBYTE, read_bytes, read_json
from ..errors import Failure, UserError, missing_package, reason
from ..places import own_cache
from ..types import Kind
from .folder import make_folder, write_bytes

CONFIG, PHI = "config.json", "loss.safetensors"
FORMAT = 1
HUB = "hf://"
SHIPPED = Path(__file__).parent.parent / "export" / "losses"
MOST = {CONFIG: MEBIBYTE, PHI: 1024 * MEBIBYTE}
"""Most bytes of the files of a shared loss."""

MOST_OUTPUTS = 2**24
"""Most outputs of a loss that has parameters for each output."""


class SharedLoss(Struct, frozen=True):
    """The content of the `config.json` of a shared loss.

    Args:
        format: of the folder.
        kind: of targets.
        loss: the form of the loss, by name, or a user's own `"module:function"`.
        base: the hand-made loss that it starts from, by name or a user's own; None where it has none.
        num_outputs: the number of outputs that it was learned for; some forms take any.
        lfl: version that wrote the folder.
        learned: how it was learned, for people: settings, errors, versions; nothing here is used.
    """

    format: Literal[1]
    kind: Kind
    loss: str
    base: str | None = None
    num_outputs: Annotated[int, Meta(ge=1, le=MOST_OUTPUTS)] = 1
    lfl: str = ""
    learned: dict[str, Any] = field(default_factory=dict)


def is_shared(folder: Path) -> bool:
    """Whether a folder is that of a shared loss, rather than of a run."""
    return (folder / PHI).is_file()


def read_shared(folder: Path) -> SharedLoss:
    """Reads what a shared loss is made of.

    Raises:
        UserError: the file is missing, damaged, or of a later version of lfl.
    """
    return read_json(folder / CONFIG, SharedLoss)


def shipped_losses() -> list[str]:
    """The names of the losses that come with lfl."""
    return sorted(path.name for path in SHIPPED.iterdir() if is_shared(path)) if SHIPPED.is_dir() else []


def locate(run: str | Path) -> Path:
    """Returns the folder that a text names: a path that is there, a loss that comes with lfl, or `hf://USER/NAME`.

    Args:
        run: `hf://USER/NAME@REVISION` for a branch, tag or commit of the Hub; a `Path` is returned as it is.

    Returns:
        The folder; a path where nothing is, unchanged.

    Raises:
        UserError: a name on the Hub that cannot be one, or a repository without a loss.
        Failure: the Hub cannot be reached and the loss was not loaded before, or there is no such repository.
    """
    if isinstance(run, Path):
        return run
    if run.startswith(HUB):
        return _from_hub(run)
    return SHIPPED / run if not Path(run).is_dir() and run in shipped_losses() else Path(run)


def _from_hub(name: str) -> Path:
    """Loads a loss from the Hub, or from what the Hub's own cache has of it.

    Its cache holds links, which are not read in a run folder; the two files are copied into lfl's own cache.
    """
    repository, _, revision = name.removeprefix(HUB).partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise UserError(f"a loss on the Hugging Face Hub is hf://USER/NAME or hf://USER/NAME@REVISION, got {name!r}.")
    try:
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError as error:
        raise missing_package(f"loading {name}", error) from error
    try:
        snapshot = Path(snapshot_download(repository, revision=revision or None, allow_patterns=list(MOST)))
    except Exception as error:  # of the network, of the Hub, of its cache
        raise Failure(
            f"cannot load {name} from the Hugging Face Hub ({type(error).__name__}: {reason(error)}); check the name "
            "and the network. What was loaded once is found offline too."
        ) from error
    folder = own_cache() / "hub" / repository.replace("/", "--") / snapshot.name
    remedy = f"{name} is not a loss that lfl has written"
    found = {file: read_bytes((snapshot / file).resolve(), most, remedy) for file, most in MOST.items()}
    make_folder(folder)
    for file, content in found.items():
        write_bytes(folder / file, content)
    return folder
