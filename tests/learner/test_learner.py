"""The learner against loops written by hand: bit for bit."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

import lfl
from lfl.loss import draw_loss
from lfl.randomness import generator
from lfl.training.compilation import compile_program

from .cases import MODULES, OPTIMISERS, batch, made

CPU = torch.device("cpu")


def with_masks(apply_fn: lfl.PureModule, theta: Any, given: tuple[torch.Tensor, ...], stream: str, step: int) -> Any:
    specs = lfl.mask_specs(apply_fn, theta, given[0])
    masks = lfl.draw_masks(specs, generator(0, f"learner {stream}", step))
    return (*given, masks) if masks else given


def by_hand(name: str, inner: lfl.Optimiser, steps: int, *, meta_every: int = 1, compiled: bool = False) -> Any:
    """A loop of lfl.meta_step and lfl.base_step over the same batches; returns theta, buffers, phi and the infos."""
    theta, _, apply_fn = lfl.functional(made(name))
    phi, loss_fn = draw_loss("residual", "classification", num_outputs=3, generator=generator(0, "phi_0"))
    outer = lfl.adam(1e-3)
    common = {"apply_fn": apply_fn, "task_loss": lfl.cross_entropy, "inner": inner}

    def meta(theta: Any, phi: Any, train: Any, valid: Any, carry: Any) -> Any:
        return lfl.meta_step(theta, phi, train, valid, carry, loss_fn=loss_fn, outer=outer, **common)

    if compiled:
        meta = compile_program(meta, CPU)
    carry = lfl.fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner, outer=outer)
    infos = []
    for step in range(steps):
        train = with_masks(apply_fn, theta, batch(step), "train", step)
        if step % meta_every == meta_every - 1:
            valid = with_masks(apply_fn, theta, batch(step, 1), "valid", step)
            theta, phi, carry, info = meta(theta, phi, train, valid, carry)
        else:
            theta, carry, info = lfl.base_step(theta, train, carry, loss=partial(loss_fn, phi), **common)
        infos.append(info)
    return theta, carry.buffers, phi, infos


def assert_same(module: nn.Module, learner: lfl.Learner, infos: list[lfl.Info], wanted: Any) -> None:
    theta, buffers, phi, wanted_infos = wanted
    assert {n: p.requires_grad for n, p in module.named_parameters()} == dict.fromkeys(theta, True)
    assert all(torch.equal(p, theta[n]) for n, p in module.named_parameters())
    assert all(torch.equal(b, buffers[n]) for n, b in module.named_buffers())
    assert all(torch.equal(learner.phi[n], phi[n]) for n in phi)
    assert all(torch.equal(a, b) for x, y in zip(infos, wanted_infos, strict=True) for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("name", MODULES)
def test_equals_a_loop_of_meta_steps_bit_for_bit(name: str, optimiser: str) -> None:
    module = made(name)
    own = [*module.parameters(), *module.buffers()]
    before = [t.clone() for t in own]
    learner = lfl.Learner(module, optimizer=OPTIMISERS[optimiser])
    infos = [learner.step(batch(step), batch(step, 1)) for step in range(4)]
    assert_same(module, learner, infos, by_hand(name, OPTIMISERS[optimiser], 4))
    now = [*module.parameters(), *module.buffers()]
    assert all(a is b for a, b in zip(own, now, strict=True))
    moved = sum(not torch.equal(a, b) for a, b in zip(before, now, strict=True))
    assert moved >= len(own) - (name == "batch norm")  # a bias before batch norm has the gradient 0


@pytest.mark.slow
@pytest.mark.usefixtures("no_code_generation")
@pytest.mark.parametrize(
    ("name", "optimiser"), [("plain", "adam"), ("batch norm", "nesterov, decay"), ("dropout", "sgd")]
)
def test_equals_a_compiled_loop_bit_for_bit(name: str, optimiser: str) -> None:
    module = made(name)
    learner = lfl.Learner(module, optimizer=OPTIMISERS[optimiser], compile=True)
    infos = [learner.step(batch(step), batch(step, 1)) for step in range(3)]
    assert_same(module, learner, infos, by_hand(name, OPTIMISERS[optimiser], 3, compiled=True))
    eager = by_hand(name, OPTIMISERS[optimiser], 3)
    for name_, p in module.named_parameters():
        torch.testing.assert_close(p.detach(), eager[0][name_], rtol=1e-4, atol=1e-5)


def test_between_steps_of_the_loss_it_is_a_base_step() -> None:
    module = made("batch norm")
    inner = OPTIMISERS["nesterov, decay"]
    learner = lfl.Learner(module, optimizer=inner, meta_every=3)
    infos, wanted = [], []
    for step in range(7):
        wanted.append(learner.needs_validation)
        infos.append(learner.step(batch(step), batch(step, 1) if learner.needs_validation else None))
    assert wanted == [False, False, True, False, False, True, False]
    assert_same(module, learner, infos, by_hand("batch norm", inner, 7, meta_every=3))


def test_the_users_hands_on_the_module_between_steps_count() -> None:
    """Weights set from outside are where the next step starts; mode and gradients are the user's own."""
    modules = [made("batch norm"), made("batch norm")]
    learners = [lfl.Learner(module, optimizer=lfl.sgd(0.1)) for module in modules]
    other = made("batch norm", seed=1).state_dict()
    modules[0].load_state_dict(other)
    modules[1].load_state_dict(other)
    modules[1].eval()
    for p in modules[1].parameters():
        p.grad = torch.ones_like(p)
    for module, learner in zip(modules, learners, strict=True):
        learner.step(batch(0), batch(0, 1))
        assert module.training is (module is modules[0])
    for a, b in zip(modules[0].state_dict().values(), modules[1].state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in modules[1].parameters())


