"""One method with its own part neutral is another: the rules that connect the family."""

from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map

import lfl
from lfl.fewshot import METHODS, adapted, evaluate
from lfl.fewshot.methods.maml_plus_plus import multi_step_weights
from lfl.fewshot.methods.reptile import reptile
from lfl.fewshot.methods.t_net import warped
from tests.hypergradient.cases import assert_close

from ..cases import episodes, gradient, method, network, one, problem, step_of, stirred


def test_meta_sgd_with_equal_rates_is_maml() -> None:
    assert_close(gradient(method("meta-sgd"))["init"], gradient(method("maml"))["init"], 1e-12)


def test_anil_and_boil_are_meta_sgd_with_no_rate_elsewhere() -> None:
    whole = method("meta-sgd")
    for name in ("anil", "boil"):
        part = method(name)
        rates = {key: torch.full_like(p, 0.2 if key in part.phi["init"] else 0.0) for key, p in problem().theta.items()}
        found = gradient(part)
        same = gradient(whole, whole.phi | {"rates": rates})["init"]
        assert_close({key: (found["held"] | found["init"])[key] for key in same}, same, 1e-12)
    assert set(method("anil").phi["init"]) == set(method("boil").phi["held"]) == {"8.weight", "8.bias"}


def test_t_net_with_warps_held_at_the_identity_is_maml() -> None:
    assert_close(gradient(method("t-net"))["init"], gradient(method("maml"))["init"], 1e-12)


def test_a_warp_is_a_linear_layer_after_the_layer_it_is_for() -> None:
    made, net, x = method("t-net"), network(norm=False), episodes().x[0]
    made = METHODS["t-net"](problem(net))
    phi = stirred(made.phi, 0.3)
    layers: Any = [
        lambda x: torch.func.functional_call(net[0], strip(phi["init"], "0."), x),
        lambda x: torch.einsum("op,bphw->bohw", phi["warp"]["0.weight"], x),
        net[2],
        lambda x: torch.func.functional_call(net[3], strip(phi["init"], "3."), x),
        lambda x: torch.einsum("op,bphw->bohw", phi["warp"]["3.weight"], x),
        *net[5:8],
        lambda x: torch.func.functional_call(net[8], strip(phi["init"], "8."), x),
        lambda x: x @ phi["warp"]["8.weight"].T,
    ]
    expected = x
    for layer in layers:
        expected = layer(expected)
    theta = warped(phi["init"], phi["warp"])
    assert_close(problem(net).model.support(theta, x), expected, 1e-12)


def strip(theta: Any, prefix: str) -> Any:
    return {name.removeprefix(prefix): p for name, p in theta.items() if name.startswith(prefix)}


def test_maml_plus_plus_judged_at_the_last_step_alone_is_maml() -> None:
    p = problem(network(affine=False), inner_steps=3)
    made, plain = METHODS["maml++"](p, multi_step_share=0.0, first_order_share=0.0), METHODS["maml"](p)
    assert_close(gradient(made)["init"], gradient(plain)["init"], 1e-12)


def test_maml_plus_plus_is_judged_on_the_way_at_first() -> None:
    p = problem(network(affine=False), inner_steps=2)
    made = METHODS["maml++"](p, first_order_share=0.0)
    after = [gradient(METHODS["maml"](problem(network(affine=False), inner_steps=k)))["init"] for k in (1, 2)]
    assert_close(gradient(made, step=0)["init"], tree_map(lambda a, b: 0.5 * (a + b), *after), 1e-12)
    assert_close(gradient(made, step=10)["init"], after[1], 1e-12)


def test_weights_on_the_way_fall_from_even_ones_to_the_last_alone() -> None:
    assert multi_step_weights(4, 0, 10.0) == pytest.approx([0.25] * 4)
    assert multi_step_weights(4, 5, 10.0) == pytest.approx([0.125] * 3 + [0.625])
    assert multi_step_weights(4, 9, 9.1) == pytest.approx([0.0075] * 3 + [0.9775])
    assert multi_step_weights(4, 10, 10.0) is None
    assert multi_step_weights(1, 0, 10.0) is None


