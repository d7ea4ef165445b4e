"""Every setting of a search for losses, declared once, as `lfl.settings` declares those of a run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from .catalogue import HANDMADE_LOSSES, METHODS
from .entry import Defaults
from .errors import UserError, one_of
from .setting import Default, Known, Setting, check_value
from .settings import LOSS_OPTIMISER, METHOD, PANELS, SETTINGS, setting

SEARCH, CANDIDATE, CHOICE = "The search", "Evaluation of a candidate", "The choice at the end"
EVOLUTION_PANELS = (*PANELS[:2], SEARCH, CANDIDATE, CHOICE, *(name for name in PANELS[2:] if name != LOSS_OPTIMISER))
"""The groups of flags of `lfl evolve`."""

SEARCHES = {
    "evomal": "formulas by genetic programming, their numbers by gradient (the default)",
    "gp-lfl": "formulas by genetic programming alone, without numbers",
    "taylorglo": "the eight numbers of a cubic Taylor polynomial by CMA-ES (pip install 'lfl[evolution]')",
}
EVALUATORS = {
    "auto": "the faster one here; closures for several --jobs",
    "closures": "one candidate after the other",
    "lanes": "several at once, their models stacked",
}
MOST = {
    **{"population": 10_000, "generations": 100_000, "tournament": 10_000, "max_height": 100},
    **{"num_lanes": 10_000, "finalists": 1000, "finalist_seeds": 1000},
}
"""The largest sizes, which a folder of somebody else may ask for too."""

FILTER_STEPS = 1000
"""Steps of the rejection test."""

FEW_FILTER_STEPS = {"digits": 100, "mnist": 100}
"""The tasks that have fewer."""

RUN_SETTINGS = [
    name
    for name, each in SETTINGS.items()
    if each.methods is None and name not in {"method", "loss", "base", "objective", "precision", "batch_norm"}
]
"""Settings of a run that a search takes too: of the data, the model and its training."""


def filter_steps_for(task: str) -> int:
    """Returns the published number of steps of the rejection test for a task: 100 for digits and MNIST, else 1,000."""
    return FEW_FILTER_STEPS.get(task, FILTER_STEPS)


def _unless_published(value: Any, published: Any) -> Default:
    return lambda known: published if known.values["published"] else value


def _of_gp(value: Any, otherwise: Any) -> Default:
    return lambda known: otherwise if known.values["method"] == "taylorglo" else value


def _wide_gate(known: Known) -> bool:
    real = "regression" in HANDMADE_LOSSES[known.task.loss].kinds
    return real and not known.values["published"] and known.values["method"] != "taylorglo"


@dataclass(frozen=True)
class Evolution:
    """How losses are searched. `docs/evolution.md` lists every setting; a field's flag is `--` and its name.

    Raises:
        UserError: a value of another type or out of range.
    """

    method: str = setting(METHOD, "How losses are searched", "evomal", choices=SEARCHES)
    published: bool = setting(SEARCH, "Search as published, where lfl's own defaults differ.", False)
    population: int = setting(SEARCH, "Candidates in a generation.", 25, least=2)
    generations: int = setting(SEARCH, "Generations, the first one included.", 50)
    minutes: float | None = setting(SEARCH, "Minutes after which the search stops, wherever it is.", shown="no limit")
    tournament: int = setting(SEARCH, "Trees in a tournament for a parent.", 4)
    parsimony: float = setting(
        SEARCH,
        "Pressure on the size of parents, from 1, none, to 2.",
        _unless_published(1.4, 1.0),
        shown="1.4; published 1",
    )
    crossover: float = setting(SEARCH, "Probability that a child has two parents.", 0.7)
    mutation: float = setting(SEARCH, "Probability that a child is one parent, changed.", 0.25)
    elitism: int = setting(SEARCH, "Best trees that each generation keeps.", 0, least=0)
    max_height: int = setting(SEARCH, "Greatest height of a tree.", 10, least=4)
    repeats: str = setting(
        SEARCH,
        "Trees that count as one, and are evaluated once",
        _unless_published("canonical", "text"),
        shown="canonical; published text",
        choices={"canonical": "those that can be shown to mean the same", "text": "those of the same text"},
    )
    sigma: float = setting(SEARCH, "First step size of CMA-ES, of taylorglo.", 1.2)
    evaluator: str = setting(CANDIDATE, "How candidates are computed", "auto", choices=EVALUATORS)
    num_lanes: int = setting(CANDIDATE, "Candidates that lanes compute at once.", 25)
    local_steps: int = setting(
        CANDIDATE,
        "Steps of gradient descent on a formula's numbers; 0 for none.",
        lambda known: 250 if known.values["method"] == "evomal" else 0,
        shown="250; gp-lfl and taylorglo 0",
        least=0,
    )
    local_lr: float = setting(CANDIDATE, "Adam's learning rate on those numbers.", 1e-3)
    local_objective: str = setting(
        CANDIDATE,
        "The data that those steps measure the task's loss on",
        "valid",
        choices={"train": "the step's own train batch", "valid": "a batch of the clean data"},
    )
    order: str = setting(
        CANDIDATE,
        "What comes first",
        lambda known: (
            "published" if known.values["published"] or known.values["method"] == "taylorglo" else "gate first"
        ),
        shown="gate first; published and taylorglo published",
        choices={"gate first": "the tests, then the numbers of what passed", "published": "the numbers, then the test"},
    )
    rejection: str = setting(
        CANDIDATE,
        "What a candidate must do to the outputs of a fresh model",
        _of_gp("improves", "off"),
        shown="improves; taylorglo off",
        choices={"improves": "lower their error", "0.6": "lower it by more than 0.6", "off": "nothing"},
    )
    filter_steps: int = setting(
        CANDIDATE,
        "Steps of that test.",
        lambda known: filter_steps_for(known.values["task"]),
        shown="100 on digits and mnist, else 1000",
    )
    filter_rows: int = setting(CANDIDATE, "Train examples of that test.", 100)
    wide_gate: bool = setting(
        CANDIDATE,
        "Reject losses of real values that fall without end.",
        _wide_gate,
        shown="for real values; published no",
    )
    fitness_steps: int = setting(CANDIDATE, "Steps of a fresh model before its validation error counts.", 500)
    finalists: int = setting(
        CHOICE,
        "Best formulas that are trained again on other seeds; 0 to take the best as it is.",
        _unless_published(5, 0),
        shown="5; published 0",
        least=0,
    )
    finalist_seeds: int = setting(CHOICE, "Other seeds that each of them is trained on.", 3)
    finalist_steps: int = setting(
        CHOICE,
        "Steps of each of those trainings.",
        lambda known: 4 * known.values["fitness_steps"],
        shown="4 times --fitness-steps",
    )
    final_seed: int = setting(
        CHOICE,
        "Seed of the training on the formula that was chosen.",
        lambda known: known.values["seed"] + (0 if known.values["published"] else 1000),
        shown="--seed + 1000; published --seed",
        least=0,
    )

    def __post_init__(self) -> None:
        for name in EVOLUTION:
            check_value(name, EVOLUTION_TYPES[name], EVOLUTION[name], getattr(self, name))
        if not 1.0 <= self.parsimony <= 2.0:
            raise UserError(f"--parsimony must be from 1 to 2, got {self.parsimony}.")
        if self.crossover + self.mutation > 1.0:
            raise UserError(
                f"--crossover and --mutation must be 1 together at most, got {self.crossover} and {self.mutation}."
            )
        if self.elitism > self.population:
            raise UserError(f"--elitism must be --population at most, got {self.elitism} and {self.population}.")
        for name, most in MOST.items():
            if getattr(self, name) > most:
                raise UserError(f"--{name.replace('_', '-')} must be at most {most:,}, got {getattr(self, name):,}.")
        if not self.sigma or not self.local_lr or self.minutes == 0:
            raise UserError("--sigma, --local-lr and --minutes must be greater than 0; leave them out for the default.")

    def content(self) -> dict[str, Any]:
        """The settings by name, for a file."""
        return asdict(self)


EVOLUTION: dict[str, Setting] = {each.name: each.metadata["setting"] for each in fields(Evolution)}
EVOLUTION_TYPES: dict[str, Any] = {each.name: each.type for each in fields(Evolution)}


def resolve_evolution(defaults: Defaults, asked: Mapping[str, Any], *, task: str, seed: int) -> Evolution:
    """Fills in the settings of a search that were not asked for.

    Args:
        defaults: of the task.
        asked: fields of `Evolution` by name.
        task, seed: of the run.

    Raises:
        UserError: an unknown setting, or one that is out of range.
    """
    values: dict[str, Any] = {"task": task, "seed": seed}
    for name in asked:
        one_of("setting of a search", name, list(EVOLUTION))
    for name, each in EVOLUTION.items():
        value = asked[name] if name in asked else each.default_of(Known(defaults, METHODS["fixed"], values))
        if type(value) is int and EVOLUTION_TYPES[name] in (float, float | None):
            value = float(value)
        values[name] = value
    return Evolution(**{name: values[name] for name in EVOLUTION})
