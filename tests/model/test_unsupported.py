"""What cannot be differentiated twice is named, with a way out that works."""

import contextlib
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

import lfl

WIDTH = 8


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.line, self.reentrant = nn.Linear(WIDTH, WIDTH), reentrant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return checkpoint(self.line, x, use_reentrant=self.reentrant)


class Classifier(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(WIDTH, WIDTH), block])
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))


def step(block: nn.Module) -> lfl.Info:
    g = torch.Generator().manual_seed(0)
    theta, _, apply_fn = lfl.functional(Classifier(block))
    phi, loss_fn = lfl.loss_network("classification", generator=g)
    batch = torch.randn(4, 5, WIDTH, generator=g), torch.randint(3, (4,), generator=g)
    *_, info = lfl.meta_step(
        theta,
        phi,
        batch,
        batch,
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        task_loss=lfl.cross_entropy,
        inner=lfl.sgd(0.1),
        outer=lfl.adam(0.1),
    )
    return info


def test_fused_attention_is_named_and_the_way_out_works() -> None:
    with pytest.raises(
        lfl.UserError, match=r"module 'blocks\.1' \(Attention\) uses scaled_dot_product.*SDPBackend\.MATH"
    ):
        step(Attention())
    with sdpa_kernel(SDPBackend.MATH):
        assert step(Attention()).phi_grad_norm > 0


@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing_is_named(reentrant: bool) -> None:
    with pytest.raises(lfl.UserError, match=r"module 'blocks\.1' \(Checkpointed\) uses .*checkpointing.*switch"):
        step(Checkpointed(reentrant))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTM(WIDTH, WIDTH, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cell(x)[0]


def test_recurrent_layers_run_on_the_cpu() -> None:
    assert step(Recurrent()).phi_grad_norm > 0


def test_cudnn_recurrent_layers_are_put_into_words() -> None:
    """torch's own text for cuDNN RNNs, which only a GPU raises, as it reaches `explain`."""
    theta, buffers, apply_fn = lfl.functional(Classifier(Recurrent()))
    text = (
        "the derivative for '_cudnn_rnn_backward' is not implemented: Double backwards is not supported for "
        "CuDNN RNNs due to limitations in the CuDNN API."
    )
    x = torch.zeros(2, 5, WIDTH)
    explained = lfl.model.unsupported.explain(NotImplementedError(text), apply_fn, theta, buffers, [(x,)])
    assert "cudnn_rnn" in str(explained)
    assert "torch.backends.cudnn.flags(enabled=False)" in str(explained)


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        step(nn.Linear(WIDTH + 1, WIDTH))


class Noisy(nn.Module):
    def __init__(self, noise: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.noise = noise

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.noise(x)


@pytest.mark.parametrize("noise", [lambda x: x + torch.randn_like(x), lambda x: F.dropout(x, 0.5)])
def test_hidden_random_draws_are_refused(noise) -> None:
    with torch.random.fork_rng(), pytest.raises(lfl.UserError, match="draws random numbers inside"):
        step(Noisy(noise))


def test_the_models_own_code_is_not_left_with_hooks() -> None:
    theta, buffers, apply_fn = lfl.functional(Classifier(Attention()))
    with contextlib.suppress(lfl.UserError):
        step(Attention())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in apply_fn.training_code.modules())
    del theta, buffers
