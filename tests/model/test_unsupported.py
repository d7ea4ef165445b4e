"""What cannot be differentiated twice is named, with a way out that works."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

import lfl
from lfl.model.unsupported import explain

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


def step(block: nn.Module, hypergradient: str = "auto", num_steps: int = 1, dtype: torch.dtype = torch.float32) -> Any:
    """The gradient of phi."""
    g = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theta, _, apply_fn = lfl.functional(Classifier(block).to(dtype))
    phi, loss_fn = lfl.loss_network("classification", generator=g, dtype=dtype)
    batch = torch.randn(4, 5, WIDTH, generator=g, dtype=dtype), torch.randint(3, (4,), generator=g)
    return lfl.meta_step(
        theta,
        phi,
        [batch] * num_steps,
        batch,
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        task_loss=lfl.cross_entropy,
        inner=lfl.sgd(0.1),
        outer=lfl.sgd(1.0),
        hypergradient=hypergradient,
    )[1]


def test_attention_is_differentiated_by_its_mathematics() -> None:
    """No fused kernel has second derivatives; a step needs no word about it from the user, and both forms agree."""
    module = Attention()
    unrolled, mixed = (step(module, name, 2, torch.float64) for name in ("unroll", "mixed"))
    for name, found in mixed.items():
        torch.testing.assert_close(found, unrolled[name], rtol=1e-9, atol=1e-12)


class OwnKernel(Attention):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            return super().forward(x)


def test_a_kernel_that_the_model_chooses_is_named_with_the_way_out() -> None:
    with pytest.raises(lfl.NotDifferentiable, match=r"\(OwnKernel\) uses scaled_dot_product.*own .*sdpa_kernel out"):
        step(OwnKernel())


class Square(torch.autograd.Function):
    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        return x.square()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return 2.0 * ctx.saved_tensors[0] * grad


class Own(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Square.apply(x)


class Sampled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        where = torch.tanh(x)[..., :2].unsqueeze(1)
        return x * F.grid_sample(x[:, None], where, align_corners=False).squeeze(1).transpose(1, 2)


REFUSED = {
    "weight norm": (lambda: parametrizations.weight_norm(nn.Linear(WIDTH, WIDTH)), "_WeightNorm", "mixed", "unroll"),
    "own function": (Own, "Own", "mixed", "unroll"),
    "grid sampling": (Sampled, "Sampled", "mixed", "unroll"),
    "hard sigmoid": (nn.Hardsigmoid, "Hardsigmoid", "unroll", "mixed"),
}


@pytest.mark.parametrize("block", REFUSED)
def test_what_one_form_refuses_is_named_and_auto_takes_the_other(block: str) -> None:
    make, kind, refused, works = REFUSED[block]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = make()
    with pytest.raises(lfl.NotDifferentiable, match=rf"module 'blocks\.1.*\({kind}\).*hypergradient='{works}'"):
        step(module, refused)
    wanted = step(module, works)
    for name, found in step(module).items():
        assert torch.equal(found, wanted[name])


def test_through_several_steps_auto_takes_the_other_form_too() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = parametrizations.weight_norm(nn.Linear(WIDTH, WIDTH))
    wanted = step(module, "unroll", 2)
    for name, found in step(module, num_steps=2).items():
        assert torch.equal(found, wanted[name])


def test_what_no_form_can_do_is_not_blamed_on_the_choice_of_form() -> None:
    with pytest.raises(lfl.NotDifferentiable, match=r"\(Hardsigmoid\).*differentiate in forward mode; write it with"):
        step(nn.Hardsigmoid(), num_steps=2)


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
    assert any(bool(t.abs().sum() > 0) for t in step(Recurrent()).values())


def test_cudnn_recurrent_layers_are_put_into_words() -> None:
    """torch's own text for cuDNN RNNs, which only a GPU raises, as it reaches `explain`."""
    theta, buffers, apply_fn = lfl.functional(Classifier(Recurrent()))
    text = (
        "the derivative for '_cudnn_rnn_backward' is not implemented: Double backwards is not supported for "
        "CuDNN RNNs due to limitations in the CuDNN API."
    )
    x = torch.zeros(2, 5, WIDTH)
    explained = explain(NotImplementedError(text), apply_fn, theta, buffers, [(x,)])
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
    module = Classifier(nn.Hardsigmoid())
    theta, buffers, apply_fn = lfl.functional(module)
    refusal = NotImplementedError("the derivative for 'hardsigmoid_backward' is not implemented.")
    assert explain(refusal, apply_fn, theta, buffers, [(torch.zeros(2, 5, WIDTH),)]) is not None
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in apply_fn.training_code.modules())
