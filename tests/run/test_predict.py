"""Predictions against what the task and the run say of the same rows."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_diabetes, load_digits

import lfl
from lfl.run import execute, load_model_and_data, predict
from lfl.run import test_error as error_on_test
from lfl.task import load_task
from lfl.task.arrays import to_inputs
from lfl.training import resolve

SMALL = {"model": "logistic", "steps": 200, "offline_steps": 10, "batch_size": 32}


def trained(task: lfl.Task, out: Path, **asked) -> Path:
    return execute(task, resolve(task.defaults, task=task.name, method="baseline", **(SMALL | asked)), out).folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def rows_of_test(task: lfl.Task, raw: np.ndarray) -> np.ndarray:
    """Which raw rows the test split holds, told by their scaled inputs."""
    held = raw.astype(np.float32)  # as named tasks hold their raw inputs
    scaled = task.encoding.scale(to_inputs(held, "raw")).flatten(1).numpy()
    tested = task.test.x.flatten(1).numpy()
    return np.array([np.flatnonzero((scaled == row).all(1))[0] for row in tested])


@pytest.mark.slow
def test_classes_of_raw_images(tmp_path: Path) -> None:
    folder = trained(load_task("digits", tmp_path), tmp_path / "run")
    raw, truth = load_digits(return_X_y=True)
    raw = raw.reshape(-1, 8, 8)
    np.savez(tmp_path / "in.npz", x=raw)
    assert predict(folder, tmp_path / "in.npz", tmp_path / "out.csv") == len(raw)
    found = rows(tmp_path / "out.csv")
    classes = np.array([int(row["class"]) for row in found])
    loaded = load_model_and_data(folder, tmp_path)
    tested = rows_of_test(loaded[1], raw)
    assert (classes[tested] != truth[tested]).mean() == pytest.approx(error_on_test(*loaded))
    likely = np.array([[float(row[f"probability of {c}"]) for c in range(10)] for row in found])
    np.testing.assert_allclose(likely.sum(1), 1.0)
    assert (likely.argmax(1) == classes).all()
    predict(folder, tmp_path / "in.npz", tmp_path / "deep" / "out.npz")
    with np.load(tmp_path / "deep" / "out.npz") as arrays:
        np.testing.assert_allclose(arrays["probabilities"], likely)
        assert (arrays["class"] == classes).all()


def test_values_come_in_the_units_of_the_targets(tmp_path: Path) -> None:
    """The run's test error, a mean square on [0, 1], is that of the predictions over the square of train's range."""
    folder = trained(load_task("diabetes", tmp_path), tmp_path / "run", inner_lr=0.05)
    raw, truth = load_diabetes(return_X_y=True, scaled=False)
    np.savez(tmp_path / "in.npz", x=raw)
    predict(folder, tmp_path / "in.npz", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as arrays:
        values = arrays["value"][:, 0]
    loaded = load_model_and_data(folder, tmp_path)
    tested = rows_of_test(loaded[1], raw)
    train = np.delete(truth, tested)  # valid's targets lie inside train's range in this split
    wide = train.max() - train.min()
    assert np.mean((values[tested] - truth[tested]) ** 2) / wide**2 == pytest.approx(error_on_test(*loaded), rel=1e-4)
    assert np.corrcoef(values, truth)[0, 1] > 0.5


def test_a_table_is_read_by_its_names(tmp_path: Path) -> None:
    lines = "\n".join(f"{i % 9},{'red' if i % 3 else 'blue'},{'yes' if i % 3 else 'no'}" for i in range(120))
    (tmp_path / "train.csv").write_text(f"size,colour,answer\n{lines}\n")
    task = load_task(str(tmp_path / "train.csv"), tmp_path, target="answer")
    folder = trained(task, tmp_path / "run", target="answer", inner_lr=0.5)
    (tmp_path / "train.csv").unlink()  # not needed any more
    (tmp_path / "new.csv").write_text("colour,size\nblue,3\nred,\n")
    predict(folder, tmp_path / "new.csv", tmp_path / "out.csv")
    assert [row["class"] for row in rows(tmp_path / "out.csv")] == ["no", "yes"]


def test_what_cannot_be_predicted_is_named(tmp_path: Path) -> None:
    folder = trained(load_task("digits", tmp_path), tmp_path / "run", steps=1)
    np.savez(tmp_path / "small.npz", x=np.zeros((2, 7, 7)))
    np.savez(tmp_path / "none.npz", x=np.zeros((0, 8, 8)))
    np.savez(tmp_path / "unnamed.npz", np.zeros((2, 8, 8)))
    np.savez(tmp_path / "good.npz", x=np.zeros((2, 8, 8)))
    (tmp_path / "table.csv").write_text("a\n1\n")
    cases = [
        ("small.npz", "out.csv", r"an input is \[1, 7, 7\]"),
        ("none.npz", "out.csv", "holds no inputs"),
        ("unnamed.npz", "out.csv", "has no array x"),
        ("absent.npz", "out.csv", "cannot read"),
        ("table.csv", "out.csv", "trained on arrays"),
        ("inputs.txt", "out.csv", r"must be a .npz or a .csv"),
        ("good.npz", "out.txt", r"written as .csv or .npz"),
        ("good.npz", "table.csv/out.csv", "cannot write"),
    ]
    for source, out, words in cases:
        with pytest.raises(lfl.UserError, match=words):
            predict(folder, tmp_path / source, tmp_path / out)
    (folder / "encoding.json").write_text('{"kind": "classification"}')
    with pytest.raises(lfl.UserError, match=r"encoding\.json is damaged"):
        predict(folder, tmp_path / "good.npz", tmp_path / "out.csv")


ONE_LOGIT = """
from torch import nn


