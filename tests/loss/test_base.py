"""A hand-made loss by name, by a user's own function, or as it is."""

from pathlib import Path

import pytest
import torch

import lfl
from lfl.loss import base_loss

OWN = """
import torch
def half(outputs, targets):
    return torch.nn.functional.cross_entropy(outputs, targets, reduction="none") / 2
def mean(outputs, targets):
    return torch.nn.functional.cross_entropy(outputs, targets)
def fails(outputs, targets):
    raise KeyError("no such thing")
number = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_bases.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)


def test_by_name_by_function_and_by_default() -> None:
    assert base_loss("classification", None) is lfl.cross_entropy
    assert base_loss("regression", None) is lfl.absolute_error
    assert base_loss("regression", "huber") is lfl.huber
    assert base_loss("regression", abs) is abs


def test_a_user_s_own(own: None) -> None:
    f, y = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])
    found = base_loss("classification", "own_bases:half", num_outputs=3)
    torch.testing.assert_close(found(f, y), lfl.cross_entropy(f, y) / 2)
    phi, loss_fn = lfl.residual_loss(
        "classification", base="own_bases:half", exact=True, generator=torch.Generator().manual_seed(0)
    )
    y[1] = -100  # which the user's own need not know
    torch.testing.assert_close(loss_fn(phi, f, y), lfl.cross_entropy(f, y) / 2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere_at_all:f", "cannot be imported"),
        ("own_bases:missing", "cannot be imported"),
        ("own_bases:number", "must be a function of outputs and targets"),
        ("own_bases:mean", r"must return a loss for each example, \[2\], got \[\] of torch.float32"),
        ("own_bases:fails", "raised KeyError: 'no such thing'"),
        ("unknown", "choose one of: cross-entropy.*MODULE:FUNCTION"),
    ],
)
def test_what_cannot_be_is_told(name: str, words: str, own: None) -> None:
    with pytest.raises(lfl.UserError, match=words):
        base_loss("classification", name, num_outputs=3)
