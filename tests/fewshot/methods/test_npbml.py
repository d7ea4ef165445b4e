from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._pytree import tree_leaves, tree_map

import lfl
from lfl.fewshot import METHODS, Episode
from lfl.fewshot.methods.npbml import FORMS, LOSSES, PARTS, Faults, npbml
from lfl.fewshot.npbml import Pretrained, conv4, draw_relation, relation_scores, resnet12, untrained
from lfl.fewshot.npbml.trunk import Network, embed
from lfl.fewshot.npbml.warp import normalise
from lfl.randomness import generator

from ..npbml.cases import (
    WAYS,
    Problem,
    along,
    assert_close,
    difference,
    episodes,
    gradient,
    method,
    outer_loss,
    pretrained,
    stirred,
)

DETACHED = ("l2_statistics", "fixed_head")
"""Faults that hide a derivative from differentiation, so that differences are not the gradient."""


def count(tree: Any) -> int:
    return sum(t.numel() for t in tree_leaves(tree))


def of_size(network: Network, **options: Any) -> Any:
    encoder = untrained(network, (3, 32, 32), 0)
    relation = draw_relation((3, 32, 32), generator(0, "relation"), (2, 2, 2, 2))
    made = Pretrained(network, encoder.trunk, encoder.stage, relation)
    return npbml(Problem(num_outputs=5), pretrained=made, **options)


@pytest.mark.parametrize(
    ("network", "adapted", "meta", "regulariser"),
    [(conv4(), 181_125, 361_089, 7_563), (resnet12(), 7_868_416 + 2_565, 10_753_537, 11_883)],
    ids=["conv4", "resnet12"],
)
def test_sizes_are_the_published_ones(network: Network, adapted: int, meta: int, regulariser: int) -> None:
    made = of_size(network)
    losses = made.phi["loss"]
    assert count(made.start(made.phi)) == adapted
    assert count(made.phi) - count(losses) == meta
    assert {name: count(net) for name, net in losses.items()} == {
        "inductive": 6_483,
        "transductive": 6_483,
        "regulariser": regulariser,
    }


def test_the_adapted_tensors_are_in_the_published_order() -> None:
    names = list(of_size(resnet12()).start(of_size(resnet12()).phi))
    film = [f"{name}.{part}" for name in ("conv1", "conv2", "conv3") for part in ("weight", "film.weight", "film.bias")]
    residual = ["residual.weight", "residual.film.weight", "residual.film.bias"]
    assert names == [*film, *residual, "head.weight", "head.bias"]


@pytest.mark.parametrize("as_", FORMS)
@pytest.mark.parametrize("parts", [(), ("warp",), LOSSES, PARTS, ("relation", "film"), ("transductive",)], ids=str)
def test_mixed_is_unrolling_for_all_of_phi(parts: tuple[str, ...], as_: str) -> None:
    made = method(parts=parts, as_=as_)
    phi = stirred(made.phi)
    mixed = gradient(made, phi, form="mixed")
    assert_close(mixed, gradient(made, phi, form="unroll"), 1e-9)
    assert_close(mixed, gradient(made, phi, form="mixed", tasks_at_once=1), 1e-9)
    pairs = zip(tree_leaves(mixed), tree_leaves(gradient(made, phi, form="first-order")), strict=True)
    assert max(float((a - b).abs().max()) for a, b in pairs) > 1e-4


SMOOTH = {
    "written": FORMS["written"],
    "published, but for what is detached": FORMS["published"]._replace(**dict.fromkeys(DETACHED, False)),
}


@pytest.mark.parametrize("faults", SMOOTH.values(), ids=SMOOTH)
@pytest.mark.parametrize("part", ["init", "cone", "warp", "film", "inductive", "transductive", "regulariser", "all"])
def test_the_gradient_is_that_of_central_differences(part: str, faults: Faults) -> None:
    made = method(as_=faults)
    phi = stirred(made.phi)
    grads, g = gradient(made, phi), generator(1, "direction")

    def chosen(path: tuple[Any, ...], t: torch.Tensor) -> torch.Tensor:
        drawn = torch.randn(t.shape, generator=g, dtype=t.dtype)
        keys = ".".join(str(entry.key) for entry in path)
        inside = part == "all" or (keys.startswith(part) if part in {"init", "cone", "warp"} else part in keys)
        return drawn if inside else torch.zeros_like(t)

    direction = torch.utils._pytree.tree_map_with_path(chosen, phi)
    assert any(float(d.abs().max()) > 0.0 for d in tree_leaves(direction))
    assert along(grads, direction) == pytest.approx(difference(made, phi, direction), rel=1e-5, abs=1e-9)


