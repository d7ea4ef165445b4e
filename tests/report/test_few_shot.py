"""The report of few-shot runs: what its tables and curves say is what the files say."""

import json
from pathlib import Path

import pytest

import lfl
from lfl.errors import UserError
from lfl.report.few_shot import (
    adaptation_table,
    few_shot_groups,
    few_shot_panels,
    few_shot_results,
    few_shot_runs,
    few_shot_settings,
    published_numbers,
    read_few_shot_log,
)
from lfl.report.page import page

SMALL = {"model": "mlp-8", "steps": 4, "meta_batch": 3, "valid_tasks": 5, "test_tasks": 7, "eval_every": 2}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two seeds of one setting, another method, and other ways of batch norm."""
    folder = tmp_path_factory.mktemp("runs")
    asked = [{"seed": 0}, {"seed": 1}, {"method": "anil"}, {"inner_lr": 0.02}]
    for number, each in enumerate(asked):
        lfl.train("sinusoid", out=folder / str(number), device="cpu", **(SMALL | each))
    return [folder / str(number) for number in range(len(asked))]


def test_runs_are_grouped_by_all_but_their_seed(runs: list[Path]) -> None:
    (groups,) = few_shot_groups([read_few_shot_log(run) for run in runs])
    assert [group.label for group in groups] == ["maml, inner_lr=0.01", "anil", "maml, inner_lr=0.02"]
    assert [[log.settings.seed for log in group.runs] for group in groups] == [[0, 1], [0], [0]]


def test_tables_hold_what_the_files_say(runs: list[Path]) -> None:
    logs = [read_few_shot_log(run) for run in runs]
    (groups,) = few_shot_groups(logs)
    ended = [json.loads((run / "result.json").read_text()) for run in runs]
    results = few_shot_results(groups)
    errors = [each["test_error"] for each in ended]
    assert results.head == ["method", "test mean squared error", "protocol", "seeds", "published"]
    mean = f"{(errors[0] + errors[1]) / 2:.4f} ({min(errors[:2]):.4f} to {max(errors[:2]):.4f})"
    assert results.rows[0] == ["maml, inner_lr=0.01", mean, "inductive", "2", "0.35 (Finn et al. 2017, inductive)"]
    half = ended[2]["test"]["intervals"][-1]
    assert results.rows[1][1] == f"{errors[2]:.4f} ± {half:.4f} (95 % of 7 episodes)"
    adaptation = adaptation_table(groups)
    assert adaptation.head == ["run", *(f"{k} step{'s' * (k != 1)}" for k in range(11))]
    first = ended[0]["test"]
    assert adaptation.rows[0][0] == "maml, inner_lr=0.01, seed 0"
    assert adaptation.rows[0][1:] == [
        f"{error:.4f} ± {half:.4f}" for error, half in zip(first["errors"], first["intervals"], strict=True)
    ]
    published = [row for row in adaptation.rows if row[0] == "published (Finn et al. 2017, inductive)"]
    assert {(row[2], row[6], row[11]) for row in published} >= {("0.67", "", ""), ("", "0.38", ""), ("", "", "0.35")}
    assert [row[:3] for row in few_shot_runs(groups).rows] == [
        [str(runs[0]), "maml, inner_lr=0.01", "0"],
        [str(runs[1]), "maml, inner_lr=0.01", "1"],
        [str(runs[2]), "anil", "0"],
        [str(runs[3]), "maml, inner_lr=0.02", "0"],
    ]
    differ, common = few_shot_settings(groups)
    assert [row[0] for row in differ.rows] == ["method", "inner_lr"]
    assert "parts" not in {row[0] for row in common.rows}, "it is for npbml alone"


def test_curves_are_means_over_seeds_beside_the_published_number(runs: list[Path]) -> None:
    (groups,) = few_shot_groups([read_few_shot_log(run) for run in runs])
    (panel,) = few_shot_panels(groups)
    line = panel.lines["maml, inner_lr=0.01"]
    assert line.step.tolist() == [2, 4]
    at = [[row["valid_error"] for row in lfl.load_run(run).metrics() if "valid_error" in row] for run in runs[:2]]
    assert line.mean.tolist() == pytest.approx([sum(pair) / 2 for pair in zip(*at, strict=True)])
    assert panel.lines["published: maml (Finn et al. 2017, inductive)"].mean.tolist() == [0.35, 0.35]


def test_a_run_that_still_trains_has_no_result(runs: list[Path]) -> None:
    log = read_few_shot_log(runs[0])._replace(ended=None)
    (groups,) = few_shot_groups([log])
    assert few_shot_results(groups).rows[0][1] == "no finished run"
    assert few_shot_runs(groups).rows[0][3] == "still training"
    assert "no finished run" in page([], [log])


def test_published_numbers_are_those_of_the_cell(runs: list[Path]) -> None:
    settings = lfl.fewshot_settings.resolve_fewshot({"task": "omniglot", "ways": 20, "shots": 1})
    found = {(each.method, each.protocol): each.text for each in published_numbers(settings)}
    assert found[("maml", "transductive")] == "95.8 ± 0.3"
    assert found[("reptile", "inductive")] == "88.14 ± 0.15"
    with pytest.raises(UserError, match="not the folder of a few-shot run"):
        read_few_shot_log(runs[0].parent)
