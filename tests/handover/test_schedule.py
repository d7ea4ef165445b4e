"""phi between the steps at which it was kept, against NumPy's interpolation."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lfl.handover.schedule import phi_at
from lfl.randomness import generator

GAPS = st.lists(st.integers(1, 50_000), min_size=1, max_size=6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), GAPS, st.integers(1, 300_000), st.data())
def test_it_is_linear_between_the_kept_steps(seed: int, gaps: list[int], num_steps: int, data: st.DataObject) -> None:
    steps = np.cumsum([0, *gaps])
    kept = torch.randn(len(steps), 3, generator=generator(seed, "phi"), dtype=torch.float64)
    taken = data.draw(st.integers(0, 2 * num_steps))
    found = phi_at({"w": kept}, torch.from_numpy(steps), torch.tensor(taken), num_steps)["w"]
    where = min(taken, num_steps) * steps[-1] / num_steps
    expected = [np.interp(where, steps, column) for column in kept.numpy().T]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)  # the share is a float32


def test_unstretched_kept_steps_are_met_exactly() -> None:
    steps = torch.tensor([0, 7, 20, 21])
    kept = torch.randn(4, 5, generator=generator(0, "phi"))
    for i, step in enumerate(steps):
        assert torch.equal(phi_at({"w": kept}, steps, step, 21)["w"], kept[i])