def test_maml_plus_plus_takes_first_order_at_first_and_a_norm_for_each_step() -> None:
    made = method("maml++")
    assert [made.form_at(step) for step in (0, 29, 30)] == ["first-order", "first-order", "mixed"]  # type: ignore[misc]
    assert {name: tuple(p.shape) for name, p in made.phi["norm"].items()} == dict.fromkeys(
        ("1.weight", "1.bias", "4.weight", "4.bias"), (3, 3)
    )
    task, phi = one(episodes()), stirred(made.phi)
    other = phi | {"norm": {name: p + torch.tensor([0.0, 0.0, 1.0])[:, None] for name, p in phi["norm"].items()}}
    assert_close(adapted(made, phi, task, 2), adapted(made, other, task, 2), 0.0)  # the last one is for the query
    assert len(adapted(made, phi, task, 5)) == 6


def test_fomaml_takes_each_gradient_for_a_constant_and_maml_does_not() -> None:
    made, p = method("fomaml"), problem()
    total = [torch.zeros_like(t) for t in p.theta.values()]
    for i in range(3):
        theta = {name: t.clone().requires_grad_() for name, t in p.theta.items()}
        for _ in range(2):
            grads = torch.autograd.grad(p.support_loss(theta, one(episodes(), i)), list(theta.values()))
            moved = [(t - 0.2 * g).detach().requires_grad_() for t, g in zip(theta.values(), grads, strict=True)]
            theta = dict(zip(theta, moved, strict=True))
        last = torch.autograd.grad(p.query_loss(theta, one(episodes(), i))[0], list(theta.values()))
        total = [a + b / 3 for a, b in zip(total, last, strict=True)]
    found = gradient(made)["init"]
    assert_close(found, dict(zip(p.theta, total, strict=True)), 1e-12)
    second = gradient(method("maml"))["init"]
    assert all(float((a - b).abs().max()) > 1e-3 for a, b in zip(found.values(), second.values(), strict=True))


def test_reptile_of_one_step_is_plain_descent_on_the_support_set() -> None:
    p = problem(inner_steps=1)
    of_task = torch.func.vmap(torch.func.grad(p.support_loss), in_dims=(None, 0))
    plain = tree_map(lambda g: 0.2 * g.mean(0), of_task(p.theta, episodes()))
    assert_close(gradient(reptile(p, with_query=False))["init"], plain, 1e-12)


def test_reptile_moves_by_the_way_to_the_adapted_parameters() -> None:
    p = problem(inner_steps=4, momentum=0.9, nesterov=True)
    made = reptile(p, batches=2)
    grads, run = step_of(made)
    ways = []
    for i in range(3):
        task = one(episodes(), i)
        x, y = torch.cat([task.x, task.query_x]), torch.cat([task.y, task.query_y])
        theta = {name: torch.nn.Parameter(t.clone()) for name, t in p.theta.items()}
        optimiser = torch.optim.SGD(theta.values(), 0.2, momentum=0.9, nesterov=True)
        for k in range(4):
            optimiser.zero_grad()
            p.support_loss(theta, task._replace(x=x[k % 2 :: 2], y=y[k % 2 :: 2])).backward()
            optimiser.step()
        ways.append({name: p.theta[name] - t.detach() for name, t in theta.items()})
        assert float(run.outer_loss[i]) == pytest.approx(float(p.query_loss(theta, task)[0].detach()), rel=1e-12)
    assert_close(grads["init"], tree_map(lambda *w: sum(w) / 3, *ways), 1e-12)


