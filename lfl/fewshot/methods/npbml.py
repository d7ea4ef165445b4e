"""NPBML: initialisation, optimiser and loss are learned together, and shaped for each task by FiLM."""

from collections.abc import Collection
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F

from ...errors import UserError, one_of
from ...hypergradient import Adaptation
from ...optimiser import sgd
from ...randomness import generator
from ...types import Kind, Tensors, Tree
from ..episode import Episode
from ..method import FewShotMethod
from ..npbml.film import draw_normal
from ..npbml.losses import (
    STATISTICS,
    cross_entropy_of_scores,
    draw_loss,
    inductive_inputs,
    loss_network,
    statistics,
    transductive_inputs,
)
from ..npbml.pretraining import Pretrained
from ..npbml.relation import scores_of
from ..npbml.trunk import draw_stage_film, embed, in_order
from ..npbml.warp import draw_warp
from ..problem import Judged

LOSSES = ("inductive", "transductive", "regulariser")
PARTS = ("warp", *LOSSES, "film")
"""All of NPBML. `()` is MAML with its recipe; `("warp",)` learns the optimiser too; `LOSSES` the loss."""
OTHER_PARTS = ("relation",)
"""Not in NPBML: cross-entropy of the query set against the relation scores, without a learned loss."""


class Problem(Protocol):
    """What NPBML needs of a `FewShotProblem`."""

    @property
    def kind(self) -> Kind: ...

    @property
    def num_outputs(self) -> int: ...

    @property
    def inner_steps(self) -> int: ...

    @property
    def inner_lr(self) -> float: ...

    @property
    def seed(self) -> int: ...


class Faults(NamedTuple):
    """Where the published code parts from the paper; all true in the code, all false in the paper.

    Args:
        one_network: the transductive loss calls the inductive network; its own is never used.
        fixed_head: no gradient reaches the row that the head's rows start from, so that it stays as it was drawn.
        l2_statistics: the regulariser sees the L2 norm in place of the L1 norm, and mean and deviation are constants.
        hard_scores: cross-entropy of the query set is against the class with the highest relation score.
        inner_momentum: inner steps have Nesterov's momentum 0.9 and weight decay 5e-4; plain steps in the paper.
        film_adapts: FiLM layers of the adapted stage take inner steps, too, and the regulariser sees them.
        offset: each learned loss starts at 0.104 instead of 0, a constant.

    In both, one warp follows the one stage that adapts; the paper's equation has one after each layer, its frozen
    layers have nothing to precondition. In both, batch norm sees support and query set together in inner steps, and the
    query set alone in the end; loss networks have FiLM; norms have derivatives at zero.
    """

    one_network: bool
    fixed_head: bool
    l2_statistics: bool
    hard_scores: bool
    inner_momentum: bool
    film_adapts: bool
    offset: bool


FORMS = {"published": Faults(*[True] * 7), "written": Faults(*[False] * 7)}
"""The published code, and the paper."""


