"""Grids: what is done is not done again, what dies is gone on with, and nothing shows of it in the numbers."""

import json
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

import lfl
from lfl.run import execute, execute_seeds
from lfl.study import read_outcome, run_grid
from lfl.study.lock import claim
from lfl.study.outcome import ORIGIN
from lfl.study.work import Stopped

from ..processes import start, status_of
from .cases import DIGITS, cell, contents, worker


@pytest.mark.parametrize(("model", "seeds"), [("logistic", [0, 1]), ("mlp", [0, 1])])
def test_runs_are_those_that_training_makes(model: str, seeds: list[int], tmp_path: Path) -> None:
    study = cell(tmp_path / "study", model=model)
    assert run_grid([study], seeds, worker()) == []
    execute_seeds(DIGITS, study.settings, seeds, tmp_path / "alone", data_dir=Path("unused"))
    for seed in seeds:
        ours = contents(study.run(seed))
        origin = json.loads(ours.pop(ORIGIN))
        assert origin["seeds"] == (2 if model == "logistic" else 1)
        theirs = contents(tmp_path / "alone" / f"seed-{seed}")
        configs = [json.loads(files.pop("config.json")) for files in (ours, theirs)]
        assert ours == theirs
        assert configs[1] | configs[0] == configs[1]
    assert sorted(p.name for p in study.folder.iterdir() if not p.name.startswith(".lock")) == ["seed-0", "seed-1"]


def test_what_has_ended_is_not_run_again(tmp_path: Path) -> None:
    cells = [cell(tmp_path, "baseline"), cell(tmp_path, "baseline inner_lr=0.1")]
    run_grid(cells, [0], worker())
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("seed-0/*")}
    looks = []
    run_grid(cells, [0, 1], worker(lambda: looks.append(1)))
    assert len(looks) == 2 * (1 + 6)  # seed 1 of each: its start and its six steps
    looks.clear()
    run_grid(cells, [0, 1], worker(lambda: looks.append(1), load=None))
    assert looks == []
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("seed-0/*")} == before


def test_other_settings_are_refused_before_anything_runs(tmp_path: Path) -> None:
    run_grid([cell(tmp_path, "baseline")], [0], worker())
    changed = [cell(tmp_path, "ml3", steps=7), cell(tmp_path, "baseline", steps=7)]
    with pytest.raises(lfl.UserError, match="made with steps 6, but 7 is asked for now; choose another --out"):
        run_grid(changed, [0], worker())
    assert not changed[0].folder.exists()


def test_a_setting_that_an_older_run_does_not_state_was_the_default(tmp_path: Path) -> None:
    study = cell(tmp_path, "baseline")
    run_grid([study], [0], worker())
    path = study.run(0) / "config.json"
    config = json.loads(path.read_text())
    del config["horizon"]
    path.write_text(json.dumps(config))
    assert read_outcome(study, 0) is not None
    with pytest.raises(lfl.UserError, match="made with horizon 1, but 2"):
        read_outcome(cell(tmp_path, "baseline", horizon=2), 0)


@pytest.mark.parametrize("variant", ["baseline", "adalfl"])
def test_divergence_is_an_outcome_of_each_seed(variant: str, tmp_path: Path) -> None:
    study = cell(tmp_path, variant, inner_lr=1e38, checkpoint_every=1)
    assert run_grid([study], [0, 1], worker()) == []
    for seed in (0, 1):
        outcome = read_outcome(study, seed)
        assert outcome.test_error != outcome.test_error
        assert "became" in outcome.diverged
        assert "lfl resume" not in outcome.diverged
    assert sorted(p.name for p in study.folder.iterdir()) == [".lock", "diverged-0.json", "diverged-1.json"]
    run_grid([study], [0, 1], worker(load=None))
    with pytest.raises(lfl.UserError, match="made with inner_lr 1e"):
        read_outcome(cell(tmp_path, variant, inner_lr=0.5), 0)


def test_a_cell_in_trouble_leaves_the_others_alone(tmp_path: Path) -> None:
    def load(name: str):
        return DIGITS

    cells = [cell(tmp_path, model="lenet5"), cell(tmp_path, "baseline")]
    troubles = run_grid(cells, [0], worker(load=load))
    assert [trouble.cell for trouble in troubles] == cells[:1]
    assert "lenet5 needs images" in str(troubles[0].error)
    assert not cells[0].folder.exists()
    assert read_outcome(cells[1], 0) is not None


@pytest.mark.slow
def test_what_another_process_works_on_is_waited_for_and_taken_over(tmp_path: Path) -> None:
    for model, name in (("logistic", ".lock"), ("mlp", ".lock-0")):
        study = cell(tmp_path, "baseline", model)
        study.folder.mkdir()
        with ExitStack() as other:
            assert other.enter_context(claim(study.folder / name))
            seen = []

            def look(other=other, seen=seen, study=study) -> None:
                seen.append(read_outcome(study, 0) is not None)
                if len(seen) == 2:
                    other.close()

            run_grid([study], [0], worker(look))
        assert seen[:2] == [False, False]
        assert read_outcome(study, 0) is not None


CHILD = """
import signal
sys.path.insert(0, root)
from lfl.study import run_grid
from tests.study.cases import cell, worker
looks = []
def look():
    looks.append(1)
    if len(looks) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
run_grid([cell(folder, model=model, checkpoint_every=2)], [0, 1], worker(look))
"""


def stop_at(look: int) -> Callable[[], None]:
    """Tell this process to stop at its n-th look."""
    looks = []

    def stop() -> None:
        looks.append(1)
        if len(looks) == look:
            os.kill(os.getpid(), signal.SIGTERM)

    return stop


@pytest.mark.parametrize("model", ["logistic", "mlp"])
def test_killed_processes_show_in_no_file(model: str, tmp_path: Path) -> None:
    root = Path(__file__).parent.parent.parent
    killed = start(CHILD, root=str(root), folder=tmp_path / "killed", model=model)
    assert status_of(killed) == -signal.SIGKILL  # in the offline phase, after its first checkpoint
    study, whole = (cell(tmp_path / name, model=model, checkpoint_every=2) for name in ("killed", "whole"))
    with pytest.raises(Stopped) as stopped:
        run_grid([study], [0, 1], worker(stop_at(6)))
    assert stopped.value.signal == signal.SIGTERM
    assert list(study.folder.glob(".running*"))
    assert run_grid([study], [0, 1], worker()) == []
    assert not list(study.folder.glob(".running*"))
    run_grid([whole], [0, 1], worker())
    for seed in (0, 1):
        assert contents(study.run(seed)) == contents(whole.run(seed))


def test_a_half_made_run_of_other_settings_is_not_lost(tmp_path: Path) -> None:
    study = cell(tmp_path, checkpoint_every=2)
    with pytest.raises(Stopped):
        run_grid([study], [0], worker(stop_at(3)))
    with pytest.raises(lfl.UserError, match="made with steps 6, but 8"):
        run_grid([cell(tmp_path, steps=8)], [0], worker())


def test_a_run_interrupted_elsewhere_is_run_again(tmp_path: Path) -> None:
    study = cell(tmp_path, "baseline", "mlp")
    execute(DIGITS, study.settings, study.run(0))
    result = study.run(0) / "result.json"
    result.write_text(result.read_text().replace("true", "false"))
    run_grid([study], [0], worker())
    assert read_outcome(study, 0).commit
