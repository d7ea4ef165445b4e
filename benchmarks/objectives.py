"""The effect of the objective that a loss is learned to reduce, on digits of which half the classes are rare.

    python benchmarks/objectives.py            # 25 fits, about a minute and a half on one free core
    python benchmarks/objectives.py --table    # the table of docs/metrics.md, from the committed results

`lfl.sklearn.AdaLFLClassifier` with its default settings but for the objective and 30 % of the rows held out. Of the
training rows 120 remain of each of the digits 0 to 4 and 12 of each of 5 to 9; the 540 test rows are balanced, and each
seed has another split. Writes `results/objectives.json` after each fit, and skips fits that it already holds.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

from command_line import parse
from rows import add_row

RESULTS = Path(__file__).parent / "results" / "objectives.json"
VARIANTS = [("baseline", None), *(("adalfl", name) for name in (None, "balanced", "focal", "brier", "soft-f1"))]
SEEDS = range(5)
MANY, FEW = 120, 12
MEASURES = {
    "balanced_error": "balanced error",
    "macro_f1": "macro F1",
    "negative_log_likelihood": "negative log-likelihood",
}


def measure(method: str, objective: str | None, seed: int) -> dict[str, float]:
    import numpy as np
    import torch
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    from lfl.sklearn import AdaLFLClassifier
    from lfl.training import metrics_of

    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
    draws = np.random.default_rng(seed)
    rows = np.concatenate(
        [draws.permutation(np.flatnonzero(y == digit))[: MANY if digit < 5 else FEW] for digit in range(10)]
    )
    fitted = AdaLFLClassifier(method=method, objective=objective, validation_fraction=0.3, random_state=seed)
    likely = torch.tensor(fitted.fit(x[rows], y[rows]).predict_proba(x_test))
    found = metrics_of("classification", likely.log(), torch.tensor(y_test))
    return {name: round(found[name], 6) for name in MEASURES}


def table() -> str:
    """Returns the committed results as Markdown: means and deviations over seeds, and differences by seed."""
    from lfl.report.statistics import spread, spread_words
    from lfl.study import paired

    rows = json.loads(RESULTS.read_text())["rows"]

    def by_seed(variant: tuple[str, str | None], name: str) -> dict[int, float]:
        return {row["seed"]: row[name] for row in rows if (row["method"], row["objective"]) == variant}

    references = {"the baseline's": ("baseline", None), "cross-entropy's": ("adalfl", None)}
    heads = [
        "method",
        "objective",
        *MEASURES.values(),
        *(f"balanced error less {name}, by seed" for name in references),
    ]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for method, objective in VARIANTS:
        cells = [spread_words(spread(list(by_seed((method, objective), name).values()))) for name in MEASURES]
        for reference in references.values():
            found = paired(*(by_seed(each, "balanced_error") for each in ((method, objective), reference)))
            cells.append("" if found is None or found.p is None else f"{found.mean:+.4f} (p = {found.p:.2g})")
        name = objective or ("" if method == "baseline" else "cross-entropy")
        lines.append(f"| {method} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    if parse(__doc__, table) is None:
        return

    import torch

    for seed in SEEDS:
        for method, objective in VARIANTS:
            key: dict[str, Any] = {"method": method, "objective": objective, "seed": seed}
            if row := add_row(RESULTS, key, partial(measure, method, objective, seed), torch.device("cpu")):
                print(row, flush=True)


if __name__ == "__main__":
    main()
