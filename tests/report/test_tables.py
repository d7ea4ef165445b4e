"""Tables show the numbers of the runs and of the paper."""

import json
from pathlib import Path

import pytest

from lfl.report import Comparison, collect_runs
from lfl.report.tables import (
    ablation_table,
    metric_table,
    paper_table,
    result_table,
    run_table,
    setting_tables,
    training_length,
)
from lfl.settings import BEFORE

from .folders import write_run

SPACE = "\u00a0"


def compare(folder: Path) -> Comparison:
    (comparison,), _ = collect_runs(sorted(folder.iterdir()))
    return comparison


@pytest.fixture
def lenet5(tmp_path: Path) -> Path:
    for method, errors in (("baseline", [0.0120, 0.0130]), ("adalfl", [0.0090, 0.0110])):
        for seed, error in enumerate(errors):
            write_run(tmp_path / f"{method}-{seed}", method=method, seed=seed, model="lenet5", test_error=error)
    return tmp_path


def test_results_beside_baseline_and_paper(lenet5: Path) -> None:
    assert result_table(compare(lenet5)) == (
        ["method", "test error", "difference to the baseline, by seed", "seeds", "the paper's"],
        [
            ["baseline", f"0.0125 ±{SPACE}0.0007", "", "2", f"0.0125 ±{SPACE}0.0007"],
            ["adalfl", f"0.0100 ±{SPACE}0.0014", f"-0.0025 ±{SPACE}0.0007", "2", f"0.0091 ±{SPACE}0.0004"],
        ],
    )


def test_metrics_are_averaged_over_the_finished_runs_that_recorded_them(tmp_path: Path) -> None:
    recorded = {"0": {"balanced_error": 0.2, "macro_f1": 0.75}, "1": {"balanced_error": 0.3, "macro_f1": 0.75}, "2": {}}
    for name, numbers in recorded.items():
        write_run(tmp_path / name, seed=int(name), task="own.npz")
        path = tmp_path / name / "result.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"test": numbers}))
    write_run(tmp_path / "3", method="baseline", task="own.npz", completed=False)
    assert metric_table(compare(tmp_path)) == (
        ["method", "balanced error", "macro F1"],
        [["adalfl", f"0.2500 ±{SPACE}0.0707", f"0.7500 ±{SPACE}0.0000"]],
    )


def test_a_run_older_than_a_setting_has_its_default(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path / str(seed), seed=seed, task="own.npz")
    path = tmp_path / "0" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in config.items() if name not in BEFORE}))
    (group,) = compare(tmp_path).groups
    assert len(group.runs) == 2


def test_empty_columns_are_left_out(tmp_path: Path) -> None:
    write_run(tmp_path / "a", task="own.npz", test_error=0.25)
    assert result_table(compare(tmp_path)) == (["method", "test error", "seeds"], [["adalfl", "0.2500", "1"]])


def test_unfinished_runs_are_named_and_do_not_count(tmp_path: Path) -> None:
    write_run(tmp_path / "0", seed=0, test_error=0.2)
    write_run(tmp_path / "1", seed=1, test_error=0.9, completed=False)
    write_run(tmp_path / "2", seed=2, test_error=None)
    write_run(tmp_path / "3", method="ml3", test_error=None)
    table = result_table(compare(tmp_path))
    assert [row[1:3] for row in table.rows] == [
        ["no finished run", "0 of 1 finished"],
        ["0.2000", "1 of 3 finished"],
    ]
    assert [row[-1] for row in run_table(compare(tmp_path)).rows] == [
        "unfinished at train 30",
        "finished",
        "interrupted at train 30",
        "unfinished at train 30",
    ]


def test_several_baselines_are_named(tmp_path: Path) -> None:
    for loss in ("cross-entropy", "focal"):
        write_run(tmp_path / loss, method="baseline", loss=loss, test_error=0.2)
    write_run(tmp_path / "ml3", method="ml3", test_error=0.3)
    assert result_table(compare(tmp_path)).rows[-1][2] == "+0.1000 to baseline, loss=cross-entropy"


def test_small_errors_keep_two_digits(tmp_path: Path) -> None:
    write_run(tmp_path / "a", kind="regression", task="own.csv", test_error=0.0000123)
    assert result_table(compare(tmp_path)).rows[0][1] == "0.000012"


def test_settings_that_differ_and_those_in_common(lenet5: Path) -> None:
    write_run(lenet5 / "other", model="lenet5", outer_lr=0.1)
    differ, common = setting_tables(compare(lenet5))
    assert differ.head == ["setting", "baseline", "adalfl, outer_lr=1e-05", "adalfl, outer_lr=0.1"]
    assert differ.rows == [["outer_lr", "1e-05", "1e-05", "0.1"], ["loss", "cross-entropy", "network", "network"]]
    values = dict(common.rows)
    expected = {"inner_lr": "0.01", "nesterov": "no", "clip_norm": "none", "torch": "2.15.0"}
    assert values.items() >= expected.items()
    assert not {"task", "model", "method", "seed", "outer_lr"} & values.keys()


def test_a_setting_that_was_not_recorded_is_named_so(lenet5: Path) -> None:
    config = lenet5 / "baseline-0" / "config.json"
    config.write_text(config.read_text().replace('"device": "cpu", ', ""))
    differ, _ = setting_tables(compare(lenet5))
    assert ["device", "not recorded, cpu", "cpu"] in differ.rows


def test_the_papers_results(lenet5: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    comparison = compare(lenet5)
    assert paper_table(comparison).rows[-1] == ["adalfl", f"0.0091 ±{SPACE}0.0004", "0.67", "6.7"]
    assert ["adalfl outer_lr=1e-5", f"0.0091 ±{SPACE}0.0004", "Table 6"] in ablation_table(comparison).rows
    assert training_length(comparison) == (
        "Trained: baseline for 100 steps; adalfl for 100 steps after 20 offline. "
        "The paper trains for 25,000 steps after 2,500 offline, with ten seeds."
    )
    own = tmp_path_factory.mktemp("own")
    write_run(own / "a", task="own.npz")
    assert paper_table(compare(own)).rows == ablation_table(compare(own)).rows == []
    assert training_length(compare(own)) == "Trained for 100 steps after 20 offline."


def test_training_that_diverged_in_the_paper_is_named(tmp_path: Path) -> None:
    write_run(tmp_path / "a", task="crime", kind="regression")
    assert ["taylor-quadratic", "diverged", "Table 4"] in ablation_table(compare(tmp_path)).rows
