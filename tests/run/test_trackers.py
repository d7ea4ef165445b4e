"""Weights & Biases, offline, and MLflow, on the disk, have every number once, also of a training that was resumed."""

import json
import re
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

import lfl
from lfl.run.trackers import Kept

SETTINGS = {"model": "mlp", "steps": 9, "loss_from": None}
NUMBERS = {step: {"train/inner_loss": 0.5**step} | ({"train/valid_error": 0.25} if step % 3 == 0 else {})
           for step in range(1, 10)}  # fmt: skip


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of what W&B writes."""
    package = pytest.importorskip("wandb", reason="wandb is not installed")
    for name, value in (("MODE", "offline"), ("DIR", str(tmp_path)), ("SILENT", "true")):
        monkeypatch.setenv(f"WANDB_{name}", value)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    package.teardown()  # it reads its variables once a process
    yield tmp_path / "wandb"
    package.teardown()


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of a store in a folder."""
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    for name, value in (("ALLOW_FILE_STORE", "true"), ("TRACKING_URI", (tmp_path / "store").as_uri())):
        monkeypatch.setenv(f"MLFLOW_{name}", value)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    from mlflow import MlflowClient

    return MlflowClient((tmp_path / "store").as_uri())


def write(logger: Any, first: int, last: int, done: int = 0) -> None:
    logger.start(SETTINGS, done)
    for step in range(first, last + 1):
        logger.log(step, NUMBERS[step])
    logger.close()


def records(path: Path) -> Iterator[Any]:
    """The records of a `.wandb` file: a log in LevelDB's format, blocks of 32 KiB, after a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, at, parts = path.read_bytes(), 7, b""
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:  # no room for another header
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack("<HB", content[at + 4 : at + 7])
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def history(path: Path) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    for record in records(path):
        row = {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
        if row:
            assert row["_step"] not in found
            found[row["_step"]] = {key: value for key, value in row.items() if not key.startswith("_")}
    return found


@pytest.mark.slow
def test_wandb_has_settings_numbers_and_pictures(wandb: Path, tmp_path: Path) -> None:
    logger = lfl.WandbLogger(name="mine", state=tmp_path / "state.json", tags=["noise"])
    logger.start(SETTINGS)
    for step, numbers in NUMBERS.items():
        logger.log(step, numbers)
    figure = Figure()
    figure.subplots().plot([0, 1], [1, 0])
    logger.figure("as a figure", figure, 9)
    figure.savefig(tmp_path / "picture.png")
    logger.figure("as a file", tmp_path / "picture.png", 9)
    logger.close()
    (folder,) = wandb.glob("offline-run-*")
    (path,) = folder.glob("*.wandb")
    rows = history(path)
    assert {step: {k: v for k, v in row.items() if k.startswith("train/")} for step, row in rows.items()} == NUMBERS
    assert {"as a figure", "as a file"} <= {key.split("/")[0] for row in rows.values() for key in row}
    (run,) = [record.run for record in records(path) if record.run.run_id][:1]
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert {key: config[key] for key in SETTINGS} == SETTINGS
    assert (run.project, run.display_name, list(run.tags)) == ("lfl", "mine", ["noise"])
    assert json.loads((tmp_path / "state.json").read_text()) == {"id": run.run_id}
    assert len([*folder.rglob("*.png")]) == 2


@pytest.mark.slow
def test_a_resumed_wandb_run_keeps_its_id(wandb: Path, tmp_path: Path) -> None:
    """Offline there are two folders, which `wandb sync --append` puts together by their id."""
    for first, last, done in ((1, 7, 0), (6, 9, 5)):
        write(lfl.WandbLogger(state=tmp_path / "state.json"), first, last, done)
        time.sleep(1.1)  # folders are called by the second
    paths = sorted(wandb.glob("offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime_ns)
    assert len(paths) == 2
    assert len({path.name for path in paths}) == 1
    assert history(paths[0]) | history(paths[1]) == NUMBERS
    write(lfl.WandbLogger(state=tmp_path / "state.json"), 1, 1)  # a new training is a new run
    assert len({path.name for path in wandb.glob("offline-run-*/*.wandb")}) == 2


@pytest.mark.slow
def test_mlflow_has_each_number_once_also_of_a_resumed_run(mlflow: Any, tmp_path: Path) -> None:
    for first, last, done in ((1, 7, 0), (6, 9, 5)):
        write(lfl.MLflowLogger(name="mine", state=tmp_path / "state.json"), first, last, done)
    experiment = mlflow.get_experiment_by_name("lfl").experiment_id
    (run,) = mlflow.search_runs([experiment])
    assert (run.info.run_name, run.info.status) == ("mine", "FINISHED")
    assert run.data.params == {key: str(value) for key, value in SETTINGS.items()}
    for name in ("train/inner_loss", "train/valid_error"):
        found = [(each.step, each.value) for each in mlflow.get_metric_history(run.info.run_id, name)]
        assert found == [(step, row[name]) for step, row in NUMBERS.items() if name in row]
    write(lfl.MLflowLogger(state=tmp_path / "state.json"), 1, 1)  # a new training is a new run
    assert len(mlflow.search_runs([experiment])) == 2


@pytest.mark.slow
def test_mlflow_keeps_pictures(mlflow: Any, tmp_path: Path) -> None:
    logger = lfl.MLflowLogger("other")
    logger.start(SETTINGS)
    figure = Figure()
    figure.savefig(tmp_path / "losses.png")
    logger.figure("as a file", tmp_path / "losses.png", 1)
    logger.figure("as a figure", figure, 1)
    logger.close()
    (run,) = mlflow.search_runs([mlflow.get_experiment_by_name("other").experiment_id])
    kept = {each.path for each in mlflow.list_artifacts(run.info.run_id)}
    assert kept == {"losses.png", "as a figure.png"}


@pytest.mark.parametrize(
    ("make", "package", "install"),
    [
        (lfl.WandbLogger, "wandb", r"'lfl\[wandb\]'"),
        (lfl.MLflowLogger, "mlflow", r"'lfl\[mlflow\]'"),
        (lambda: lfl.TensorBoardLogger("nowhere"), "tensorboard", r"'lfl\[tensorboard\]'"),
    ],
)
def test_a_missing_package_is_named(make: Any, package: str, install: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == package or name.startswith("torch.utils.tens")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    words = f"the log {package} needs the package {package}, which is not installed; pip install {install}"
    with pytest.raises(lfl.MissingPackage, match=words):
        make().start(SETTINGS)


def test_a_file_that_keeps_no_id_is_named(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    path = tmp_path / "state.json"
    for content in ("[]", '{"id": "../../else"}', '{"id": 3}'):
        path.write_text(content)
        with pytest.raises(lfl.UserError, match=re.escape(str(path))):
            lfl.MLflowLogger(state=path, uri=str(tmp_path / "store")).start(SETTINGS, 3)
    assert Kept("abc").id == "abc"
