"""`lfl train` and `lfl resume` in several processes, which meet as torchrun's do: at a store that outlives them."""

import json
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from ..processes import start, status_of, wait_until

pytestmark = pytest.mark.slow

PROGRAM = """
os.environ.update(environment)
os.chdir(folder)
sys.path.insert(0, folder)
sys.argv = ["lfl", *arguments]
from lfl_cli.app import main
main()
"""
SETTINGS = ["--model", "mlp-20", "--batch-size", "32", "--offline-steps", "10", "--device", "cpu", "--compile", "off"]
RUN = ["train", *SETTINGS, "--steps", "120", "--checkpoint-every", "10", "--log-every", "2", "--eval-every", "60"]


class Together:
    """The processes of one command, and what they print."""

    def __init__(self, folder: Path, size: int, *arguments: str) -> None:
        self.folder, self.size = folder, size
        self.store = dist.TCPStore(
            "127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60)
        )
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self.store.port), "WORLD_SIZE": str(size)}
        meeting |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "GLOO_SOCKET_IFNAME": "lo"}
        self.processes = [
            start(
                PROGRAM,
                stdout=folder / f"{rank}.out",
                stderr=folder / f"{rank}.err",
                environment=meeting | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
                folder=str(folder),
                arguments=arguments,
            )
            for rank in range(size)
        ]

    def statuses(self, seconds: float = 120) -> list[int]:
        """Their exit statuses; where one has failed the others are sent SIGTERM, as torchrun does."""
        deadline = time.monotonic() + seconds
        while not any(process.exitcode for process in self.processes) and time.monotonic() < deadline:
            if all(process.exitcode == 0 for process in self.processes):
                break
            time.sleep(0.1)
        for process in self.processes:
            process.terminate()
        try:
            return [status_of(process, seconds) for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()

    def printed(self, end: str = "err") -> list[str]:
        return [(self.folder / f"{rank}.{end}").read_text() for rank in range(self.size)]

    def wait_for_steps(self, run: Path, count: int) -> None:
        metrics = run / "metrics.jsonl"
        wait_until(lambda: metrics.is_file() and len(metrics.read_text().splitlines()) >= count, self.processes[0])


def alone(folder: Path, *arguments: str) -> None:
    assert Together(folder, 1, *arguments).statuses() == [0]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The short run in one process."""
    folder = tmp_path_factory.mktemp("alone")
    alone(folder, *RUN, "--out", "run")
    return folder / "run"


def assert_same_run(run: Path, other: Path) -> None:
    """The same steps, and the same tensors to the rounding of float32 over the run."""
    for name in ("theta", "phi"):
        ours, theirs = load_file(run / f"{name}.safetensors"), load_file(other / f"{name}.safetensors")
        assert ours.keys() == theirs.keys()
        for key in ours:
            torch.testing.assert_close(ours[key], theirs[key], rtol=1e-5, atol=1e-6)
    rows, others = (
        [json.loads(line) for line in (each / "metrics.jsonl").read_text().splitlines()] for each in (run, other)
    )
    assert [(row["phase"], row["step"]) for row in rows] == [(row["phase"], row["step"]) for row in others]
    assert not list(run.rglob("*.partial"))


def test_two_ranks_equal_one_process_and_only_one_prints(tmp_path: Path, unbroken: Path) -> None:
    ranks = Together(tmp_path, 2, *RUN, "--out", "run")
    assert ranks.statuses() == [0, 0]
    first, second = ranks.printed("out")
    assert "2 ranks" in first
    assert "test error" in first
    assert second == ""
    assert ranks.printed() == ["", ""]
    assert_same_run(tmp_path / "run", unbroken)


def test_a_run_goes_on_after_a_signal_and_kills_on_other_numbers_of_ranks(tmp_path: Path, unbroken: Path) -> None:
    """Two ranks, of which the second gets a signal; then four, of which the second is killed; then two, of which the
    first is killed; then one."""
    run = tmp_path / "run"
    ranks = Together(tmp_path, 2, *RUN, "--out", "run")
    ranks.wait_for_steps(run, 2)
    os.kill(ranks.processes[1].pid or 0, signal.SIGTERM)
    assert ranks.statuses() == [128 + signal.SIGTERM] * 2
    first, second = ranks.printed()
    assert first.startswith("interrupted at step")
    assert first.count("\n") == 1
    assert second == ""
    for size, killed in ((4, 1), (2, 0)):
        count = len((run / "metrics.jsonl").read_text().splitlines())
        ranks = Together(tmp_path, size, "resume", "run")
        ranks.wait_for_steps(run, count + 2)
        ranks.processes[killed].kill()
        began = time.monotonic()
        statuses = ranks.statuses()
        assert time.monotonic() - began < 30
        assert statuses == [-signal.SIGKILL if rank == killed else 1 for rank in range(size)]
        said = "".join(ranks.printed())
        assert "another rank has stopped" in said
        assert said.count("lfl: error:") == 1
    alone(tmp_path, "resume", "run")
    assert_same_run(run, unbroken)


OWN_TASK = """
import os, torch, lfl
def data():
    if os.environ["RANK"] == "1":
        raise ValueError("no such disk here")
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    return lfl.task_from_arrays(x, (x[:, 0] > 0).long())
"""


ERRORS = [
    (["train", "--batch-size", "31"], 2, "--batch-size must be a multiple of the 2 ranks of torchrun, got 31"),
    (["train", "--seeds", "2"], 2, "torchrun trains one seed, got several"),
    (["train", *SETTINGS, "--inner-lr", "1e30"], 1, "inner_loss became nan by step"),
    (["train", "--out", "."], 2, "exists already; choose another --out"),
    (["train", "--batch-norm", "synchronised", "--compile", "on"], 2, "choose --compile off, or --batch-norm local"),
    (["train", "--task", "own:data", *SETTINGS], 2, "rank 1: task own:data, called with nothing, raised ValueError"),
]


def test_an_error_is_said_once_and_all_end_with_its_status(tmp_path: Path) -> None:
    """All commands at once, since each of them mostly waits."""
    started = []
    for i, (arguments, _, _) in enumerate(ERRORS):
        folder = tmp_path / str(i)
        folder.mkdir()
        (folder / "own.py").write_text(OWN_TASK)
        started.append(Together(folder, 2, *arguments))
    for ranks, (_, status, says) in zip(started, ERRORS, strict=True):
        assert ranks.statuses() == [status, status], ranks.printed()
        first, second = ranks.printed()
        assert says in first
        assert first.count("lfl: error:") == 1
        assert second == ""
