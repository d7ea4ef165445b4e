"""Averages between the passes: two halves of a batch, computed in turns, give the gradient of the whole batch.

`tests/step/test_ranks.py` has processes, all optimisers, horizons and forms.
"""

import threading
from functools import partial
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_map

from lfl.hypergradient import HYPERGRADIENTS, Bilevel
from lfl.hypergradient.averages import changes, moved
from lfl.hypergradient.mixed_mode import Stages, mixed

from .cases import Case, assert_close, make_case


class Turns:
    """Two threads, of which one computes at a time, and their averages."""

    def __init__(self) -> None:
        self.one_at_a_time, self.meeting = threading.Lock(), threading.Barrier(2, timeout=60)
        self.given: dict[int, Any] = {}
        self.found: dict[int, Any] = {}

    def average(self, which: int, tree: Any) -> Any:
        self.given[which] = tree
        self.one_at_a_time.release()
        self.meeting.wait()
        mean = tree_map(lambda a, b: (a + b) / 2, self.given[0], self.given[1])
        self.meeting.wait()
        self.one_at_a_time.acquire()
        return mean

    def run(self, which: int, function: Any) -> None:
        with self.one_at_a_time:
            self.found[which] = function(partial(self.average, which))


def halves(form: Any, case: Case) -> dict[int, Any]:
    """What a form gives on each half of the batches of three steps."""
    turns = Turns()
    kwargs = {name: value for name, value in case.kwargs.items() if name != "outer"}

    def half(which: int, average: Any) -> Any:
        train, valid = (tuple(tree_map(lambda t: t[which::2], b)) for b in (case.batch_tr, case.batch_val))
        problem = Bilevel(**kwargs, average=average)
        return form(problem, case.theta, case.phi, [train, valid, train], valid, case.carry.inner, case.carry.buffers)

    threads = [threading.Thread(target=turns.run, args=(i, partial(half, i))) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return turns.found


@pytest.mark.parametrize("optimiser", ["nesterov", "adam"])
@pytest.mark.parametrize("model", ["plain", "dropout"])
def test_halves_give_the_gradient_of_the_whole(model: str, optimiser: str) -> None:
    case = make_case(model, optimiser, "regression", torch.float64, held="both")
    problem = Bilevel(**{name: value for name, value in case.kwargs.items() if name != "outer"})
    batches = [case.batch_tr, case.batch_val, case.batch_tr]
    alone = mixed(problem, case.theta, case.phi, batches, case.batch_val, case.carry.inner, case.carry.buffers)
    found = halves(mixed, case)
    for which in range(2):
        assert_close(found[which], alone, rtol=1e-10)


def test_stages_are_called_between_averages_so_that_they_can_be_compiled() -> None:
    """No stage sees a problem that averages, and the stage that holds an average is not used."""
    seen = []

    def noted(name: str) -> Any:
        def stage(problem: Bilevel, *args: Any, **kwargs: Any) -> Any:
            seen.append((name, problem.average))
            return getattr(Stages(), name)(problem, *args, **kwargs)

        return stage

    stages = Stages(*(noted(name) for name in Stages._fields))
    halves(partial(mixed, stages=stages), make_case("plain", "sgd", "regression", torch.float64))
    assert {average for _, average in seen} == {None}
    assert {name for name, _ in seen} == {*Stages._fields} - {"inner_step"}


def test_other_forms_on_halves() -> None:
    case = make_case("plain", "sgd", "regression", torch.float64)
    problem = Bilevel(**{name: value for name, value in case.kwargs.items() if name != "outer"})
    batches = [case.batch_tr, case.batch_val, case.batch_tr]
    for name, rtol in (("implicit", 1e-10), ("finite-difference", 1e-6)):
        form: Any = HYPERGRADIENTS[name]
        alone = form(problem, case.theta, case.phi, batches, case.batch_val, case.carry.inner, case.carry.buffers)
        assert_close(halves(form, case)[0], alone, rtol=rtol)


def test_buffers_that_did_not_change_keep_their_bits() -> None:
    before = {"mask": torch.tensor([0.0, -torch.inf]), "mean": torch.tensor([1.0]), "count": torch.tensor(3)}
    after = {"mask": before["mask"].clone(), "mean": torch.tensor([3.0]), "count": torch.tensor(4)}
    changed = changes(None, before, after)  # type: ignore[arg-type]
    assert set(changed) == {"mask", "mean"}
    new = moved(before, after, {name: t / 2 for name, t in changed.items()})
    assert torch.equal(new["mask"], before["mask"])
    assert float(new["mean"]) == 2.0
    assert int(new["count"]) == 4
