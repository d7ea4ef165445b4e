"""Learning curves are the validation errors of the runs."""

from pathlib import Path

from lfl.report import gather
from lfl.report.learning import learning_panels

from .folders import write_run


def test_a_panel_a_comparison_and_a_line_a_group(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "0", method="baseline", valid=[0.5, 0.25]),
        write_run(tmp_path / "1", seed=0, valid=[0.4, 0.2]),
        write_run(tmp_path / "2", seed=1, valid=[0.2, 0.1]),
        write_run(tmp_path / "3", task="diabetes", kind="regression", valid=[0.03]),
        write_run(tmp_path / "4", task="crime", valid=[], test_error=None),
    ]
    first, second = learning_panels(gather(runs)[0])
    assert [panel.num_seeds for panel in (first, second)] == ["1 to 2 seeds", "1 seed"]
    assert (first.title, first.measure) == ("mnist, mlp", "validation error")
    assert {label: line.mean.tolist() for label, line in first.lines.items()} == {
        "baseline": [0.5, 0.25],
        "adalfl": [0.30000000000000004, 0.15000000000000002],
    }
    assert (second.title, second.measure) == ("diabetes, mlp", "validation mean squared error")
