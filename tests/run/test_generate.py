"""Continuing a text: each character from the model's own probabilities, by the seed, within its context."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import lfl
from lfl.errors import UserError
from lfl.run import load_model, resume
from lfl.run.generate import generate
from lfl.task.encoding import Encoding
from lfl.task.task import UNSCALED
from lfl.training import Progress

STRANGE = "é\t漢🙂\u2028\x1b\\\"'\ufeff\n"
TEXT = f"to be, or not to be: {STRANGE}" * 60
SMALL: dict[str, Any] = {"steps": 12, "batch_size": 4, "context": 8, "device": "cpu", "compile": "off"}
MODEL = "tests.run.test_generate:tiny"


def tiny(shape: tuple[int, ...], num_outputs: int) -> torch.nn.Module:
    from lfl.model.gpt import gpt

    return gpt(shape, num_outputs, layers=1, heads=2, width=8)


def counting(vocabulary: str, context: int) -> Any:
    """A model that is nearly certain of the next letter of its vocabulary, and notes what it was shown."""
    shown: list[list[int]] = []

    def apply_fn(theta: Any, buffers: Any, x: torch.Tensor, *, training: bool) -> Any:
        shown.append(x[0].tolist())
        return 9.0 * torch.nn.functional.one_hot((x + 1) % len(vocabulary), len(vocabulary)).float(), buffers

    encoding = Encoding("classification", (context,), len(vocabulary), UNSCALED, classes=list(vocabulary), tokens=True)
    return SimpleNamespace(encoding=encoding, theta={"w": torch.zeros(1)}, buffers={}, apply_fn=apply_fn, shown=shown)


def test_each_character_follows_from_the_last_ones() -> None:
    model = counting("abcd", 3)
    assert generate(model, "abcda", 6, temperature=0) == "bcdabc"
    assert model.shown[0] == [2, 3, 0]
    assert model.shown[-1] == [3, 0, 1]
    assert generate(model, "a", 0) == ""


def test_draws_have_the_model_s_probabilities() -> None:
    model = counting("ab", 1)
    drawn = "".join(generate(model, "a", 1, temperature=9.0, seed=seed) for seed in range(2000))
    wanted = 1 / (1 + torch.exp(torch.tensor(-1.0)))  # logits 9 and 0 at temperature 9
    assert drawn.count("b") / 2000 == pytest.approx(float(wanted), abs=0.04)  # four deviations
    assert generate(model, "a", 50, temperature=9.0, seed=1) == generate(model, "a", 50, temperature=9.0, seed=1)
    assert generate(model, "a", 50, temperature=9.0, seed=1) != generate(model, "a", 50, temperature=9.0, seed=2)


@pytest.mark.parametrize(
    ("prompt", "options", "words"),
    [
        ("", {}, "the prompt is empty"),
        ("ax", {}, "the prompt, line 1, holds 'x'"),
        ("a", {"length": -1}, "at least 0, got -1"),
        ("a", {"temperature": float("nan")}, "got 500, nan and 0"),
    ],
)
def test_what_cannot_be_continued_is_refused(prompt: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        generate(counting("ab", 2), prompt, **options)


def test_only_a_text_is_continued() -> None:
    model = counting("ab", 2)
    model.encoding, model.settings = replace(model.encoding, tokens=False), SimpleNamespace(task="digits")
    with pytest.raises(UserError, match="only a text is continued, and the run was trained on digits"):
        generate(model, "a")


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name != "timing.jsonl"}


@pytest.mark.slow
def test_a_run_on_a_text_is_resumed_exactly_and_continues_a_text(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, newline="")

    def stop(progress: Progress) -> None:
        if (progress.phase.name, progress.step) == ("train", 7):
            raise KeyboardInterrupt

    asked = {"loss": "true-class", "offline_steps": 2, "checkpoint_every": 5, **SMALL}
    run = lfl.train(path, MODEL, "adalfl", out=tmp_path / "run", **asked)
    with pytest.raises(KeyboardInterrupt):
        lfl.train(path, MODEL, "adalfl", out=tmp_path / "stopped", progress=stop, **asked)
    assert resume(tmp_path / "stopped")[0].completed
    assert files(tmp_path / "stopped") == files(tmp_path / "run")

    assert run.classes == sorted(set(TEXT)) == json.loads((tmp_path / "run" / "encoding.json").read_text())["classes"]
    followed = run.generate(STRANGE, 20, seed=3)
    assert len(followed) == 20
    assert followed == generate(load_model(tmp_path / "run", model=MODEL), STRANGE, 20, seed=3)
    x = run.task.test.x
    torch.testing.assert_close(run.predict(x).sum(-1), torch.ones(x.shape, dtype=torch.float64))
    assert run.predict(x).shape == (*x.shape, len(run.classes))
    assert run.result.test["bits_per_character"] == pytest.approx(
        -float(run.predict(x).log2().gather(-1, run.task.test.y[..., None]).mean()), rel=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "asked"),
    [
        ("baseline", {"loss": "label-smoothing"}),
        ("adalfl", {"offline_steps": 1}),
        ("ml3", {"loss": "taylor-cubic", "offline_steps": 1}),
        ("meta-lr", {"offline_steps": 1, "objective": "balanced"}),
        ("adalfl+lr", {"loss": "vector-scaling", "offline_steps": 1, "horizon": 2}),
        ("residual", {"loss": "true-class", "optimizer": "sgd", "eval_split": True, "keep": "best"}),
        ("residual", {"loss": "weight-net"}),
    ],
)
def test_every_method_trains_on_a_text(method: str, asked: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, newline="")
    runs = lfl.api.training.train_seeds(
        [0, 1], path, MODEL, method, out=tmp_path / "runs", **SMALL | {"steps": 4} | asked
    )
    for run in runs:
        assert run.result.completed
        assert 0 < run.result.test["bits_per_character"] < 6
        assert "valid_bits_per_character" in run.metrics()[-1]


@pytest.mark.parametrize(
    ("model", "asked", "words"),
    [
        ("mlp", {}, "is a text, which --model mlp cannot read; choose gpt-mini"),
        (MODEL, {"label_noise": "symmetric:0.4"}, "--label-noise is for examples with one target each"),
        (MODEL, {"kind": "classification"}, "--kind is for arrays and tables"),
        (MODEL, {"loss": "huber"}, "huber"),
    ],
)
def test_what_a_text_does_not_have_is_refused(model: str, asked: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, newline="")
    with pytest.raises(UserError, match=words):
        lfl.train(path, model, "baseline", out=tmp_path / "run", **SMALL | asked)
