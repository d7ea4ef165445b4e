"""Few-shot runs from Python: the same files as the command line, adaptation, predictions, and what is refused."""

import sys
from pathlib import Path

import pytest
import torch
from lfl_cli.app import main
from PIL import Image

import lfl
from lfl.fewshot.evaluation import evaluate
from lfl.fewshot.pixel_floor import pixel_floor
from lfl.trees import leaves

SINE = {"model": "mlp-8", "steps": 4, "meta_batch": 3, "test_steps": 2, "valid_tasks": 5, "test_tasks": 7}
PICTURES = SINE | {"ways": 2, "queries": 2, "device": "cpu", "model": "conv4", "steps": 2, "meta_batch": 2}


@pytest.fixture(scope="module")
def sine(tmp_path_factory: pytest.TempPathFactory) -> lfl.FewShotRun:
    return lfl.train("sinusoid", out=tmp_path_factory.mktemp("runs") / "sine", device="cpu", **SINE)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten classes of five pictures in colour."""
    folder = tmp_path_factory.mktemp("pictures") / "classes"
    source = torch.Generator().manual_seed(0)
    for number in range(10):
        (folder / f"c{number}").mkdir(parents=True)
        pattern = torch.randint(40, 216, (16, 16, 3), generator=source)
        for i in range(5):
            noisy = pattern + torch.randint(-40, 40, (16, 16, 3), generator=source)
            Image.fromarray(noisy.to(torch.uint8).numpy()).save(folder / f"c{number}" / f"{i}.png")
    return folder


def test_the_files_are_those_of_the_command_line(
    sine: lfl.FewShotRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [word for name, value in SINE.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    again = tmp_path / "again"
    arguments = ["train", "--task", "sinusoid", *flags, "--device", "cpu", "--out", str(again)]
    monkeypatch.setattr(sys, "argv", ["lfl", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code, capsys.readouterr().err
    for name in ("phi.safetensors", "metrics.jsonl", "result.json", "episodes.json"):
        assert (again / name).read_bytes() == (sine.folder / name).read_bytes()


def test_what_is_read_back_is_what_was_trained(sine: lfl.FewShotRun) -> None:
    again = lfl.load_run(sine.folder)
    assert isinstance(again, lfl.FewShotRun)
    assert repr(again).endswith("sinusoid, 1-way 5-shot, mlp-8, maml)")
    assert [row["step"] for row in again.metrics()] == [1, 2, 3, 4]
    assert all(torch.equal(a, b) for a, b in zip(leaves(again.phi), leaves(sine.phi), strict=True))
    assert sine.result is not None
    assert again.evaluate(7) == sine.result.test
    assert not again.transductive


def test_adaptation_is_gradient_descent_on_the_support_set(sine: lfl.FewShotRun) -> None:
    """Two steps by torch's own module and autograd."""
    x = torch.linspace(-3, 3, 5)[:, None]
    theta = sine.adapt(x, x.cos())
    init = {name: p.clone().requires_grad_() for name, p in sine.phi["init"].items()}

    def model(theta: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        *hidden, last = sorted({name.rpartition(".")[0] for name in theta})
        for layer in hidden:
            x = torch.relu(torch.nn.functional.linear(x, theta[f"{layer}.weight"], theta[f"{layer}.bias"]))
        return torch.nn.functional.linear(x, theta[f"{last}.weight"], theta[f"{last}.bias"])

    for _ in range(2):
        loss = (model(init, x) - x.cos()).square().mean()
        grads = torch.autograd.grad(loss, list(init.values()))
        init = {name: p - 0.01 * g for (name, p), g in zip(init.items(), grads, strict=True)}
    for name, p in init.items():
        torch.testing.assert_close(theta[name], p.detach())
    query = torch.tensor([[0.5], [1.0]])
    torch.testing.assert_close(sine.predict(x, x.cos(), query), model(init, query).detach())
    unchanged = sine.adapt(x, x.cos(), steps=0)
    assert all(torch.equal(unchanged[name], p) for name, p in sine.phi["init"].items())


def test_predictions_are_those_that_the_evaluation_counts(pictures: Path, tmp_path: Path) -> None:
    run = lfl.train(pictures, out=tmp_path / "run", **PICTURES)
    assert isinstance(run, lfl.FewShotRun)
    assert run.transductive
    episode = run.episodes.draw("test", 0, 3)
    wrong = []
    for x, y, query_x, query_y in zip(*episode, strict=True):
        probabilities = run.predict(x, y, query_x)
        torch.testing.assert_close(probabilities.sum(1), torch.ones(len(query_x)))
        wrong.append((probabilities.argmax(1) != query_y).float().mean())
    measured = evaluate(run._trained.method, run.phi, run.episodes, num_tasks=3, steps=2, tasks_at_once=3)
    assert float(torch.stack(wrong).mean()) == pytest.approx(measured.means[-1], abs=1e-6)


def test_the_floor_of_pixels_is_the_nearest_picture(pictures: Path, tmp_path: Path) -> None:
    run = lfl.train(pictures, out=tmp_path / "run", **(PICTURES | {"steps": 1}))
    episode = run.episodes.draw("test", 0, 7)
    wrong = total = 0
    for x, y, query_x, query_y in zip(*episode, strict=True):
        for q, answer in zip(query_x, query_y, strict=True):
            nearest = min(range(len(x)), key=lambda i: float((x[i] - q).square().sum()))
            wrong, total = wrong + int(y[nearest] != answer), total + 1
    assert pixel_floor(run.episodes, 7) == run.result.floor == pytest.approx(wrong / total)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (torch.zeros(4, 2), torch.zeros(4, 1), "x must be inputs of"),
        (torch.zeros(0, 1), torch.zeros(0, 1), "x must be inputs of"),
    ],
)
def test_inputs_that_the_model_does_not_take(
    sine: lfl.FewShotRun, x: torch.Tensor, y: torch.Tensor, words: str
) -> None:
    with pytest.raises(lfl.errors.UserError, match=words):
        sine.adapt(x, y)


