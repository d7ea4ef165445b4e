"""The slices of all ranks together are the batch."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import lfl
from lfl.step.slices import slice_of


def together(parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(parts, 1).flatten(0, 1)


@given(st.integers(1, 5), st.integers(1, 4))
def test_slices_are_the_batch_shared_out(size: int, each: int) -> None:
    count = size * each
    x, y = {"a": torch.arange(count), "b": torch.randn(count, 2)}, torch.arange(count).double()
    parts = [slice_of("batch", (x, y, (torch.arange(count * 3).view(count, 3),)), r, size) for r in range(size)]
    assert torch.equal(together([part[0]["a"] for part in parts]), x["a"])
    assert torch.equal(together([part[0]["b"] for part in parts]), x["b"])
    assert torch.equal(together([part[1] for part in parts]), y)
    assert torch.equal(together([part[2][0] for part in parts]), torch.arange(count * 3).view(count, 3))
    first = torch.cat([part[1][: each // 2] for part in parts])
    assert sorted(first.tolist()) == y[: size * (each // 2)].tolist()  # as a meta_batch_size takes them


def test_masks_of_attention_go_with_their_examples() -> None:
    module = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True).double()
    theta, buffers, apply_fn = lfl.functional(module)
    x = torch.randn(6, 3, 8, dtype=torch.float64)
    masks = lfl.draw_masks(lfl.mask_specs(apply_fn, theta, x), torch.Generator().manual_seed(0))
    whole, _ = apply_fn(theta, buffers, x, masks=masks)
    for rank in range(3):
        own, _, kept = slice_of("batch", (x, torch.zeros(6), masks), rank, 3)
        torch.testing.assert_close(apply_fn(theta, buffers, own, masks=kept)[0], whole[rank::3])


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ((torch.ones(5, 1), torch.ones(5)), "5 examples, which 2 ranks cannot share equally; give a multiple of 2"),
        ((torch.ones(4, 1), torch.ones(4), 7), "has a seed, from which a slice"),
        (((torch.ones(4, 1), torch.ones(3)), torch.ones(4)), "a tensor of 3 rows beside 4 examples"),
    ],
)
def test_what_cannot_be_shared_is_refused(batch: Any, says: str) -> None:
    with pytest.raises(lfl.UserError, match=says):
        slice_of("the train batch", batch, 0, 2)


def test_what_has_one_row_or_none_goes_to_all() -> None:
    x = (torch.ones(4, 1), torch.tensor(2.0), torch.ones(1, 7), "mode")
    own = slice_of("batch", (x, torch.ones(4)), 1, 2)
    assert own[0][1:] == x[1:]
    assert own[0][0].shape == (2, 1)
