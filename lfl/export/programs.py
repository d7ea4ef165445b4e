"""Writes a run's learned loss as a `torch.export` program, an ONNX model or a formula, none of which needs lfl."""

import importlib
import io
import warnings
from pathlib import Path

import torch

from ..choices import EXPORTS
from ..errors import Failure, UserError, one_of, reason
from ..loss import LearnedLoss
from ..run.folder import check_output, explained, write_output
from .fixed_loss import FixedLoss, load_loss
from .formula_text import formula_text


def export_loss(
    run: str | Path,
    to: str,
    out: Path | None = None,
    *,
    reduction: str = "mean",
    loss: str | None = None,
    base: str | None = None,
    trust: bool = False,
) -> Path:
    """Writes the learned loss of a run in another form.

    Args:
        run: a run folder, or what else `lfl.load_loss` takes.
        to: `"torch"`, a `torch.export` program; `"onnx"`; `"sympy"` or `"latex"`, formulas as text: the formula itself
            of a symbolic loss, fitted ones of others; or `"folder"`, a folder of its own, to share (docs/sharing.md).
        out: the file or folder, written over where it exists; `RUN/loss.pt2`, `.onnx`, `.txt`, `.tex` or `RUN/loss`
            when omitted.
        reduction: of the program, as in `lfl.load_loss`; formulas and folders ignore it.
        loss, base, trust: as in `lfl.load_loss`.

    Returns:
        The path of the file or folder.

    Raises:
        UserError: an unknown form, a loss that is not a function of one output for a formula, a run that learned no
            loss or is damaged, code that was not named, a path that cannot be a file.
        Failure: packages are missing, or the file cannot be written.
    """
    one_of("--to", to, list(EXPORTS))
    name = str(run)
    stem = f"{name}/loss" if Path(name).is_dir() else name.rpartition("/")[2]
    path = out or Path(stem + EXPORTS[to].suffix)
    if to != "folder":
        _check_writable(path)
    module = load_loss(name, reduction=reduction, loss=loss, base=base, trust=trust)
    if to == "folder":
        module.save_pretrained(path)
        return path
    if to in ("sympy", "latex"):
        base_name = (module.about or {}).get("base")
        content = formula_text(module.loss_fn, module.current_phi(), name, base_name, latex=to == "latex").encode()
    else:
        content = {"torch": torch_program, "onnx": onnx_program}[to](module)
    with explained(f"write {path}", "choose another -o"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_output(path, content)
    return path


def torch_program(loss: FixedLoss) -> bytes:
    """Exports a loss as a `torch.export` program, for `torch.export.load(file).module()`.

    It takes float32 logits `[batch, classes]`, at least two of them, and class ids `[batch]`, or outputs and values
    `[batch, width]`, of any batch size and number of outputs (a loss that is made for one number takes only that),
    and can be differentiated like the loss itself. One logit z is given as the two logits (0, z).

    Returns:
        The content of a `.pt2` file, the same each time.
    """
    program = _exported(loss)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # names of files on the machine where it was made
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def onnx_program(loss: FixedLoss) -> bytes:
    """Exports a loss as an ONNX model: inputs `outputs` and `targets`, output `loss`; otherwise as `torch_program`.

    Returns:
        The content of an `.onnx` file.

    Raises:
        UserError: the loss is a user's own and does not translate.
        Failure: the packages onnx and onnxscript are not installed.
    """
    for package in ("onnx", "onnxscript"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise Failure(f"ONNX needs the package {package} ({error}); pip install 'lfl[onnx]'.") from error
    named = {0: "batch"} if _only(loss) is not None else {0: "batch", 1: "width"}
    axes = (named, {0: "batch"} if loss.loss_fn.kind == "classification" else named)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about itself
        exported = _exported(loss)
        try:
            program = torch.onnx.export(
                exported,
                dynamo=True,
                verbose=False,
                input_names=["outputs", "targets"],
                output_names=["loss"],
                dynamic_shapes=axes,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise UserError(
                f"this loss cannot be written as ONNX ({_cause(error)}); write it with other functions of torch, or "
                "choose --to torch."
            ) from error
    assert program is not None
    for node in program.model.graph:
        node.metadata_props.clear()  # names of files on the machine where it was made
    return bytes(program.model_proto.SerializeToString())


def _only(loss: FixedLoss) -> int | None:
    """The only number of outputs that a loss takes; None where it takes any."""
    return None if isinstance(loss.loss_fn, LearnedLoss) else loss.loss_fn.num_outputs


def _exported(loss: FixedLoss) -> torch.export.ExportedProgram:
    only = _only(loss)
    outputs = torch.zeros(3, only or 2)
    targets = torch.zeros(3, dtype=torch.long) if loss.loss_fn.kind == "classification" else torch.zeros(3, only or 2)
    least = 2 if loss.loss_fn.kind == "classification" else 1
    batch, width = torch.export.Dim("batch"), torch.export.Dim("width", min=least)
    free = {0: batch} if only is not None else {0: batch, 1: width}
    shapes = (free, {0: batch} if targets.dim() == 1 else free)
    try:
        return torch.export.export(loss, (outputs, targets), dynamic_shapes=shapes, strict=False)
    except Exception as error:  # a user's own loss may do what no program can
        raise UserError(
            f"this loss cannot be written as a program ({type(error).__name__}: {reason(error)}); write it without "
            "branches on values, or use it from Python."
        ) from error


def _cause(error: BaseException) -> str:
    """Returns the innermost cause of an exporter's error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {reason(error)}"


def _check_writable(path: Path) -> None:
    """Refuses, before any work, a path that cannot be written."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; give -o the name of a file.")
    check_output(path)
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        raise UserError(f"{path} lies beneath a file that is not a folder; choose another -o.")
