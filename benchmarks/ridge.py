"""Ridge regression on the regression tasks: the error of a linear model fitted to the same rows.

    python benchmarks/ridge.py --data-dir DATA

The strength of the penalty is the best of thirteen by scikit-learn's leave-one-out error on the train split; the
validation split is not used. Writes `results/ridge.json`: the mean squared error on the test split, and its mean and
deviation over a hundred other draws of as many test rows, fitted to all other rows: how much a result depends on the
split.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import ShuffleSplit, cross_val_score

from lfl.task import load_task

RESULTS = Path(__file__).parent / "results" / "ridge.json"
PENALTIES = np.logspace(-3, 3, 13)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path("~/.cache/lfl").expanduser())
    asked = parser.parse_args()
    rows = {}
    for name in ("crime", "diabetes", "california"):
        task = load_task(name, asked.data_dir)
        splits = [
            (split.x.double().numpy(), split.y[:, 0].double().numpy()) for split in (task.train, task.valid, task.test)
        ]
        (x, y), _, (test_x, test_y) = splits
        fitted = RidgeCV(PENALTIES).fit(x, y)
        error = float(np.mean((fitted.predict(test_x) - test_y) ** 2))
        others = -cross_val_score(
            Ridge(fitted.alpha_),
            *map(np.concatenate, zip(*splits, strict=True)),
            scoring="neg_mean_squared_error",
            cv=ShuffleSplit(100, test_size=len(test_y), random_state=0),
        )
        rows[name] = {
            "test_error": round(error, 6),
            "penalty": float(fitted.alpha_),
            "rows": len(y),
            "other_splits": {"mean": round(float(others.mean()), 6), "std": round(float(others.std(ddof=1)), 6)},
        }
        print(name, rows[name])
    RESULTS.write_text(json.dumps({"rows": rows, "scikit-learn": sklearn.__version__}, indent=1) + "\n")


if __name__ == "__main__":
    main()
