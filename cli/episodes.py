"""Few-shot runs on the command line: what `lfl train`, `resume`, `eval` and `predict` do where tasks are episodes."""

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lfl.errors import UserError

from .common import prepare
from .text import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lfl.fewshot.folder import EpisodeErrors, FewShotEnded
    from lfl.fewshot.session import FewShotResult, FewShotWatch
    from lfl.fewshot.train import FewShotProgress
    from lfl.fewshot_settings import FewShot
    from lfl.run import Named

LOSSES = {"inner_loss": "support loss", "outer_loss": "query loss"}
ACCURACIES = {"error": "query accuracy %", "valid_error": "validation accuracy %"}
ERRORS = {"error": "query error", "valid_error": "validation error"}


@contextmanager
def watching_episodes(words: str, *, classes: bool) -> "Iterator[FewShotWatch]":
    """Shows a run of classes with its accuracies in percent, any other with its errors."""
    from .progress import watching

    with watching(words, LOSSES | (ACCURACIES if classes else ERRORS)) as watch:

        def shown(progress: "FewShotProgress") -> None:
            if classes and progress.metrics is not None:
                changed = [
                    {name: 100 * (1 - value) if name in ACCURACIES else value for name, value in numbers.items()}
                    for numbers in progress.metrics
                ]
                progress = replace(progress, metrics=changed)
            watch(progress)

        yield shown


def train_episodes(asked: dict[str, Any], out: Path | None) -> None:
    """Trains a few-shot run for `lfl train`."""
    from lfl.api.fewshot import prepare_few_shot, train_few_shot
    from lfl.device import keep_freed_memory

    if asked.pop("seeds", None) is not None:
        raise UserError("--seeds is for runs without episodes; give --seed, and train each seed by itself.")
    where = prepare(asked.pop("device", "auto"), asked.pop("threads", None))
    ready = prepare_few_shot(asked, asked.pop("data_dir", None), where)
    keep_freed_memory()
    settings = ready.settings
    say(protocol_line(settings))
    words = f"{title(settings)}, seed {settings.seed}, on {where}"
    with watching_episodes(words, classes=ready.episodes.kind == "classification") as watch:
        result = train_few_shot(ready, out, watch)
    print_result(result)


def resume_episodes(run: Path, device: str | None, threads: int | None, data_dir: Path | None, named: "Named") -> None:
    """Continues a few-shot run for `lfl resume`."""
    from lfl.device import keep_freed_memory
    from lfl.fewshot.execute import resume_few_shot
    from lfl.fewshot.folder import read_few_shot

    _, facts, about = read_few_shot(run)
    where = prepare(device or facts.device, threads or facts.threads)
    keep_freed_memory()
    with watching_episodes(f"{run}, on {where}", classes=about.kind == "classification") as watch:
        result = resume_few_shot(
            run, data_dir=data_dir, device=where, watch=watch, say=partial(say, error=True), named=named
        )
    print_result(result)


def evaluate_episodes(
    run: Path,
    tasks: int,
    split: str,
    steps: int | None,
    device: str | None,
    threads: int | None,
    named: "Named",
) -> None:
    """Measures a few-shot run on fixed episodes for `lfl eval`."""
    from lfl.api.fewshot import FewShotRun

    found = FewShotRun(run, named, prepare(device, threads))
    measured = found.evaluate(tasks, split=split, steps=steps)  # type: ignore[arg-type]
    ended = found.result
    assert ended is not None
    say(f"{title(found.settings)}: {measured.tasks} episodes of {split}, {protocol(ended.transductive)}")
    print_steps(ended, measured)
    say(f"kept is what was learned by step {ended.best_step:,}{'' if ended.completed else '; the run was interrupted'}")


def predict_episodes(
    run: Path, support: Path, query: Path, out: Path, steps: int | None, device: str | None, named: "Named"
) -> None:
    """Adapts a few-shot run to pictures of the user's own for `lfl predict`."""
    from lfl.fewshot.pictures import predict_pictures

    count, classes, transductive = predict_pictures(
        run, support, query, out, prepare(device, None), steps=steps, model=named.model, trust=named.trust
    )
    say(f"{count} predictions of {classes} classes in {out}, {protocol(transductive)}")


def title(settings: "FewShot") -> str:
    """Task, size, model and method of a few-shot run."""
    size = f"{settings.shots} shots" if settings.ways == 1 else f"{settings.ways}-way {settings.shots}-shot"
    return f"{settings.task}, {size}, {settings.model}, {settings.method}"


def protocol(transductive: bool) -> str:
    """Whether the answer to a query depends on the other queries, in a word."""
    return "transductive" if transductive else "inductive"


def protocol_line(settings: "FewShot") -> str:
    """How tasks are learned, in a line."""
    inner = f"{count(settings.inner_steps, 'inner step')} at {settings.inner_lr:g}, {settings.test_steps} in evaluation"
    step = f"{count(settings.meta_batch, 'task')} a step, {count(settings.queries, 'query', 'queries')} a class"
    return f"{step}, {inner}, Adam at {settings.outer_lr:g}"


def count(number: int, one: str, several: str = "") -> str:
    """A number of things in words."""
    return f"{number} {one if number == 1 else several or f'{one}s'}"


def print_result(result: "FewShotResult") -> None:
    """Prints how a few-shot run ended.

    Raises:
        typer.Exit: it was interrupted; with the status that a shell gives for its signal.
    """
    ended = result.ended
    tasks = f"{ended.test.tasks} test episodes, {protocol(ended.transductive)}"
    say(f"test {error_words(ended)} {value(ended, ended.test, -1)} on {tasks}; in {result.seconds:.1f} s")
    print_steps(ended, ended.test)
    if ended.floor is not None:
        say(f"the nearest picture in pixels, without training: {error_words(ended)} {shown(ended, ended.floor)}")
    say(f"kept is what was learned by step {ended.best_step:,}: validation {value(ended, ended.valid, -1)}")
    say(f"run folder {result.folder}")
    if result.signal is not None and not ended.completed:
        say(f"interrupted at step {ended.step:,}; lfl resume {result.folder} continues from there.", error=True)
        raise typer.Exit(128 + result.signal)


def print_steps(ended: "FewShotEnded", measured: "EpisodeErrors") -> None:
    """Prints the error after each number of steps on a task."""
    for steps in range(len(measured.errors)):
        say(f"  after {count(steps, 'step')}: {value(ended, measured, steps)}")


def error_words(ended: "FewShotEnded") -> str:
    """The name of the measure of a few-shot run."""
    return "accuracy" if ended.kind == "classification" else "mean squared error"


def shown(ended: "FewShotEnded", error: float) -> str:
    """An error as it is shown: for classes the accuracy in percent."""
    return f"{100 * (1 - error):.2f} %" if ended.kind == "classification" else f"{error:.4f}"


def value(ended: "FewShotEnded", measured: "EpisodeErrors", steps: int) -> str:
    """The error after so many steps, with its 95 % interval."""
    error, half = measured.errors[steps], measured.intervals[steps]
    if ended.kind == "classification":
        return f"{100 * (1 - error):.2f} ± {100 * half:.2f} %"
    return f"{error:.4f} ± {half:.4f}"
