"""Small studies that tests share."""

from pathlib import Path

from lfl.study import (
    Experiment,
    FailedExperiment,
    Line,
    Resources,
    make_experiment,
    parse_engine,
    parse_variant,
    run_study,
)
from lfl.task import DEFAULTS, load_task

SMALL = {"steps": 6, "offline_steps": 3, "batch_size": 8, "compile": "off"}
DIGITS = load_task("digits", Path("unused"))


def experiment(out: Path, variant: str = "adalfl", model: str = "logistic", **common) -> Experiment:
    return make_experiment(out, "digits", model, parse_variant(variant), DEFAULTS["digits"], SMALL | common)


def line_of(each: Experiment) -> Line:
    return Line("digits", each.settings.model, each.folder.name, (parse_variant(each.settings.method),))


def run(
    out: Path, experiments: list[Experiment], seeds: list[int], *, jobs: int = 1, engine: str = "loky", progress=None
) -> list[FailedExperiment]:
    """A study of experiments, a line each."""
    threads = None if jobs == 1 and engine == "loky" else 1
    resources = Resources(parse_engine(engine, jobs), Path("unused"), threads=threads)
    return run_study([(line_of(each), [each]) for each in experiments], seeds, out, resources, progress)


def contents(folder: Path) -> dict[str, bytes]:
    """All that a run leaves but for what depends on the clock or the folder."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name != "timing.jsonl"}


MODELS = """
import os, signal, time, torch
from pathlib import Path

class Linear(torch.nn.Linear):
    calls = 0

    def __init__(self, num_outputs):
        super().__init__(64, num_outputs)
        self.scale = torch.nn.Parameter(torch.ones(1, 1, 1))  # seeds of such a model train one by one

    def forward(self, x):
        Linear.calls += 1
        if Linear.calls > 100 and Path("slow").exists():  # after a checkpoint
            time.sleep(0.1)
        return super().forward(x.flatten(1)) * self.scale.flatten()

class Broken(Linear):
    calls = 0

    def forward(self, x):
        Broken.calls += 1
        return super().forward(x) if Broken.calls < 8 else 1 / 0

class Deadly(Linear):
    def forward(self, x):
        if any(Path("study").glob("*/.running-0/runs/seed-0/checkpoints/step-000000004*")):
            killed = len(list(Path().glob("killed-*")))
            if killed < int(Path("kills").read_text()):
                Path(f"killed-{killed}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)

def linear(input_shape, num_outputs):
    return Linear(num_outputs)

def broken(input_shape, num_outputs):
    return Broken(num_outputs)

def deadly(input_shape, num_outputs):
    return Deadly(num_outputs)
"""


def write_models(folder: Path, kills: int = 0) -> None:
    """Writes a user's own models: one whose seeds train one by one; one that fails after some calls; one that kills
    its process, so many times, whenever seed 0 of the study in `study` has saved its fourth step."""
    (folder / "mine.py").write_text(MODELS)
    (folder / "kills").write_text(str(kills))
