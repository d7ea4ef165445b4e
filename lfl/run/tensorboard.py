"""A logger for TensorBoard: event files in a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import missing_package


class TensorBoardLogger:
    """Writes event files, which `tensorboard --logdir FOLDER` shows.

    Where a training is resumed, the events of later steps are marked as void: TensorBoard shows one run.

    Args:
        folder: holds the event files; made where it is not there.

    Raises:
        MissingPackage: when it is started, TensorBoard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.writer: Any = None

    def start(self, settings: Mapping[str, Any], step: int = 0) -> None:
        """Opens an event file."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise missing_package("the log tensorboard", error) from error
        self.writer = SummaryWriter(str(self.folder), purge_step=step + 1 if step else None)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Writes each number as a scalar."""
        for name, value in numbers.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def figure(self, name: str, picture: Any, step: int) -> None:
        """Writes a picture."""
        if not isinstance(picture, Path):
            self.writer.add_figure(name, picture, step, close=False)
            return
        import numpy as np
        from PIL import Image  # slow to import

        with Image.open(picture) as image:
            self.writer.add_image(name, np.asarray(image.convert("RGB")), step, dataformats="HWC")

    def close(self) -> None:
        """Closes the event file."""
        if self.writer is not None:
            self.writer.close()
