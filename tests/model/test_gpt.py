"""The transformer: no position sees what follows it, and it differentiates twice and in forward mode."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lfl
from lfl.errors import UserError
from lfl.model import build_model
from lfl.model.gpt import Block, CausalAttention, gpt

VOCABULARY, CONTEXT = 7, 5
BY_HAND = lfl.in_layout(lfl.cross_entropy, "last")


def small(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    model = gpt((CONTEXT,), VOCABULARY, layers=2, heads=2, width=8, dropout=dropout).double()
    for parameter in model.parameters():  # far from the nearly linear start
        nn.init.normal_(parameter, std=0.4)
    return model


def ids(seed: int, batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.randint(VOCABULARY, (batch, CONTEXT + 1), generator=torch.Generator().manual_seed(seed))
    return drawn[:, :-1], drawn[:, 1:]


def meta_gradient(model: nn.Module, form: str, horizon: int = 1, masks: bool = False) -> tuple[Any, Any]:
    """Phi's gradient and the next theta of a step on the true-class loss in float64."""
    theta, _, apply_fn = lfl.functional(model)
    phi, loss_fn = lfl.true_class_loss("classification", gain=1.0, generator=torch.Generator().manual_seed(1))
    phi = {name: t.double() for name, t in phi.items()}
    specs = lfl.mask_specs(apply_fn, theta, ids(0)[0])
    drawn = lambda seed: (lfl.draw_masks(specs, torch.Generator().manual_seed(seed)),) if masks else ()  # noqa: E731
    theta, after, _, _ = lfl.meta_step(
        theta,
        phi,
        [(*ids(k), *drawn(k)) for k in range(horizon)],
        (*ids(9), *drawn(9)),
        apply_fn=apply_fn,
        loss_fn=lfl.in_layout(loss_fn, "last"),
        task_loss=BY_HAND,
        inner=lfl.adam(0.1) if masks else lfl.sgd(0.5),
        outer=lfl.sgd(1.0),
        hypergradient=form,
    )
    return theta, {name: phi[name] - after[name] for name in phi}


def test_a_later_character_changes_no_earlier_output() -> None:
    model, (x, _) = small(), ids(0)
    for place in range(CONTEXT):
        changed = x.clone()
        changed[:, place] = (x[:, place] + 1) % VOCABULARY
        before, after = model(x), model(changed)
        assert torch.equal(before[:, :place], after[:, :place])
        assert not torch.allclose(before[:, place], after[:, place])
    torch.testing.assert_close(model(x[:, :2]), model(x)[:, :2])


def test_attention_is_torch_s_own() -> None:
    torch.manual_seed(0)
    own, x = CausalAttention(8, 2), torch.randn(3, 5, 8)
    q, k, v = (t.view(3, 5, 2, 4).transpose(1, 2) for t in own.qkv(x).split(8, -1))
    wanted = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(3, 5, 8)
    torch.testing.assert_close(own(x), own.out(wanted))


def test_a_block_is_torch_s_pre_norm_layer() -> None:
    torch.manual_seed(0)
    block, like = Block(8, 2), nn.TransformerEncoderLayer(8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True)
    pairs = {
        "self_attn.in_proj_": "attention.qkv.",
        "self_attn.out_proj.": "attention.out.",
        "linear1.": "feed_forward.0.",
        "linear2.": "feed_forward.2.",
        "norm1.": "attention_norm.",
        "norm2.": "feed_forward_norm.",
    }
    state = block.state_dict()
    like.load_state_dict({a + end: state[b + end] for a, b in pairs.items() for end in ("weight", "bias")})
    x = torch.randn(3, 5, 8)
    mask = torch.full((5, 5), -torch.inf).triu(1)
    torch.testing.assert_close(block(x), like(x, src_mask=mask, is_causal=True))


def test_phi_s_gradient_is_that_of_finite_differences() -> None:
    theta_0, _, apply_fn = lfl.functional(small())
    phi, loss_fn = lfl.true_class_loss("classification", gain=1.0, generator=torch.Generator().manual_seed(1))
    phi, loss_fn = {name: t.double() for name, t in phi.items()}, lfl.in_layout(loss_fn, "last")

    def after_a_step(phi: Any) -> float:
        def trained(theta: Any) -> torch.Tensor:
            return loss_fn(phi, apply_fn(theta, {}, ids(0)[0])[0], ids(0)[1]).mean()

        slope = torch.func.grad(trained)(theta_0)
        theta = {name: theta_0[name] - 0.5 * slope[name] for name in theta_0}
        return float(BY_HAND(apply_fn(theta, {}, ids(9)[0])[0], ids(9)[1]).mean())

    _, found = meta_gradient(small(), "mixed")
    for name in phi:
        step = 1e-5 * torch.randn(phi[name].shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        by_hand = (after_a_step(phi | {name: phi[name] + step}) - after_a_step(phi | {name: phi[name] - step})) / 2
        torch.testing.assert_close(float((found[name] * step).sum()), by_hand, rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize(("horizon", "masks"), [(1, False), (2, False), (1, True)])
def test_both_exact_forms_agree(horizon: int, masks: bool) -> None:
    model = small(0.2 if masks else 0.0)
    one, other = (meta_gradient(model, form, horizon, masks) for form in ("mixed", "unroll"))
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)


def test_gpt_mini_has_its_stated_size_and_starts_near_even_odds() -> None:
    model, width = build_model("gpt-mini", (128,), 100), 128
    blocks = 4 * (12 * width**2 + 13 * width)  # weights; biases and norms
    wanted = blocks + (100 + 128) * width + 2 * width + 100 * width
    assert sum(p.numel() for p in model.parameters()) == wanted == 835_328
    loss = BY_HAND(model(torch.arange(100)[None]), torch.arange(100)[None])
    assert float(loss.detach()) == pytest.approx(4.605, abs=0.2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gpt((1, 8, 8), 10), r"row of ids, \[context\].*got inputs \[1, 8, 8\]"),
        (lambda: gpt((8,), 10, heads=3, width=8), "multiple of its heads, got 4 blocks of 3 heads, 8 wide"),
        (lambda: small()(torch.zeros(1, CONTEXT)), "reads ids, whole numbers, got torch.float32"),
        (lambda: small()(torch.zeros(1, 6, dtype=torch.long)), "at most 5 ids, got 6"),
    ],
)
def test_what_it_cannot_read_is_refused(make: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()
