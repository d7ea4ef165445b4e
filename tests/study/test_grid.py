"""Studies: what is complete is not run again, what dies is continued, and nothing shows of it in the numbers."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import lfl
from lfl.run import execute, execute_seeds
from lfl.run.folder import locked
from lfl.study import engine, parse_engine, read_outcome
from lfl.study.control import FOLDER
from lfl.study.result import ORIGIN
from lfl.study.worker import Machine, Piece, run_piece

from ..processes import start, status_of, wait_until
from .cases import DIGITS, contents, experiment, run, write_models

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
@pytest.mark.parametrize(("model", "seeds"), [("logistic", [0, 1]), ("mlp", [0, 1])])
def test_runs_are_those_that_training_makes(model: str, seeds: list[int], tmp_path: Path) -> None:
    out = tmp_path / "study"
    study = experiment(out, model=model)
    assert run(out, [study], seeds) == []
    execute_seeds(DIGITS, study.settings, seeds, tmp_path / "alone", data_dir=Path("unused"))
    for seed in seeds:
        ours = contents(study.run(seed))
        origin = json.loads(ours.pop(ORIGIN))
        assert origin["seeds"] == (2 if model == "logistic" else 1)
        theirs = contents(tmp_path / "alone" / f"seed-{seed}")
        configs = [json.loads(files.pop("config.json")) for files in (ours, theirs)]
        assert ours == theirs
        assert configs[1] | configs[0] == configs[1]
    assert sorted(p.name for p in study.folder.iterdir()) == ["seed-0", "seed-1"]
    assert list((out / FOLDER).iterdir()) == []


@pytest.mark.slow
def test_processes_make_the_same_runs_as_this_one(tmp_path: Path) -> None:
    for model in ("logistic", "mlp"):
        for jobs in (1, 2):
            out = tmp_path / str(jobs)
            assert run(out, [experiment(out, "baseline", model), experiment(out, model=model)], [0, 1], jobs=jobs) == []
    folders = sorted(path.parent.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("result.json"))
    assert len(folders) == 8
    for folder in folders:
        alone, beside = (contents(tmp_path / jobs / folder) for jobs in ("1", "2"))
        assert alone | {"config.json": b""} == beside | {"config.json": b""}  # it has the number of threads


def test_what_is_complete_is_not_run_again(tmp_path: Path) -> None:
    experiments = [experiment(tmp_path, "baseline"), experiment(tmp_path, "baseline inner_lr=0.1")]
    run(tmp_path, experiments, [0])
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("seed-0/*")}
    counts = []
    run(tmp_path, experiments, [0, 1], progress=lambda status: counts.append((status.ended, status.runs)))
    assert (counts[0], counts[-1]) == ((2, 4), (4, 4))
    made = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("seed-?/*")}
    run(tmp_path, experiments, [0, 1])
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("seed-?/*")} == made
    assert made | before == made


def test_other_settings_are_refused_before_anything_runs(tmp_path: Path) -> None:
    run(tmp_path, [experiment(tmp_path, "baseline")], [0])
    changed = [experiment(tmp_path, "ml3", steps=7), experiment(tmp_path, "baseline", steps=7)]
    with pytest.raises(lfl.UserError, match="made with steps 6, but 7 is asked for now; choose another --out"):
        run(tmp_path, changed, [0])
    assert not changed[0].folder.exists()


def test_a_setting_that_an_older_run_does_not_state_was_the_default(tmp_path: Path) -> None:
    study = experiment(tmp_path, "baseline")
    run(tmp_path, [study], [0])
    path = study.run(0) / "config.json"
    config = json.loads(path.read_text())
    del config["horizon"]
    path.write_text(json.dumps(config))
    assert read_outcome(study, 0) is not None
    with pytest.raises(lfl.UserError, match="made with horizon 1, but 2"):
        read_outcome(experiment(tmp_path, "baseline", horizon=2), 0)


@pytest.mark.parametrize("variant", ["baseline", "adalfl"])
def test_divergence_is_an_outcome_of_each_seed(variant: str, tmp_path: Path) -> None:
    study = experiment(tmp_path, variant, inner_lr=1e38, checkpoint_every=1)
    assert run(tmp_path, [study], [0, 1]) == []
    for seed in (0, 1):
        outcome = read_outcome(study, seed)
        assert outcome.test_error != outcome.test_error
        assert "became" in outcome.diverged
        assert "lfl resume" not in outcome.diverged
    assert sorted(p.name for p in study.folder.iterdir()) == ["diverged-0.json", "diverged-1.json"]
    assert run(tmp_path, [study], [0, 1]) == []
    with pytest.raises(lfl.UserError, match="made with inner_lr 1e"):
        read_outcome(experiment(tmp_path, variant, inner_lr=0.5), 0)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_experiment_that_fails_leaves_the_others_alone(jobs: int, tmp_path: Path, monkeypatch) -> None:
    write_models(tmp_path)
    monkeypatch.chdir(tmp_path)
    models = ["lenet5", "mine:broken", "logistic"]
    experiments = [experiment(tmp_path, "baseline", model) for model in models]
    failed = run(tmp_path, experiments, [0], jobs=jobs)
    assert [each.experiment for each in failed] == experiments[:2]
    assert "lenet5 needs images" in str(failed[0].error)
    assert "ZeroDivisionError: division by zero (mine.py, line 23)" in str(failed[1].error)
    assert not experiments[0].folder.exists()
    assert read_outcome(experiments[2], 0) is not None


@pytest.mark.slow
def test_the_run_of_a_killed_worker_is_resumed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_models(tmp_path, kills=2)
    out, whole = tmp_path / "study", tmp_path / "whole"
    studies = {each: experiment(each, "ml3", "mine:deadly", checkpoint_every=1) for each in (out, whole)}
    assert run(out, [studies[out]], [0, 1], jobs=2) == []
    assert len(list(tmp_path.glob("killed-*"))) == 2
    run(whole, [studies[whole]], [0, 1])
    for seed in (0, 1):
        killed, alone = (contents(each.run(seed)) for each in studies.values())
        assert killed | {"config.json": b""} == alone | {"config.json": b""}
    assert not list(out.rglob(".running*"))


@pytest.mark.slow
def test_a_run_that_always_kills_its_worker_is_reported_and_keeps_its_checkpoint(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_models(tmp_path, kills=100)
    out = tmp_path / "study"
    study = experiment(out, "ml3", "mine:deadly", checkpoint_every=1)
    (failed,) = run(out, [study], [0, 1], jobs=2)
    assert "was killed 3 times" in str(failed.error)
    assert len(list(tmp_path.glob("killed-*"))) == 3
    assert list(study.scratch(0).rglob("step-*.safetensors"))
    assert read_outcome(study, 1) is not None  # it ran beside the killed one, and was not taken for guilty


CHILD = """
sys.path.insert(0, root)
os.chdir(folder.parent)
from tests.study.cases import experiment, run
study = [experiment(folder, "baseline", model, **long)]
try:
    run(folder, study, [0, 1], jobs=jobs)
