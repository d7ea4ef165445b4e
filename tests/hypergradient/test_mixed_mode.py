"""The backward pass over stored steps: passes that it saves, and parts of batches."""

import pytest
import torch
from torch.utils._pytree import tree_map

import lfl
from lfl.hypergradient import mixed

from .cases import MODELS, Case, assert_close, form, make_case, phi_gradient


def test_what_the_loss_ignores_of_phi_has_no_gradient() -> None:
    case = make_case("plain", "sgd", "regression", torch.float64)
    phi = {**case.phi, "unused": torch.ones(2, dtype=torch.float64)}
    found = phi_gradient(case._replace(phi=phi), "mixed")
    assert not found["unused"].any()
    assert_close({name: found[name] for name in case.phi}, phi_gradient(case))


@pytest.mark.parametrize(
    ("optimiser", "held", "again"),
    [("sgd", "loss", 0), ("nesterov", "loss", 0), ("adam", "loss", 3), ("sgd", "both", 3)],
)
def test_base_passes_run_again_only_where_an_update_looks_at_their_gradients(
    optimiser: str, held: str, again: int
) -> None:
    """Through three steps: three base passes, the validation pass, and three passes backwards."""
    case = make_case("plain", optimiser, "regression", torch.float64, held=held)
    passes = 0

    def counted(*args, **kwargs):
        nonlocal passes
        passes += 1
        return apply_fn(*args, **kwargs)

    apply_fn = case.kwargs["apply_fn"]
    case = case._replace(kwargs={**case.kwargs, "apply_fn": counted})
    form(mixed, case, 3)(case.theta, case.phi, case.carry)
    assert passes == 7 + again


def parts(case: Case, size: int) -> lfl.Carry:
    return lfl.meta_step(*case[1:6], **case.kwargs, meta_batch_size=size)[2]


@pytest.mark.parametrize("model", MODELS)
def test_a_part_as_large_as_the_batch_is_the_whole(model: str) -> None:
    case = make_case(model, "adam", "regression", torch.float64, held="both")
    assert_close(parts(case, 12), lfl.meta_step(*case[1:6], **case.kwargs, hypergradient="unroll")[2])


def test_the_mean_over_parts_is_the_whole_without_batch_norm() -> None:
    """Each half of the train batch in turn, evaluated on one valid example: the estimate has no bias."""
    case = make_case("dropout", "sgd", "classification", torch.float64)
    case = case._replace(batch_val=tree_map(lambda t: t[:1], case.batch_val))
    size = len(case.batch_tr[1]) // 2

    def reordered(rows: list[int]) -> Case:
        return case._replace(batch_tr=tree_map(lambda t: t[rows], case.batch_tr))

    halves = [
        parts(reordered(rows), size).outer for rows in ([*range(2 * size)], [*range(size, 2 * size), *range(size)])
    ]
    mean = tree_map(lambda a, b: (a + b) / 2, *halves)
    assert_close(mean, phi_gradient(case))


def test_parts_must_hold_an_example() -> None:
    with pytest.raises(lfl.UserError, match="at least 1"):
        parts(make_case("plain", "sgd", "regression", torch.float64), 0)
