"""Runs of several seeds, some of which may diverge."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any


def run_seeds(task: Any, settings: Any, seeds: list[int], scratch: Path) -> list[Any]:
    """Returns the result of each seed, None where it diverged. If seeds that run together diverge, each runs alone."""
    from lfl.errors import Diverged
    from lfl.run import execute, execute_seeds
    from lfl.run.load import read_result

    with suppress(Diverged):
        return execute_seeds(task, settings, seeds, scratch / "runs")
    results = []
    for seed in seeds:
        result = read_result(scratch / "runs" / f"seed-{seed}")  # seeds before the one that diverged are done
        with suppress(Diverged):
            result = result or execute(task, replace(settings, seed=seed), scratch / f"seed-{seed}")
        results.append(result)
    return results
