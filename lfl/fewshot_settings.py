"""Every setting of a few-shot run, declared once; what `lfl.settings` declares for other runs is taken from there."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from . import catalogue
from .catalogue import METHODS
from .entry import Defaults, about
from .errors import UserError, one_of
from .fewshot_catalogue import BATCH_NORM, EPISODES, FEWSHOT_METHODS, FORMS, OWN_EPISODES, PARTS, entry_of
from .schedules import SCHEDULES
from .setting import Known, Setting, check_value, default_words, flag
from .settings import PANELS, SETTINGS, TYPES, setting

FEWSHOT = "Few-shot learning: --task omniglot, or --ways with pictures of your own"
FEWSHOT_PANELS = (*PANELS[:2], FEWSHOT, *PANELS[2:])
"""The groups of flags of `lfl train`."""

MOST = {"ways": 1000, "shots": 1000, "queries": 1000, "meta_batch": 10_000, "inner_steps": 1000, "test_steps": 1000} | {
    **{"valid_tasks": 100_000, "test_tasks": 100_000},
}
"""The largest sizes, which a folder of somebody else may ask for too."""


def shared(name: str, default: Any, **more: Any) -> Any:
    """Declares a setting that other runs have too, with another default, and what else differs."""
    as_there = replace(SETTINGS[name], default=default, shown="", methods=None)
    return field(metadata={"setting": replace(as_there, **more)})


def _cell(name: str) -> Callable[[Known], Any]:
    """The published value for episodes of this source and size."""

    def value(known: Known) -> Any:
        held = known.values
        return getattr(entry_of(held["task"]).cell(held["ways"], held["shots"]), name)

    return value


def _part(number: int, least: int = 1) -> Callable[[Known], int]:
    return lambda known: max(least, known.values["steps"] // number)


@dataclass(frozen=True)
class FewShot:
    """What determines a few-shot run, beside its data. `docs/fewshot.md` lists every setting with its default.

    A field is one setting: its flag is `--` and its name with hyphens, its key in files is its name.

    Raises:
        UserError: a value of another type or out of range, or two settings that do not go together.
    """

    task: str = shared("task", "omniglot", choices=about(EPISODES), own={"FOLDER/": OWN_EPISODES.about})
    ways: int = setting(
        FEWSHOT, "Classes of an episode.", lambda known: entry_of(known.values["task"]).ways, shown="5; sinusoid 1"
    )
    shots: int = setting(
        FEWSHOT,
        "Support examples of each class, which a task is learned from.",
        lambda known: entry_of(known.values["task"]).shots,
        shown="1; sinusoid 5",
    )
    queries: int = setting(
        FEWSHOT,
        "Query examples of each class, by which it is judged.",
        _cell("queries"),
        shown="--shots; photographs 15",
    )
    rotations: str = setting(
        FEWSHOT,
        "What turns of pictures by 90, 180 and 270 degrees are",
        lambda known: entry_of(known.values["task"]).rotations,
        shown="omniglot classes; else none",
        choices={
            "none": "not made",
            "classes": "classes of their own",
            "drawn": "drawn for each class of an episode",
        },
    )
    split: str = setting(
        FEWSHOT,
        "How the characters of omniglot are split",
        "random",
        choices={
            "random": "1,100 to train, 100 for validation, 423 for test, as in MAML's paper",
            "vinyals": "by alphabet, 1,028, 172 and 423",
        },
    )
    split_seed: int = setting(
        FEWSHOT, "Seed of the split of your own classes, where there are no folders train, valid and test.", 0, least=0
    )
    model: str = shared("model", lambda known: entry_of(known.values["task"]).model, shown="conv4; sinusoid mlp-40")
    method: str = shared("method", "maml", help="How adaptation is learned", choices=about(FEWSHOT_METHODS))
    as_: str = setting(
        FEWSHOT,
        "Whether npbml is as its authors' code is, faults included, or as their paper has it",
        "published",
        choices={"published": "as the code is", "written": "as the paper has it"},
        methods=("npbml",),
    )
    proximal: float = setting(FEWSHOT, "Pull of imaml towards the start.", 2.0, methods=("imaml",))
    parts: str = setting(
        FEWSHOT,
        "What npbml learns beside the start; several with commas",
        "all",
        choices=PARTS,
        several=True,
        methods=("npbml",),
    )
    pretrain_steps: int = setting(
        FEWSHOT, "Steps of npbml's pre-training, on all training classes at once.", 200_000, least=0, methods=("npbml",)
    )
    relation_steps: int = setting(
        FEWSHOT, "Episodes that npbml's relation network is trained on.", 100_000, least=0, methods=("npbml",)
    )
    pretrained_from: str | None = setting(
        FEWSHOT, "An npbml run whose pre-trained network and relation network are taken.", methods=("npbml",)
    )
    seed: int = shared("seed", 0)
    steps: int = shared(
        "steps", _cell("steps"), help="Steps of what is learned over tasks.", shown="60000; sinusoid 70000"
    )
    meta_batch: int = setting(FEWSHOT, "Tasks of a step.", _cell("meta_batch"), shown="omniglot 32, 16 from 20 ways on")
    inner_steps: int = shared(
        "inner_steps",
        _cell("inner_steps"),
        help="Steps on a task while training.",
        least=0,
        shown="omniglot 1, 5 from 20 ways on",
    )
    inner_lr: float = shared(
        "inner_lr",
        _cell("inner_lr"),
        help="Learning rate of the steps on a task.",
        shown="omniglot 0.4, 0.1 from 20 ways on",
    )
    test_steps: int = setting(
        FEWSHOT,
        "Steps on a task in evaluation.",
        _cell("test_steps"),
        shown="omniglot 3, 5 from 20 ways on; else 10",
        least=0,
    )
    batch_norm: str = setting(
        FEWSHOT, "What batch norm takes its means and deviations from", "batch", choices=BATCH_NORM
    )
    momentum: float = shared("momentum", 0.0)
    nesterov: bool = shared("nesterov", False)
    weight_decay: float = shared("weight_decay", 0.0)
    outer_lr: float = shared("outer_lr", 1e-3, help="Learning rate of Adam on what is learned over tasks.")
    outer_schedule: str = shared("outer_schedule", "constant", choices=about(SCHEDULES))
    hypergradient: str = shared(
        "hypergradient", "auto", help="How the gradient through the steps on a task is computed", choices=FORMS
    )
    tasks_at_once: int | None = setting(
        FEWSHOT, "Tasks of a step that are computed at once; fewer take less memory.", shown="all"
    )
    compile: str = shared("compile", "auto")
    log_every: int = shared("log_every", _part(600), shown="a 600th of --steps")
    eval_every: int = shared("eval_every", _part(60, 100), shown="a 60th of --steps")
    valid_tasks: int = setting(FEWSHOT, "Fixed validation episodes of each measurement.", 200)
    test_tasks: int = setting(FEWSHOT, "Fixed test episodes of the measurement at the end.", 600)
    keep: str = shared(
        "keep",
        "best",
        choices={
            "last": "what was learned after the last step",
            "best": "what was learned at the step of least validation error",
        },
    )
    checkpoint_every: int = shared("checkpoint_every", _part(60, 100), shown="a 60th of --steps")
    log: str = shared("log", "none")

    def __post_init__(self) -> None:
        for name, each in FEWSHOT_SETTINGS.items():
            check_value(name, FEWSHOT_TYPES[name], each, getattr(self, name))
        for name, most in MOST.items():
            if getattr(self, name) > most:
                raise UserError(f"{flag(name)} must be at most {most:,}, got {getattr(self, name):,}.")
        _check_together(self)


FEWSHOT_SETTINGS: dict[str, Setting] = {each.name: each.metadata["setting"] for each in fields(FewShot)}
FEWSHOT_TYPES: dict[str, Any] = {each.name: each.type for each in fields(FewShot)}
OWN_OF_FEWSHOT = [name for name in FEWSHOT_SETTINGS if name not in SETTINGS]
"""Settings that only few-shot runs have."""

_UNUSED = Defaults(steps=1, inner_lr=0.0)


def _check_together(settings: FewShot) -> None:
    """Raises `UserError` where settings of a few-shot run do not go together."""
    real = settings.task == "sinusoid"
    if real and settings.ways != 1:
        raise UserError(f"--ways of {settings.task} is 1, for it has no classes, got {settings.ways}; leave it out.")
    if not real and settings.ways < 2:
        raise UserError(f"--ways must be at least 2 classes to tell apart, got {settings.ways}; 5 and 20 are usual.")
    if settings.inner_steps == 0 and settings.method in NEEDS_STEPS:
        raise UserError(
            f"--inner-steps 0 leaves the model as it is, which --method {settings.method} learns nothing from; give at "
            "least 1."
        )
    if "none" in settings.parts.split(",")[1:] or settings.parts.startswith("none,"):
        raise UserError(f"--parts takes none alone, got {settings.parts}.")
    if real and settings.method == "npbml":
        raise UserError(f"--method npbml is for pictures, but --task is {settings.task}; maml and metal are for both.")
    if settings.nesterov and not settings.momentum:
        raise UserError("--nesterov is a form of momentum, but --momentum is 0; give one, such as 0.9.")


NEEDS_STEPS = ("reptile", "meta-sgd", "maml++", "imaml", "metal", "adalfl", "npbml")
"""Methods that learn something of the inner steps alone."""


def resolve_fewshot(asked: Mapping[str, Any]) -> FewShot:
    """Fills in the settings of a few-shot run that were not asked for.

    A setting is what was asked for; else the method's own default, where it has one; else the published value for
    episodes of that source and size.

    Args:
        asked: fields of `FewShot` by name; None stands for the default.

    Raises:
        UserError: an unknown setting, one of another kind of run, or one that is out of range.

    Example:
        >>> settings = resolve_fewshot({"task": "omniglot", "ways": 20, "shots": 1})
        >>> settings.inner_steps, settings.inner_lr, settings.meta_batch, settings.queries
        (5, 0.1, 16, 1)
    """
    asked = {name: value for name, value in asked.items() if value is not None}
    for name, value in asked.items():
        if name in SETTINGS and name not in FEWSHOT_SETTINGS:
            raise UserError(f"{flag(name)} is for runs without episodes, but --task names episodes; leave it out.")
        one_of("setting", name, list(FEWSHOT_SETTINGS))
        check_value(name, FEWSHOT_TYPES[name], FEWSHOT_SETTINGS[name], value)
        if type(value) is int and FEWSHOT_TYPES[name] in (float, float | None):
            asked[name] = float(value)
    method = asked.get("method", FEWSHOT_SETTINGS["method"].default)
    task = asked.get("task", FEWSHOT_SETTINGS["task"].default)
    chosen = {**FEWSHOT_METHODS[method].defaults_for(task), **asked}
    values: dict[str, Any] = {}
    for name, each in FEWSHOT_SETTINGS.items():
        known = Known(_UNUSED, METHODS["fixed"], values)
        values[name] = chosen[name] if name in chosen else each.default_of(known)
    return FewShot(**values)


def content(settings: FewShot) -> dict[str, Any]:
    """The settings by name, for a file."""
    return asdict(settings)


def asks_for_episodes(asked: Mapping[str, Any]) -> bool:
    """Whether settings that were asked for are those of a few-shot run, by --task, --method or a setting of its own.

    Raises:
        UserError: they name a method or a setting of few-shot runs, and a task that has no episodes.
    """
    task, method = asked.get("task"), asked.get("method")
    if task in EPISODES:
        return True
    own = [flag(name) for name in OWN_OF_FEWSHOT if asked.get(name) is not None]
    if method in FEWSHOT_METHODS and method not in METHODS:
        own.append(f"--method {method}")
    if not own:
        return False
    if task is None or task in catalogue.TASKS:
        what = f"--task {task} has none" if task else "--task names none"
        raise UserError(
            f"{own[0]} is for episodes, but {what}; choose --task {', '.join(EPISODES)}, or a folder of your own with "
            "--ways."
        )
    return True


def flags_of_train() -> tuple[dict[str, Setting], dict[str, Any]]:
    """The settings of `lfl train` for its flags: those of all its runs, each once, and their types.

    A setting that both kinds of run have is declared by `lfl.settings`; its choices are those of both.
    """
    both = {name: _of_both(each, FEWSHOT_SETTINGS.get(name)) for name, each in SETTINGS.items()}
    return {**both, **{name: FEWSHOT_SETTINGS[name] for name in OWN_OF_FEWSHOT}}, {**FEWSHOT_TYPES, **TYPES}


def _of_both(here: Setting, there: Setting | None) -> Setting:
    """A setting of both kinds of run: choices of both, and what is different of few-shot runs in words."""
    if there is None:
        return here
    help, words = here.help, [default_words(each) for each in (here, there)]
    if there.help != here.help:
        help = f"{help.rstrip('.')}; of episodes: {there.help[0].lower()}{there.help[1:]}"
    shown = words[0] if words[0] == words[1] else f"{words[0]}; of episodes: {words[1]}"
    choices, least = {**here.choices, **there.choices}, min(here.least, there.least)
    return replace(here, help=help, shown=shown, choices=choices, least=least)
