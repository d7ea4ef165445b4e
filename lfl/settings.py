"""Every setting of a run, declared once: from here come flags, completion, `--config`, defaults, checks and docs."""

from dataclasses import dataclass, field, fields
from typing import Any

from . import catalogue
from .catalogue import HANDMADE_LOSSES, HYPERGRADIENTS, LEARNED_LOSSES, LEARNING, METHODS, OFFLINE, ONLINE, OWN_LOSSES
from .choices import BATCH_NORM, LOGS
from .entry import about
from .schedules import AS_THE_MODEL, SCHEDULES
from .setting import STATED, Known, Setting, check_together, check_value, of_task, uses_base

DATA, METHOD, MODEL_OPTIMISER = "Data", "Method", "The model's optimiser"
LOSS_OPTIMISER, SPEED, OUTPUT = "The loss's optimiser", "Speed", "Output"
PANELS = (DATA, METHOD, MODEL_OPTIMISER, LOSS_OPTIMISER, SPEED, OUTPUT)
"""The groups of flags, in the order of the help."""

SPLITS = {"train": "the step's own train batch", "valid": "a batch of the clean data"}


def setting(panel: str, help: str, default: Any = None, **more: Any) -> Any:
    """Declares a setting: a field of `Settings`, with the arguments of `Setting`."""
    return field(metadata={"setting": Setting(panel, help, default, **more)})


def _loss(known: Known) -> str:
    return "network" if known.method.learns_loss else known.task.loss


def _base(known: Known) -> str | None:
    (kind,) = HANDMADE_LOSSES[known.task.loss].kinds
    return catalogue.BASES[kind] if uses_base(known.values["method"], known.values["loss"]) else None


def _theta_init(known: Known) -> str:
    return "architecture" if ":" in known.values["model"] else known.task.theta_init


