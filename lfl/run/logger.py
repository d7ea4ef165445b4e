"""What a logger is, and how training uses loggers: one that fails is left out, and training goes on."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from ..errors import Failure, LflError, reason


class Logger(Protocol):
    """Takes the numbers of a training as they come, and shows or keeps them somewhere.

    Any object with these four methods will do: `lfl.train(..., loggers=[mine])`. Each training calls `start` once, then
    `log` and `figure` with steps that do not fall, then `close`.

    Example:
        >>> class Printed:
        ...     def start(self, settings, step=0):
        ...         print("training", settings["model"])
        ...
        ...     def log(self, step, numbers):
        ...         print(step, sorted(numbers))
        ...
        ...     def figure(self, name, picture, step):
        ...         pass
        ...
        ...     def close(self):
        ...         print("the end")
        >>> mine: Logger = Printed()
        >>> mine.start({"model": "mlp"})
        training mlp
    """

    def start(self, settings: Mapping[str, Any], step: int = 0) -> None:
        """Begins to log a training.

        Args:
            settings: of the run, by name.
            step: steps that are done already, where a training is resumed: what was logged of later ones comes again,
                with the same values.
        """

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Logs the numbers of a step.

        Args:
            step: steps of all phases that are done.
            numbers: by `PHASE/NAME`, such as `train/valid_error`; docs/logs.md.
        """

    def figure(self, name: str, picture: Any, step: int) -> None:
        """Logs a picture.

        Args:
            name: what it shows.
            picture: the `Path` of a PNG, or a matplotlib `Figure`.
            step: as in `log`.
        """

    def close(self) -> None:
        """Ends the log; also where training failed or was interrupted."""


class Guarded:
    """A logger that cannot fail: its first error becomes a warning, and from there on it does nothing.

    Args:
        logger: one that has been started.
    """

    def __init__(self, logger: Logger) -> None:
        self.logger, self.failed = logger, False

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Logs the numbers of a step, as `Logger.log`."""
        self._try(lambda: self.logger.log(step, numbers), f"at step {step}")

    def figure(self, name: str, picture: Any, step: int) -> None:
        """Logs a picture, as `Logger.figure`."""
        self._try(lambda: self.logger.figure(name, picture, step), f"at the picture {name!r}")

    def close(self) -> None:
        """Closes the logger, also one that has failed: then without a second warning."""
        self._try(self.logger.close, "when it was closed", again=True)

    def _try(self, call: Callable[[], None], where: str, *, again: bool = False) -> None:
        if self.failed and not again:
            return
        try:
            call()
        except Exception as error:  # whatever it is, the training is worth more than its log
            if not self.failed:
                self.failed = True
                warnings.warn(
                    f"the logger {named(self.logger)} failed {where} ({type(error).__name__}: {reason(error)}) and is "
                    "left out from here on; training goes on, and metrics.jsonl has every number.",
                    stacklevel=2,
                )


def start_loggers(loggers: Sequence[Logger], settings: Mapping[str, Any], step: int) -> list[Guarded]:
    """Starts loggers, and returns them guarded; where one cannot start, those before it are closed again.

    Args:
        loggers: in their order.
        settings, step: as in `Logger.start`.

    Raises:
        LflError: as a logger raises it: a package is missing, a file is damaged.
        Failure: a logger raised anything else; nothing has been trained yet.
    """
    with ExitStack() as opened:
        started = []
        for logger in loggers:
            try:
                logger.start(settings, step)
            except LflError:
                raise
            except Exception as error:
                raise Failure(
                    f"the logger {named(logger)} cannot start ({type(error).__name__}: {reason(error)}); put that "
                    "right, or leave it out."
                ) from error
            started.append(Guarded(logger))
            opened.callback(started[-1].close)
        opened.pop_all()
    return started


def log_picture(loggers: Sequence[Guarded], name: str, draw: Callable[[], Path | None], step: int) -> None:
    """Draws a picture for loggers, if there are any; one that cannot be drawn is a warning.

    Args:
        loggers: those that take it.
        name, step: as in `Logger.figure`.
        draw: returns the path of the picture, or None where there is nothing to draw.
    """
    if not loggers:
        return
    try:
        picture = draw()
    except Exception as error:  # the run itself has succeeded
        warnings.warn(f"no picture of the {name} for the loggers ({reason(error)}).", stacklevel=2)
        return
    if picture is not None:
        for logger in loggers:
            logger.figure(name, picture, step)


def named(logger: Logger) -> str:
    """The name of a logger in messages: that of its class."""
    return type(logger).__name__
