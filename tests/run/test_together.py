"""Whole runs in several processes equal those of one: by hand in double precision, and by `lfl.train`."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ..step.test_ranks import together
from . import whole_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("runs")
    return folder, together(4, folder, "tests.run.whole_runs:everything")


def numbers(run: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a run, and every number of its metrics and of its end."""
    tensors = {
        f"{name} {key}": t
        for name in ("theta", "buffers", "phi", "phi_history")
        for key, t in load_file(run / f"{name}.safetensors").items()
    }
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rows.append({k: v for k, v in json.loads((run / "result.json").read_text()).items() if isinstance(v, float)})
    rows[-1].pop("wall_seconds", None)
    for i, row in enumerate(rows):
        tensors |= {f"row {i} {k}": torch.tensor(v).double() for k, v in row.items() if isinstance(v, float | int)}
    return tensors


def test_a_whole_run_in_double_precision_equals_one_process(found: Any, tmp_path: Path) -> None:
    whole_runs.in_float64(tmp_path / "one", None)
    alone = numbers(tmp_path / "one")
    assert all(t.dtype is torch.float64 for name, t in alone.items() if t.is_floating_point())
    for name in ("two", "four"):
        together = numbers(found[0] / name)
        assert together.keys() == alone.keys()
        for key, t in alone.items():
            torch.testing.assert_close(together[key], t, rtol=1e-10, atol=1e-12, msg=lambda m, key=key: f"{key}: {m}")


def test_lfl_train_takes_a_group_and_every_rank_opens_the_run(found: Any, tmp_path: Path) -> None:
    folder, (first, second, *_) = found
    alone = whole_runs.trained(tmp_path / "one", None)
    for name in ("local", "synchronised"):
        assert first[name]["settings"] == name
        assert first[name]["errors"] == second[name]["errors"]
        for key, t in first[name]["theta"].items():
            assert torch.equal(t, second[name]["theta"][key])
        config = json.loads((folder / name / "config.json").read_text())
        assert config["batch_norm"] == name
    off = {
        name: max(float((t - alone["theta"][key]).abs().max()) for key, t in first[name]["theta"].items())
        for name in ("local", "synchronised")
    }
    assert off["synchronised"] < 1e-6
    assert off["local"] > 1e-4


def test_what_a_run_of_several_ranks_cannot_have_is_refused(found: Any) -> None:
    folder, (first, second, *_) = found
    assert first["own"] == second["own"]
    assert "every rank of a run draws the whole batch" in first["own"]
    assert "got 'synchronised' in lfl.Ranks beside 'local'" in first["other"]
    assert "choose --compile off, or --batch-norm local" in first["compiled"]
    assert "a few-shot run takes one process" in first["task"]
    assert not (folder / "no").exists()
