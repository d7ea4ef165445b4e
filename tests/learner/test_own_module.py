"""The user's module as trees; changes of it that a learner cannot follow are errors."""

import pytest
import torch
from torch import nn

import lfl
from lfl.learner.own_module import OwnModule

from .cases import batch, made


def test_reads_and_writes_the_very_tensors() -> None:
    module = made("batch norm")
    own = OwnModule(module, None)
    theta, buffers = own.read()
    assert {n: p.data_ptr() for n, p in module.named_parameters()} == {n: t.data_ptr() for n, t in theta.items()}
    assert {n: b.data_ptr() for n, b in module.named_buffers()} == {n: t.data_ptr() for n, t in buffers.items()}
    own.write({n: t + 1 for n, t in theta.items()}, {n: t + 2 for n, t in buffers.items()})
    fresh = made("batch norm")
    assert all(torch.equal(p, dict(fresh.named_parameters())[n] + 1) for n, p in module.named_parameters())
    assert all(torch.equal(b, dict(fresh.named_buffers())[n] + 2) for n, b in module.named_buffers())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.to("meta"), "was on cpu when the learner was made, got it on meta; move the module first"),
        (lambda m: m.double(), r"of torch\.float32, trainable, when the learner was made, got .*torch\.float64"),
        (lambda m: m[1].requires_grad_(False), r"1\.weight was .* trainable, .* frozen; make a new lfl\.Learner"),
        (
            lambda m: setattr(m[1], "weight", nn.Parameter(torch.zeros(2, 16))),
            r"1\.weight was \[8, 16\].* got \[2, 16\]",
        ),
        (lambda m: delattr(m[1], "bias"), r"1\.bias is no longer in the module"),
    ],
)
def test_a_changed_module_is_refused(change, words: str) -> None:
    module = made("plain")
    learner = lfl.Learner(module, num_outputs=3)
    change(module)
    with pytest.raises(lfl.UserError, match=words):
        learner.step(batch(0), batch(0, 1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: made("plain").requires_grad_(False), "no trainable parameter"),
        (lambda: made("plain").half(), "must be float32 or float64, got 1.weight of torch.float16"),
        (lambda: nn.Sequential(made("plain"), nn.Linear(3, 3, device="meta")), "on one device, got cpu, meta"),
        (lambda: torch.compile(made("plain")), "compiled; give the module"),
        (lambda: 3, "takes a torch.nn.Module, got int"),
    ],
)
def test_a_module_that_cannot_be_trained_is_refused(make, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        lfl.Learner(make())


def test_what_shares_memory_with_the_module_is_copied() -> None:
    module = made("plain")
    own = OwnModule(module, None)
    theta, _ = own.read()
    other = torch.ones(3)
    apart = own.kept_apart({"theta": theta["1.weight"][0], "other": other, "count": 3, "none": None})
    assert apart["other"] is other
    assert (apart["count"], apart["none"]) == (3, None)
    assert apart["theta"].untyped_storage().data_ptr() != module[1].weight.untyped_storage().data_ptr()
    assert torch.equal(apart["theta"], module[1].weight[0])
