"""Which labels a run doubts, against the data that it was made from."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_diabetes, load_digits

import lfl
from lfl.data.splits import Split
from lfl.run import Ranked, agreement, execute, load_model_and_data, rank_suspects
from lfl.run.suspects import to_csv
from lfl.task import load_task
from lfl.text import from_cell
from lfl.training import Suspects, corrupted_train, resolve


def trained(task: lfl.Task, out: Path, **asked) -> Ranked:
    small = {"model": "logistic", "method": "baseline", "steps": 300, "batch_size": 64, "compile": "off"} | asked
    folder = execute(task, resolve(task.defaults, task=task.name, **small), out).folder
    return rank_suspects(*load_model_and_data(folder, out, trust=True))


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def undoubted(task: lfl.Task, classes: int) -> Ranked:
    """A ranking that no model made, of the whole train split."""
    n = len(task.train.y)
    scores = torch.linspace(-1.0, 1.0, n, dtype=torch.float64)
    rather = (task.train.y + 1) % classes
    half = torch.full((n,), 0.5, dtype=torch.float64)
    return Ranked(task, torch.arange(n), task.train.y, None, Suspects(scores, rather, half, half))


@pytest.mark.slow
def test_wrong_labels_are_found_and_named(tmp_path: Path) -> None:
    """Against scikit-learn's own labels; a ranking at random has an area of 0.5 with a deviation of 0.04."""
    ranked = trained(load_task("digits", tmp_path), tmp_path / "run", label_noise="symmetric:0.05", seed=3)
    truth = load_digits().target
    rows = read(to_csv(ranked))
    assert [row["rank"] for row in rows] == [str(i + 1) for i in range(1293)]
    for row in rows:
        assert row["was"] == str(truth[int(row["row"])])
        assert (row["label"] != row["was"]) == (row["wrong"] == "1")
    assert sum(row["wrong"] == "1" for row in rows) == 65
    found = agreement(ranked.wrong, ranked.found.scores)
    assert found.wrong == 65
    assert found.area > 0.93
    assert found.precision > 0.5
    right = [row["rather"] == row["was"] for row in rows if row["wrong"] == "1"]
    assert np.mean(right) > 0.6  # one in nine by chance


@pytest.mark.parametrize("seed", [0, 1])
def test_a_spoiled_run_names_the_wrong_rows_of_its_seed(seed: int, tmp_path: Path) -> None:
    task = load_task("digits", tmp_path)
    asked = {"label_noise": "pair:0.3", "imbalance": 5.0, "steps": 1, "seed": seed}
    ranked = trained(task, tmp_path / "run", **asked)
    spoiled = corrupted_train(task, resolve(task.defaults, task="digits", **asked), seed)
    rows = read(to_csv(ranked))
    wrong = {int(row["row"]) for row in rows if row["wrong"] == "1"}
    assert wrong == set(task.rows[spoiled.rows[spoiled.wrong]].tolist())
    assert len(rows) == len(spoiled.rows) < len(task.train.y)


def test_no_flags_where_nothing_was_made_wrong(tmp_path: Path) -> None:
    task = load_task("digits", tmp_path)
    for name, asked in {"clean": {}, "rare": {"imbalance": 5.0}, "none": {"label_noise": "symmetric:0"}}.items():
        ranked = trained(task, tmp_path / name, steps=1, **asked)
        assert ranked.wrong is None
        assert "wrong" not in read(to_csv(ranked, 1))[0]


@pytest.mark.slow
def test_real_targets_in_their_own_units(tmp_path: Path) -> None:
    task = load_task("diabetes", tmp_path)
    ranked = trained(task, tmp_path / "run", outliers="shift:0.1", inner_lr=0.05)
    truth = load_diabetes(scaled=False).target
    wide = float(task.encoding.range.high - task.encoding.range.low)
    rows = read(to_csv(ranked))
    assert set(rows[0]) == {"rank", "row", "target", "predicted", "error", "score", "was", "wrong"}
    for row in rows:
        was, target, error = float(row["was"]), float(row["target"]), float(row["error"])
        assert was == pytest.approx(truth[int(row["row"])], rel=1e-5)
        assert target - was == pytest.approx(wide if row["wrong"] == "1" else 0.0, abs=1e-3)
        assert error == pytest.approx(float(row["predicted"]) - target, abs=1e-9)
        assert abs(error) / wide == pytest.approx(float(row["score"]), rel=1e-4, abs=1e-6)
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert agreement(ranked.wrong, ranked.found.scores).area > 0.95


