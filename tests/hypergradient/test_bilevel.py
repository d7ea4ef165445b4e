"""A pass over a batch: noise from a seed, and outputs that are not a tensor, against plain autograd on a deep copy."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves

import lfl
from lfl.randomness import generator

from .cases import RECORDER

LR = 0.3


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 6, num_layers=2, dropout=0.5, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class Encoder(nn.Module):
    def __init__(self, batch_first: bool = False) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.3, batch_first=batch_first)
        self.embed, self.encoder = nn.Linear(5, 8), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head, self.batch_first = nn.Linear(8, 3), batch_first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        return self.head(self.encoder(x).mean(1) if self.batch_first else self.encoder(x.transpose(0, 1)).mean(0))


class Noisy(nn.Module):
    """Noise by functions that no mask reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(20, 8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.first(x.flatten(1)))
        return self.head(h + 0.5 * torch.randn_like(h) * torch.rand(h.shape[0], 1).to(h))


def transformers_model(kind: str) -> nn.Module:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    small = {"vocab_size": 11, "attn_implementation": "eager"}
    if kind == "gpt2":
        config = transformers.GPT2Config(
            **small, n_positions=8, n_embd=8, n_layer=2, n_head=2, num_labels=3, pad_token_id=0, use_cache=False
        )
        return transformers.GPT2ForSequenceClassification(config)
    config = transformers.BertConfig(
        **small, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, num_labels=3
    )
    return transformers.BertForSequenceClassification(config)


class Logits(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x).logits


NOISY: dict[str, Callable[[], nn.Module]] = {
    "lstm": Recurrent,
    "encoder": Encoder,
    "noise": Noisy,
    "gpt2": lambda: Logits(transformers_model("gpt2")),
    "bert": lambda: Logits(transformers_model("bert")),
}


