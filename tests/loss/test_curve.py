"""Curves of losses: what they are at points where the loss is known."""

import math

import torch

import lfl
from lfl.loss.curve import CLASSES, axis, of_one_output, sample_curves
from lfl.randomness import generator


def test_of_an_example_it_is_the_loss_against_the_true_class_s_probability() -> None:
    phi, loss_fn = lfl.vector_scaling("classification", num_outputs=4, generator=generator(0, "phi"))
    assert not of_one_output(loss_fn)
    torch.testing.assert_close(sample_curves(loss_fn, phi)[0], -axis(loss_fn).log(), rtol=1e-4, atol=1e-5)
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0])
    found = sample_curves(loss_fn, phi | {"log_weight": weights.log()})[0]
    torch.testing.assert_close(found, -weights.mean() * axis(loss_fn).log(), rtol=1e-4, atol=1e-5)


def test_a_base_is_in_the_curve() -> None:
    phi, loss_fn = lfl.residual_loss("classification", exact=True, generator=generator(0, "phi"))
    constant = float(loss_fn(phi, torch.zeros(1, CLASSES), torch.tensor([0]))) - math.log(CLASSES)
    torch.testing.assert_close(sample_curves(loss_fn, phi)[0] - constant, -axis(loss_fn).log(), rtol=1e-4, atol=1e-5)
    phi, loss_fn = lfl.residual_loss("regression", base="absolute-error", exact=True, generator=generator(0, "phi"))
    torch.testing.assert_close(sample_curves(loss_fn, phi)[0], axis(loss_fn).abs(), rtol=0.0, atol=1e-6)


def test_of_one_output_it_is_the_pointwise_loss() -> None:
    loss_fn = lfl.LearnedLoss(lambda phi, y, f: phi["a"] * (y - f) ** 2, "classification")
    assert of_one_output(loss_fn)
    p = axis(loss_fn)
    expected = torch.stack(((1 - p) ** 2, p**2))
    torch.testing.assert_close(sample_curves(loss_fn, {"a": torch.ones(())}), expected)
