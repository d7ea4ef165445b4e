"""When compiling pays, and when seeds are faster as one program."""

from functools import partial
from pathlib import Path

import torch

from lfl.task import load_task
from lfl.training import compiles, resolve, trains_together
from lfl.training.speed import forward_flops, vmap_pays, worth_compiling

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
