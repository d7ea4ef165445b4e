"""How a study tells its workers to stop: a file in its folder, which works on one machine and on a cluster alike.

The process that started the study writes the file every few seconds. A worker reads it between two training steps, and
stops where the file says so, where another study has taken the folder over, or where nothing new has been written for
long, since the process that started the study is dead then.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from msgspec import Struct, to_builtins

from ..boundary import read_json
from ..errors import LflError, UserError
from ..run.folder import check_plain, explained, locked, make_folder, write_json
from ..run.signals import Stop, stop_on_signals
from ..training import Progress
from ..version import VERSION

FOLDER = ".study"
"""In a study's folder: locked while the study runs, and holding the orders to its workers."""

WRITE_EVERY, READ_EVERY = 5.0, 0.5
"""Seconds between two writings of the orders, and between two readings of a worker."""

PATIENCE = 60.0
"""Seconds without new orders after which a worker stops."""

_MOST_BETWEEN = 5.0
"""Seconds between two readings that count: after a suspension of the whole machine the writer has its turn first."""


class Orders(Struct, frozen=True):
    """The file of orders.

    Args:
        study: a random name of this start of the study.
        written: how often the file was written.
        stop: the signal by which the study was told to stop; None while it runs.
    """

    study: str
    written: int
    stop: int | None = None


class Stopped(KeyboardInterrupt):
    """A run, or the whole study, was told to stop, and can be continued.

    Args:
        signal: by which signal.
        folder: of the study.
        ordered: False where a worker stopped by itself, because its study was gone.
    """

    def __init__(self, signal: int, folder: Path | None = None, *, ordered: bool = True) -> None:
        super().__init__(signal, folder)  # what it is unpickled from
        self.signal = signal
        self.folder = folder
        self.ordered = ordered


class Supervisor:
    """Writes the orders of a study; used by the process that started it.

    Args:
        out: folder of the study.
        told: whether this process was told to stop.
    """

    def __init__(self, out: Path, told: Stop) -> None:
        self.out = out
        self.study = token_hex(8)
        self._told = told
        self._orders = Orders(self.study, 0)
        self._last = 0.0
        self._lock = threading.Lock()

    def write(self) -> None:
        """Writes the orders, so that the workers know that the study lives."""
        with self._lock:
            self._last = time.monotonic()
            self._orders = Orders(self.study, self._orders.written + 1, self._told.signal)
            write_json(orders_path(self.out), to_builtins(self._orders))

    def write_where_due(self) -> None:
        """Writes the orders where they have changed, or are old; a disk that fails now may work the next time."""
        if self._told.signal != self._orders.stop or time.monotonic() - self._last >= WRITE_EVERY:
            with suppress(OSError):
                self.write()

    def order_stop(self, signal: int) -> None:
        """Tells all workers to save their runs and stop."""
        if self._told.signal is None:
            self._told.signal = signal
        self.write_where_due()

    def check(self) -> None:
        """Raises `Stopped` where the study was told to stop."""
        if self._told.signal is not None:
            raise Stopped(self._told.signal, self.out)


@contextmanager
def supervise(out: Path) -> Iterator[Supervisor]:
    """Holds a study's folder for this process, notes Ctrl-C and SIGTERM, and gives the writer of the orders.

    Raises:
        UserError: another process runs a study there, or the folder lies beneath a file.
        Failure: the disk cannot be written.
    """
    folder = out / FOLDER
    make_folder(out)
    if folder.is_symlink():
        raise UserError(f"{folder} is a symbolic link; a study holds its files itself. Remove it.")
    make_folder(folder)
    check_plain(folder)
    with ExitStack() as stack:
        with explained(f"write into {out}", "make room, or choose another --out"):
            stack.enter_context(locked(folder))
            supervisor = Supervisor(out, stack.enter_context(stop_on_signals()))
            supervisor.write()
        stack.callback(orders_path(out).unlink, missing_ok=True)
        yield supervisor


def orders_path(out: Path) -> Path:
    """Returns where the orders of a study lie."""
    return out / FOLDER / "orders.json"


def read_orders(out: Path) -> Orders | None:
    """Reads the orders of a study; None where no study runs, or the file cannot be read at this moment."""
    try:
        return read_json(orders_path(out), Orders)
    except LflError:
        return None


def sees(out: str, study: str) -> tuple[str, bool]:
    """Returns this process's version of lfl, and whether it sees the orders of a study."""
    orders = read_orders(Path(out))
    return VERSION, orders is not None and orders.study == study


class Watch:
    """Asks, between two steps of a run, whether a worker has to stop.

    Args:
        out: folder of the study.
        study: which start of it the worker belongs to.
    """

    def __init__(self, out: Path, study: str) -> None:
        self.out = out
        self.study = study
        self._orders: Orders | None = None
        self._silent = 0.0
        self._last = -_MOST_BETWEEN
        self._reason: Stopped | None = None

    def __call__(self, progress: Progress) -> None:
        """Interrupts a run between two steps.

        Raises:
            Stopped: the worker has to stop.
        """
        del progress
        self.check()

    def check(self) -> None:
        """Raises `Stopped` where the worker has to stop."""
        now = time.monotonic()
        if self._reason is None and now - self._last >= READ_EVERY:
            self._reason = self._read(min(now - self._last, _MOST_BETWEEN))
            self._last = now
        if self._reason is not None:
            raise self._reason

    def _read(self, seconds: float) -> Stopped | None:
        orders = read_orders(self.out)
        if orders is not None and orders.study != self.study:
            return Stopped(signal.SIGTERM, ordered=False)
        if orders is not None and orders.stop is not None:
            return Stopped(orders.stop)
        self._silent = 0.0 if orders is not None and orders != self._orders else self._silent + seconds
        self._orders = orders or self._orders
        return Stopped(signal.SIGTERM, ordered=False) if self._silent > PATIENCE else None