def plain_maml(phi: Any, episode: Episode, faults: Faults) -> tuple[torch.Tensor, Any, Any]:
    """MAML on the same trunk in torch alone, one task after the other: value, gradient of init, adapted parameters."""
    made, network = pretrained(), conv4(4)
    init = {name: phi["init"][name].clone().requires_grad_() for name in made.stage}
    head = {"w": phi["cone"]["weight"].repeat(WAYS, 1), "b": phi["cone"]["bias"].repeat(WAYS)}
    losses, adapted = [], []

    def outputs(theta: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        maps = F.max_pool2d(
            F.relu(normalise(F.conv2d(network.trunk(made.trunk, x), theta["conv.weight"], padding=1))), 2
        )
        return F.linear(normalise(maps).mean((2, 3)), theta["w"], theta["b"])

    for x, y, query_x, query_y in zip(*episode, strict=True):
        theta: dict[str, torch.Tensor] = {**init, **head}
        theta = {name: t if t.requires_grad else t.clone().requires_grad_() for name, t in theta.items()}
        slots = {name: torch.zeros_like(t) for name, t in theta.items()}
        for _ in range(Problem().inner_steps):
            loss = F.cross_entropy(outputs(theta, torch.cat([x, query_x]))[: len(y)], y)
            grads = dict(zip(theta, torch.autograd.grad(loss, list(theta.values()), create_graph=True), strict=True))
            if faults.inner_momentum:
                grads = {name: grads[name] + 5e-4 * theta[name] for name in theta}
                slots = {name: 0.9 * slots[name] + grads[name] for name in theta}
                grads = {name: grads[name] + 0.9 * slots[name] for name in theta}
            theta = {name: theta[name] - Problem().inner_lr * grads[name] for name in theta}
        losses.append(F.cross_entropy(outputs(theta, query_x), query_y))
        adapted.append({name: t.detach() for name, t in theta.items()})
    value = torch.stack(losses).mean()
    return value.detach(), dict(zip(init, torch.autograd.grad(value, list(init.values())), strict=True)), adapted


def neutral(phi: Any) -> Any:
    """Phi whose warp is the identity, whose FiLM layers and loss networks are zero."""

    def of(path: tuple[Any, ...], t: torch.Tensor) -> torch.Tensor:
        keys = [str(entry.key) for entry in path]
        return torch.zeros_like(t) if "film" in ".".join(keys) or keys[0] == "loss" else t

    return torch.utils._pytree.tree_map_with_path(of, phi)


def test_without_parts_it_is_maml_on_the_same_trunk() -> None:
    for as_, faults in FORMS.items():
        made = method(parts=(), as_=as_)
        tasks = made.prepare(episodes())
        value, grads, adapted = plain_maml(made.phi, episodes(), faults)
        assert float(outer_loss(made, made.phi, tasks)) == pytest.approx(float(value), rel=1e-12)
        assert_close(gradient(made, made.phi)["init"], grads, 1e-10)
        for i, theta in enumerate(adapted):
            task = tree_map(lambda t, i=i: t[i], tasks)
            ours = lfl.adapt(made.inner, made.start(made.phi), made.phi, task).theta
            assert_close(list(ours.values()), list(theta.values()), 1e-12)


def test_with_neutral_parts_it_is_maml_on_the_same_trunk() -> None:
    faults = FORMS["written"]
    made = method(as_=faults)
    phi = neutral(made.phi)
    value, grads, adapted = plain_maml(phi, episodes(), faults)
    tasks = made.prepare(episodes())
    assert float(outer_loss(made, phi, tasks)) == pytest.approx(float(value), rel=1e-12)
    assert_close(gradient(made, phi)["init"], grads, 1e-10)
    for i, theta in enumerate(adapted):
        ours = lfl.adapt(made.inner, made.start(phi), phi, tree_map(lambda t, i=i: t[i], tasks)).theta
        assert_close(list(ours.values()), list(theta.values()), 1e-12)


def test_no_gradient_reaches_the_published_head_and_one_the_written_one() -> None:
    for as_ in FORMS:
        made = method(as_=as_)
        cone = gradient(made, stirred(made.phi))["cone"]
        assert all((float(g.abs().max()) == 0.0) == (as_ == "published") for g in cone.values())


def test_the_published_transductive_network_is_never_used() -> None:
    for as_ in FORMS:
        made = method(as_=as_)
        grads = gradient(made, stirred(made.phi))["loss"]["transductive"]
        assert (max(float(g.abs().max()) for g in grads.values()) == 0.0) == (as_ == "published")


@pytest.mark.parametrize("fault", Faults._fields)
def test_each_fault_changes_what_is_adapted_but_for_the_two_that_cannot(fault: str) -> None:
    """A gradient that is cut, and a constant of the loss, leave the adapted parameters as they are."""
    whole = FORMS["written"]
    phi = stirred(method(as_=whole).phi)
    found = []
    for faults in (whole, whole._replace(**{fault: True})):
        made = method(as_=faults)
        mine = phi
        if faults.film_adapts:  # the same FiLM tensors, in theta; the regulariser sees more of them
            more = stirred(made.phi)["loss"]["regulariser"]
            mine = {**{k: v for k, v in phi.items() if k != "film"}, "init": phi["init"] | phi["film"]}
            mine["loss"] = phi["loss"] | {"regulariser": more}
        task = tree_map(lambda t: t[0], made.prepare(episodes()))
        found.append(lfl.adapt(made.inner, made.start(mine), mine, task).theta["conv.weight"])
    apart = float((found[0] - found[1]).abs().max())
    assert apart < 1e-12 if fault in {"offset", "fixed_head"} else apart > 1e-6


def test_what_is_computed_once_is_what_would_be_computed_at_each_step() -> None:
    """The frozen trunk on the same images has the same maps at each step, whatever theta is."""
    made, given = method(), pretrained()
    episode, tasks = episodes(), made.prepare(episodes())
    for i, (x, _, query_x, _) in enumerate(zip(*episode, strict=True)):
        for images, name in (torch.cat([x, query_x]), "maps"), (query_x, "query_maps"):
            assert torch.allclose(tasks[name][i], given.network.trunk(given.trunk, images), rtol=1e-12, atol=1e-12)
    phi, gradients = stirred(made.phi), []
    for again in (False, True):

        def objective(theta: Any, phi: Any, task: Any, again: bool = again) -> Any:
            if again:
                maps = given.network.trunk(given.trunk, torch.cat([task["x"], task["query_x"]]))
                scores = relation_scores(given.relation or {}, task["x"], task["y"], task["query_x"], WAYS)
                task = task | {"maps": maps, "scores": scores}
            return made.inner.objective(theta, phi, task)

        whole = tasks | {"x": episode.x, "query_x": episode.query_x}
        inner = made.inner._replace(objective=objective)
        gradients.append(lfl.bilevel_gradient(inner, made.outer, made.start, phi, whole)[0])
    assert_close(*gradients, 1e-10)


def test_zeros_in_theta_give_no_nan() -> None:
    """The head's bias starts at zero, where a plain norm has no second derivative."""
    for form in ("mixed", "unroll"):
        made = method(as_="written")
        assert float(made.phi["cone"]["bias"].abs().max()) == 0.0
        assert all(bool(torch.isfinite(g).all()) for g in tree_leaves(gradient(made, made.phi, form=form)))


def test_outputs_do_not_read_targets_of_the_query_and_depend_on_its_images() -> None:
    made, episode = method(), episodes()
    others = episode.query_x.clone()
    others[:, 1:] *= -2.0
    found = []
    for changed in (episode, episode._replace(query_y=2 - episode.query_y), episode._replace(query_x=others)):
        task = tree_map(lambda t: t[0], made.prepare(changed))
        theta = lfl.fewshot.adapted(made, made.phi, task, 2)[-1]
        found.append(lfl.fewshot.query_outputs(made, theta, made.phi, task, 2)[0])
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2])
    assert made.transductive


