"""Exported programs give what the loss gives, for batches and numbers of outputs they were not made with."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import lfl
from lfl.choices import EXPORTS, REDUCTIONS
from lfl.export import FixedLoss
from lfl.export.programs import export_loss, onnx_program, torch_program
from lfl.loss import REPRESENTATIONS
from lfl.randomness import generator

from .test_fixed_loss import batch_of

SIZES = {"classification": [(1, 2), (1, 3), (5, 2), (7, 10), (3, 40)], "regression": [(1, 1), (1, 3), (5, 2), (7, 10)]}


def drawn(kind: str, reduction: str = "mean", representation: str = "network") -> FixedLoss:
    phi, loss_fn = REPRESENTATIONS[representation](kind, generator=generator(0, "phi"))
    return FixedLoss(loss_fn, phi, reduction=reduction)


def differentiated(loss, outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    leaf = outputs.clone().requires_grad_()
    value = loss(leaf, targets)
    return value.detach(), torch.autograd.grad(value.sum(), leaf)[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_torch_program_has_the_values_and_the_gradient(kind: str, reduction: str) -> None:
    loss = drawn(kind, reduction)
    program = torch.export.load(io.BytesIO(torch_program(loss))).module()
    for size, width in SIZES[kind]:
        batch = batch_of(kind, size, width)
        for found, expected in zip(differentiated(program, *batch), differentiated(loss, *batch), strict=True):
            torch.testing.assert_close(found, expected)
    if kind == "classification":
        logits, ids = batch_of(kind)
        ids[2] = -100
        torch.testing.assert_close(program(logits, ids), loss(logits, ids))
        with pytest.raises(Exception, match="out of bounds"):  # one logit wants a sigmoid, which the program lacks
            program(logits[:, :1], torch.ones_like(ids))


@pytest.mark.slow
def test_a_torch_program_trains_where_there_is_no_lfl(tmp_path: Path) -> None:
    (tmp_path / "loss.pt2").write_bytes(torch_program(drawn("regression")))
    code = """
import sys, torch
sys.modules["lfl"] = None
loss = torch.export.load("loss.pt2").module()
w = torch.ones(3, 1, requires_grad=True)
optimiser = torch.optim.SGD([w], 0.1)
for _ in range(3):
    optimiser.zero_grad()
    loss(torch.ones(4, 3) @ w, torch.zeros(4, 1)).backward()
    optimiser.step()