class Tied(nn.Module):
    """An encoder and a decoder of one matrix, a frozen part, and batch norm without running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(16, 16), nn.Linear(16, 16)
        self.last.weight = self.first.weight
        self.norm = nn.BatchNorm1d(16, track_running_stats=False)
        self.frozen = nn.Linear(16, 3).requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.frozen(self.last(self.norm(torch.tanh(self.first(x.flatten(1))))))


def test_tied_frozen_and_without_statistics() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Tied()
    frozen = module.frozen.weight.clone()
    theta, _, apply_fn = lfl.functional(module)
    phi, loss_fn = draw_loss("residual", "classification", num_outputs=3, generator=generator(0, "phi_0"))
    learner = lfl.Learner(module, optimizer=lfl.sgd(0.1))
    before = module.first.weight.clone()
    learner.step(batch(0), batch(0, 1))
    wanted, *_ = lfl.meta_step(
        theta, phi, batch(0), batch(0, 1), apply_fn=apply_fn, loss_fn=loss_fn, task_loss=lfl.cross_entropy,
        inner=lfl.sgd(0.1), outer=lfl.adam(1e-3),
    )  # fmt: skip
    assert "last.weight" not in wanted
    assert all(torch.equal(dict(module.named_parameters())[name], t) for name, t in wanted.items())
    assert module.last.weight is module.first.weight
    assert not torch.equal(module.first.weight, before)
    assert torch.equal(module.frozen.weight, frozen)
    assert list(module.buffers()) == []


def test_noise_of_the_models_own_is_drawn_from_seeds() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(16, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(x.flatten(1) + torch.randn_like(x.flatten(1)))

    found = []
    for _ in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module = Noisy()
        state = torch.random.get_rng_state()
        learner = lfl.Learner(module)
        losses = [learner.step(batch(0), batch(0, 1)).inner_loss.item() for _ in range(3)]
        assert torch.equal(torch.random.get_rng_state(), state)
        found.append((losses, module.linear.weight.tolist()))
        torch.randn(3, generator=torch.Generator().manual_seed(1))
    assert found[0] == found[1]
    assert len({*found[0][0]}) == 3


def test_an_optimisers_state_that_is_theta_itself_stays_as_it_was() -> None:
    """Slow weights that start as theta must not follow the module's tensors."""
    module = made("plain")
    start = {name: p.detach().clone() for name, p in module.named_parameters()}
    seen = []

    def update(grads: Any, slow: Any, theta: Any) -> Any:
        seen.append({name: t.clone() for name, t in slow.items()})
        return {name: p - 0.1 * grads[name] for name, p in theta.items()}, slow

    learner = lfl.Learner(module, optimizer=lfl.Optimiser(dict, update), meta_every=None)
    for step in range(2):
        learner.step(batch(step))
    assert all(torch.equal(slow[name], start[name]) for slow in seen for name in start)


