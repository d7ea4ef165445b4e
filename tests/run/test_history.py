"""phi over a run: kept, written and read back."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from lfl.run import execute, load_history
from lfl.task import load_task
from lfl.training import resolve


def test_it_ends_where_the_run_ended_and_reads_back(tmp_path: Path) -> None:
    task = load_task("digits", Path("unused"))
    settings = resolve(task.defaults, method="adalfl+lr", model="logistic", steps=120, offline_steps=4, batch_size=8)
    folder = execute(task, settings, tmp_path / "run").folder
    history = load_history(folder)
    assert history.steps == [*range(5), *range(0, 121, 2)]
    assert history.phases == ["init"] * 5 + ["train"] * 61
    assert torch.equal(history.phis[4]["0.weight"], history.phis[5]["0.weight"])
    last = load_file(folder / "phi.safetensors")
    assert history.phis[-1].keys() == last.keys() == {"0.weight", "1.weight", "2.weight", "inner_lr"}
    assert all(torch.equal(history.phis[-1][name], last[name]) for name in last)
