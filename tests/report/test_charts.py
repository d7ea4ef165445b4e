"""What a page is given to draw: JSON of the runs' own numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfl.report import gather
from lfl.report.charts import loss_charts, panel_chart, rounded
from lfl.report.learning import learning_panels
from lfl.report.rates import rate_panels

from .folders import write_run


@given(st.lists(st.floats()))
def test_rounding_keeps_four_digits_and_leaves_out_what_json_has_not(values: list[float]) -> None:
    found = json.loads(json.dumps(rounded(values), allow_nan=False))
    for value, short in zip(values, found, strict=True):
        if short is None:
            assert not abs(value) < 1.797e308
        else:
            assert short == pytest.approx(value, rel=5.1e-4, abs=1e-320)


@pytest.mark.parametrize(("kind", "targets"), [("classification", 2), ("regression", 1)])
@pytest.mark.parametrize(("method", "looks"), [("adalfl", 7), ("ml3", 3)])
def test_the_looks_of_a_learned_loss(method: str, looks: int, kind: str, targets: int, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", method=method, kind=kind)
    (comparison,) = gather([folder])[0]
    (chart,) = loss_charts(comparison)
    assert len(chart["targets"]) == targets
    assert all(len(chart[name]) == looks for name in ("said", "phases", "colours", "curves"))
    assert chart["said"][1] == "offline initialisation, step 10 of 20"
    assert chart["name"] == f"{method}, seed 0"
    with np.load(folder / "loss_curves.npz") as file:
        np.testing.assert_allclose(chart["curves"], file["curves"][:looks], rtol=5.1e-4)


def test_lines_carry_their_place_among_all_labels(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"{m}-{s}", method=m, seed=s) for m in ("baseline", "adalfl") for s in (0, 1)]
    comparisons, _ = gather(runs[:3])
    labels = ["baseline", "adalfl"]
    learning, rates = (
        panel_chart(panel, labels) for panel in (*learning_panels(comparisons), *rate_panels(comparisons))
    )
    assert [(line["label"], line["style"]) for line in learning["lines"]] == [("baseline", 0), ("adalfl", 1)]
    assert [line["range"] is None for line in learning["lines"]] == [False, True]
    assert [(line["label"], line["style"]) for line in rates["lines"]] == [("adalfl", 1)]
    assert rates["reference"] == {"name": "inner_lr=0.01", "level": 0.01}
    json.dumps([learning, rates], allow_nan=False)
