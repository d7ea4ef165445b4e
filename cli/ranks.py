"""Several processes of one command, as torchrun starts them: how they meet, and which of them speaks.

Rank 0 prints. An error is printed once: by rank 0 where it can, which also reports what another rank left in the store
that all share; by another rank where rank 0 is gone. All ranks then end with the same status.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer

from .text import silence

if TYPE_CHECKING:
    import torch

    from lfl.step import Ranks

TIME_LIMIT = timedelta(minutes=10)
"""The longest that a rank waits for the others, while rank 0 evaluates for instance."""

START_LIMIT = timedelta(minutes=2)
"""The longest that a rank waits for the others to start."""

HEARING = 3.0
"""Seconds that rank 0 waits for what another rank has to say about its end."""


@contextmanager
def joined() -> Iterator["Ranks | None"]:
    """The ranks of the command, None where it was not started by torchrun, or as one process.

    Raises:
        typer.Exit: another rank has printed the error, with its status.
        LflError: an error that this rank is to print.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ:
        yield None
        return
    import sys
    import warnings
    from importlib import import_module

    import torch

    from lfl.step import Ranks

    dist: Any = import_module("torch.distributed")
    store, rank, size = next(dist.rendezvous("env://", timeout=TIME_LIMIT))
    if rank:
        silence(sys.stdout)
        warnings.simplefilter("ignore")
    said: Any = dist.PrefixStore("said", store)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        signal.signal(signal.SIGTERM, _end)
        _wait_for_all(said, rank, size)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # no handler would run while the group is made
        own = dist.PrefixStore("group", store)
        dist.init_process_group(backend, store=own, rank=rank, world_size=size, timeout=TIME_LIMIT)
        signal.signal(signal.SIGTERM, _end)
        yield Ranks()
    except typer.Exit as leaving:
        _leave_together(said, rank, leaving.exit_code)
        raise
    except Exception as error:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun ends the others when one has ended
        status = getattr(error, "exit_status", 1)
        consequence = _follows_from_another(error)
        if not consequence:
            said.set(f"error {rank}", f"{status} {_text(error)}")
        with suppress(Exception):
            dist.destroy_process_group()  # whoever waits for this rank goes on
        if rank:
            told = _told(said, 2 * HEARING)
            raise error if told is None else typer.Exit(told) from error
        found = _error_of_another(said, size) if consequence else None
        said.set("told", str(getattr(found or error, "exit_status", 1)))
        raise found or error from error
    else:
        _leave_together(said, rank, 0)
        with suppress(Exception):
            dist.destroy_process_group()


def own_device(device: "torch.device", ranks: "Ranks | None") -> "torch.device":
    """The GPU of this rank on its machine, where GPUs are used."""
    import torch

    if ranks is None or device.type != "cuda" or device.index is not None:
        return device
    own = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    torch.cuda.set_device(own)
    return own


def _wait_for_all(said: Any, rank: int, size: int) -> None:
    """Waits until all ranks have started.

    Raises:
        RankStopped: one has not.
    """
    from lfl.errors import RankStopped

    said.set(f"here {rank}", "")
    deadline = time.monotonic() + START_LIMIT.total_seconds()
    while not said.check([f"here {other}" for other in range(size)]):
        if time.monotonic() > deadline:
            minutes = START_LIMIT.total_seconds() / 60
            raise RankStopped(f"another of {size} ranks did not start within {minutes:.0f} minutes.")
        time.sleep(0.02)


def _end(number: int, frame: Any) -> None:
    from lfl.errors import RankStopped

    raise RankStopped("stopped by SIGTERM, which torchrun sends where another rank has ended.")


def _follows_from_another(error: BaseException | None) -> bool:
    """Whether an error says that another rank has stopped; a run folder's note is added to it by raising it again."""
    from lfl.errors import RankStopped

    while error is not None:
        if isinstance(error, RankStopped):
            return True
        error = error.__cause__
    return False


def _text(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if hasattr(error, "exit_status") else f"{type(error).__name__}: {text}"


def _leave_together(said: Any, rank: int, status: int) -> None:
    """Ends no rank before rank 0, which evaluates and writes: torchrun ends all where one has ended with an error.

    Raises:
        typer.Exit: rank 0 has ended with another status.
    """
    if rank == 0:
        said.set("told", str(status))
        return
    told = _told(said, TIME_LIMIT.total_seconds())
    if told not in (None, status):
        raise typer.Exit(told)


def _told(said: Any, seconds: float) -> int | None:
    """The status that rank 0 ends with, and has printed what there is to print; None where it is gone."""
    from lfl.errors import RankStopped

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if said.check(["told"]):
                return int(said.get("told"))
        except RankStopped:
            raise
        except RuntimeError:  # the store is gone with rank 0
            return None
        time.sleep(0.05)
    return None


def _error_of_another(said: Any, size: int) -> Exception | None:
    """The error of another rank as one to print, if there is one within a few seconds."""
    from lfl.errors import Failure, UserError

    deadline = time.monotonic() + HEARING
    while time.monotonic() < deadline:
        for rank in range(1, size):
            if said.check([f"error {rank}"]):
                status, _, text = said.get(f"error {rank}").decode().partition(" ")
                return (UserError if status == "2" else Failure)(f"rank {rank}: {text}")
        time.sleep(0.05)
    return None