def test_reptile_adapts_to_the_support_set_alone_in_evaluation() -> None:
    made, task = method("reptile"), one(episodes())
    plain = adapted(method("maml"), method("maml").phi, task, 3)
    assert_close(adapted(made, made.phi, task, 3), plain, 0.0)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in {"imaml", "reptile", "npbml"}])
def test_no_inner_step_is_plain_training_on_the_query_set(name: str) -> None:
    p = problem(inner_steps=0)
    made = METHODS[name](p)
    found = gradient(made)
    plain = torch.func.grad(
        lambda theta: torch.func.vmap(lambda task: p.query_loss(theta, task)[0])(episodes()).mean()
    )(p.theta)
    whole = {**found["init"], **found.get("held", {}), **{k: g[0] for k, g in found.get("norm", {}).items()}}
    assert_close({key: whole[key] for key in plain}, plain, 1e-12)


@pytest.mark.parametrize("name", ["metal", "adalfl"])
def test_a_learned_loss_that_adds_nothing_is_maml(name: str) -> None:
    made = method(name)
    last = "1." if name == "metal" else "2.weight"
    loss = {key: torch.zeros_like(t) if key.startswith(last) else t for key, t in made.phi["loss"].items()}
    assert_close(gradient(made, made.phi | {"loss": loss})["init"], gradient(method("maml"))["init"], 1e-12)
    assert max(float(g.abs().max()) for g in tree_leaves(gradient(made)["loss"])) > 1e-6


def test_adalfl_may_learn_the_loss_alone() -> None:
    alone, both = method("adalfl", learn_init=False), method("adalfl")
    assert set(alone.phi) == {"loss"}
    assert_close(gradient(alone)["loss"], gradient(both)["loss"], 1e-12)


def test_imaml_converges_to_the_exact_gradient() -> None:
    """On a smooth model, whose regularised inner problem has one minimum nearby."""
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for p in net.parameters():
            p.data = 0.2 * torch.randn(p.shape)
    tasks, apart = episodes(), []
    tasks = tasks._replace(x=0.2 * tasks.x, query_x=0.2 * tasks.query_x)
    for steps in (2, 8, 40):
        made = METHODS["imaml"](problem(net.double(), inner_steps=steps, inner_lr=0.3), damping=0.0, cg_steps=20)
        implicit, exact = gradient(made, None, tasks), gradient(made, None, tasks, form="unroll")
        scale = max(float(g.abs().max()) for g in exact["init"].values())
        pairs = zip(implicit["init"].values(), exact["init"].values(), strict=True)
        apart.append(max(float((a - b).abs().max()) for a, b in pairs) / scale)
    assert apart[0] > 1e-4
    assert apart[1] < 0.1 * apart[0]
    assert apart[2] < 1e-9


def test_bad_options_are_named() -> None:
    with pytest.raises(lfl.UserError, match="batches must be at least 1, got 0"):
        reptile(problem(), batches=0)
    with pytest.raises(lfl.UserError, match=r"reptile takes no weight decay, got 0\.1"):
        reptile(problem(weight_decay=0.1))
    with pytest.raises(lfl.UserError, match="nothing is left to adapt"):
        METHODS["boil"](problem(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)).double()))


def test_the_state_of_adaptation_lasts_over_the_steps_of_evaluation() -> None:
    made = method("maml", problem(momentum=0.9, inner_steps=1))
    task = one(episodes())
    whole = lfl.adapt(made.inner._replace(num_steps=4), made.start(made.phi), made.phi, task).theta
    assert_close(adapted(made, made.phi, task, 4)[-1], whole, 0.0)


class Drawn:
    kind = "classification"

    def draw(self, split: str, step: int, num_tasks: int) -> Any:
        return episodes(num_tasks, seed=step)


def test_maml_and_fomaml_are_one_in_evaluation() -> None:
    found = [
        evaluate(method(name), method(name).phi, Drawn(), num_tasks=4, steps=3).values for name in ("maml", "fomaml")
    ]
    assert torch.equal(*found)