except KeyboardInterrupt as stopped:
    sys.exit(128 + stopped.signal)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[dict[str, bytes]]]:
    """What two seeds of a study leave that nothing has stopped; each study is run once."""

    @cache
    def runs_of(model: str, jobs: int, **long: int) -> list[dict[str, bytes]]:
        out = tmp_path_factory.mktemp("whole")
        study = experiment(out, "baseline", model, **long)
        assert run(out, [study], [0, 1], jobs=jobs) == []
        return [contents(study.run(seed)) for seed in (0, 1)]

    return runs_of


def has_checkpoints(folder: Path, count: int) -> Callable[[], bool]:
    return lambda: len({path.parent for path in folder.rglob("step-*.safetensors")}) == count


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "jobs", "number"),
    [
        ("logistic", 1, signal.SIGTERM),
        ("mine:linear", 1, signal.SIGINT),
        ("mine:linear", 2, signal.SIGTERM),
        ("mine:linear", 2, signal.SIGKILL),
    ],
)
def test_signals_leave_checkpoints_and_show_in_no_file(
    model: str, jobs: int, number: signal.Signals, whole, tmp_path: Path, monkeypatch
) -> None:
    """Also where the process that started the study is killed: its workers stop for the next one, and hand over."""
    out = tmp_path / "stopped"
    write_models(tmp_path)
    monkeypatch.chdir(tmp_path)
    long = {"checkpoint_every": 20, "steps": 600, "log_every": 50, "eval_every": 1000}
    study = experiment(out, "baseline", model, **long)
    names = {"root": str(ROOT), "folder": out, "model": model, "jobs": jobs, "long": long}
    slow = tmp_path / "slow"
    slow.touch()
    process = start(CHILD, stderr=tmp_path / "stderr", **names)
    wait_until(has_checkpoints(out, jobs), process)
    os.kill(process.pid, number)
    assert status_of(process) == (-number if number == signal.SIGKILL else 128 + number)
    assert has_checkpoints(out, jobs)()
    assert read_outcome(study, 0) is None
    assert run(out, [study], [0, 1], jobs=jobs, progress=lambda _: slow.unlink(missing_ok=True)) == []
    assert not list(out.rglob(".running*"))
    for seed, alone in enumerate(whole(model, jobs, **long)):
        stopped = contents(study.run(seed))
        assert json.loads(stopped["config.json"]) == json.loads(alone["config.json"])
        assert stopped | {"config.json": b""} == alone | {"config.json": b""}


