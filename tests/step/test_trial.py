"""Which form of the hypergradient a model works with, tried before it is compiled or stacked."""

import pytest
import torch

from lfl.errors import NotDifferentiable, UserError
from lfl.step.trial import working_form

THETA = {"weight": torch.zeros(2, 3)}


def tried(refused: set[str], *, asked: str = "auto", free: bool = True) -> tuple[str, list[tuple[str, int]]]:
    """The form that is found, and the steps that were tried, where some forms are refused."""
    steps: list[tuple[str, int]] = []

    def try_step(form: str, num_steps: int) -> None:
        steps.append((form, num_steps))
        if form in refused:
            raise NotDifferentiable(form)

    return working_form(try_step, asked, THETA, [1, 2], compiled=False, free=free), steps


def test_auto_stays_where_the_first_choice_of_every_horizon_works() -> None:
    assert tried(set()) == ("auto", [("unroll", 1), ("mixed", 2)])


def test_the_other_exact_form_must_work_at_every_horizon() -> None:
    assert tried({"unroll"}) == ("mixed", [("unroll", 1), ("mixed", 1), ("mixed", 2)])
    assert tried({"mixed"}) == ("unroll", [("unroll", 1), ("mixed", 2), ("unroll", 1), ("unroll", 2)])
    with pytest.raises(UserError, match="mixed"):
        tried({"unroll", "mixed"})


@pytest.mark.parametrize(("asked", "free"), [("implicit", True), ("auto", False)])
def test_what_was_asked_for_has_no_substitute(asked: str, free: bool) -> None:
    assert tried(set(), asked=asked, free=free) == (asked, [(asked, 1), (asked, 2)])
    with pytest.raises(UserError, match=asked):
        tried({asked}, asked=asked, free=free)
