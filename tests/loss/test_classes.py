"""Class ids against torch's conventions: out of range, ignored, and one logit for two classes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import lfl
from lfl.loss import HANDCRAFTED, check_class_ids
from lfl.randomness import generator
from lfl.types import TaskLoss

FORMS = ["unroll", "mixed", "finite-difference", "implicit"]


def network() -> tuple[dict[str, torch.Tensor], lfl.LearnedLoss]:
    return lfl.loss_network("classification", generator=generator(0, "phi"), gain=1.0, dtype=torch.float64)


PHI, NETWORK = network()
LOSSES: dict[str, TaskLoss] = {
    **HANDCRAFTED["classification"],
    "learned": partial(NETWORK, PHI),
    "error": lfl.error_rate,
}


def batch(seed: int, size: int = 12, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    g = generator(seed, "batch")
    return 2.0 * torch.randn(size, classes, generator=g, dtype=torch.float64), torch.randint(
        classes, (size,), generator=g
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.sampled_from([-100, -1, 0, 1, 300]), st.floats(0.0, 1.0))
def test_ignored_ids_leave_the_mean_as_in_torch(seed: int, classes: int, ignored: int, smoothing: float) -> None:
    outputs, ids = batch(seed, classes=classes)
    ids[torch.rand(12, generator=generator(seed, "which")) < 0.4] = ignored
    for own, theirs in (
        (lfl.cross_entropy, F.cross_entropy),
        (partial(lfl.label_smoothing, smoothing=smoothing), partial(F.cross_entropy, label_smoothing=smoothing)),
    ):

        def mean(outputs: torch.Tensor, own: Callable[..., torch.Tensor] = own) -> torch.Tensor:
            return own(outputs, ids, ignore_index=ignored).mean()

        slope, value = torch.func.grad_and_value(mean)(outputs)
        expected = theirs(outputs.requires_grad_(), ids, ignore_index=ignored)
        torch.testing.assert_close(value, expected.detach(), rtol=1e-12, atol=1e-12, equal_nan=True)
        if bool((ids != ignored).any()):
            (expected_slope,) = torch.autograd.grad(expected, outputs)
            torch.testing.assert_close(slope, expected_slope, rtol=1e-10, atol=1e-12)
        outputs = outputs.detach()


@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_is_that_of_the_examples_that_count(name: str) -> None:
    outputs, ids = batch(1)
    some = ids.clone()
    some[::3] = -100
    counted = some != -100
    losses = LOSSES[name](outputs, some)
    torch.testing.assert_close(losses.mean(), LOSSES[name](outputs[counted], ids[counted]).mean())
    assert not losses[::3].any()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("bad", [4, -1, 99, -7])
def test_ids_out_of_range_are_refused(name: str, bad: int) -> None:
    outputs, ids = batch(1)
    ids[5] = bad
    with pytest.raises(lfl.UserError, match=rf"go from 0 to 3 .* got {bad};"):
        LOSSES[name](outputs, ids)


@pytest.mark.parametrize("name", LOSSES)
def test_where_values_cannot_be_seen_ids_out_of_range_are_not_a_number_and_ignored_ones_do_not_count(name: str) -> None:
    outputs, ids = batch(1)
    rows = torch.stack([ids, ids.clone(), ids.clone()])
    rows[1, :5] = -100
    rows[2, 5] = 4
    losses = torch.func.vmap(LOSSES[name], (None, 0))(outputs, rows)
    torch.testing.assert_close(losses[0], LOSSES[name](outputs, ids), rtol=1e-14, atol=1e-15)
    torch.testing.assert_close(losses[1], LOSSES[name](outputs, rows[1]), rtol=1e-14, atol=1e-15)
    assert losses[2].isnan().tolist() == [i == 5 for i in range(12)]


@pytest.mark.parametrize("name", LOSSES)
def test_where_all_count_nothing_changes_by_a_bit(name: str) -> None:
    """An `ignore_index` in range takes the longer way, on which each loss is multiplied by 12/12."""
    outputs, ids = batch(3)
    ids = ids.clamp(max=2)
    longer = LOSSES[name]
    if name == "learned":
        longer = partial(lfl.LearnedLoss(NETWORK.pointwise, "classification", ignore_index=3), PHI)
    else:
        longer = partial(longer, ignore_index=3)
    assert torch.equal(longer(outputs, ids), LOSSES[name](outputs, ids))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_narrow_ids_are_not_mistaken_for_ignored_ones(dtype: torch.dtype) -> None:
    outputs, ids = torch.randn(3, 200, generator=generator(0, "x")), torch.tensor([100, 7, 100])
    if dtype == torch.uint8:
        ids[0] = 156  # -100 modulo 256
    assert torch.equal(lfl.cross_entropy(outputs, ids.to(dtype)), lfl.cross_entropy(outputs, ids))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("outputs", "ids"),
    [
        (torch.zeros(4, 3), torch.zeros(1, dtype=torch.long)),
        (torch.zeros(1, 3), torch.zeros(4, dtype=torch.long)),
        (torch.zeros(4, 3), torch.zeros(4, 1, dtype=torch.long)),
        (torch.zeros(4), torch.zeros(3, dtype=torch.long)),
        (torch.zeros(4, 3), torch.zeros(4)),
        (torch.zeros(4, 3, 2), torch.zeros(4, dtype=torch.long)),
    ],
)
def test_nothing_is_broadcast(name: str, outputs: torch.Tensor, ids: torch.Tensor) -> None:
    with pytest.raises(lfl.UserError, match=r"\[batch, classes\] and class ids"):
        LOSSES[name](outputs.double(), ids)


def test_check_class_ids_names_what_is_wrong() -> None:
    check_class_ids(torch.tensor([[0, 3], [-100, 2]]), 4)
    check_class_ids(torch.empty(0, dtype=torch.long), 4)
    check_class_ids(torch.tensor([0, 1]), 1)
    with pytest.raises(lfl.UserError, match=r"one logit go from 0 to 1 .* got 2"):
        check_class_ids(torch.tensor([0, 2]), 1)
    with pytest.raises(lfl.UserError, match="integers"):
        check_class_ids(torch.tensor([0.0]), 4)


def step_of(form: str, module: nn.Module) -> Callable[..., Any]:
    theta, _, apply_fn = lfl.functional(module)

    def step(train: Any, valid: Any) -> Any:
        return lfl.meta_step(
            theta,
            PHI,
            train,
            valid,
            apply_fn=apply_fn,
            loss_fn=NETWORK,
            task_loss=lfl.cross_entropy,
            inner=lfl.sgd(0.3, momentum=0.9),
            outer=lfl.sgd(1.0),
            hypergradient=form,
        )

    return step


def linear(num_outputs: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, num_outputs)).double()


@pytest.mark.parametrize("form", FORMS)
def test_a_step_with_ignored_ids_is_the_step_without_those_examples(form: str) -> None:
    (x, y), (x_val, y_val) = batch(1), batch(2)
    counted, counted_val = torch.arange(12) % 4 != 1, torch.arange(12) > 4
    given = step_of(form, linear(4))((x, torch.where(counted, y, -100)), (x_val, torch.where(counted_val, y_val, -100)))
    alone = step_of(form, linear(4))((x[counted], y[counted]), (x_val[counted_val], y_val[counted_val]))
    rtol = 1e-6 if form == "finite-difference" else 1e-10
    for ours, theirs in zip(given[:2], alone[:2], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=rtol, atol=1e-12)
    torch.testing.assert_close(given[3].outer_loss, alone[3].outer_loss, rtol=1e-12, atol=1e-12)
    assert not torch.equal(given[1]["0.weight"], PHI["0.weight"])


@pytest.mark.slow
def test_a_compiled_step_takes_ignored_ids_alike() -> None:
    (x, y), (x_val, y_val) = batch(1), batch(2)
    y[3], y_val[7] = -100, -100
    step = step_of("unroll", linear(4))
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    for ours, theirs in zip(compiled((x, y), (x_val, y_val))[:2], step((x, y), (x_val, y_val))[:2], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    y[0] = 4
    assert bool(compiled((x, y), (x_val, y_val))[3].inner_loss.isnan())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("where", [0, 1])
def test_a_step_names_ids_out_of_range(form: str, where: int) -> None:
    batches = [batch(1), batch(2)]
    batches[where][1][5] = 4
    with pytest.raises(lfl.UserError, match="go from 0 to 3"):
        step_of(form, linear(4))(*batches)


def as_two(z: torch.Tensor) -> torch.Tensor:
    z = z.reshape(len(z), 1)
    return torch.cat([torch.zeros_like(z), z], 1)


def one_logit(seed: int = 0, size: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    g = generator(seed, "one logit")
    return 3.0 * torch.randn(size, 1, generator=g, dtype=torch.float64), torch.randint(2, (size,), generator=g)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("flat", [False, True])
def test_one_logit_is_two_of_which_the_first_is_zero(name: str, flat: bool) -> None:
    z, ids = one_logit()
    found = LOSSES[name](z[:, 0] if flat else z, ids)
    torch.testing.assert_close(found, LOSSES[name](as_two(z), ids), rtol=1e-14, atol=1e-15)
    ids[2] = 2
    with pytest.raises(lfl.UserError, match="one logit go from 0 to 1"):
        LOSSES[name](z, ids)


def test_cross_entropy_of_one_logit_is_binary_cross_entropy_with_logits() -> None:
    z, ids = one_logit()
    z[0], z[1] = 1e4, -1e4
    expected = F.binary_cross_entropy_with_logits(z[:, 0], ids.double(), reduction="none")
    torch.testing.assert_close(lfl.cross_entropy(z, ids), expected, rtol=1e-13, atol=1e-13)
    smoothed = F.binary_cross_entropy_with_logits(z[:, 0], 0.9 * ids.double() + 0.05, reduction="none")
    torch.testing.assert_close(lfl.label_smoothing(z, ids, 0.1), smoothed, rtol=1e-13, atol=1e-13)


def test_focal_of_one_logit_is_its_formula_and_the_error_is_at_zero() -> None:
    z, ids = one_logit()
    p = torch.where(ids == 1, torch.sigmoid(z[:, 0]), torch.sigmoid(-z[:, 0]))
    torch.testing.assert_close(lfl.focal(z, ids), -((1 - p) ** 2) * p.log(), rtol=1e-11, atol=1e-13)
    assert torch.equal(lfl.error_rate(z, ids), ((z[:, 0] > 0) != (ids == 1)).double())


def test_a_learned_loss_of_one_logit_sees_both_probabilities() -> None:
    z, ids = one_logit()
    p, y = torch.sigmoid(z), ids[:, None].double()
    expected = NETWORK.elementwise(PHI, torch.cat([1 - y, y], 1), torch.cat([1 - p, p], 1)).mean(1)
    torch.testing.assert_close(NETWORK(PHI, z, ids), expected, rtol=1e-12, atol=1e-13)


class AsTwo(nn.Module):
    """A model of one logit with the other written out."""

    def __init__(self) -> None:
        super().__init__()
        self.one = linear(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return as_two(self.one(x))


@pytest.mark.parametrize("form", FORMS)
def test_a_model_of_one_logit_learns_as_that_of_two(form: str) -> None:
    (x, y), (x_val, y_val) = batch(1), batch(2)
    batches = (x, y % 2), (x_val, y_val % 2)
    one, two = step_of(form, linear(1))(*batches), step_of(form, AsTwo())(*batches)
    rtol = 1e-6 if form == "finite-difference" else 1e-10
    torch.testing.assert_close(one[1], two[1], rtol=rtol, atol=1e-12)
    torch.testing.assert_close(list(one[0].values()), list(two[0].values()), rtol=rtol, atol=1e-12)
    assert one[3].phi_grad_norm > 0