def test_agreement_by_hand() -> None:
    wrong = torch.tensor([True, False, True, False])
    found = agreement(wrong, torch.tensor([0.9, 0.8, 0.7, 0.1]))
    assert found == (2, 0.5, 0.5, 0.75)
    many = torch.arange(300) < 150
    assert agreement(many, -torch.arange(300.0)) == (150, 1.0, 1.0, 1.0)
    assert agreement(many, torch.arange(300.0)) == (150, 0.0, 0.0, 0.0)


@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(30, 80),
    classes=st.integers(2, 4),
    seed=st.integers(0, 2**31),
    held_apart=st.booleans(),
    four=st.booleans(),
)
def test_rows_lead_back_to_arrays_and_tables(
    n: int, classes: int, seed: int, held_apart: bool, four: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each row, and each line of a table with blank lines and quoted breaks, holds the label that is doubted."""
    tmp_path = tmp_path_factory.mktemp("rows")
    g = np.random.default_rng(seed)
    x, y = g.normal(size=(n, 3)), np.concatenate([np.arange(classes), g.integers(classes, size=n - classes)])
    other = {"x_test": x[:5], "y_test": np.arange(5) % classes} if held_apart else {}
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, **other)
    names = np.array(["=one", "two", "-3b", "four"])[:classes]
    lines, at = ["a,b,note,answer"], []
    for row, label in zip(x, y, strict=True):
        lines += [""] * int(g.integers(2)) + [f'{row[0]},{row[1]},"{"x" if row[2] > 0 else "y"}\n",{names[label]}']
        at.append("\n".join(lines).count("\n") + 1)
    (tmp_path / "own.csv").write_text("\n".join(lines) + "\n")
    for name, target in (("own.npz", None), ("own.csv", "answer")):
        task = load_task(str(tmp_path / name), tmp_path, target=target, kind="classification", eval_split=four)
        rows = read(to_csv(undoubted(task, classes)))
        assert len({row["row"] for row in rows}) == len(task.train.y) == len(rows)
        for row in rows:
            place = int(row["row"])
            assert from_cell(row["label"]) == str(y[place] if target is None else names[y[place]])
            assert target is None or int(row["line"]) == at[place]
        inputs = task.encoding.scale.back(task.train.x)[:, 0]
        np.testing.assert_allclose(inputs.numpy(), x[task.rows, 0], atol=1e-5)


def test_files_of_pictures_are_named(tmp_path: Path) -> None:
    g = np.random.default_rng(0)
    for i in range(40):
        path = tmp_path / "photos" / "train" / ("cat" if i % 2 else "dog") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(g.integers(0, 256, (6, 6, 3)).astype(np.uint8)).save(path)
    task = load_task(str(tmp_path / "photos"), tmp_path)
    raw = task.encoding.scale.back(task.train.x)
    rows = read(to_csv(undoubted(task, 2)))
    for row, pixels in zip(reversed(rows), raw, strict=True):  # scores rise with the rows of train
        found = np.asarray(Image.open(tmp_path / "photos" / row["file"]))
        np.testing.assert_allclose(found.transpose(2, 0, 1), pixels.numpy(), atol=1e-3)
        assert row["label"] in row["file"]


def test_a_task_of_ones_own_has_rows_of_train_alone(tmp_path: Path) -> None:
    task = load_task("digits", tmp_path)
    bare = lfl.Task("own", task.encoding, Split(*task.train), task.valid, task.test, task.defaults)
    assert set(read(to_csv(undoubted(bare, 10), 3))[0]) >= {"rank", "row of train", "label"}


def test_top_cuts_and_numbers_survive(tmp_path: Path) -> None:
    ranked = undoubted(load_task("digits", tmp_path), 10)
    rows = read(to_csv(ranked, 5))
    assert len(rows) == 5
    order = ranked.found.order[:5]
    assert [float(row["score"]) for row in rows] == ranked.found.scores[order].tolist()
    assert [int(row["row"]) for row in rows] == ranked.task.rows[order].tolist()
    assert len(read(to_csv(ranked, 10**6))) == len(ranked.rows)
