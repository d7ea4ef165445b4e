"""What commands share: where to compute, and how results are told."""

import logging
import warnings
from typing import TYPE_CHECKING

import typer

from .text import say

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from lfl.run import Result
    from lfl.run.schema import Look


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
    """Print how runs ended, and draw their learned losses; a picture that cannot be drawn is a line, and no failure.

    Raises:
        typer.Exit: a run was told to stop; with the status that a shell gives for its signal.
    """
    for result in results:
        say(f"{measure(result.kind)} {_errors(result)} in {result.seconds:.1f} s")
        if result.test:
            say(metrics_words(result.test))
        if result.last is not None and result.best is not None and result.last.step != result.best.step:
            say(f"last step: {_errors(result.last)}; best look, step {result.best.step:,}: {_errors(result.best)}")
        say(f"run folder {result.folder}")
        try:
            _draw(result.folder)
        except Exception as error:  # the run has ended well
            words = " ".join(str(error).split())[:200] or type(error).__name__
            say(f"no picture of {result.folder}: {words}", error=True)
    if len(results) > 1:
        from lfl.report.statistics import spread, spread_words

        say(f"over {len(results)} seeds {spread_words(spread([result.test_error for result in results]))}")
    last = results[-1]
    if last.signal is not None and not last.completed:
        say(f"interrupted at step {last.step} of phase {last.phase}; lfl resume goes on from there.", error=True)
        raise typer.Exit(128 + last.signal)


def _draw(folder: "Path") -> None:
    from lfl.report import draw_losses
    from lfl.run.board import FOLDER, Board

    picture = draw_losses(folder)
    if picture is not None and (folder / FOLDER).is_dir():
        board = Board(folder)
        board.picture("learned loss", picture)
        board.close()


def _errors(of: "Result | Look") -> str:
    return f"{of.test_error:.4f} (validation {of.valid_error:.4f})"


def metrics_words(numbers: "Mapping[str, float]") -> str:
    """Metrics of a test split in a line."""
    from lfl.training.metrics import WORDS

    return ", ".join(f"{words} {numbers[name]:.4f}" for name, words in WORDS.items() if name in numbers)


def measure(kind: str) -> str:
    return "test error" if kind == "classification" else "test mean squared error"