print(w[0, 0].item())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    w = torch.ones(3, 1, requires_grad=True)
    for _ in range(3):
        (slope,) = torch.autograd.grad(drawn("regression")(torch.ones(4, 3) @ w, torch.zeros(4, 1)), w)
        w = (w - 0.1 * slope).detach().requires_grad_()
    assert float(done.stdout) == pytest.approx(w[0, 0].item(), rel=1e-6)
    assert w[0, 0].item() != 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "reduction", "representation"),
    [
        ("classification", "mean", "network"),
        ("regression", "none", "network"),
        ("regression", "mean", "relu-softplus"),
        ("classification", "none", "taylor-cubic"),
    ],
)
def test_an_onnx_model_has_the_values(kind: str, reduction: str, representation: str) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    loss = drawn(kind, reduction, representation)
    session = runtime.InferenceSession(onnx_program(loss), providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["outputs", "targets"]
    assert session.get_inputs()[0].shape == ["batch", "width"]
    for size, width in SIZES[kind]:
        outputs, targets = batch_of(kind, size, width)
        (found,) = session.run(None, {"outputs": outputs.numpy(), "targets": targets.numpy()})
        np.testing.assert_allclose(found, loss(outputs, targets).numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_programs_are_the_same_each_time_and_name_no_files_of_ours() -> None:
    loss = drawn("classification")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    for make in (torch_program, onnx_program):
        content = make(loss)
        assert content == make(loss)
        assert not re.search(rb"\.py\b|" + re.escape(str(Path(lfl.__file__).parent).encode()), content)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(lfl.Failure, match=r"onnx.*pip install 'lfl\[onnx\]'"):
        onnx_program(drawn("classification"))


NEW = [
    ("residual", "classification"),
    ("weight-net", "classification"),
    ("true-class", "classification"),
    ("vector-scaling", "classification"),
    ("residual", "regression"),
    ("weight-net", "regression"),
]


def drawn_for_ten(name: str, kind: str) -> FixedLoss:
    phi, loss_fn = REPRESENTATIONS[name](kind, num_outputs=10, generator=generator(0, "phi"))
    g = generator(1, "phi")
    return FixedLoss(loss_fn, {key: t + 0.1 * torch.randn(t.shape, generator=g) for key, t in phi.items()})


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), NEW)
def test_programs_of_the_losses_that_start_from_a_base(name: str, kind: str) -> None:
    loss = drawn_for_ten(name, kind)
    program = torch.export.load(io.BytesIO(torch_program(loss))).module()
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(onnx_program(loss))
    of_ten_alone = getattr(loss.loss_fn, "num_outputs", None) is not None
    for size, width in [(1, 10), (7, 10)] + ([] if of_ten_alone else [(5, 3), (3, 40)]):
        outputs, targets = batch_of(kind, size, width)
        if kind == "classification" and size > 1:
            targets[0] = -100
        expected = differentiated(loss, outputs, targets)
        for found, wanted in zip(differentiated(program, outputs, targets), expected, strict=True):
            torch.testing.assert_close(found, wanted)
        (value,) = session.run(None, {"outputs": outputs.numpy(), "targets": targets.numpy()})
        torch.testing.assert_close(torch.tensor(value), expected[0], rtol=1e-4, atol=1e-5)


def test_what_no_program_can_hold_is_told() -> None:
    def branches(phi, outputs, targets):
        scale = 2.0 if float(outputs.mean()) > 0 else 1.0
        return scale * phi["a"] * outputs[:, 0]

    loss = FixedLoss(lfl.ExampleLoss(branches, "classification"), {"a": torch.ones(())})
    with pytest.raises(lfl.UserError, match="cannot be written as a program"):
        torch_program(loss)


@pytest.mark.slow
def test_by_default_a_file_lies_in_the_run_folder(runs: dict[str, Path]) -> None:
    path = export_loss(runs["classification"], "torch")
    assert path == runs["classification"] / "loss.pt2"
    batch = batch_of("classification")
    torch.testing.assert_close(torch.export.load(path).module()(*batch), lfl.load_loss(runs["classification"])(*batch))
    path.unlink()


def test_a_formula_is_written_as_text_into_new_folders(runs: dict[str, Path], tmp_path: Path) -> None:
    path = export_loss(runs["regression"], "sympy", tmp_path / "a" / "b" / "loss.txt")
    text = path.read_text()
    assert text.startswith(f"the loss of {runs['regression']}")
    assert text.count("python  lambda e: ") == text.count("latex ") == text.count("sympy ") == 1
    assert [p.name for p in path.parent.iterdir()] == ["loss.txt"]
    assert export_loss(runs["regression"], "sympy", path).read_text() == text


@pytest.mark.parametrize("to", [to for to in EXPORTS if to != "folder"])
def test_paths_that_cannot_be_files_are_named(to: str, runs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(lfl.UserError, match="beneath a file"):
        export_loss(runs["regression"], to, tmp_path / "file" / "a" / "loss")
    with pytest.raises(lfl.UserError, match="is a folder"):
        export_loss(runs["regression"], to, tmp_path)
    with pytest.raises(lfl.UserError, match="choose one of: torch, onnx, sympy"):
        export_loss(runs["regression"], "tensorflow", tmp_path / "loss")
    assert [p.name for p in tmp_path.rglob("*")] == ["file"]


def test_a_disk_that_refuses_is_a_failure(runs: dict[str, Path]) -> None:
    with pytest.raises(lfl.Failure, match=r"cannot write /proc/loss\.txt .*choose another -o"):
        export_loss(runs["regression"], "sympy", Path("/proc/loss.txt"))