def npbml(
    problem: Problem,
    *,
    pretrained: Pretrained,
    as_: str | Faults = "published",
    parts: Collection[str] = PARTS,
    joint: bool = True,
) -> FewShotMethod:
    """Makes NPBML, or a part of it.

        f       = trunk(x of support and query set);  r = relation(x, y, query x)        both frozen, once a task
        theta_0 = {stage, head: one row, copied for each class}
        theta_k+1 = theta_k - alpha P_w grad_theta [ CE(o_S, y) + mean S(o_S, y) + mean Q(o_Q, r) + R(theta_k) ]
        L_meta  = CE(net(theta_K, trunk(x of the query set)), y of the query set)

    Args:
        problem: ways, number and rate of the inner steps, and the seed; its model and optimiser are not used.
        pretrained: the encoder and the relation network, by `pretrain` and `train_relation` of `lfl.fewshot.npbml`.
        as_: `"published"`, as the published code does it, `"written"`, as the paper says, or `Faults` of a choice.
        parts: what is learned beside the initialisation, names in `PARTS`; also `"relation"`, not of NPBML.
        joint: whether support and query set pass through the network together in inner steps; the losses of the query
            set need it.

    Returns:
        A `FewShotMethod`. Its phi: `"init"`, the stage, with its FiLM layers where they adapt; `"film"`, where they do
        not; `"cone"`, the head's row; `"warp"`; `"loss"`, networks by name.

    Raises:
        UserError: an unknown part or form; a part without what it needs; real-valued targets.

    Source: Raymond, Chen, Xue and Zhang (2024), Algorithms 1 and 2.
    """
    if isinstance(as_, str):
        one_of("as_", as_, list(FORMS))
        as_ = FORMS[as_]
    _check(problem, pretrained, parts, joint)
    network, faults, ways = pretrained.network, as_, problem.num_outputs

    def start(phi: Tree) -> Tensors:
        cone = {name: row.detach() if faults.fixed_head else row for name, row in phi["cone"].items()}
        head = {"head.weight": cone["weight"].repeat(ways, 1), "head.bias": cone["bias"].repeat(ways)}
        return {**phi["init"], **head}

    def logits(theta: Tensors, phi: Tree, maps: torch.Tensor) -> torch.Tensor:
        stage = {name: theta[name] for name in phi["init"]} | phi.get("film", {})
        features = embed(network, stage, phi.get("warp", {}), maps)
        return F.linear(features, theta["head.weight"], theta["head.bias"])

    def learned(phi: Tree, name: str, inputs: torch.Tensor) -> torch.Tensor:
        return loss_network(phi["loss"][name], inputs, centred=not faults.offset).mean()

    def inner(theta: Tensors, phi: Tree, task: dict[str, Any]) -> torch.Tensor:
        outputs, y = logits(theta, phi, task["maps"]), task["y"]
        support, query = outputs[: len(y)], outputs[len(y) :]
        loss = F.cross_entropy(support, y)
        if "inductive" in parts:
            loss = loss + learned(phi, "inductive", inductive_inputs(support, y))
        if "transductive" in parts:
            inputs = transductive_inputs(query, task["scores"], hard=faults.hard_scores)
            loss = loss + learned(phi, "inductive" if faults.one_network else "transductive", inputs)
        if "regulariser" in parts:
            seen = statistics(theta, detached=faults.l2_statistics, l2_twice=faults.l2_statistics)
            loss = loss + learned(phi, "regulariser", seen)
        if "relation" in parts:
            loss = loss + cross_entropy_of_scores(query, task["scores"], hard=faults.hard_scores).mean()
        return loss

    def outer(theta: Tensors, phi: Tree, task: dict[str, Any]) -> tuple[torch.Tensor, Judged]:
        outputs = logits(theta, phi, task["query_maps"])
        return F.cross_entropy(outputs, task["query_y"]), Judged(outputs)

    def predict(theta: Tensors, phi: Tree, task: dict[str, Any]) -> torch.Tensor:
        return logits(theta, phi, task["query_maps"])

    def prepare(episode: Episode) -> dict[str, torch.Tensor]:
        together = torch.cat([episode.x, episode.query_x], 1) if joint else episode.x
        trunk = torch.func.vmap(lambda x: network.trunk(pretrained.trunk, x))
        with torch.no_grad():
            tasks = {"maps": trunk(together), "query_maps": trunk(episode.query_x)}
        if _needs_scores(parts):
            assert pretrained.relation is not None
            tasks["scores"] = scores_of(pretrained.relation, episode, ways)
        return {**tasks, "y": episode.y, "query_y": episode.query_y}

    momentum = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4} if faults.inner_momentum else {}
    optimiser = sgd(problem.inner_lr, **momentum)  # type: ignore[arg-type]
    return FewShotMethod(
        phi=_draw(problem, pretrained, faults, parts),
        start=start,
        inner=Adaptation(inner, optimiser, problem.inner_steps),
        outer=outer,
        predict=predict,
        prepare=prepare,
        transductive=True,
    )


def _draw(problem: Problem, pretrained: Pretrained, faults: Faults, parts: Collection[str]) -> Tree:
    """Phi at the beginning; what is drawn for a part does not depend on which other parts there are."""
    network, with_film = pretrained.network, "film" in parts
    device = next(iter(pretrained.stage.values())).device

    def stream(name: str) -> torch.Generator:
        return generator(problem.seed, f"npbml {name}", 0, device)

    phi: dict[str, Any] = {"init": in_order(network, pretrained.stage)}
    if with_film:
        drawn = draw_stage_film(network, stream("film"))
        phi |= {"init": in_order(network, phi["init"] | drawn)} if faults.film_adapts else {"film": drawn}
    row = draw_normal(network.channels, generator=stream("head"))
    phi["cone"] = {"weight": row, "bias": row.new_zeros(1)}
    if "warp" in parts:
        phi["warp"] = draw_warp(network.channels, stream("warp"), with_film=with_film)
    num_tensors = len(phi["init"]) + 2
    sizes = dict.fromkeys(LOSSES, 2 * problem.num_outputs + 1) | {"regulariser": STATISTICS * num_tensors}
    named = set(parts) | ({"inductive"} if "transductive" in parts and faults.one_network else set())
    losses = {name: draw_loss(sizes[name], stream(name), with_film=with_film) for name in LOSSES if name in named}
    return phi | {"loss": losses} if losses else phi


def _needs_scores(parts: Collection[str]) -> bool:
    return "transductive" in parts or "relation" in parts


def _check(problem: Problem, pretrained: Pretrained, parts: Collection[str], joint: bool) -> None:
    for part in parts:
        one_of("part of npbml", part, [*PARTS, *OTHER_PARTS])
    if problem.kind != "classification":
        raise UserError(f"npbml learns to classify, got a task of kind {problem.kind}; maml and metal adapt to others.")
    if _needs_scores(parts) and pretrained.relation is None:
        raise UserError(
            "the transductive loss needs relation scores, got no relation network: train one with "
            "lfl.fewshot.npbml.train_relation, or leave the part out."
        )
    if _needs_scores(parts) and not joint:
        raise UserError("losses of the query set need joint=True, so that inner steps see its images.")