def test_the_order_of_examples_and_the_names_of_classes_do_not_matter() -> None:
    """Nothing can be learned from where an example stands: queries come in the order of their classes."""
    made, episode = method(), episodes()
    phi, moved = stirred(made.phi), torch.tensor([3, 0, 5, 1, 4, 2])
    new_name = torch.tensor([2, 0, 1])
    other = Episode(episode.x[:, moved], new_name[episode.y[:, moved]], episode.query_x.flip(1), episode.query_y)

    def outputs(episode: Episode) -> torch.Tensor:
        task = tree_map(lambda t: t[0], made.prepare(episode))
        found: torch.Tensor = made.outer(lfl.adapt(made.inner, made.start(phi), phi, task).theta, phi, task)[1].outputs
        return found

    # the loss networks see all logits in the order of the classes, so that names matter to them alone
    unnamed = other._replace(y=episode.y[:, moved])
    assert torch.allclose(outputs(unnamed).flip(0), outputs(episode), rtol=1e-10, atol=1e-12)
    made = method(parts=("warp", "regulariser", "film"))
    phi = stirred(made.phi)
    assert torch.allclose(outputs(other).flip(0)[:, new_name], outputs(episode), rtol=1e-10, atol=1e-12)


def test_it_learns() -> None:
    made = method(Problem(inner_lr=0.3))
    tasks, (init, update) = made.prepare(episodes()), lfl.adam(0.02)
    phi, first = made.phi, tree_map(torch.clone, made.phi)
    state, losses = init(phi), []
    for _ in range(10):
        grads, run = lfl.bilevel_gradient(made.inner, made.outer, made.start, phi, tasks, form="unroll")
        phi, state = update(grads, state, phi)
        losses.append(float(run.outer_loss.mean()))
    assert losses[-1] < 0.9 * losses[0]
    assert_close(made.phi, first, 0.0)


