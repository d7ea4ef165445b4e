"""Runs that learn a formula: resumed, loaded, trained on again, shared and exported like any learned loss."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import lfl
from lfl.export.programs import export_loss, onnx_program, torch_program
from lfl.loss import formula_of

from .test_fixed_loss import batch_of
from .test_programs import SIZES, differentiated

FORMULA = {"classification": "abs(log(1.1*y*f))", "regression": "sqrt(square(y - f) + 0.01) + max(0.1*f, div(f, y))"}
SHORT: dict[str, Any] = {"model": "logistic", "steps": 20, "offline_steps": 5, "outer_lr": 1e-2}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("formula") / "run"
    return lfl.train("digits", method="adalfl", loss=FORMULA["classification"], out=out, **SHORT).folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_torch_program_has_the_values_and_the_gradient(kind: Any) -> None:
    phi, loss_fn = lfl.symbolic_loss(FORMULA[kind], kind)
    loss = lfl.FixedLoss(loss_fn, phi)
    program = torch.export.load(io.BytesIO(torch_program(loss))).module()
    for size, width in SIZES[kind]:
        batch = batch_of(kind, size, width)
        for found, expected in zip(differentiated(program, *batch), differentiated(loss, *batch), strict=True):
            torch.testing.assert_close(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_an_onnx_model_has_the_values(kind: Any) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    phi, loss_fn = lfl.symbolic_loss(FORMULA[kind] + " + 0.1*sign(f)*tanh(y)*min(y, f)", kind)
    loss = lfl.FixedLoss(loss_fn, phi, reduction="none")
    session = runtime.InferenceSession(onnx_program(loss), providers=["CPUExecutionProvider"])
    for size, width in SIZES[kind]:
        outputs, targets = batch_of(kind, size, width)
        (found,) = session.run(None, {"outputs": outputs.numpy(), "targets": targets.numpy()})
        np.testing.assert_allclose(found, loss(outputs, targets).numpy(), rtol=1e-5, atol=1e-6)


def test_a_run_learns_the_weights_and_is_loaded(run: Path) -> None:
    assert json.loads((run / "config.json").read_text())["loss"] == FORMULA["classification"]
    loss = lfl.load_loss(run)
    weights = load_file(run / "phi.safetensors")["weights"]
    assert torch.equal(loss.current_phi()["weights"], weights)
    assert not torch.equal(weights, torch.tensor([1.0, 1.0, 1.1, 1.0]))
    formula = formula_of(loss.loss_fn, loss.current_phi())
    assert formula is not None
    assert formula.weights == tuple(weights.double().tolist())


def test_a_run_from_elsewhere_needs_no_trust_for_a_formula(run: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(run, tmp_path / "copied")
    assert lfl.load_loss(copied).current_phi()["weights"].shape == (4,)
    assert lfl.load_run(copied).loss()(torch.zeros(2, 3), torch.tensor([0, 2])).isfinite()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ml3", "adalfl+lr", "residual", "meta-lr", "baseline"])
def test_every_method_trains_with_a_formula(method: str, tmp_path: Path) -> None:
    made = lfl.train("digits", method=method, loss=FORMULA["classification"], out=tmp_path / "run", **_of(method))
    assert 0 <= made.result.test_error < 0.95


@pytest.mark.slow
def test_a_formula_is_the_base_of_residual(tmp_path: Path) -> None:
    made = lfl.train("diabetes", method="residual", base="abs(y - f)", out=tmp_path / "a", model="logistic", steps=20)
    same = lfl.train(
        "diabetes", method="residual", base="absolute-error", out=tmp_path / "b", model="logistic", steps=20
    )
    assert json.loads((tmp_path / "a" / "config.json").read_text())["base"] == "abs(y - f)"
    assert made.result.test_error == pytest.approx(same.result.test_error, rel=1e-4)
    assert lfl.load_loss(tmp_path / "a").loss_fn.base is not None


@pytest.mark.slow
def test_another_run_trains_on_it_and_it_is_shared(run: Path, tmp_path: Path) -> None:
    folder = export_loss(run, "folder", tmp_path / "shared")
    assert f"Form: `{FORMULA['classification']}`; 4 numbers." in (folder / "README.md").read_text()
    assert torch.equal(lfl.load_loss(folder).current_phi()["weights"], lfl.load_loss(run).current_phi()["weights"])
    errors = [
        lfl.train(
            "digits", method="fixed", loss_from=source, model="logistic", steps=20, out=tmp_path / name
        ).result.test_error
        for name, source in (("a", run), ("b", folder))
    ]
    assert errors[0] == errors[1]
    assert r"\ell(1, f) = " in export_loss(run, "latex", tmp_path / "loss.tex").read_text()
    assert "every digit: abs(" in export_loss(run, "sympy", tmp_path / "loss.txt").read_text()


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("f+" * 20_000 + "f", "letters"),
        ("abs(" * 150 + "f" + ")" * 150, "100 parentheses"),
        ("abs(log(y*g))", "unknown name 'g'"),
        ("square(y)", "lacks f"),
        ("square(f)", "weights"),
    ],
    ids=["long", "deep", "mistyped", "without f", "other weights"],
)
def test_a_folder_with_a_hostile_formula_is_refused(loss: str, words: str, run: Path, tmp_path: Path) -> None:
    """What another person's folder says is read by lfl's reader alone, within limits."""
    shared = tmp_path / "shared"
    lfl.load_loss(run).save_pretrained(shared)
    config = json.loads((shared / "config.json").read_text())
    (shared / "config.json").write_text(json.dumps(config | {"loss": loss}))
    with pytest.raises(lfl.UserError, match=words):
        lfl.load_loss(shared)


@pytest.mark.parametrize(("where", "method"), [("loss", "baseline"), ("loss", "ml3"), ("base", "residual")])
def test_a_mistyped_formula_shows_the_place(where: str, method: str, tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match=r"position 5: unknown name 'lg' \(is it log\?\)"):
        lfl.train("digits", method=method, model="logistic", out=tmp_path / "run", **{where: "abs(lg(f))"})
    assert not (tmp_path / "run").exists()


def _of(method: str) -> dict[str, Any]:
    return {"model": "logistic", "steps": 20} | ({} if method == "baseline" else {"offline_steps": 5})