@pytest.mark.parametrize(
    ("y", "words"),
    [([0, 2], "classes from 0 to 1, got 0 to 2"), ([0.0, 1.0], "whole numbers"), ([0, 1, 1], "2 classes")],
)
def test_targets_that_are_no_classes_of_the_run(pictures: Path, tmp_path: Path, y: list[float], words: str) -> None:
    run = lfl.train(pictures, out=tmp_path / "run", **(PICTURES | {"steps": 1, "model": "logistic"}))
    with pytest.raises(lfl.errors.UserError, match=words):
        run.adapt(torch.zeros(2, 3, 16, 16), y)


def test_ordinary_and_few_shot_runs_are_told_apart(sine: lfl.FewShotRun) -> None:
    with pytest.raises(lfl.errors.UserError, match="is a few-shot run"):
        lfl.run.read_settings(sine.folder)
    with pytest.raises(lfl.errors.UserError, match="is for runs without episodes"):
        lfl.train("sinusoid", offline_steps=3)


@pytest.mark.slow
def test_npbml_keeps_its_networks_and_lends_them(pictures: Path, tmp_path: Path) -> None:
    own = {"method": "npbml", "model": "conv4-8", "inner_steps": 1, "pretrain_steps": 3, "relation_steps": 1}
    first = lfl.train(pictures, out=tmp_path / "first", **(PICTURES | own))
    assert first.transductive
    second = lfl.train(
        pictures, out=tmp_path / "second", **(PICTURES | own), pretrained_from=str(tmp_path / "first"), parts="all"
    )
    for name in ("encoder.safetensors", "relation.safetensors", "phi.safetensors", "metrics.jsonl"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    bare = lfl.train(pictures, out=tmp_path / "bare", **(PICTURES | own), parts="none")
    assert not (bare.folder / "relation.safetensors").exists()
    assert set(bare.phi) == {"init", "cone"}
    episode = lfl.load_run(first.folder).episodes.draw("test", 0, 1)
    assert first.predict(episode.x[0], episode.y[0], episode.query_x[0]).shape == (4, 2)
    with pytest.raises(lfl.errors.UserError, match="does not fit the model"):
        lfl.train(
            pictures, out=tmp_path / "other", **(PICTURES | own | {"model": "conv4-9"}), pretrained_from=first.folder
        )
