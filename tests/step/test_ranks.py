"""Several processes equal one, to rounding, in float64: gloo on the loopback device."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.utils._pytree import tree_leaves

import lfl

from ..hypergradient.cases import assert_close, make_case
from ..processes import start, status_of
from .ranks import BATCH, WORLDS, case_of, cases, in_buckets, other_steps, step, synchronised, with_norm

ROOT = Path(__file__).parents[2]
PROGRAM = """
sys.path.insert(0, root)
from importlib import import_module
from pathlib import Path
from tests.step import ranks
module, _, function = work.partition(":")
ranks.run(rank, size, Path(folder), getattr(import_module(module), function))
"""


def together(size: int, folder: Path, work: str) -> list[Any]:
    """What the function `work`, `module:function`, returns in each of `size` processes."""
    started = [
        start(
            PROGRAM, stderr=folder / f"{rank}.err", root=str(ROOT), rank=rank, size=size, folder=str(folder), work=work
        )
        for rank in range(size)
    ]
    statuses = [status_of(process, 300) for process in started]
    errors = "\n".join((folder / f"{rank}.err").read_text() for rank in range(size))
    assert statuses == [0] * size, errors
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(size)]


@pytest.fixture(scope="module")
def all_found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[Any, Any]]:
    return together(max(WORLDS), tmp_path_factory.mktemp("ranks"), "tests.step.ranks:everything")


@pytest.fixture(params=WORLDS, ids=lambda size: f"{size} processes")
def found(request: pytest.FixtureRequest, all_found: list[dict[Any, Any]]) -> list[dict[str, Any]]:
    return [rank[request.param] for rank in all_found[: request.param]]


def same_everywhere(found: list[dict[str, Any]], name: str) -> Any:
    """What all ranks have, to the bit."""
    for other in found[1:]:
        for here, there in zip(tree_leaves(found[0][name]), tree_leaves(other[name]), strict=True):
            assert torch.equal(here, there)
    return found[0][name]


@pytest.mark.slow
def test_every_case_equals_one_process(found: list[dict[str, Any]]) -> None:
    for name in cases(len(found)):
        assert_close(same_everywhere(found, name), step(name, None), rtol=1e-10)


@pytest.mark.slow
def test_other_steps_equal_one_process(found: list[dict[str, Any]]) -> None:
    for name, alone in other_steps(None).items():
        assert_close(same_everywhere(found, name), alone, rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["mixed", "unroll"])
def test_batch_norm_has_the_statistics_of_each_slice_and_their_mean(found: list[dict[str, Any]], form: str) -> None:
    assert_close(same_everywhere(found, f"batch norm {form}"), with_norm(form, None, len(found)), rtol=1e-10)


@pytest.mark.slow
def test_synchronised_batch_norm_equals_one_process(found: list[dict[str, Any]]) -> None:
    assert_close(same_everywhere(found, "synchronised"), synchronised(None), rtol=1e-10)


@pytest.mark.slow
def test_own_batches_are_those_of_one_process_together(found: list[dict[str, Any]]) -> None:
    case = make_case("plain", "adam", "classification", torch.float64, BATCH)
    alone = lfl.meta_step(case.theta, case.phi, case.batch_tr, case.batch_val, None, **case.kwargs)
    assert_close(same_everywhere(found, "own batches"), alone, rtol=1e-10)


@pytest.mark.slow
def test_ranks_that_do_not_agree_say_so_on_all_ranks(found: list[dict[str, Any]]) -> None:
    said = found[0]["refusals"]
    assert all(other["refusals"] == said for other in found)
    assert said["phi"].startswith("UserError: phi is not the same on rank 1 as on rank 0; start every rank from")
    assert said["order"].startswith("UserError: the train batch is not the same on rank 1")
    assert "equally many examples" in said["numbers"]


@pytest.mark.slow
def test_what_ranks_cannot_have_is_refused(found: list[dict[str, Any]]) -> None:
    programs, own_form, part = found[0]["refused"]
    assert "cannot be compiled whole, vmapped or differentiated; call it eagerly" in programs
    assert "a form of your own, which does not average over ranks; choose 'mixed'" in own_form
    assert f"meta_batch_size must be a multiple of the {len(found)} ranks, got 5" in part


@pytest.mark.slow
def test_collectives_are_counted(found: list[dict[str, Any]]) -> None:
    """K = 1: two of theta's size (each with a loss beside it), one of phi's; 2 K + 1 for a horizon of K.

    `unroll` does not go back through gradients that phi does not reach: the first, where phi is a rate alone.
    """
    for name in cases(len(found)):
        case, _, batches = case_of(name)
        theta, phi = (sum(t.numel() for t in tree_leaves(tree)) for tree in (case.theta, case.phi))
        sizes, horizon = found[0]["sizes"][name], len(batches)
        fewer = name.endswith("rate-unroll")
        assert len(sizes) == 2 * horizon + 1 - fewer
        assert all(theta <= size <= theta + 1 for size in sizes[:-1])
        assert phi <= sizes[-1] <= phi + 1


@pytest.mark.slow
def test_buckets_on_their_way_give_the_same_gradient(found: list[dict[str, Any]]) -> None:
    """A horizon of three steps and a base step, whose gradient is 96 numbers; 2e-4 MB hold 26."""
    ours, whole = (same_everywhere(found, name) for name in ("in buckets", "in one bucket"))
    assert_close(ours, whole, rtol=1e-12)  # four ranks add up in an order that depends on a number's place
    assert_close(ours, in_buckets(None)[0], rtol=1e-10)
    one, several = (found[0]["sizes"][name] for name in ("in one bucket", "in buckets"))
    rest = [96, 96, 1720]  # curvature products and phi
    assert one == [97] * 4 + rest + [98]
    assert several == [36, 61] * 4 + rest + [36, 62]


@pytest.mark.slow
def test_a_rank_that_stops_stops_the_others_with_words(all_found: list[dict[Any, Any]]) -> None:
    said = [rank["stops"][0] for rank in all_found[:-1]]
    assert all("could not go on: another rank has stopped" in text for text in said)


@pytest.mark.slow
def test_a_rank_that_hangs_stops_the_others_within_the_time_limit(all_found: list[dict[Any, Any]]) -> None:
    for text, seconds in [rank["hangs"] for rank in all_found[1:]]:
        assert "did not come within the time limit of the process group" in text
        assert seconds < 5


def test_without_a_process_group_an_error_says_what_to_do() -> None:
    with pytest.raises(lfl.UserError, match="start the program with torchrun, and call"):
        lfl.Ranks()
    with pytest.raises(lfl.UserError, match="unknown batches 'mine'; choose one of: whole, own"):
        lfl.Ranks(batches="mine")


def test_one_rank_is_the_step_of_one_process(tmp_path: Path) -> None:
    case = make_case("dropout", "adam", "classification", torch.float64, BATCH)
    arguments = case.theta, case.phi, case.batch_tr, case.batch_val, case.carry
    alone = lfl.meta_step(*arguments, **case.kwargs)
    meeting = f"file://{tmp_path / 'meeting'}"
    dist.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
    try:
        for group in (dist.group.WORLD, lfl.Ranks()):
            found = lfl.meta_step(*arguments, **case.kwargs, group=group)
            assert all(torch.equal(a, b) for a, b in zip(tree_leaves(found), tree_leaves(alone), strict=True))
        with pytest.raises(lfl.UserError, match=r"must be a torch.distributed.ProcessGroup or an lfl.Ranks, got a str"):
            lfl.meta_step(*arguments, **case.kwargs, group="world")
    finally:
        dist.destroy_process_group()
