"""Batches belong to a seed, a stream and a step, and to nothing else."""

import torch

from lfl.data.batches import draw_rows


def draw(seed: int = 0, stream: str = "train", step: int = 0) -> torch.Tensor:
    return draw_rows(1000, 64, seed=seed, stream=stream, step=step)


def test_the_same_step_gives_the_same_batch_whatever_came_before() -> None:
    first = draw(step=7)
    [draw(step=s) for s in range(5)]
    assert torch.equal(draw(step=7), first)


def test_seed_stream_and_step_each_matter() -> None:
    assert (
        len(
            {tuple(draw(*key).tolist()) for key in ((0, "train", 0), (1, "train", 0), (0, "valid", 0), (0, "train", 1))}
        )
        == 4
    )


def test_uniform_over_rows_with_replacement() -> None:
    rows = torch.cat([draw(step=s) for s in range(400)])
    counts = torch.bincount(rows, minlength=1000).double()
    chi_squared = float(((counts - 25.6) ** 2 / 25.6).sum())
    assert 820 < chi_squared < 1190  # 999 degrees of freedom: four deviations of 45 about the mean
    assert any(len(set(draw(step=s).tolist())) < 64 for s in range(20))
