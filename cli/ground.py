"""What commands share: where to compute, and how results are told."""

import logging
import warnings
from typing import TYPE_CHECKING

import typer

from .text import say

if TYPE_CHECKING:
    import torch

    from lfl.run import Result


def prepare(device: str | None, threads: int | None) -> "torch.device":
    """Set the number of threads, and find the device.

    Two messages of torch's about itself are kept from the user: the compiler looks for CUDA's tools also where it
    compiles for the CPU, and forward mode scripts its decompositions.
    """
    warnings.filterwarnings("ignore", r".*torch\.jit\..* is deprecated")
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    import torch

    from lfl.device import resolve_device
    from lfl.run.schema import MOST_THREADS

    if threads is not None:
        torch.set_num_threads(min(threads, MOST_THREADS))
    return resolve_device(device or "auto")


def tell(results: "list[Result]") -> None:
    """Draw the learned losses of runs that have ended, and print how they ended.

    Raises:
        typer.Exit: a run was told to stop; with the status that a shell gives for its signal.
    """
    from lfl.report import draw_losses
    from lfl.report.spread import spread, spread_words
    from lfl.run.board import FOLDER, Board

    for result in results:
        picture = draw_losses(result.folder)
        if picture is not None and (result.folder / FOLDER).is_dir():
            board = Board(result.folder)
            board.picture("learned loss", picture)
            board.close()
        errors = f"{result.test_error:.4f} (validation {result.valid_error:.4f})"
        say(f"{measure(result.kind)} {errors} in {result.seconds:.1f} s")
        say(f"run folder {result.folder}")
    if len(results) > 1:
        say(f"over {len(results)} seeds {spread_words(spread([result.test_error for result in results]))}")
    last = results[-1]
    if last.signal is not None and not last.completed:
        say(f"interrupted at step {last.step} of phase {last.phase}; lfl resume goes on from there.", error=True)
        raise typer.Exit(128 + last.signal)


def measure(kind: str) -> str:
    return "test error" if kind == "classification" else "test mean squared error"
