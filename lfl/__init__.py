"""Loss function learning: a small network learns the loss while the model trains.

A name is imported when it is first used, so that `import lfl` is quick, and needs no package that only some names need.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .version import VERSION

if TYPE_CHECKING:
    from .api import FewShotRun, Run, load_run, train
    from .data.augmentation import Augmentation
    from .data.csv_table import Column
    from .data.scaling import Range, Scale
    from .data.splits import Split
    from .data.stored import RowsToRead, Stored, Workers
    from .entry import Defaults
    from .errors import Failure, LflError, MissingPackage, NotDifferentiable, UserError, ZeroGradientWarning
    from .evolution import Searching, evolve
    from .export import AdaptiveLoss, FixedLoss, Schedule, load_loss
    from .fewshot.folder import EpisodeErrors, FewShotEnded
    from .fewshot_settings import FewShot
    from .hypergradient import (
        Adaptation,
        Adapted,
        Bilevel,
        BilevelRun,
        Hypergradient,
        InnerRun,
        Objective,
        Stages,
        adapt,
        bilevel_gradient,
        finite_difference,
        implicit,
        implicit_differentiation,
        mixed,
        unroll,
    )
    from .learner import Learner
    from .loss import (
        ExampleLoss,
        LearnedLoss,
        Weighted,
        absolute_cross_entropy,
        absolute_error,
        balanced_cross_entropy,
        binary_cross_entropy,
        brier,
        cross_entropy,
        each_label,
        error_rate,
        focal,
        generalised_cross_entropy,
        huber,
        in_layout,
        label_smoothing,
        loss_network,
        residual_loss,
        soft_f1,
        sparse_label_smoothing,
        squared_error,
        symbolic_loss,
        taylor_loss,
        true_class_loss,
        vector_scaling,
        weight_net,
    )
    from .method import Phase, State
    from .model import PureModule, draw_masks, functional, mask_specs
    from .model.custom_gradients import CustomGradients
    from .model.dropout import MaskSpec
    from .model.noise import NoiseSpec
    from .optimiser import Optimiser, UpdateFn, adam, adamw, clip, lion, muon, rmsprop, sgd
    from .report.statistics import Spread
    from .run import CsvLogger, JsonlLogger, Logger, MLflowLogger, Named, Result, TensorBoardLogger, WandbLogger
    from .run.schema import StepErrors
    from .settings import Settings
    from .step import Carry, Info, Ranks, base_step, fresh_carry, meta_step, offline_step, phi_gradient
    from .study import (
        Compared,
        Comparison,
        Experiment,
        FailedExperiment,
        Line,
        LineStatus,
        Outcome,
        Paired,
        Running,
        Status,
        Summary,
        Variant,
        compare,
    )
    from .symbolic import Formula, Tree, read_formula
    from .task import Loaders, Task, task_from_arrays, task_from_loaders, task_from_text
    from .task.encoding import Encoding
    from .training import Progress
    from .types import ApplyFn, LossFn, TaskLoss

__version__ = VERSION

__all__ = [
    "Adaptation",
    "Adapted",
    "AdaptiveLoss",
    "ApplyFn",
    "Augmentation",
    "Bilevel",
    "BilevelRun",
    "Carry",
    "Column",
    "Compared",
    "Comparison",
    "CsvLogger",
    "CustomGradients",
    "Defaults",
    "Encoding",
    "EpisodeErrors",
    "ExampleLoss",
    "Experiment",
    "FailedExperiment",
    "Failure",
    "FewShot",
    "FewShotEnded",
    "FewShotRun",
    "FixedLoss",
    "Formula",
    "Hypergradient",
    "Info",
    "InnerRun",
    "JsonlLogger",
    "LearnedLoss",
    "Learner",
    "LflError",
    "Line",
    "LineStatus",
    "Loaders",
    "Logger",
    "LossFn",
    "MLflowLogger",
    "MaskSpec",
    "MissingPackage",
    "Named",
    "NoiseSpec",
    "NotDifferentiable",
    "Objective",
    "Optimiser",
    "Outcome",
    "Paired",
    "Phase",
    "Progress",
    "PureModule",
    "Range",
    "Ranks",
    "Result",
    "RowsToRead",
    "Run",
    "Running",
    "Scale",
    "Schedule",
    "Searching",
    "Settings",
    "Split",
    "Spread",
    "Stages",
    "State",
    "Status",
    "StepErrors",
    "Stored",
    "Summary",
    "Task",
    "TaskLoss",
    "TensorBoardLogger",
    "Tree",
    "UpdateFn",
    "UserError",
    "Variant",
    "WandbLogger",
    "Weighted",
    "Workers",
    "ZeroGradientWarning",
    "absolute_cross_entropy",
    "absolute_error",
    "adam",
    "adamw",
    "adapt",
    "balanced_cross_entropy",
    "base_step",
    "bilevel_gradient",
    "binary_cross_entropy",
    "brier",
    "clip",
    "compare",
    "cross_entropy",
    "draw_masks",
    "each_label",
    "error_rate",
    "evolve",
    "finite_difference",
    "focal",
    "fresh_carry",
    "functional",
    "generalised_cross_entropy",
    "huber",
    "implicit",
    "implicit_differentiation",
    "in_layout",
    "label_smoothing",
    "lion",
    "load_loss",
    "load_run",
    "loss_network",
    "mask_specs",
    "meta_step",
    "mixed",
    "muon",
    "offline_step",
    "phi_gradient",
    "read_formula",
    "residual_loss",
    "rmsprop",
    "sgd",
    "soft_f1",
    "sparse_label_smoothing",
    "squared_error",
    "symbolic_loss",
    "task_from_arrays",
    "task_from_loaders",
    "task_from_text",
    "taylor_loss",
    "train",
    "true_class_loss",
    "unroll",
    "vector_scaling",
    "weight_net",
]

_MODULES = (
    *("entry", "errors", "symbolic", "types", "optimiser", "loss", "model", "model.custom_gradients", "model.dropout"),
    *("hypergradient", "step", "method", "learner", "settings", "data.scaling", "data.splits", "data.stored"),
    *("data.augmentation", "model.noise", "data.csv_table", "task", "task.encoding", "export", "api", "training"),
    *("run", "study", "evolution"),
    *("report.statistics", "run.schema", "fewshot_settings", "fewshot.folder"),
)
"""Where the names are; those that need fewest packages come first."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            found = vars(_imported(module, f"lfl.{name}")).get(name)
            if found is not None:
                globals()[name] = found
                return found
    elif not name.startswith("_") and find_spec(f".{name}", __name__) is not None:
        return _imported(name, f"lfl.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _imported(module: str, wanted: str) -> Any:
    from .errors import missing_package

    try:
        return import_module(f".{module}", __name__)
    except ModuleNotFoundError as error:
        raise missing_package(wanted, error) from error


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
