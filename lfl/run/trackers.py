"""Loggers for services that keep runs by an id: Weights & Biases and MLflow."""

import io
import os
import time
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any

from msgspec import Meta, Struct, to_builtins

from ..boundary import read_json
from ..errors import missing_package
from .folder import write_json

PROJECT = "lfl"
"""The project of W&B and the experiment of MLflow, unless their own variables name another."""

MOST_PARAMS = 100
"""The most settings that MLflow takes at once."""


class Kept(Struct, frozen=True):
    """The file that keeps the id of a service's run, so that a resumed training continues it."""

    id: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]


class WandbLogger:
    """Logs to Weights & Biases.

    W&B's own variables hold: `WANDB_PROJECT`, `WANDB_ENTITY`, `WANDB_DIR`, and `WANDB_MODE=offline`, which writes to
    the disk alone (`wandb sync` sends it later). A resumed training continues the same W&B run; steps that it has
    already are left out, since they come again with the same values. What was written offline is put together when it
    is sent: `wandb sync --append`.

    Args:
        project: `WANDB_PROJECT`, or else "lfl", when omitted.
        name: of the run; W&B invents one when omitted.
        state: a file that keeps the run's id, by which a resumed training finds it; none when omitted.
        options: further arguments of `wandb.init`, such as `tags=["noise"]`.

    Raises:
        MissingPackage: when it is started, wandb is not installed.
    """

    def __init__(
        self, project: str | None = None, name: str | None = None, *, state: str | Path | None = None, **options: Any
    ) -> None:
        self.project, self.name, self.options = project, name, options
        self.state = None if state is None else Path(state)
        self.run: Any = None

    def start(self, settings: Mapping[str, Any], step: int = 0) -> None:
        """Opens a run with the settings as its config, or continues it."""
        try:
            import wandb
        except ModuleNotFoundError as error:
            raise missing_package("the log wandb", error) from error
        id = _kept_id(self.state, step) or token_hex(4)
        self.run = wandb.init(
            project=self.project or os.environ.get("WANDB_PROJECT", PROJECT),
            name=self.name,
            config=dict(settings),
            id=id,
            resume="allow" if step else None,
            reinit="create_new",
            **self.options,
        )
        _keep_id(self.state, id)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Logs numbers that the run does not have yet."""
        if step >= self.run.step:
            self.run.log(dict(numbers), step=step)

    def figure(self, name: str, picture: Any, step: int) -> None:
        """Logs a picture."""
        import wandb
        from PIL import Image

        with Image.open(picture if isinstance(picture, Path) else _drawn(picture)) as image:
            self.run.log({name: wandb.Image(image)}, step=max(step, self.run.step))

    def close(self) -> None:
        """Ends the run."""
        if self.run is not None:
            self.run.finish()


class MLflowLogger:
    """Logs to MLflow: settings as parameters, numbers as metrics, pictures as artifacts.

    MLflow's own variables hold: `MLFLOW_TRACKING_URI`, a server or a store on the disk, and `MLFLOW_EXPERIMENT_NAME`. A
    resumed training continues the same MLflow run; steps that it has already are left out, since they come again with
    the same values.

    Args:
        experiment: `MLFLOW_EXPERIMENT_NAME`, or else "lfl", when omitted; made where it is not there.
        name: of the run; MLflow invents one when omitted.
        state: a file that keeps the run's id, by which a resumed training finds it; none when omitted.
        uri: of the server or store; MLflow's own when omitted.

    Raises:
        MissingPackage: when it is started, mlflow is not installed.
    """

    def __init__(
        self,
        experiment: str | None = None,
        name: str | None = None,
        *,
        state: str | Path | None = None,
        uri: str | None = None,
    ) -> None:
        self.experiment, self.name, self.uri = experiment, name, uri
        self.state = None if state is None else Path(state)
        self.client: Any = None
        self.id, self.last = "", -1

    def start(self, settings: Mapping[str, Any], step: int = 0) -> None:
        """Makes a run with the settings as its parameters, or continues it."""
        try:
            from mlflow import MlflowClient
            from mlflow.entities import Param
        except ModuleNotFoundError as error:
            raise missing_package("the log mlflow", error) from error
        kept = _kept_id(self.state, step)
        client = MlflowClient(self.uri)
        if kept is None:
            name = self.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
            found = client.get_experiment_by_name(name)
            where = client.create_experiment(name) if found is None else found.experiment_id
            self.id = client.create_run(where, run_name=self.name).info.run_id
            params = [Param(key, str(value)) for key, value in settings.items()]
            for first in range(0, len(params), MOST_PARAMS):
                client.log_batch(self.id, params=params[first : first + MOST_PARAMS])
        else:
            self.id = kept
            client.update_run(kept, status="RUNNING")
            metrics = client.get_run(kept).data.metrics
            self.last = max((each.step for key in metrics for each in client.get_metric_history(kept, key)), default=-1)
        self.client = client
        _keep_id(self.state, self.id)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Logs numbers that the run does not have yet."""
        from mlflow.entities import Metric

        if step > self.last:
            now = int(time.time() * 1000)
            self.client.log_batch(self.id, [Metric(key, value, now, step) for key, value in numbers.items()])

    def figure(self, name: str, picture: Any, step: int) -> None:
        """Logs a picture as an artifact."""
        if isinstance(picture, Path):
            self.client.log_artifact(self.id, str(picture))
        else:
            self.client.log_figure(self.id, picture, f"{name}.png")

    def close(self) -> None:
        """Ends the run."""
        if self.client is not None:
            self.client.set_terminated(self.id)


def _drawn(figure: Any) -> io.BytesIO:
    """A matplotlib figure as a PNG: W&B itself takes only figures of pyplot."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    file.seek(0)
    return file


def _kept_id(state: Path | None, step: int) -> str | None:
    """The id of the run that a resumed training continues; None for a training that begins."""
    return read_json(state, Kept).id if step and state is not None and state.exists() else None


def _keep_id(state: Path | None, id: str) -> None:
    if state is not None:
        write_json(state, to_builtins(Kept(id)))
