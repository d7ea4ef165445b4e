"""A run's learned loss as a file for somebody else."""

from pathlib import Path

from ..errors import UserError, one_of
from ..run import allowed_loss_of
from ..run.folder import check_output, explained, write_output
from .fixed import load_loss
from .formula import fit_formulas, render
from .programs import onnx_program, torch_program

SUFFIXES = {"torch": "pt2", "onnx": "onnx", "sympy": "txt"}


def export(
    run: Path,
    to: str,
    out: Path | None = None,
    *,
    reduction: str = "mean",
    loss: str | None = None,
    base: str | None = None,
    trust: bool = False,
) -> Path:
    """Write the learned loss of a run in another form.

    Args:
        run: a run folder.
        to: `"torch"`, a `torch.export` program; `"onnx"`; or `"sympy"`, formulas as text.
        out: the file, written over where it exists; `RUN/loss.pt2`, `.onnx` or `.txt` when omitted.
        reduction: of the program, as in `lfl.load_loss`; of no account to formulas.
        loss, base, trust: as in `lfl.load_loss`.

    Returns:
        The path of the file.

    Raises:
        UserError: an unknown form, a loss that no formula of one output makes up, a run that learned no loss or is
            damaged, code that was not named, a path that cannot be a file.
        Failure: packages are missing, or the disk failed.
    """
    one_of("--to", to, list(SUFFIXES))
    path = out or run / f"loss.{SUFFIXES[to]}"
    _writable(path)
    module = load_loss(run, reduction=reduction, loss=loss, base=base, trust=trust)
    if to == "sympy":
        formulas = fit_formulas(module.loss_fn, module.current_phi())
        content = render(formulas, str(run), base=allowed_loss_of(run, loss=loss, base=base, trust=trust).base).encode()
    else:
        content = {"torch": torch_program, "onnx": onnx_program}[to](module)
    with explained(f"write {path}", "choose another -o"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_output(path, content)
    return path


def _writable(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{path} is a folder; give -o the name of a file.")
    check_output(path)
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir():
        raise UserError(f"{path} lies beneath a file that is not a folder; choose another -o.")
