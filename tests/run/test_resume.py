"""A run that was stopped or killed and resumed leaves what it leaves when nothing happens, byte for byte."""

import json
import os
import random
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

import lfl
from lfl.run import execute, execute_seeds, resume
from lfl.task import load_task
from lfl.training import Progress, resolve

from ..processes import start, status_of, wait_until

TASKS = {name: load_task(name, Path("unused")) for name in ("digits", "diabetes")}
SMALL = {"model": "logistic", "steps": 40, "offline_steps": 12, "batch_size": 8, "checkpoint_every": 7}


def settings_of(task: str = "digits", **asked):
    return resolve(TASKS[task].defaults, task=task, **(SMALL | asked))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timing.jsonl"
    }


def stop_at(phase: str, step: int):
    def watch(progress: Progress) -> None:
        if (progress.phase.name, progress.step) == (phase, step):
            raise KeyboardInterrupt

    return watch


CASES = {
    "baseline": {"method": "baseline"},
    "momentum": {"method": "adalfl", "momentum": 0.9, "nesterov": True},
    "offline": {"method": "ml3", "loss": "taylor-cubic"},
    "rate too": {"method": "adalfl+lr", "schedule": "cosine", "optimizer": "adam"},
    "look-ahead": {"method": "adalfl", "horizon": 4, "meta_every": 8, "inner_steps": 2},
    "regression": {"task": "diabetes", "method": "adalfl"},
    "formula": {"method": "adalfl", "loss": "abs(log(1.1*y*f)) + 0.01*square(y - f)"},
    "formula as a base": {"method": "adalfl", "loss": "residual", "base": "abs(log(1.1*y*f))"},
    "compiled": {"method": "adalfl", "compile": "on"},
}


@pytest.mark.slow
@pytest.mark.usefixtures("no_code_generation")
@pytest.mark.parametrize("case", CASES)
def test_stopped_and_resumed(case: str, tmp_path: Path) -> None:
    settings = settings_of(**CASES[case])
    task = TASKS[settings.task]
    execute(task, settings, tmp_path / "whole")
    stops = [("init", 9), ("train", 0), ("train", 24), ("train", 40)]
    for phase, step in stops if case != "compiled" else stops[2:3]:
        if (phase, settings.method) == ("init", "baseline"):
            continue
        folder = tmp_path / f"{phase}-{step}"
        stopped = execute(task, settings, folder, stop_at(phase, step))
        assert stopped.completed == ((phase, step) == ("train", 40))
        if not stopped.completed:
            (again,) = resume(folder)
            assert again.completed
        assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["logistic", "mlp"])  # as one program, one after the other
def test_seeds_stopped_and_resumed(model: str, tmp_path: Path) -> None:
    settings = settings_of(model=model)
    execute_seeds(TASKS["digits"], settings, [3, 4], tmp_path / "whole")
    results = execute_seeds(TASKS["digits"], settings, [3, 4], tmp_path / "stopped", stop_at("train", 20))
    assert not results[-1].completed
    results = resume(tmp_path / "stopped")
    assert [result.folder.name for result in results] == ["seed-3", "seed-4"]
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def killed(folder: Path, code: str, after: float) -> None:
    """Run code in a process of its own, and kill it with SIGKILL so many seconds after `folder` has metrics."""
    process = start(f"import torch; torch.set_num_threads(1); {code}", folder=folder)
    wait_until((folder / "metrics.jsonl").is_file, process)
    time.sleep(after)
    process.kill()
    status_of(process)


