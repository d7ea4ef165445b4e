"""A learned loss as a program that needs no lfl: `torch.export` and ONNX."""

import importlib
import io
import warnings

import torch

from ..errors import Failure, UserError, reason
from ..loss import LearnedLoss
from .fixed import FixedLoss


def torch_program(loss: FixedLoss) -> bytes:
    """A loss as a `torch.export` program, for `torch.export.load(file).module()`.

    It takes float32 logits `[batch, classes]`, at least two of them, and class ids `[batch]`, or outputs and values
    `[batch, width]`, of any batch size and number of outputs (of a loss that is made for so many: of that), and can be
    differentiated like the loss itself. One logit z is given as the two logits (0, z).

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
    """A loss as an ONNX model: inputs `outputs` and `targets`, output `loss`; otherwise as `torch_program`.

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
        warnings.simplefilter("ignore")  # the exporter's words about itself
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
    """The only number of outputs that a loss takes; None for any."""
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
    except Exception as error:  # a user's own loss may hold what no program can
        raise UserError(
            f"this loss cannot be written as a program ({type(error).__name__}: {reason(error)}); write it without "
            "branches on values, or use it from Python."
        ) from error


def _cause(error: BaseException) -> str:
    """What an exporter failed for, beneath what it says about itself."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {reason(error)}"
