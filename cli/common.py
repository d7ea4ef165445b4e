"""Shared by the commands: device and threads, and how results are printed."""

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
    from lfl.run.schema import StepErrors


def prepare(device: str | None, threads: int | None) -> "torch.device":
    """Sets the number of threads, and returns the device.

    Silences two messages of torch about itself: the compiler searches for CUDA's tools also where it compiles for the
    CPU, and forward mode scripts its decompositions.
    """
    warnings.filterwarnings("ignore", r".*torch\.jit\..* is deprecated")
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    import torch

    from lfl.device import resolve_device
    from lfl.run.schema import MOST_THREADS

    if threads is not None:
        torch.set_num_threads(min(threads, MOST_THREADS))
    return resolve_device(device or "auto")


def print_results(results: "list[Result]") -> None:
    """Prints how runs ended, and draws their learned losses; where that fails, a line says so."""
    for result in results:
        say(f"{error_name(result.kind)} {_errors(result)} in {result.seconds:.1f} s")
        if result.test:
            say(metrics_line(result.test))
        if result.last is not None and result.best is not None and result.last.step != result.best.step:
            say(f"last step: {_errors(result.last)}; best step {result.best.step:,}: {_errors(result.best)}")
        say(f"run folder {result.folder}")
        try:
            _draw(result.folder)
        except Exception as error:  # the run itself has succeeded
            words = " ".join(str(error).split())[:200] or type(error).__name__
            say(f"no picture of {result.folder}: {words}", error=True)
    if len(results) > 1:
        from lfl.report.statistics import spread, spread_words

        say(f"over {len(results)} seeds {spread_words(spread([result.test_error for result in results]))}")
    last = results[-1]
    if last.signal is not None and not last.completed:
        say(f"interrupted at step {last.step} of phase {last.phase}; lfl resume continues from there.", error=True)


def exit_as_interrupted(results: "list[Result]") -> None:
    """Leaves, where the last run was interrupted.

    Raises:
        typer.Exit: with the status that a shell gives for its signal.
    """
    last = results[-1]
    if last.signal is not None and not last.completed:
        raise typer.Exit(128 + last.signal)


def _draw(folder: "Path") -> None:
    from lfl.report import draw_losses

    draw_losses(folder)


def _errors(errors: "Result | StepErrors") -> str:
    return f"{errors.test_error:.4f} (validation {errors.valid_error:.4f})"


def metrics_line(numbers: "Mapping[str, float]") -> str:
    """Returns the metrics of a test split as a line."""
    from lfl.training.metrics import WORDS

    return ", ".join(f"{words} {numbers[name]:.4f}" for name, words in WORDS.items() if name in numbers)


def error_name(kind: str) -> str:
    """Returns the name of the test error for a kind of target."""
    return {"regression": "test mean squared error", "multilabel": "test error of a label"}.get(kind, "test error")
