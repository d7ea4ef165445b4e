"""When compiling pays, and what is compiled computes the same."""

from functools import partial
from pathlib import Path

import pytest
import torch
import torch._inductor.config as inductor
from torch._dynamo.utils import counters
from torch._inductor.utils import run_and_get_code
from torch.utils._pytree import tree_leaves, tree_map

import lfl
from lfl.method import plan
from lfl.task import load_task
from lfl.training import build_problem, build_programs, compiles, resolve, train, trains_together
from lfl.training.compilation import compile_program, forward_flops, vmap_pays, worth_compiling

TASK = load_task("digits", Path("unused"))
CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_auto_compiles_where_it_pays() -> None:
    assert worth_compiling(5_000, 0, CPU)
    assert worth_compiling(100, 10**12, CPU)
    assert not worth_compiling(4_999, 10**9, CPU)
    assert not worth_compiling(100, 10**12, GPU)
    assert worth_compiling(5_000, 0, GPU)
    assert not worth_compiling(10**6, 10**12, torch.device("mps"))
    assert not compiles(TASK, resolve(TASK.defaults))
    assert compiles(TASK, resolve(TASK.defaults, steps=4_500))
    assert not compiles(TASK, resolve(TASK.defaults, steps=4_500, method="baseline"))
    assert not compiles(TASK, resolve(TASK.defaults, steps=25_000, compile="off"))
    assert compiles(TASK, resolve(TASK.defaults, steps=1, compile="on"))


def test_forward_flops_are_two_for_each_multiplication_and_addition() -> None:
    assert forward_flops(lambda: torch.ones(3, 4) @ torch.ones(4, 5)) == 2 * 3 * 4 * 5


def test_seeds_train_together_where_that_is_faster() -> None:
    small, large, deep = ({"w": torch.empty(shape)} for shape in ((10, 784), (1000, 1000), (6, 1, 5, 5)))
    assert [vmap_pays(theta, CPU) for theta in (small, large, deep)] == [True, False, False]
    assert all(vmap_pays(theta, GPU) for theta in (small, large, deep))
    assert trains_together(TASK, resolve(TASK.defaults, model="logistic"))
    long = partial(resolve, TASK.defaults, model="logistic", compile="on", inner_steps=2)
    assert not trains_together(TASK, long())  # compiled in pieces, which are not vmapped
    assert trains_together(TASK, long(hypergradient="unroll"))


def last_state(method: str, *, compiled: bool = False, seeds: list[int] | None = None, **asked):
    settings = resolve(
        TASK.defaults,
        method=method,
        **({"model": "logistic", "steps": 6, "offline_steps": 3, "batch_size": 16} | asked),
    )
    steps = build_programs(TASK, settings, many_seeds=seeds is not None, compiled=compiled)
    whole = plan(method, build_problem(TASK, settings, seeds=seeds, steps=steps))
    return list(train(whole, measure=lambda *_: [{}] * len(seeds or [0]), log_every=1, eval_every=3))[-1].state


def assert_close(a, b) -> None:
    for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"inner_steps": 2, "horizon": 3, "meta_every": 6},
        {"meta_batch_size": 4},
        {"method": "adalfl+lr", "schedule": "cosine", "momentum": 0.9},
        {"method": "meta-lr", "inner_steps": 2, "horizon": 3, "schedule": "step"},
    ],
    ids=["plain", "long horizons in pieces", "part of a batch", "loss and rate", "rate, long horizons"],
)
def test_compiled_runs_equal_eager_ones_and_nothing_compiles_twice(asked, request) -> None:
    """Offline and online steps at their own rates, batches and step numbers share one program, seen through the
    compiler's own count of graphs. Code is generated for the first."""
    if asked:
        request.getfixturevalue("no_code_generation")
    torch._dynamo.reset()
    counters.clear()
    asked = {"method": "adalfl"} | asked
    compiled = last_state(compiled=True, **asked)
    graphs = counters["stats"]["unique_graphs"]
    base_steps = asked.get("meta_every", 0) > asked.get("horizon", 1)
    assert graphs == (4 + base_steps if "horizon" in asked else 1)
    assert_close(compiled, last_state(**asked))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["baseline", "ml3", "meta-lr", "adalfl", "adalfl+lr"])
def test_seeds_together_have_the_numbers_that_each_has_alone(method: str) -> None:
    together = last_state(method, seeds=[3, 5, 8])
    for i, seed in enumerate((3, 5, 8)):
        assert_close(tree_map(lambda t, i=i: t[i] if t is not None else None, together), last_state(method, seed=seed))


@pytest.mark.slow
def test_many_programs_in_one_process_do_not_use_up_the_compilers_patience() -> None:
    """The compiler gives up at the ninth recompilation of one code object."""
    torch._dynamo.reset()
    for i in range(10):
        program = compile_program(lambda t, i=i: t + i, CPU)
        assert program(torch.zeros(())) == i


@pytest.mark.slow
def test_what_occurs_twice_is_computed_once() -> None:
    """A program with its own derivative: the product below is also the first half of its tangent."""

    def program(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        primal = torch.tanh(a @ b)
        value, tangent = torch.func.jvp(lambda b: torch.tanh(a @ b), (b,), (torch.ones_like(b),))
        return primal + value + tangent

    torch._dynamo.reset()
    a, b = torch.randn(4, 5), torch.randn(5, 6)
    result, (code,) = run_and_get_code(compile_program(program, CPU), a, b)
    torch.testing.assert_close(result, program(a, b))
    assert code.count("extern_kernels.mm(") == 2  # a @ b, and a @ its direction


def test_without_a_compiler_auto_is_eager_and_on_says_so() -> None:
    with inductor.patch({"cpp.cxx": ("/nowhere/g++",)}):
        assert not worth_compiling(10**6, 10**12, CPU)
        with pytest.raises(lfl.UserError, match="needs a C\\+\\+ compiler"):
            compiles(TASK, resolve(TASK.defaults, compile="on"))
