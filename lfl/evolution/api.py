"""Searching a loss from Python: everything that `lfl evolve` does except terminal output."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from ..api import Run, load_run
from ..api.training import Prepared, draw_learned, prepare
from ..errors import UserError
from ..evolution_settings import EVOLUTION, RUN_SETTINGS, Evolution, resolve_evolution
from ..run import Named, environment
from ..run.config import check_names
from ..run.folder import create_folder
from ..run.searched import SearchFacts
from ..run.trust import asked_for, note_asked
from ..settings import DEFAULT_MODEL, DEFAULT_TASK, SETTINGS
from ..study.engine import Engine
from ..task import Task
from ..training import Progress
from .choose import choose_evaluator
from .evaluators import Bench, Evaluators, elsewhere, here, protocol_of
from .folder import SearchFolder, begin_search, read_search, search_of
from .progress import Searching
from .session import Searched, Watches, carry_on

CANDIDATES_A_MINUTE = 10
"""About how many, where a search has a limit of time: in a short one nothing is compiled."""


def evolve(
    task: str | Path | Task = DEFAULT_TASK,
    model: str = DEFAULT_MODEL,
    method: str = "evomal",
    *,
    guesses: Sequence[str] = (),
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    device: str | None = None,
    jobs: int = 1,
    progress: Callable[[Searching], None] | None = None,
    training: Callable[[Progress], None] | None = None,
    trust: bool = False,
    **settings: Any,
) -> Run:
    """Searches a loss as a formula, trains a model on it, and writes a folder: `lfl evolve` without terminal output.

    A signal (Ctrl-C or SIGTERM) stops it between two candidates; `lfl resume` continues.

    Args:
        task, model, data_dir, device: as in `lfl.train`.
        method: `"evomal"`, `"gp-lfl"` or `"taylorglo"`.
        guesses: formulas of y and f that the first generation holds, such as `"abs(log(y*f))"`.
        out: the folder; `runs/TASK-MODEL-METHOD-N` when omitted.
        jobs: processes that evaluate candidates, each with as many CPU threads as this one has. With
            `evaluator="closures"` the results are the same for any number. For more than one a script needs
            `if __name__ == "__main__":`.
        progress: called with the `Searching` after each candidate, and each training of a finalist.
        training: called with the `Progress` of the training at the end.
        trust: as in `lfl.train`.
        settings: any other setting of `lfl evolve`, by the name of its flag: `population=25`, `minutes=30`, `seed=1`.

    Returns:
        The `Run` of the training at the end; its folder holds the search too.

    Raises:
        UserError: a name or setting that does not fit the task; a guess that is no formula; the folder exists.
        Failure: no candidate could train a model, a file cannot be written, or the training diverged.
        KeyboardInterrupt: a signal stopped it.

    Example:
        >>> import tempfile
        >>> small = dict(population=3, generations=1, fitness_steps=5, local_steps=0, finalists=1, finalist_seeds=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = evolve("digits", "logistic", guesses=["abs(log(y*f))"], out=f"{folder}/run", device="cpu",
        ...                  filter_steps=5, rejection="off", steps=5, **small)
        ...     run.settings.method, run.result.completed
        ('fixed', True)
    """
    ready, folder = start(
        *(task, model, method, guesses, None if out is None else Path(out), data_dir, device),
        jobs=jobs,
        trust=trust,
        **settings,
    )
    watches = Watches(searching=progress, training=training)
    searched = carry_on(folder, ready.task, evaluating(folder, ready.task, jobs), watches, draw_learned)
    if searched.signal is not None:
        raise KeyboardInterrupt(f"the search in {folder.path} was stopped; lfl resume {folder.path} continues")
    own = model if ":" in model else None
    run: Run = load_run(folder.path, data_dir, ready.task.device, model=own, task=ready.task)
    return run


def start(
    task: str | Path | Task,
    model: str,
    method: str,
    guesses: Sequence[str],
    out: Path | None,
    data_dir: str | Path | None,
    device: torch.device | str | None,
    *,
    jobs: int = 1,
    trust: bool = False,
    **settings: Any,
) -> tuple[Prepared, SearchFolder]:
    """Makes the folder of a new search.

    Args:
        task, model, method, guesses, out, data_dir, device, jobs, trust, settings: as in `evolve`.

    Returns:
        The data, and the folder.
    """
    check_names(settings, [*RUN_SETTINGS, *EVOLUTION])
    of_run = {name: value for name, value in settings.items() if name in SETTINGS}
    ready = prepare(task, model, "baseline", data_dir=data_dir, device=device, trust=trust, **of_run)
    of_search = {name: value for name, value in settings.items() if name in EVOLUTION and value is not None}
    evolution = resolve_evolution(
        ready.task.defaults, {**of_search, "method": method}, task=ready.settings.task, seed=ready.settings.seed
    )
    evolution, compiled = _with_evaluator(ready, evolution, jobs)
    where = None if ready.data_dir is None else str(ready.data_dir)
    facts = environment(ready.task.device) | {"data_dir": where, "data": ready.task.digest or None}
    noted = SearchFacts(
        kind=ready.task.kind,
        settings=asdict(ready.settings),
        evolution=evolution.content(),
        guesses=list(guesses),
        facts=facts,
        compiled=compiled,
    )
    search_of(evolution, ready.settings.seed, guesses)  # whether it can be made
    stem = Path(ready.settings.task).stem.replace(":", ".")
    folder = create_folder(out, f"{stem}-{model.replace(':', '.')}-{method}")
    begin_search(folder, noted)
    note_asked(folder, asked_for(asdict(ready.settings), where))
    return ready, read_search(folder)


def _with_evaluator(ready: Prepared, evolution: Evolution, jobs: int) -> tuple[Evolution, bool]:
    """Decides how candidates are computed, for good: evaluators agree to rounding alone. And whether it is compiled."""
    most = evolution.population * evolution.generations
    minutes = evolution.minutes
    candidates = most if minutes is None else min(most, int(CANDIDATES_A_MINUTE * minutes))
    chosen = choose_evaluator(ready.task, ready.settings, protocol_of(evolution), candidates=candidates)
    one_by_one = chosen.form == "closures" or jobs > 1 or evolution.method == "taylorglo"
    if evolution.evaluator == "auto":
        form = "closures" if one_by_one else "lanes"
        evolution = replace(evolution, evaluator=form, num_lanes=max(chosen.num_lanes, 1))
    return evolution, chosen.compiled and jobs == 1


def evaluating(folder: SearchFolder, task: Task, jobs: int) -> Callable[[], AbstractContextManager[Evaluators]]:
    """Returns what opens the evaluators of a search.

    Args:
        folder: of the search.
        task: its data.
        jobs: how many processes.

    Raises:
        UserError: several processes for data that they cannot load.
    """
    if jobs < 1:
        raise UserError(f"--jobs must be at least 1, got {jobs}.")
    if jobs == 1:
        bench = Bench(task, folder.settings, folder.evolution, compiled=folder.noted.compiled)
        return lambda: nullcontext(here(bench))
    if folder.evolution.evaluator == "lanes":
        raise UserError(f"lanes compute candidates in one process, got {jobs} jobs; give --evaluator closures too.")
    if folder.facts.data_dir is None:
        raise UserError(f"{jobs} processes cannot be sent a Task; give the data's name or path, or leave out jobs.")
    return lambda: elsewhere(Engine("loky", None, jobs), folder.path, torch.get_num_threads())


def continue_search(
    path: Path,
    *,
    named: Named,
    device: torch.device,
    jobs: int,
    watches: Watches,
) -> Searched:
    """Continues a search that was interrupted, or the training on what it found.

    Args:
        path: of its folder.
        named: code and data that the user named.
        device: where to compute.
        jobs: how many processes.
        watches: called on the way.

    Raises:
        UserError: there is no search, it is complete, or as `carry_on`.
    """
    folder = read_search(path)
    task = folder.load_data(named).to(device)
    return carry_on(folder, task, evaluating(folder, task, jobs), watches, draw_learned)
