"""Results files that grow row by row, so that a script skips the rows that it already has."""

import json
import re
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_row(
    path: Path, key: dict[str, Any], measure: Callable[[], dict[str, Any]], device: Any
) -> dict[str, Any] | None:
    """Adds `key | measure()`, machine and versions to the rows at `path`; returns None where it has `key` already."""
    from lfl.run.schema import environment

    if any(key.items() <= row.items() for row in read_rows(path)):
        return None
    row = key | measure()
    rows = [*read_rows(path), row]  # another process may have added some meanwhile
    path.write_text(json.dumps(environment(device) | {"rows": rows}, indent=1) + "\n")
    return row


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of a results file; none where it is not there."""
    return json.loads(path.read_text())["rows"] if path.is_file() else []


def spread(values: list[float | None]) -> str:
    """Returns mean and deviation of the seeds that did not diverge, as text."""
    ended = [value for value in values if value is not None]
    if len(ended) > 1:
        return f"{statistics.mean(ended):.4f} ± {statistics.stdev(ended):.4f}"
    return f"{ended[0]:.4f}" if ended else ""


def refuse_interrupted(*results: Any) -> None:
    """Ends the script where a run was interrupted; a run that diverged has no result (None)."""
    if not all(result is None or result.completed for result in results):
        raise SystemExit("interrupted: the run that was going on is not among the results.")


def present_names(label: str) -> str:
    """Returns a recorded method or variant with its settings by the names that they have now."""
    from lfl.settings import FORMER_NAMES

    return re.sub(r"\w+(?==)", lambda name: FORMER_NAMES.get(name[0], name[0]), label)