def build(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().double().train()


def batches(name: str, count: int) -> list[tuple[Any, Any]]:
    g = generator(0, name)
    words = name in {"gpt2", "bert"}

    def x() -> torch.Tensor:
        return (
            torch.randint(1, 11, (6, 5), generator=g)
            if words
            else torch.randn(6, 4, 5, generator=g, dtype=torch.float64)
        )

    return [(x(), torch.randint(3, (6,), generator=g)) for _ in range(count)]


def learned() -> tuple[Any, Any]:
    return lfl.loss_network("classification", gain=2.0, generator=generator(0, "phi"), dtype=torch.float64)


def by_hand(
    module: nn.Module, phi: Any, train: list[Any], valid: Any, *, loss_fn: Any, task_loss: Any
) -> list[torch.Tensor]:
    """The gradient of phi by autograd's double backward, on a deep copy, each pass after `torch.manual_seed`."""
    module = copy.deepcopy(module)
    phi = {name: t.clone().requires_grad_() for name, t in phi.items()}
    theta = dict(module.named_parameters())

    def outputs(theta: Any, batch: Any) -> Any:
        if len(batch) > 2:
            torch.manual_seed(batch[2])
        return torch.func.functional_call(module, theta, (batch[0],))

    with torch.random.fork_rng():
        for batch in train:
            loss = loss_fn(phi, outputs(theta, batch), batch[1]).mean()
            grads = torch.autograd.grad(loss, list(theta.values()), create_graph=True, allow_unused=True)
            theta = {name: p if g is None else p - LR * g for (name, p), g in zip(theta.items(), grads, strict=True)}
        loss = task_loss(outputs(theta, valid), valid[1]).mean()
        return list(torch.autograd.grad(loss, list(phi.values())))


def by_lfl(module: nn.Module, phi: Any, train: Any, valid: Any, form: str, *, loss_fn: Any, task_loss: Any) -> Any:
    theta, _, apply_fn = lfl.functional(module)
    return tree_leaves(
        lfl.meta_step(
            theta,
            phi,
            train,
            valid,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=task_loss,
            inner=lfl.sgd(LR),
            outer=RECORDER,
            hypergradient=form,
        )[2].outer
    )


def distance(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    """Relative, over all leaves together."""
    difference, size = (
        torch.cat([t.flatten() for t in tree]) for tree in ([x - y for x, y in zip(a, b, strict=True)], b)
    )
    return float(difference.norm() / size.norm())


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("name", NOISY)
def test_a_seed_gives_every_pass_the_same_noise_and_leaves_torchs_state_alone(name: str, steps: int) -> None:
    module = build(NOISY[name])
    phi, loss_fn = learned()
    losses = {"loss_fn": loss_fn, "task_loss": lfl.cross_entropy}
    *train, valid = [(x, y, 100 + i) for i, (x, y) in enumerate(batches(name, steps + 1))]
    with sdpa_kernel(SDPBackend.MATH):
        expected = by_hand(module, phi, train, valid, **losses)
        other = by_hand(module, phi, [(x, y, s + 7) for x, y, s in train], valid, **losses)
        before = torch.random.get_rng_state()
        unrolled, mixed = (by_lfl(module, phi, train, valid, form, **losses) for form in ("unroll", "mixed"))
    assert torch.equal(before, torch.random.get_rng_state())
    assert distance(unrolled, expected) < 1e-14
    assert distance(mixed, unrolled) < 5e-15
    assert distance(other, expected) > 1e-3  # the noise matters


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("make", [Noisy, Recurrent, lambda: Encoder(batch_first=True)])
def test_a_seed_serves_every_form(make: Callable[[], nn.Module], steps: int) -> None:
    """Also where torch draws dropout in another order inside its transforms than outside, on transposed tensors."""
    phi, loss_fn = learned()
    *train, valid = [(x, y, 100 + i) for i, (x, y) in enumerate(batches("forms", steps + 1))]
    losses = {"loss_fn": loss_fn, "task_loss": lfl.cross_entropy}
    with sdpa_kernel(SDPBackend.MATH):
        exact, mixed, difference = (
            by_lfl(build(make), phi, train, valid, form, **losses) for form in ("unroll", "mixed", "finite-difference")
        )
        implicit, again = (by_lfl(build(make), phi, train, valid, "implicit", **losses) for _ in range(2))
    assert distance(mixed, exact) < 1e-14
    assert distance(difference, exact) < 1e-4
    assert distance(implicit, again) == 0.0


def test_a_function_of_a_users_own_gets_the_seed_or_runs_under_it() -> None:
    theta = {"w": torch.ones(3)}

    def plain(theta: Any, buffers: Any, x: torch.Tensor) -> Any:
        return theta["w"] * torch.rand(3), buffers

    def passing(theta: Any, buffers: Any, x: torch.Tensor, masks: Any = ()) -> Any:
        assert masks == 5
        return theta["w"] * torch.rand(3), buffers

    with torch.random.fork_rng():
        torch.manual_seed(5)
        expected = torch.rand(3)
    for function in (plain, passing):
        outputs, _ = lfl.hypergradient.forward(function, theta, {}, (torch.zeros(1), None, 5))
        assert torch.equal(outputs, expected)


class Branches(nn.Module):
    """Logits, an auxiliary head, class ids, and what is no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.main, self.side = nn.Linear(20, 8), nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> Any:
        h = torch.tanh(self.first(x.flatten(1)))
        logits = self.main(h)
        ids = logits.argmax(-1)
        return {"logits": logits, "side": (self.side(h), None), "ids": ids, "sure": logits.amax(-1) > 0.0, "scale": 0.5}


def of_branches() -> tuple[Any, dict[str, Any]]:
    phi, loss_fn = learned()

    def own_loss(phi: Any, outputs: Any, y: torch.Tensor) -> torch.Tensor:
        assert outputs["side"][1] is None
        side = loss_fn(phi, outputs["side"][0], y)
        return loss_fn(phi, outputs["logits"], y) + outputs["scale"] * torch.where(outputs["sure"], side, 0.1 * side)

    def own_task_loss(outputs: Any, y: torch.Tensor) -> torch.Tensor:
        return lfl.cross_entropy(outputs["logits"], y) + 0.1 * (outputs["ids"] == y)

    return phi, {"loss_fn": own_loss, "task_loss": own_task_loss}


@pytest.mark.parametrize("steps", [1, 2])
def test_losses_of_a_users_own_take_outputs_of_any_form(steps: int) -> None:
    module = build(Branches)
    phi, losses = of_branches()
    *train, valid = batches("branches", steps + 1)
    expected = by_hand(module, phi, train, valid, **losses)
    for form, error in (("unroll", 1e-14), ("mixed", 1e-14), ("finite-difference", 1e-4)):
        assert distance(by_lfl(module, phi, train, valid, form, **losses), expected) < error


def test_outputs_of_any_form_under_implicit() -> None:
    """As the same model whose logits alone are returned."""
    phi, loss_fn = learned()
    train, valid = batches("implicit", 2)
    module = build(lambda: nn.Sequential(nn.Flatten(), nn.Linear(20, 3)))

    class Dressed(nn.Sequential):
        def forward(self, x: torch.Tensor) -> Any:
            return {"logits": super().forward(x), "nothing": None}

    expected = by_lfl(module, phi, train, valid, "implicit", loss_fn=loss_fn, task_loss=lfl.cross_entropy)
    found = by_lfl(
        Dressed(*module),
        phi,
        train,
        valid,
        "implicit",
        loss_fn=lambda phi, outputs, y: loss_fn(phi, outputs["logits"], y),
        task_loss=lambda outputs, y: lfl.cross_entropy(outputs["logits"], y),
    )
    assert distance(found, expected) == 0.0


def test_hugging_faces_outputs_go_to_a_loss_of_ones_own() -> None:
    module = build(lambda: transformers_model("bert")).eval()
    for dropout in [m for m in module.modules() if isinstance(m, nn.Dropout)]:
        dropout.p = 0.0
    phi, loss_fn = learned()
    train, valid = batches("bert", 2)
    losses = {
        "loss_fn": lambda phi, outputs, y: loss_fn(phi, outputs.logits, y),
        "task_loss": lambda outputs, y: lfl.cross_entropy(outputs.logits, y),
    }
    expected = by_hand(module, phi, [train], valid, **losses)
    assert distance(by_lfl(module, phi, train, valid, "mixed", **losses), expected) < 1e-13


def test_outputs_that_a_loss_cannot_take_are_said_in_words() -> None:
    phi, loss_fn = learned()
    train, valid = batches("branches", 2)
    with pytest.raises(lfl.UserError, match=r"returns a dict, which the loss cannot take.*returns its logits alone"):
        by_lfl(build(Branches), phi, train, valid, "unroll", loss_fn=loss_fn, task_loss=lfl.cross_entropy)


class Odd(nn.Module):
    def __init__(self, extra: Any) -> None:
        super().__init__()
        self.line, self.extra = nn.Linear(20, 3), extra

    def forward(self, x: torch.Tensor) -> Any:
        logits = self.line(x.flatten(1))
        return (logits, self.extra) if self.extra is not None else {"ids": logits.argmax(-1)}


@pytest.mark.parametrize(
    ("extra", "words"),
    [(object(), r"returns a tuple with a object in it"), (None, r"without a tensor of real numbers")],
)
def test_outputs_that_hold_no_tensors_are_refused(extra: Any, words: str) -> None:
    phi, losses = of_branches()
    train, valid = batches("branches", 2)
    with pytest.raises(lfl.UserError, match=words):
        by_lfl(build(lambda: Odd(extra)), phi, train, valid, "mixed", **losses)


@pytest.mark.parametrize("form", ["unroll", "mixed"])
@pytest.mark.parametrize(
    ("model", "loss", "error"),
    [
        (torch.float64, torch.float32, 1e-12),
        (torch.float32, torch.float64, 1e-5),
        (torch.bfloat16, torch.float32, 3e-2),
        (torch.float16, torch.float32, 3e-3),
    ],
    ids=str,
)
def test_model_and_loss_may_have_different_precisions(
    model: torch.dtype, loss: torch.dtype, error: float, form: str
) -> None:
    """Against the same numbers in float64 by hand, to the rounding of the model."""
    module = build(lambda: nn.Sequential(nn.Flatten(), nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 3))).to(model)
    phi = {name: t.to(loss) for name, t in learned()[0].items()}
    losses = {"loss_fn": learned()[1], "task_loss": lfl.cross_entropy}
    train, valid = ((x.to(model), y) for x, y in batches("precision", 2))
    found = by_lfl(module, phi, train, valid, form, **losses)
    assert {t.dtype for t in found} == {loss}
    wide = [tuple(t.double() if t.is_floating_point() else t for t in batch) for batch in (train, valid)]
    wide_phi = {name: t.double() for name, t in phi.items()}
    expected = by_hand(copy.deepcopy(module).double(), wide_phi, wide[:1], wide[1], **losses)
    assert distance([t.double() for t in found], expected) < max(error, torch.finfo(loss).eps)