def test_the_loss_as_a_module_is_the_present_one() -> None:
    learner = lfl.Learner(made("plain"), num_outputs=3, loss_optimizer=lfl.adam(0.1))
    first = learner.loss(reduction="none")
    learner.step(batch(0), batch(0, 1))
    second = learner.loss(reduction="none")
    logits, (_, y) = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), batch(0)
    _, loss_fn = draw_loss("residual", "classification", num_outputs=3, generator=generator(0, "phi_0"))
    torch.testing.assert_close(second(logits, y), loss_fn(learner.phi, logits, y))
    assert not torch.equal(first(logits, y), second(logits, y))


def test_a_pair_of_ones_own_and_a_task_loss_by_name() -> None:
    phi = {"scale": torch.ones(())}

    def loss_fn(phi: Any, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return phi["scale"] * (outputs - targets).square().mean(1)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    theta, _, apply_fn = lfl.functional(module)
    x, y = batch(0)[0], torch.zeros(8, 2)
    learner = lfl.Learner(module, (phi, loss_fn), "regression", task_loss="huber", optimizer=lfl.sgd(0.1))
    info = learner.step([x, y], [x, y])
    _, wanted, _, wanted_info = lfl.meta_step(
        theta, phi, (x, y), (x, y), apply_fn=apply_fn, loss_fn=loss_fn, task_loss=lfl.huber, inner=lfl.sgd(0.1),
        outer=lfl.adam(1e-3),
    )  # fmt: skip
    assert torch.equal(learner.phi["scale"], wanted["scale"])
    assert phi["scale"] == 1.0
    assert torch.equal(info.outer_loss, wanted_info.outer_loss)
    torch.testing.assert_close(
        learner.loss()(x.flatten(1)[:, :2], y), wanted["scale"] * x.flatten(1)[:, :2].square().mean()
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "cross-entropy"}, "unknown learned loss 'cross-entropy'; choose"),
        ({"loss": lfl.cross_entropy}, "loss must be a name.*got function; a hand-made loss is not learned"),
        ({"loss": ({}, lfl.cross_entropy)}, "phi of loss"),
        ({"kind": "ranking"}, "unknown kind"),
        ({"task_loss": "huber"}, "task_loss for classification"),
        ({"meta_every": 0}, "meta_every must be a whole number of at least 1, got 0"),
        ({"accumulate": 1.5}, "accumulate must be"),
        ({"precision": "float16"}, "unknown precision"),
        ({"accumulate": 2, "meta_batch_size": 4}, "accumulate above 1 leave it out"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        lfl.Learner(made("plain"), **settings)


def test_steps_that_cannot_be_taken_are_refused() -> None:
    module = made("plain")
    learner = lfl.Learner(module, meta_every=2)
    with pytest.raises(lfl.UserError, match="number of outputs; give num_outputs"):
        learner.phi  # noqa: B018
    learner.step(batch(0))
    before = [p.clone() for p in module.parameters()]
    with pytest.raises(lfl.UserError, match="step 2 learns the loss and needs a validation batch"):
        learner.step(batch(1))
    with pytest.raises(lfl.UserError, match="train must be"):
        learner.step(batch(1)[0], batch(1, 1))
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
    assert learner.steps_done == 1
    learner.step(batch(1), batch(1, 1))
    assert learner.steps_done == 2


def test_a_loss_that_cannot_move_is_warned_of_once() -> None:
    learner = lfl.Learner(made("plain"), optimizer=lfl.lion(0.01))
    with pytest.warns(lfl.ZeroGradientWarning):
        learner.step(batch(0), batch(0, 1))
    learner.step(batch(1), batch(1, 1))


def test_bfloat16_is_functionals_and_refused_with_batch_norm() -> None:
    module = made("plain")
    theta, _, apply_fn = lfl.functional(module, autocast=torch.bfloat16)
    phi, loss_fn = draw_loss("residual", "classification", num_outputs=3, generator=generator(0, "phi_0"))
    lfl.Learner(module, precision="bfloat16", optimizer=lfl.sgd(0.1)).step(batch(0), batch(0, 1))
    wanted, *_ = lfl.meta_step(
        theta, phi, batch(0), batch(0, 1), apply_fn=apply_fn, loss_fn=loss_fn, task_loss=lfl.cross_entropy,
        inner=lfl.sgd(0.1), outer=lfl.adam(1e-3),
    )  # fmt: skip
    assert all(torch.equal(p, wanted[name]) for name, p in module.named_parameters())
    with pytest.raises(lfl.UserError, match="not sound with batch norm"):
        lfl.Learner(made("batch norm"), precision="bfloat16")
