"""The paper's image tasks: pixels standardised a channel, 10 % of train held out as valid, colour images augmented."""

from pathlib import Path
from typing import Unpack

from ..data import images as image_data
from ..data import mnist as mnist_data
from ..data import scikit
from .build import Held, build_task
from .defaults import DEFAULTS
from .task import Task

PAD = 4
"""Pixels around a colour image from which crops are cut."""


def digits(data_dir: Path, **held: Unpack[Held]) -> Task:
    """8x8 handwritten digits; scikit-learn's copy has no test partition."""
    defaults = DEFAULTS["digits"]
    return build_task("digits", "classification", scikit.digits(), None, 10, defaults, **held)


def mnist(data_dir: Path, **held: Unpack[Held]) -> Task:
    """28x28 handwritten digits in their original partition."""
    train, test = mnist_data.mnist(data_dir)
    return build_task("mnist", "classification", train, test, 10, DEFAULTS["mnist"], **held)


def cifar10(data_dir: Path, **held: Unpack[Held]) -> Task:
    """32x32 photographs of 10 kinds of things."""
    return _colour("cifar10", 10, data_dir, **held)


def cifar100(data_dir: Path, **held: Unpack[Held]) -> Task:
    """32x32 photographs of 100 kinds of things."""
    return _colour("cifar100", 100, data_dir, **held)


def svhn(data_dir: Path, **held: Unpack[Held]) -> Task:
    """32x32 photographs of house numbers, the digit in the middle to be told."""
    return _colour("svhn", 10, data_dir, **held)


def _colour(name: str, num_classes: int, data_dir: Path, **held: Unpack[Held]) -> Task:
    train, test = image_data.colour_images(name, data_dir)
    return build_task(name, "classification", train, test, num_classes, DEFAULTS[name], **held, pad=PAD)
