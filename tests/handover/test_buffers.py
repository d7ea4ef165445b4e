"""Tensors by name go in and come out."""

import torch

from lfl.handover.buffers import as_buffers, tensors_of


def test_names_with_and_without_dots_come_out_as_they_went_in() -> None:
    tensors = {"0.weight": torch.ones(2), "0.bias": torch.zeros(1), "centre": torch.ones(1), "a.b.c": torch.ones(1)}
    module = as_buffers(tensors)
    found = tensors_of(module)
    assert found.keys() == tensors.keys() == module.state_dict().keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    tensors["0.weight"] += 1.0
    assert torch.equal(tensors_of(module)["0.weight"], torch.ones(2))
