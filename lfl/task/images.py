"""Image classification: pixels standardised by one mean and deviation, 10 % of train held out as valid."""

from pathlib import Path

from ..data import mnist as mnist_data
from ..data import scikit
from ..data.arrays import Split, hold_out, standardise
from .task import Defaults, Task


def digits(data_dir: Path) -> Task:
    """8x8 handwritten digits; scikit-learn's copy has no test partition, so 20 % are held out first."""
    train, test = hold_out(scikit.digits(), 0.2, stratified=True)
    return _image_task("digits", train, test, 10, Defaults(steps=1000, inner_lr=0.01, init_steps=500, batch_size=64))


def mnist(data_dir: Path) -> Task:
    """28x28 handwritten digits in their original partition, with the paper's settings."""
    train, test = mnist_data.mnist(data_dir)
    return _image_task("mnist", train, test, 10, Defaults(steps=25_000, inner_lr=0.01))


def _image_task(name: str, train: Split, test: Split, num_classes: int, defaults: Defaults) -> Task:
    train, valid = hold_out(train, 0.1, stratified=True)
    inputs = standardise(train.x, valid.x, test.x, per_column=False)
    train, valid, test = (Split(x, split.y) for x, split in zip(inputs, (train, valid, test), strict=True))
    return Task(name, "classification", train, valid, test, num_classes, defaults)
