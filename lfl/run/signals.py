"""Stops what runs between two of its steps, on Ctrl-C or SIGTERM."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """The signal that asked a run to stop; None until one did."""

    def __init__(self) -> None:
        self.signal: int | None = None


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Notes Ctrl-C and SIGTERM, so that a run stops between two steps; the second signal interrupts at once.

    Only the main thread can do so: in others signals stay as they are.
    """
    stop = Stop()

    def note(number: int, frame: FrameType | None) -> None:
        if stop.signal is not None:
            raise KeyboardInterrupt
        stop.signal = number

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, note) for number in STOPPING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def call_watch(watch: Callable[[Any], None] | None, progress: Any, stop: Stop) -> None:
    """Calls what watches a run; a `KeyboardInterrupt` that it raises stops the run as Ctrl-C does."""
    try:
        if watch is not None:
            watch(progress)
    except KeyboardInterrupt:
        stop.signal = signal.SIGINT
