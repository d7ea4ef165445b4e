"""`--task module:function`: what it may return, how it is trained and read back, and that it is code."""

import textwrap
from pathlib import Path

import pytest
import torch

import lfl
from lfl.run import Named, resume
from lfl.run.load import load_model_and_data
from lfl.run.load import test_error as read_test_error
from lfl.run.trust import allow, asked_for
from lfl.task import is_function_task, load_task

CODE = """
import types
import torch
import lfl
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

g = torch.Generator().manual_seed(0)
X, Z = torch.randn(60, 3, generator=g), torch.randint(9, (60, 5), generator=g)
Y = (X[:, 0] > 0).long()

def pairs():
    return lfl.Loaders([({"left": X[i:i + 20], "ids": Z[i:i + 20]}, Y[i:i + 20]) for i in (0, 20, 40)])

def plain():
    return {"train": DataLoader(TensorDataset(X, Y), batch_size=20, shuffle=True)}

def thing(data_dir):
    return types.SimpleNamespace(train=[(X, Y)], valid=[(X[:8], Y[:8])], where=data_dir)

def task():
    return lfl.task_from_arrays(X.numpy(), Y.numpy())

def nothing(): return None
def module(): return nn.Linear(2, 2)
def odd(): return {"train": [(X, Y)], "val": [(X, Y)]}
def broken(): raise KeyError("a file")

class Two(nn.Module):
    def __init__(self, shapes, outputs):
        super().__init__()
        self.words, self.left = nn.Embedding(9, 4), nn.Linear(*shapes["left"], 4)
        self.drop, self.last = nn.Dropout(0.2), nn.Linear(4, outputs)

    def forward(self, left, ids):
        return self.last(self.drop(torch.tanh(self.left(left) + self.words(ids).mean(-2))))
"""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"tasks_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(CODE))
    monkeypatch.chdir(tmp_path)
    return name


def test_it_returns_a_task_or_loaders(code: str) -> None:
    kinds = {name: load_task(f"{code}:{name}", Path("here")) for name in ("pairs", "plain", "thing", "task")}
    assert {name: (task.name, task.num_outputs) for name, task in kinds.items()} == {
        name: (f"{code}:{name}", 2) for name in kinds
    }
    assert len(kinds["thing"].valid.y) == 8
    assert kinds["pairs"].input_shape == {"left": (3,), "ids": (5,)}
    assert len(load_task(f"{code}:plain", Path(), valid_size=9).valid.y) == 9
    assert load_task(f"{code}:plain", Path(), kind="regression").kind == "regression"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", r"must return an lfl.Task or loaders, .*got a NoneType without train"),
        ("module", "got a Linear without train"),
        ("odd", "got a dict with val"),
        ("broken", "called with nothing, raised KeyError: 'a file'"),
        ("absent", "cannot be imported"),
    ],
)
def test_anything_else_is_refused(code: str, name: str, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        load_task(f"{code}:{name}", Path())


@pytest.mark.parametrize(
    ("name", "option", "words"),
    [
        ("task", {"valid_size": 5}, "valid_size is set where a Task is made"),
        ("task", {"kind": "regression"}, "kind is set where a Task is made"),
        ("plain", {"target": "y"}, "--target is for files of your own"),
        ("plain", {"valid": "y"}, "--valid is for files of your own"),
    ],
)
def test_options_that_do_not_apply_are_refused(code: str, name: str, option: dict[str, object], words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        load_task(f"{code}:{name}", Path(), **option)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.usefixtures("no_code_generation")
@pytest.mark.parametrize("compiled", ["off", "on"])
def test_two_inputs_are_trained_read_back_and_resumed(code: str, tmp_path: Path, compiled: str) -> None:
    asked = {"batch_size": 8, "offline_steps": 2, "compile": compiled, "device": "cpu", "eval_every": 2}
    run = lfl.train(f"{code}:pairs", f"{code}:Two", out=tmp_path / "run", steps=6, **asked)
    read = lfl.load_run(tmp_path / "run", model=f"{code}:Two", task=f"{code}:pairs")
    assert run.result is not None
    assert run.result.completed
    model, data = load_model_and_data(tmp_path / "run", model=f"{code}:Two", task=f"{code}:pairs")
    assert read_test_error(model, data) == run.result.test_error
    assert torch.equal(read.theta["last.weight"], model.theta["last.weight"])

    def stop(progress: lfl.Progress) -> None:
        if progress.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lfl.train(f"{code}:pairs", f"{code}:Two", out=tmp_path / "cut", steps=6, progress=stop, **asked)
    (result,) = resume(tmp_path / "cut", named=Named(model=f"{code}:Two", task=f"{code}:pairs"))
    assert result.completed
    for name in ("theta", "phi"):
        left, right = ((tmp_path / folder / f"{name}.safetensors").read_bytes() for folder in ("run", "cut"))
        assert left == right


@pytest.mark.slow
def test_two_seeds_train_together_on_two_inputs(code: str, tmp_path: Path) -> None:
    from lfl.api.training import train_seeds

    asked = {"batch_size": 8, "offline_steps": 1, "compile": "off", "device": "cpu", "steps": 3}
    runs = train_seeds([0, 1], f"{code}:pairs", f"{code}:Two", out=tmp_path / "both", **asked)
    alone = lfl.train(f"{code}:pairs", f"{code}:Two", out=tmp_path / "one", seed=1, **asked)
    for name, tensor in alone.theta.items():
        torch.testing.assert_close(runs[1].theta[name], tensor, rtol=1e-4, atol=1e-6)


def test_a_named_model_has_one_input(code: str, tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match=r"model mlp takes one tensor, but the task has the inputs \{'left'"):
        lfl.train(f"{code}:pairs", "mlp", out=tmp_path / "run", steps=2, device="cpu")


def test_a_run_folder_may_not_run_it_unless_it_is_named(tmp_path: Path) -> None:
    assert is_function_task("evil:task")
    assert not is_function_task("digits")
    assert not is_function_task("a/b:c.npz")
    asked = asked_for({"task": "evil:task", "model": "mlp"}, None)
    assert asked == {"task": "evil:task"}
    with pytest.raises(lfl.UserError, match=r"asks to run the code of the task evil:task.* --task evil:task"):
        allow(tmp_path, asked, Named())
    with pytest.raises(lfl.UserError, match=r"has the task evil:task, got --task good:task"):
        allow(tmp_path, asked, Named(task="good:task"))
    allow(tmp_path, asked, Named(task="evil:task"))
    allow(tmp_path, asked, Named(trust=True))
