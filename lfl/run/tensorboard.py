"""Writes metrics as TensorBoard's event files."""

from pathlib import Path
from typing import Any

from ..errors import UserError

FOLDER = "tensorboard"


class TensorBoard:
    """The event files of one run, in its folder.

    Args:
        folder: the run folder.
        done: steps of all phases that are done already, where a run is resumed; later events are discarded.

    Raises:
        UserError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, done: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError("--log tensorboard needs TensorBoard: pip install 'lfl[tensorboard]'") from error
        self.writer: Any = SummaryWriter(str(folder / FOLDER), purge_step=done + 1 if done else None)

    def scalars(self, phase: str, done: int, numbers: dict[str, float]) -> None:
        """Writes a step's numbers as `PHASE/NAME`; steps are counted over all phases."""
        for name, value in numbers.items():
            self.writer.add_scalar(f"{phase}/{name}", value, done)
        self.writer.flush()

    def image(self, name: str, path: Path) -> None:
        """Writes a PNG."""
        import numpy as np
        from PIL import Image  # slow to import

        with Image.open(path) as image:
            self.writer.add_image(name, np.asarray(image.convert("RGB")), dataformats="HWC")

    def close(self) -> None:
        """Closes the writer."""
        self.writer.close()