@pytest.mark.slow
def test_killed_at_random_and_resumed(tmp_path: Path) -> None:
    """The seed of the moments is the process's: any moment must do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    settings = settings_of(steps=250, checkpoint_every=3)
    execute(TASKS["digits"], settings, tmp_path / "whole")
    torch.set_num_threads(threads)
    asked = {name: getattr(settings, name) for name in ("model", "steps", "offline_steps", "batch_size")}
    prelude = (
        "from pathlib import Path; from lfl.run import execute, resume; from lfl.task import load_task; "
        "from lfl.training import resolve; task = load_task('digits', Path('.')); "
    )
    folder = tmp_path / "killed"
    begin = f"execute(task, resolve(task.defaults, checkpoint_every=3, **{asked}), folder)"
    for i in range(4):
        step = begin if i == 0 else "resume(folder)"
        killed(folder, prelude + step, random.uniform(0.05, 0.4))
    if not (folder / "result.json").is_file():
        torch.set_num_threads(1)
        resume(folder)
        torch.set_num_threads(threads)
    assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over_and_said(tmp_path: Path) -> None:
    settings = settings_of()
    execute(TASKS["digits"], settings, tmp_path / "whole")
    folder = tmp_path / "run"
    execute(TASKS["digits"], settings, folder, stop_at("train", 33))
    newest = max((folder / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    said: list[str] = []
    resume(folder, say=said.append)
    assert any(f"{newest.name} is damaged" in line for line in said)
    assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_without_a_whole_checkpoint_it_starts_again(tmp_path: Path) -> None:
    settings = settings_of()
    execute(TASKS["digits"], settings, tmp_path / "whole")
    folder = tmp_path / "run"
    execute(TASKS["digits"], settings, folder, stop_at("train", 33))
    shutil.rmtree(folder / "checkpoints")
    (folder / ".theta.safetensors.0123abcd.partial").write_bytes(b"half")  # as a kill leaves it
    resume(folder)
    assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_what_cannot_be_resumed_is_said(tmp_path: Path) -> None:
    settings = settings_of()
    folder = tmp_path / "run"
    with pytest.raises(lfl.UserError, match="no such folder"):
        resume(folder)
    execute(TASKS["digits"], settings, folder)
    with pytest.raises(lfl.UserError, match="is complete"):
        resume(folder)
    execute_seeds(TASKS["digits"], settings, [0, 1], tmp_path / "seeds", stop_at("train", 8))
    with pytest.raises(lfl.UserError, match="trained together"):
        resume(tmp_path / "seeds" / "seed-1")
    for change, words in (({"model": "mlp"}, "another model or loss"), ({"loss": "taylor-cubic"}, "another model")):
        other = tmp_path / words.replace(" ", "-")
        execute(TASKS["digits"], settings, other, stop_at("train", 8))
        config = json.loads((other / "config.json").read_text())
        (other / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(lfl.UserError, match=words):
            resume(other)
    (other / "metrics.jsonl").write_text("")
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(lfl.UserError, match="shorter than"):
        resume(other)


def test_files_are_closed_where_a_record_cannot_be_cut(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    execute(TASKS["digits"], settings_of(), folder, stop_at("train", 8))
    (folder / "timing.jsonl").write_text("")  # the second of the two files that are opened
    with pytest.raises(lfl.UserError, match=r"timing\.jsonl is shorter than"):
        resume(folder)
    descriptors = Path("/proc/self/fd")
    opened = [os.readlink(link) for link in descriptors.iterdir() if link.is_symlink()] if descriptors.is_dir() else []
    assert not [path for path in opened if path.startswith(str(folder))]


def test_a_folder_that_the_system_does_not_open_is_named(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="the limit on open files is of Unix")
    folder = tmp_path / "run"
    execute(TASKS["digits"], settings_of(), folder, stop_at("train", 8))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(lfl.Failure, match=r"cannot write the run into .*/run \(Too many open files\); make room"):
            resume(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.slow
def test_a_folder_is_one_process_s_at_a_time(tmp_path: Path) -> None:
    def meddle(progress: Progress) -> None:
        if progress.step == 8:
            code = "from lfl.run import resume; resume(folder)"
            said = tmp_path / "said"
            status_of(start(code, stderr=said, folder=tmp_path / "run"))
            assert "another process is at work" in said.read_text()
            raise KeyboardInterrupt

    execute(TASKS["digits"], settings_of(), tmp_path / "run", meddle)


def test_a_run_that_diverges_late_keeps_its_checkpoint(tmp_path: Path) -> None:
    settings = settings_of(method="baseline", steps=4000, inner_lr=1e38, log_every=4000)
    with pytest.raises(lfl.Failure, match=r"meta-lr holds.* saved before is in /") as raised:
        execute(TASKS["digits"], settings, tmp_path / "run")
    assert "lfl resume" not in str(raised.value)  # it would diverge again
    assert (tmp_path / "run" / "checkpoints").is_dir()


@pytest.mark.slow
def test_a_run_that_somebody_else_has_just_finished_is_left_alone(tmp_path: Path) -> None:
    """Another `resume` ends while this one has the model built: what it wrote stays, whoever came first."""
    module = ModuleType("model_of_two")
    folder, tries = tmp_path / "run", []

    def net(shape: tuple[int, ...], outputs: int) -> nn.Module:
        if folder.exists() and tries:
            tries.pop()
            with suppress(lfl.UserError):
                resume(folder)
        return nn.Linear(*shape, outputs)

    module.net = net  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    settings = settings_of(task="diabetes", model="model_of_two:net", method="meta-lr")
    execute(TASKS["diabetes"], settings, tmp_path / "whole")
    execute(TASKS["diabetes"], settings, folder, stop_at("train", 24))
    tries.append("once")
    with suppress(lfl.UserError):
        resume(folder)
    assert tries == []
    lines = (folder / "timing.jsonl").read_text().splitlines()
    assert len(lines) == len((tmp_path / "whole" / "timing.jsonl").read_text().splitlines())
    assert contents(folder) == contents(tmp_path / "whole")
    clocks = [json.loads(line)["seconds"] for line in lines]
    assert clocks == sorted(clocks)