@pytest.mark.slow
def test_an_error_in_progress_stops_the_study(tmp_path: Path) -> None:
    study = experiment(tmp_path, steps=100_000, log_every=1000, eval_every=100_000)

    def fail(status) -> None:
        if status.lines[0].now:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        run(tmp_path, [study], [0], progress=fail)
    assert has_checkpoints(study.folder, 1)()


@pytest.mark.slow
def test_an_interrupted_run_of_other_settings_is_not_lost(tmp_path: Path) -> None:
    def stop(status) -> None:
        if has_checkpoints(tmp_path, 1)():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, [experiment(tmp_path, steps=100_000, checkpoint_every=1, log_every=1000)], [0], progress=stop)
    with pytest.raises(lfl.UserError, match="made with steps 100000, but 8"):
        run(tmp_path, [experiment(tmp_path, steps=8)], [0])
    assert has_checkpoints(tmp_path, 1)()


def test_a_run_interrupted_elsewhere_is_run_again(tmp_path: Path) -> None:
    study = experiment(tmp_path, "baseline", "mlp")
    execute(DIGITS, study.settings, study.run(0))
    result = study.run(0) / "result.json"
    result.write_text(result.read_text().replace("true", "false"))
    run(tmp_path, [study], [0])
    assert read_outcome(study, 0).commit


def test_two_studies_in_one_folder_are_one_too_many(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    with locked(tmp_path / FOLDER), pytest.raises(lfl.UserError, match="another process is at work in"):
        run(tmp_path, [experiment(tmp_path)], [0])
    assert run(tmp_path, [experiment(tmp_path)], [0]) == []


@pytest.mark.slow
def test_a_worker_waits_for_one_that_was_taken_for_lost(tmp_path: Path) -> None:
    """On a cluster, a worker that was only cut off still trains when another is given its work."""
    study = experiment(tmp_path, "baseline", "mlp")
    piece, ended = Piece(study, (0,), False), []
    study.scratch(0).mkdir(parents=True)
    with locked(study.scratch(0)):
        thread = threading.Thread(target=lambda: ended.append(run_piece(piece, Machine(tmp_path, "a", None))))
        thread.start()
        time.sleep(0.5)
        assert (ended, list(study.scratch(0).iterdir())) == ([], [])
    thread.join()
    assert (ended[0].error, ended[0].stopped) == (None, None)
    assert read_outcome(study, 0) is not None


@pytest.mark.slow
def test_an_engine_that_is_not_there_is_named(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("distributed", reason="dask's distributed is not installed")
    monkeypatch.setattr(engine, "SECONDS_TO_CONNECT", 1)
    with pytest.raises(lfl.UserError, match=r"no dask scheduler answers at tcp://127.0.0.1:9 "):
        run(tmp_path, [experiment(tmp_path)], [0], engine="dask=tcp://127.0.0.1:9")
    for text, words in [
        ("dask", "write --engine dask=tcp://127.0.0.1:8786"),
        ("loky=2", "write --engine loky"),
        ("slurm", "unknown engine 'slurm'; choose one of: loky, dask, ray"),
    ]:
        with pytest.raises(lfl.UserError, match=words):
            parse_engine(text)