def one(shape, outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0], 1))
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["baseline", "adalfl"])
def test_one_logit_serves_two_classes(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the sigmoid of the trained line, computed by hand."""
    (tmp_path / "one_logit.py").write_text(ONE_LOGIT)
    monkeypatch.chdir(tmp_path)
    g = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], 100)
    x = g.normal(size=(200, 2)) + 3.0 * (y == "yes")[:, None]
    task = lfl.task_from_arrays(x, y)
    settings = resolve(task.defaults, task="arrays", model="one_logit:one", method=method, steps=300, offline_steps=20)
    ended = execute(task, settings, tmp_path / "run")
    assert ended.test_error < 0.1 or method == "adalfl"  # so few offline steps make no good loss
    np.savez(tmp_path / "in.npz", x=x)
    predict(ended.folder, tmp_path / "in.npz", tmp_path / "out.csv", trust=True)
    theta = load_file(ended.folder / "theta.safetensors")
    scaled = task.encoding.scale(torch.from_numpy(x))
    likely = torch.sigmoid(scaled @ theta["1.weight"].T + theta["1.bias"])[:, 0].numpy()
    found = rows(tmp_path / "out.csv")
    np.testing.assert_allclose([float(row["probability of yes"]) for row in found], likely, rtol=1e-5)
    assert [row["class"] for row in found] == list(np.where(likely > 0.5, "yes", "no"))


SEVERAL = """
import lfl, torch
from torch import nn

g = torch.Generator().manual_seed(0)
LEFT, IDS = torch.randn(80, 3, generator=g), torch.randint(9, (80, 5), generator=g)
Y = (LEFT[:, 0] > 0).long()

def named(): return lfl.Loaders([({"left": LEFT, "ids": IDS}, Y)])
def placed(): return lfl.Loaders([((LEFT, IDS), Y)])
def ids(): return lfl.Loaders([(IDS, Y)])

class Two(nn.Module):
    def __init__(self, shapes, outputs):
        super().__init__()
        self.words, self.left = nn.Embedding(9, 4), nn.Linear(3, 4)
        self.last = nn.Linear(4, outputs)

    def forward(self, left, ids):
        return self.last(self.left(left) + self.words(ids).mean(-2))

class Words(nn.Module):
    def __init__(self, shape, outputs):
        super().__init__()
        self.words, self.last = nn.Embedding(9, 4), nn.Linear(4, outputs)

    def forward(self, x):
        return self.last(self.words(x).mean(-2))
"""


@pytest.fixture
def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"inputs_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(SEVERAL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.slow
@pytest.mark.parametrize(("form", "model"), [("named", "Two"), ("placed", "Two"), ("ids", "Words")])
def test_several_inputs_are_read_from_a_file_and_from_python(form: str, model: str, several: str) -> None:
    made = __import__(several)
    folder = lfl.train(f"{several}:{form}", f"{several}:{model}", "baseline", steps=5, out="run", device="cpu").folder
    names = {"named": ["x.left", "x.ids"], "placed": ["x.0", "x.1"], "ids": ["x"]}[form]
    inputs = [made.LEFT, made.IDS][-len(names) :]
    np.savez("in.npz", **{name: t.numpy() for name, t in zip(names, inputs, strict=True)})
    assert predict(folder, Path("in.npz"), Path("out.npz")) == 80
    run = lfl.load_run(folder, model=f"{several}:{model}")
    own = getattr(made, model)({"left": (3,), "ids": (5,)}, 2)
    own.load_state_dict(run.theta)
    wanted = torch.softmax(own(*inputs).double(), -1).detach()
    x = {"named": dict(zip(["left", "ids"], inputs, strict=False)), "placed": tuple(inputs), "ids": inputs[0]}[form]
    for found in (np.load("out.npz")["probabilities"], run.predict(x).numpy(), run.predict("in.npz").numpy()):
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-6)


@pytest.mark.slow
def test_missing_and_other_inputs_are_refused_in_words(several: str) -> None:
    lfl.train(f"{several}:named", f"{several}:Two", "baseline", steps=2, out="run", device="cpu")
    run = lfl.load_run("run", model=f"{several}:Two")
    np.savez("in.npz", **{"x.left": np.zeros((4, 3), np.float32)})
    for x, words in [
        ("in.npz", "lacks x.ids; the model takes several inputs: save x.left, x.ids"),
        (np.zeros((4, 3)), "the model takes several inputs, a dict of left, ids, got a ndarray"),
        ({"left": np.zeros((4, 3)), "right": np.zeros((4, 3))}, "got left, right"),
        ({"left": np.zeros((4, 2)), "ids": np.zeros((4, 5), int)}, r"x.left: an input is \[2\] of float64"),
        ({"left": np.zeros((4, 3)), "ids": np.zeros((5, 5), int)}, r"inputs have \[4, 5\] rows"),
    ]:
        with pytest.raises(lfl.UserError, match=words):
            run.predict(x)
