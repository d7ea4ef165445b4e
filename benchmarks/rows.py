"""Results that a script makes row by row and does not make again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_row(
    path: Path, key: dict[str, Any], measure: Callable[[], dict[str, Any]], device: Any
) -> dict[str, Any] | None:
    """Add `key | measure()` to the rows at `path`, with the machine and versions; None where `key` is there already."""
    from lfl.run.schema import environment

    rows = json.loads(path.read_text())["rows"] if path.is_file() else []
    if any(key.items() <= row.items() for row in rows):
        return None
    rows.append(key | measure())
    path.write_text(json.dumps(environment(device) | {"rows": rows}, indent=1) + "\n")
    return rows[-1]


def refuse_interrupted(*results: Any) -> None:
    """End the script where a run did not end by itself; one that diverged has no result (None)."""
    if not all(result is None or result.completed for result in results):
        raise SystemExit("interrupted: the run that was going on is not among the results.")
