"""Engines: devices, and a dask cluster of two workers on this machine."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import lfl
from lfl.study import Stopped, engine, parse_engine, read_outcome
from lfl.study.engine import assign_device, share_of_threads, worker_number

from .cases import contents, experiment, run, write_models
from .test_grid import has_checkpoints


def test_each_worker_has_a_gpu_of_its_own_as_far_as_there_are_any() -> None:
    assert [assign_device("auto", i, 4) for i in range(6)] == [f"cuda:{i}" for i in (0, 1, 2, 3, 0, 1)]
    assert [assign_device("cuda", i, 2) for i in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    for asked, gpus in [("auto", 0), ("auto", 1), ("cuda", 1), ("cpu", 4), ("cuda:1", 4), ("mps", 0)]:
        assert {assign_device(asked, i, gpus) for i in range(5)} == {asked}
    names = ["LokyProcess-1", "LokyProcess-2", "LokyProcess-2:7", "MainProcess", "Dask Worker process (from Nanny)"]
    assert [worker_number(name) for name in names] == [0, 1, 6, 0, 0]


def test_processes_of_this_machine_share_its_cores() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert share_of_threads(None, parse_engine("loky", 1)) is None
    assert share_of_threads(None, parse_engine("loky", 10_000)) == 1
    assert share_of_threads(None, parse_engine("loky", 2)) == max(1, cores // 2)
    assert share_of_threads(3, parse_engine("loky", 2)) == 3


def test_a_package_that_is_missing_is_named_with_the_command_that_mends_it(monkeypatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(lfl.UserError, match=r"needs the package distributed: pip install 'lfl\[dask\]'"):
        parse_engine("dask=tcp://127.0.0.1:8786")
    with pytest.raises(lfl.UserError, match=r"needs the package ray: pip install 'lfl\[ray\]'"):
        parse_engine("ray")


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler with two workers, processes in a folder of their own; its address.

    Each test has its own: a worker that another test killed may not be back in time.
    """
    distributed = pytest.importorskip("distributed", reason="dask's distributed is not installed")
    before, folder = Path.cwd(), tmp_path_factory.mktemp("cluster")
    os.chdir(folder)
    try:
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as found:
            yield f"dask={found.scheduler_address}"
    finally:
        os.chdir(before)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # what distributed warns of is not lfl's
def test_a_cluster_makes_the_same_runs_as_this_process(cluster: str, tmp_path: Path) -> None:
    outs = {"loky": tmp_path / "here", cluster: tmp_path / "cluster"}
    for where, out in outs.items():
        experiments = [experiment(out, "baseline", "mlp-300"), experiment(out), experiment(out, model="lenet5")]
        (failed,) = run(out, experiments, [0, 1], engine=where)
        assert "lenet5 needs images" in str(failed.error)
    here, there = outs.values()
    folders = sorted(path.parent.relative_to(here) for path in here.rglob("result.json"))
    assert len(folders) == 4
    for folder in folders:
        ours, theirs = contents(here / folder), contents(there / folder)
        assert ours | {"config.json": b""} == theirs | {"config.json": b""}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("times", [1, 100])
def test_the_run_of_a_killed_cluster_worker_is_taken_up_by_another(times: int, cluster: str) -> None:
    """The working directory of the workers, where they find the model, is that of this test, too."""
    folder = Path.cwd()
    for path in folder.glob("killed-*"):
        path.unlink()
    write_models(folder, kills=times)
    study = experiment(folder / "study", f"ml3 outer_lr={1 / times}", "mine:deadly", checkpoint_every=1)
    failed = run(folder / "study", [study], [0, 1], engine=cluster)
    if times == 1:
        assert failed == []
        assert read_outcome(study, 0) is not None
    else:
        assert "was killed 3 times" in str(failed[0].error)
        assert list(study.scratch(0).rglob("step-*.safetensors"))
    assert len(list(folder.glob("killed-*"))) == min(times, 3)
    assert read_outcome(study, 1) is not None


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_workers_of_a_cluster_save_their_runs_when_the_study_is_stopped(cluster: str, tmp_path: Path) -> None:
    write_models(Path.cwd())
    study = experiment(
        tmp_path, model="mine:linear", steps=100_000, checkpoint_every=10, log_every=1000, eval_every=100_000
    )

    ended = threading.Event()

    def stop() -> None:
        deadline = time.monotonic() + 60
        while not has_checkpoints(tmp_path, 2)() and time.monotonic() < deadline and not ended.wait(0.05):
            pass
        if not ended.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        with pytest.raises(Stopped) as stopped:
            run(tmp_path, [study], [0, 1], engine=cluster)
    finally:
        ended.set()
        thread.join()
    assert (stopped.value.signal, stopped.value.folder) == (signal.SIGTERM, tmp_path)
    assert has_checkpoints(tmp_path, 2)()
    assert all(json.loads(path.read_text())["completed"] is False for path in tmp_path.rglob("result.json"))