@dataclass(frozen=True)
class Settings:
    """What determines a run, beside its data. `docs/settings.md` lists every setting with its default.

    A field is one setting: its flag is `--` and its name with hyphens, its key in files is its name.

    Raises:
        UserError: a value of another type or out of range, or two settings that do not go together.
    """

    task: str = setting(DATA, "The data to learn", "digits", choices=about(catalogue.TASKS), own=catalogue.OWN_TASKS)
    model: str = setting(METHOD, "The model to train", "mlp", choices=about(catalogue.MODELS), own=catalogue.OWN_MODELS)
    method: str = setting(METHOD, "How the loss is learned", "adalfl", choices=about(METHODS))
    seed: int = setting(METHOD, "Seed of the first parameters, the batches and the dropout masks.", 0, least=0)
    steps: int = setting(METHOD, "Training steps of the model.", of_task("steps"))
    offline_steps: int = setting(
        METHOD,
        "Steps of the loss before the model's training.",
        of_task("offline_steps"),
        least=0,
        methods=OFFLINE,
        was="init_steps",
    )
    inner_steps: int = setting(METHOD, "Steps of the model in each offline step of the loss.", 1, methods=OFFLINE)
    batch_size: int = setting(METHOD, "Examples in a batch, of train and of clean data.", of_task("batch_size"))
    inner_lr: float = setting(MODEL_OPTIMISER, "Learning rate of the model.", of_task("inner_lr"))
    offline_lr: float = setting(
        LOSS_OPTIMISER, "Learning rate of the loss, offline.", of_task("offline_lr"), methods=OFFLINE, was="init_lr"
    )
    outer_lr: float = setting(LOSS_OPTIMISER, "Learning rate of the loss, online.", of_task("outer_lr"), methods=ONLINE)
    target: str | None = setting(DATA, "The column of your own table that is to be predicted; several with commas.")
    kind: str | None = setting(
        DATA,
        "What the targets of your own data are",
        shown="found out from the data",
        choices={
            "classification": "targets are classes",
            "regression": "targets are real values",
            "multilabel": "targets are several labels of an example, each 0 or 1",
        },
    )
    valid: str | None = setting(
        DATA, "Your own clean data, in the same form as --task.", shown="split off train", before=None
    )
    valid_size: int | None = setting(
        DATA,
        "Number of examples that are split off train as clean data, and kept out of training.",
        shown="10 % of train",
        before=None,
    )
    context: int | None = setting(
        DATA, "Characters of your own text that a model sees at once.", shown="128", before=None
    )
    eval_split: bool = setting(DATA, "Hold out a fourth split as well, and show the error on it.", False)
    label_noise: str | None = setting(
        DATA,
        "Make a share of the train labels wrong, such as symmetric:0.4",
        choices={"symmetric": "any other class, each as likely", "pair": "the next class"},
        share=True,
        before=None,
    )
    outliers: str | None = setting(
        DATA,
        "Make a share of the real train targets wrong, such as uniform:0.3",
        choices={"uniform": "drawn anew over the range of the targets", "shift": "raised by that range"},
        share=True,
        before=None,
    )
    imbalance: float | None = setting(
        DATA, "Drop train examples, until the last class is this many times rarer.", before=None
    )
    loss: str = setting(
        METHOD,
        "The form of the learned loss, or the loss that the baseline trains on",
        _loss,
        shown="network; the task's own for the baseline",
        choices=about(LEARNED_LOSSES | HANDMADE_LOSSES),
        own=OWN_LOSSES,
    )
    base: str | None = setting(
        METHOD,
        "The hand-made loss that residual, weight-net and true-class start from",
        _base,
        shown="cross-entropy, or absolute-error",
        choices=about(HANDMADE_LOSSES),
        own=OWN_LOSSES,
        before=None,
    )
    loss_from: str | None = setting(
        METHOD, "The run folder whose learned loss --method fixed trains on.", methods=("fixed",)
    )
    theta_init: str = setting(
        METHOD,
        "How the model's parameters are drawn",
        _theta_init,
        shown="the task's",
        choices={"xavier": "Xavier uniform, biases 0", "architecture": "as the architecture does by itself"},
    )
    optimizer: str = setting(
        MODEL_OPTIMISER,
        "The model's optimiser",
        of_task("optimizer"),
        shown="sgd; of a text adam",
        choices={
            "sgd": "stochastic gradient descent, with --momentum, --nesterov and --weight-decay",
            "adam": "Adam",
            "adamw": "Adam with decoupled weight decay",
        },
        was="inner",
    )
    momentum: float = setting(MODEL_OPTIMISER, "Momentum of sgd.", of_task("momentum"))
    nesterov: bool = setting(MODEL_OPTIMISER, "Nesterov's form of the momentum.", of_task("nesterov"))
    weight_decay: float = setting(MODEL_OPTIMISER, "Weight decay of the model.", of_task("weight_decay"))
    clip_norm: float | None = setting(
        MODEL_OPTIMISER, "The greatest norm of the model's gradient; a longer one is scaled down."
    )
    schedule: str = setting(
        MODEL_OPTIMISER, "Schedule of the model's learning rate", "constant", choices=about(SCHEDULES)
    )
    outer_schedule: str = setting(
        LOSS_OPTIMISER,
        "Schedule of the loss's learning rate, online",
        "constant",
        choices={**about(SCHEDULES), AS_THE_MODEL: "the same as the model's, which --schedule gives"},
        methods=ONLINE,
        before="constant",
    )
    offline_objective: str = setting(
        METHOD, "The data that the loss is measured on, offline", "train", choices=SPLITS, methods=OFFLINE,
        was="init_objective",
    )  # fmt: skip
    meta_objective: str = setting(
        METHOD, "The data that the loss is measured on, online", "valid", choices=SPLITS, methods=ONLINE
    )
    objective: str | None = setting(
        METHOD,
        "What is measured on the clean data to learn the loss",
        shown="the task's own loss",
        choices=about(catalogue.OBJECTIVES),
        own=catalogue.OWN_OBJECTIVES,
        before=None,
    )
    restart_every: int = setting(
        METHOD,
        "Offline steps after which the model starts again; 0 for one start.",
        of_task("restart_every"),
        least=0,
        methods=OFFLINE,
    )
    redraw_theta: bool = setting(
        METHOD, "Draw other first parameters at each start of the model.", True, methods=OFFLINE
    )
    hypergradient: str = setting(
        METHOD,
        "How the gradient of the loss's parameters is computed",
        "auto",
        choices={"auto": "the faster exact one", **about(HYPERGRADIENTS)},
        methods=LEARNING,
    )
    horizon: int = setting(
        METHOD,
        "Steps of the model that an online step of the loss is differentiated through.",
        1,
        methods=ONLINE,
        was="lookahead",
    )
    meta_every: int = setting(
        METHOD,
        "Steps of the model for each online step of the loss.",
        lambda known: known.values["horizon"],
        shown="--horizon",
        methods=ONLINE,
    )
    meta_batch_size: int | None = setting(
        SPEED, "Examples of a batch that the loss's gradient is computed on.", shown="all", methods=LEARNING
    )
    compile: str = setting(
        SPEED,
        "Whether the steps are compiled",
        "auto",
        choices={"auto": "where the steps ahead pay for it", "on": "yes", "off": "no"},
    )
    precision: str = setting(
        SPEED,
        "Precision of matrix products and convolutions (docs/cost.md has the gradient's error)",
        "float32",
        choices={
            "float32": "full",
            "tf32": "10-bit inputs of products, on an NVIDIA GPU: phi's gradient off by 0.2 %, with batch norm by 35 %",
            "bfloat16": "products in 8 bits: phi's gradient off by 0.3 to 0.8 %, with batch norm by 70 %",
        },
    )
    batch_norm: str = setting(
        SPEED,
        "Batch norm under torchrun, on each process's slice of a batch; without effect on one process",
        "local",
        choices=BATCH_NORM,
        before="local",
    )
    recompute: str | None = setting(
        SPEED,
        "Blocks of the model whose activations are computed again instead of kept, which saves memory: auto, or names.",
        before=None,
    )
    stored: str = setting(
        SPEED,
        "Precision in which the steps of a horizon are kept until the way back (docs/cost.md)",
        "float32",
        choices={"float32": "full", "bfloat16": "in half the memory: how far each step has moved the model"},
        before="float32",
        methods=LEARNING,
    )
    log_every: int = setting(
        OUTPUT, "Steps between two lines of metrics.", lambda known: max(1, known.values["steps"] // 200),
        shown="a 200th of --steps",
    )  # fmt: skip
    eval_every: int = setting(
        OUTPUT, "Steps between two measurements of the validation error.",
        lambda known: max(1, known.values["steps"] // 50), shown="a 50th of --steps",
    )  # fmt: skip
    keep: str = setting(
        OUTPUT,
        "The model that the run keeps",
        "last",
        choices={
            "last": "the one after the last step",
            "best": "the one of least validation error, or of least --objective on the clean data",
        },
        before="last",
    )
    checkpoint_every: int = setting(
        OUTPUT, "Steps between two checkpoints; 0 for none.", lambda known: max(100, known.values["steps"] // 20),
        shown="a 20th of --steps", least=0,
    )  # fmt: skip
    log: str = setting(
        OUTPUT,
        "Where metrics are written beside metrics.jsonl; several with commas",
        "none",
        choices=LOGS,
        several=True,
    )

    def __post_init__(self) -> None:
        for name in SETTINGS:
            check_setting(name, getattr(self, name))
        check_together(self)


SETTINGS: dict[str, Setting] = {each.name: each.metadata["setting"] for each in fields(Settings)}
DEFAULT_TASK, DEFAULT_MODEL, DEFAULT_METHOD = (str(SETTINGS[name].default) for name in ("task", "model", "method"))
TYPES: dict[str, Any] = {each.name: each.type for each in fields(Settings)}
BEFORE = {name: each.before for name, each in SETTINGS.items() if each.before is not STATED}
"""Settings that older versions did not write, with what they were then."""

FORMER_NAMES = {each.was: name for name, each in SETTINGS.items() if each.was}
"""The new name of each setting that was renamed, by its old name."""


def check_setting(name: str, value: Any) -> None:
    """Raises `UserError` unless a value is of a setting's type and in its range, whatever the other settings are."""
    check_value(name, TYPES[name], SETTINGS[name], value)
