"""Random crops and flips: properties of each image, of the draws, and of their repetition."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lfl.data.augmentation import Draws, augmentation_of, crop_and_flip, draw_crops
from lfl.randomness import generator

IMAGES = torch.randn(6, 3, 7, 9, generator=torch.Generator().manual_seed(0))
FILL = torch.tensor([-1.0, 0.5, 2.0])[:, None, None]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 4), st.integers(0, 10**6), st.booleans())
def test_each_crop_is_a_window_of_the_padded_image_or_its_mirror_image(pad: int, seed: int, flip: bool) -> None:
    """Against slices of an image that was padded one pixel at a time."""
    augmentation = augmentation_of(IMAGES, pad=pad, fill=FILL, flip=flip)
    torch.testing.assert_close(augmentation.images, IMAGES)
    chosen = torch.tensor([5, 0, 0, 3])
    draws = draw_crops(augmentation, 4, generator(seed, "crops"))
    cut = crop_and_flip(augmentation, chosen, draws)
    torch.testing.assert_close(augmentation.images, IMAGES)  # written to nowhere
    for image, seen, row, column, mirrored in zip(IMAGES[chosen], cut, *draws, strict=True):
        padded = FILL.expand(3, 7 + 2 * pad, 9 + 2 * pad).clone()
        padded[:, pad : pad + 7, pad : pad + 9] = image
        window = padded[:, row : row + 7, column : column + 9]
        torch.testing.assert_close(seen, window.flip(-1) if mirrored else window)


def test_windows_are_equally_likely_and_half_of_them_mirrored() -> None:
    augmentation = augmentation_of(IMAGES, pad=4, fill=FILL)
    draws = draw_crops(augmentation, 90_000, generator(0, "crops"))
    for starts in (draws.rows, draws.columns):
        assert (torch.bincount(starts, minlength=9) - 10_000).abs().max() < 500  # five deviations
    assert abs(int(draws.mirrored.sum()) - 45_000) < 750
    assert not draw_crops(augmentation._replace(flip=False), 100, generator(0, "crops")).mirrored.any()


def test_a_seed_and_a_step_give_the_same_pixels() -> None:
    augmentation = augmentation_of(IMAGES, pad=4, fill=FILL)
    first, again, other = (
        crop_and_flip(augmentation, torch.arange(6), draw_crops(augmentation, 6, generator(0, "crops", step)))
        for step in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_without_a_shift_nothing_changes() -> None:
    middle = torch.full((6,), 2)
    draws = Draws(middle, middle, torch.zeros(6, dtype=torch.bool))
    augmentation = augmentation_of(IMAGES, pad=2, fill=FILL)
    torch.testing.assert_close(crop_and_flip(augmentation, torch.arange(6), draws), IMAGES)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_moves_to_its_device(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU is there")
    moved = augmentation_of(IMAGES, pad=4, fill=FILL).to(torch.device(device))
    assert moved.images.device.type == device
