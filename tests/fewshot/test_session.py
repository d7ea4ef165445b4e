"""Few-shot runs: resumed to the byte, refused where they are not this run's, and best by validation."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lfl.errors import Diverged, UserError
from lfl.fewshot.build import Sizes, build_episodes, build_method
from lfl.fewshot.execute import execute_few_shot, resume_few_shot
from lfl.fewshot.folder import read_few_shot_ended
from lfl.fewshot.load import load_trained
from lfl.fewshot.train import FewShotProgress, few_shot_step, first_state
from lfl.fewshot_catalogue import FEWSHOT_METHODS
from lfl.fewshot_settings import FewShot, resolve_fewshot
from lfl.trees import leaves

SMALL = {"task": "sinusoid", "model": "mlp-8", "steps": 8, "meta_batch": 3, "valid_tasks": 5, "test_tasks": 7} | {
    **{"test_steps": 2, "eval_every": 2, "log_every": 1, "checkpoint_every": 3},
}


def small(**more: object) -> FewShot:
    return resolve_fewshot({**SMALL, **more})


def trained(folder: Path, settings: FewShot, watch: object = None) -> Path:
    execute_few_shot(build_episodes(settings, None, "cpu"), settings, folder, watch)  # type: ignore[arg-type]
    return folder


def files(folder: Path) -> dict[str, bytes]:
    kept = {"timing.jsonl"}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name not in kept}


def stopping_at(step: int) -> object:
    def watch(progress: FewShotProgress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return watch


def test_a_step_is_a_pure_function_of_state_and_step() -> None:
    settings = small()
    episodes = build_episodes(settings, None, "cpu")
    method = build_method(settings, Sizes.of(episodes))
    state = first_state(method)
    before = [t.clone() for t in leaves(state)]
    (first, info), (again, _) = (few_shot_step(method, episodes, settings, state, 4) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(leaves(first), leaves(again), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(leaves(state), before, strict=True))
    other, _ = few_shot_step(method, episodes, settings, state, 5)
    assert not all(torch.equal(a, b) for a, b in zip(leaves(first), leaves(other), strict=True))
    assert info.error is not None
    torch.testing.assert_close(info.error, info.outer_loss)  # squared error is both


@pytest.mark.parametrize("name", [name for name in FEWSHOT_METHODS if name != "npbml"])
def test_each_method_trains_by_its_name(tmp_path: Path, name: str) -> None:
    """Its phi moves, is read back, and is judged after each step on a task."""
    settings = small(method=name, steps=2, inner_steps=2, outer_lr=0.01, keep="last")
    run = trained(tmp_path / "run", settings)
    found = load_trained(run)
    episodes = build_episodes(settings, None, "cpu")
    start = build_method(settings, Sizes.of(episodes)).phi
    moved = [not torch.equal(a, b) for a, b in zip(leaves(found.phi), leaves(start), strict=True)]
    assert any(moved)
    ended = found.ended
    assert len(ended.test.errors) == len(ended.test.intervals) == 3
    assert ended.test.errors[0] != ended.test.errors[2]


@pytest.mark.parametrize("step", [2, 5])
def test_an_interrupted_run_is_resumed_to_the_same_bytes(tmp_path: Path, step: int) -> None:
    whole = trained(tmp_path / "whole", small())
    part = trained(tmp_path / "part", small(), stopping_at(step))
    ended = read_few_shot_ended(part)
    assert ended is not None
    assert (ended.completed, ended.step) == (False, step)
    resume_few_shot(part)
    assert files(part) == files(whole)
    assert not (part / "checkpoints").exists()
    with pytest.raises(UserError, match="complete; there is nothing to resume"):
        resume_few_shot(part)


def test_a_damaged_checkpoint_is_left_for_the_one_before(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", small())
    part = trained(tmp_path / "part", small(), stopping_at(7))
    newest = max((part / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    said: list[str] = []
    resume_few_shot(part, say=said.append)
    assert files(part) == files(whole)
    assert any("damaged" in line for line in said)


def test_the_best_is_the_step_of_least_validation_error(tmp_path: Path) -> None:
    settings = small(outer_lr=0.3)
    best = trained(tmp_path / "best", settings)
    last = trained(tmp_path / "last", replace(settings, keep="last"))
    lines = [json.loads(line) for line in (best / "metrics.jsonl").read_text().splitlines()]
    errors = {line["step"]: line["valid_error"] for line in lines if "valid_error" in line}
    assert sorted(errors) == [2, 4, 6, 8]
    step = min(errors, key=lambda each: (errors[each], each))
    ended, at_last = read_few_shot_ended(best), read_few_shot_ended(last)
    assert ended is not None
    assert at_last is not None
    assert (ended.best_step, ended.valid_error) == (step, errors[step])
    assert (at_last.best_step, at_last.valid_error) == (8, errors[8])
    assert len(ended.test.errors) == settings.test_steps + 1


def test_a_run_that_diverges_says_what_to_lower_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="lower --inner-lr or --outer-lr"):
        trained(tmp_path / "run", small(inner_lr=1e30, checkpoint_every=0))
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    part = trained(tmp_path / "part", small(), stopping_at(5))
    config = json.loads((part / "config.json").read_text())
    (part / "config.json").write_text(json.dumps(config | {"model": "mlp-9"}))
    with pytest.raises(UserError, match="of another model or method"):
        resume_few_shot(part)
    (part / "config.json").write_text(json.dumps(config | {"steps": 4}))
    with pytest.raises(UserError, match="of other steps"):
        resume_few_shot(part)


def test_changed_episodes_are_refused(tmp_path: Path) -> None:
    part = trained(tmp_path / "part", small(), stopping_at(5))
    config = json.loads((part / "config.json").read_text())
    (part / "config.json").write_text(json.dumps(config | {"seed": 1}))
    with pytest.raises(UserError, match="not those that"):
        resume_few_shot(part)


def test_a_signal_stops_between_two_steps(tmp_path: Path) -> None:
    def watch(progress: FewShotProgress) -> None:
        if progress.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    settings = small()
    episodes = build_episodes(settings, None, "cpu")
    result = execute_few_shot(episodes, settings, tmp_path / "run", watch)
    assert (result.signal, result.ended.step, result.ended.completed) == (signal.SIGTERM, 3, False)
