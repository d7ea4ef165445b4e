"""Writes a learned loss as a folder of its own, for other people: what it is made of, phi, a model card and a curve."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import to_builtins
from safetensors.torch import save

from ..boundary import converted
from ..errors import UserError
from ..loss import AnyLearnedLoss, LearnedLoss, is_formula
from ..loss.curve import CLASSES, axis, of_one_output, sample_curves
from ..run.folder import check_plain, explained, make_folder, write_bytes
from ..run.shared import CONFIG, FORMAT, PHI, SharedLoss, is_shared
from ..run.trust import note_asked
from ..text import for_picture
from ..types import Tensors
from ..user_code import is_own
from ..version import VERSION
from .formula_text import formula_text

CARD, CURVE = "README.md", "curve.png"

TOLD = ("task", "label_noise", "outliers", "imbalance", "model", "method", "objective")
"""Settings that the card tells in words; all of them stand in `config.json`."""


def save_loss(folder: Path, loss_fn: AnyLearnedLoss, phi: Tensors, about: Mapping[str, Any]) -> None:
    """Writes a learned loss into a folder: `config.json`, `loss.safetensors`, `README.md` and `curve.png`.

    Args:
        folder: made where it is not there; a folder of an earlier loss is written over.
        loss_fn, phi: the loss; phi is written in single precision.
        about: `loss`, `base`, `num_outputs` and `learned`, as in `SharedLoss`.

    Raises:
        UserError: the folder holds something else, or `about` does not say how the loss is made.
        Failure: it cannot be written.
    """
    content = {**about, "format": FORMAT, "kind": loss_fn.kind, "lfl": VERSION}
    shared = converted(content, SharedLoss, "what is known about this loss")
    if folder.is_dir() and any(folder.iterdir()) and not is_shared(folder):
        raise UserError(f"{folder} is there, and not the folder of a loss; choose another.")
    check_plain(folder)
    phi = {name: tensor.detach().cpu().float().contiguous() for name, tensor in phi.items()}
    files = {
        CONFIG: (json.dumps(to_builtins(shared), indent=2) + "\n").encode(),
        PHI: save(phi),
        CARD: card(shared, loss_fn, phi).encode(),
        CURVE: curve(shared, loss_fn, phi),
    }
    make_folder(folder)
    with explained(f"write into {folder}", "make room, or choose another folder"):
        for name, each in files.items():
            write_bytes(folder / name, each)
    asked = {name: value for name, value in (("loss", shared.loss), ("base", shared.base)) if is_own(value)}
    note_asked(folder, {name: str(value) for name, value in asked.items()})


def card(shared: SharedLoss, loss_fn: AnyLearnedLoss, phi: Tensors) -> str:
    """Returns the model card, in Markdown with the Hub's header.

    Args:
        shared: what the loss is made of.
        loss_fn, phi: the loss.
    """
    classes = shared.kind == "classification"
    fixed = None if isinstance(loss_fn, LearnedLoss) else loss_fn.num_outputs
    outputs = ("any number of classes" if fixed is None else f"{fixed} classes") if classes else "real values"
    takes = (
        "logits and class ids, as `nn.CrossEntropyLoss`" if classes else "predictions and real values, as `nn.MSELoss`"
    )
    starts = "" if shared.base is None else f", on top of {_code(shared.base)}"
    lines = [
        "---",
        "library_name: lfl",
        "tags: [loss-function, lfl]",
        "---",
        "",
        f"# A learned loss for {outputs}",
        "",
        f"Form: {_code(shared.loss)}{starts}; {sum(t.numel() for t in phi.values()):,} numbers. It takes {takes}.",
        "",
        "```python",
        "import lfl",
        "",
        'loss = lfl.load_loss("PATH/OF/THIS/FOLDER")      # or lfl.load_loss("hf://USER/NAME")',
        "```",
        "",
        f"![The loss against the output]({CURVE})",
        "",
        *(
            []
            if classes
            else ["Scale your targets so that those of the train split span [0, 1]: so it was learned.", ""]
        ),
        "## How it was learned",
        "",
        *_history(shared),
    ]
    if isinstance(loss_fn, LearnedLoss):
        text = formula_text(loss_fn, phi, "this folder", shared.base)
        lines += ["", "## As a formula", "", "```text", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _history(shared: SharedLoss) -> list[str]:
    """The lines that say how a loss was learned, and what was measured there."""
    learned = shared.learned
    settings = learned.get("settings")
    if not isinstance(settings, dict):
        return ["Nothing is noted about that."]
    told = [(name.replace("_", " "), settings[name]) for name in TOLD if settings.get(name) is not None]
    told += [(f"{name} of the model", settings.get(name)) for name in ("steps", "optimizer", "inner_lr", "schedule")]
    errors = {"valid_error": "error on clean data", "test_error": "test error"}
    told += [(words, f"{learned[name]:.4f}") for name, words in errors.items() if isinstance(learned.get(name), float)]
    rows = [f"| {name} | {_cell(value)} |" for name, value in told]
    return [
        "| | |",
        "|---|---|",
        *rows,
        "",
        f"By lfl {shared.lfl}; every setting and the versions are in `{CONFIG}`. A loss belongs to a rate: begin with "
        "this optimiser and rate, and search again where yours differ.",
    ]


def _code(name: str) -> str:
    """A name in Markdown; a formula, whose asterisks would be read as emphasis, as code."""
    return f"`{name}`" if is_formula(name) else name


def _cell(value: Any) -> str:
    return " ".join(str(value).replace("|", "\\|").split())


def curve(shared: SharedLoss, loss_fn: AnyLearnedLoss, phi: Tensors) -> bytes:
    """Returns the picture of the loss against the output, a PNG, always the same for the same loss."""
    from ..report.figures import COLOURS, new_figure, rendered  # slow to import

    figure = new_figure(5.0, 3.4)
    axes = figure.subplots()
    points, curves = axis(loss_fn), sample_curves(loss_fn, phi)
    alone = shared.kind == "classification" and of_one_output(loss_fn)
    labels = ("y = 1", "y = 0") if alone else ("",)
    for label, values, colour in zip(labels, curves, COLOURS[1:], strict=False):
        axes.plot(points, values, color=colour, label=label)
    if alone:
        axes.legend()
    if shared.kind == "regression":
        axes.set_xlabel("error f - y")
    else:
        axes.set_xlabel("probability f" if alone else f"probability of the true class, of {_classes(loss_fn)}")
    axes.set_ylabel("learned loss")
    axes.set_title(for_picture(shared.loss if shared.base is None else f"{shared.loss} on {shared.base}"), fontsize=10)
    axes.grid(alpha=0.25)
    return rendered(figure, "png")


def _classes(loss_fn: AnyLearnedLoss) -> int:
    only = None if isinstance(loss_fn, LearnedLoss) else loss_fn.num_outputs
    return CLASSES if only is None else only