@settings(max_examples=20, deadline=None)
@given(st.sets(st.sampled_from([*PARTS, "relation"])), st.sampled_from(sorted(FORMS)))
def test_any_parts_go_together_and_draw_the_same_whatever_else_there_is(parts: set[str], as_: str) -> None:
    made, whole = method(parts=parts, as_=as_), method(as_=as_)
    assert ("warp" in made.phi) == ("warp" in parts)
    assert all(torch.equal(made.phi["cone"][k], whole.phi["cone"][k]) for k in ("weight", "bias"))
    assert torch.equal(made.phi["init"]["conv.weight"], whole.phi["init"]["conv.weight"])
    tasks = made.prepare(episodes())
    assert ("scores" in tasks) == bool(parts & {"transductive", "relation"})
    assert bool(torch.isfinite(outer_loss(made, made.phi, tasks)))
    if "film" in parts and "inductive" in parts:
        assert_close(made.phi["loss"]["inductive"], whole.phi["loss"]["inductive"], 0.0)


def test_maml_whose_inner_steps_see_the_support_set_alone() -> None:
    made = method(parts=(), joint=False)
    network, given, episode = conv4(4), pretrained(), episodes()
    task = tree_map(lambda t: t[0], made.prepare(episode))
    theta = made.start(made.phi)
    features = embed(network, given.stage, {}, network.trunk(given.trunk, episode.x[0]))
    expected = F.cross_entropy(F.linear(features, theta["head.weight"], theta["head.bias"]), episode.y[0])
    assert float(made.inner.objective(theta, made.phi, task)) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize(
    ("options", "problem", "words"),
    [
        ({"parts": ("wrap",)}, {}, "wrap"),
        ({"as_": "printed"}, {}, "printed"),
        ({"joint": False}, {}, "joint=True"),
        ({}, {"kind": "regression"}, "regression"),
        ({"pretrained": pretrained()._replace(relation=None)}, {}, "train_relation"),
    ],
    ids=["part", "form", "joint", "kind", "relation"],
)
def test_errors_say_what_to_do(options: dict[str, Any], problem: dict[str, Any], words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        npbml(Problem(**problem), **({"pretrained": pretrained()} | options))


def test_it_has_its_name() -> None:
    assert METHODS["npbml"] is npbml
