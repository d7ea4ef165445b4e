"""What a few-shot run can be given by name: where its episodes are from, and its methods, with their own defaults.

Nothing is imported before it is asked for, as in `lfl.catalogue`, so that the command line starts without torch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .entry import Entry


class Cell(NamedTuple):
    """How episodes of one size are learned, as published.

    Args:
        inner_steps, inner_lr: of a task while training.
        test_steps: of a task when it is evaluated.
        meta_batch: tasks of a step.
        queries: query examples of each class.
        steps: of training.
    """

    inner_steps: int
    inner_lr: float
    test_steps: int
    meta_batch: int
    queries: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class EpisodesEntry(Entry):
    """A source of episodes.

    Args:
        cell: `cell(ways, shots)`, how its episodes are learned unless other settings are given.
        ways, shots: of an episode by default.
        rotations: what turns of pictures are by default.
        model: the model by default.
    """

    cell: Callable[[int, int], Cell]
    ways: int = 5
    shots: int = 1
    rotations: str = "none"
    model: str = "conv4"


def _omniglot(ways: int, shots: int) -> Cell:
    """Finn, Abbeel and Levine (2017), appendix A.1, and queries as in their code."""
    return Cell(1, 0.4, 3, 32, shots, 60_000) if ways < 20 else Cell(5, 0.1, 5, 16, shots, 60_000)


def _photographs(ways: int, shots: int) -> Cell:
    """The same authors' settings for mini-ImageNet."""
    return Cell(5, 0.01, 10, 4 if shots == 1 else 2, 15, 60_000)


def _sinusoid(ways: int, shots: int) -> Cell:
    """The same paper, section 5.1."""
    return Cell(1, 0.01, 10, 25, shots, 70_000)


EPISODES: dict[str, EpisodesEntry] = {
    "omniglot": EpisodesEntry(
        about="1,623 handwritten characters of 50 alphabets, 20 drawings each, downloaded on first use",
        source="lfl.fewshot.omniglot:omniglot",
        cell=_omniglot,
        rotations="classes",
    ),
    "cifar-fs": EpisodesEntry(
        about="100 classes of 32x32 photographs, 64 of them to train on, downloaded on first use",
        source="lfl.fewshot.cifar_fs:cifar_fs",
        cell=_photographs,
    ),
    "fc100": EpisodesEntry(
        about="the same photographs, whose splits share no superclass, downloaded on first use",
        source="lfl.fewshot.cifar_fs:fc100",
        cell=_photographs,
    ),
    "sinusoid": EpisodesEntry(
        about="sine curves of random amplitude and phase, a regression",
        source="lfl.fewshot.sinusoid:sinusoid",
        cell=_sinusoid,
        ways=1,
        shots=5,
        model="mlp-40",
    ),
}
OWN_EPISODES = EpisodesEntry(
    about="with --ways: pictures of your own in a folder for each class",
    source="lfl.fewshot.class_folders:class_folders",
    cell=_photographs,
)
"""A user's own folder: `train/CLASS/`, `valid/CLASS/` and `test/CLASS/`, or `CLASS/` alone."""


@dataclass(frozen=True)
class FewShotEntry:
    """A few-shot method.

    Args:
        about: one line for help, lists and completion.
        defaults: the method's own defaults, which go before those of the episodes.
        pictures: further ones, where the episodes are of pictures.
    """

    about: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Any] = field(default_factory=dict)

    def defaults_for(self, task: str) -> Mapping[str, Any]:
        """The method's own defaults for a source of episodes."""
        return self.defaults if task == "sinusoid" else {**self.defaults, **self.pictures}


FEWSHOT_METHODS: dict[str, FewShotEntry] = {
    "maml": FewShotEntry("learn where all parameters start"),
    "fomaml": FewShotEntry("maml without second derivatives"),
    "reptile": FewShotEntry("move the start to where adaptation ends", {"inner_steps": 5}),
    "anil": FewShotEntry("maml whose last layer alone adapts"),
    "boil": FewShotEntry("maml whose last layer alone does not adapt"),
    "meta-sgd": FewShotEntry("learn a rate for each parameter beside its start"),
    "maml++": FewShotEntry(
        "maml with rates for each tensor and step, losses of all steps, batch norm for each step",
        {"inner_steps": 5, "test_steps": 5, "outer_schedule": "cosine"},
        {"inner_lr": 0.1, "meta_batch": 8},
    ),
    "imaml": FewShotEntry(
        "maml by implicit differentiation, with a proximal term",
        {"inner_steps": 16, "test_steps": 16},
        {"inner_lr": 0.1},
    ),
    "t-net": FewShotEntry("learn linear layers that bend the steps of the others, beside the start"),
    "metal": FewShotEntry("learn a loss for each step that sees the task's state, beside the start"),
    "adalfl": FewShotEntry("learn the loss that a task is adapted by, beside the start"),
    "npbml": FewShotEntry(
        "learn start, optimiser and loss together, on a pre-trained network",
        {"inner_steps": 5, "test_steps": 5, "queries": 15, "outer_lr": 1e-5, "outer_schedule": "cosine"},
        {"inner_lr": 0.1, "meta_batch": 32},
    ),
}


FORMS = {
    "auto": "the method's own",
    "mixed": "exact, backwards over the stored steps, in the memory of one",
    "unroll": "exact, by differentiating twice through all steps",
    "first-order": "without second derivatives",
    "implicit": "at a minimum of the inner objective",
}
BATCH_NORM = {
    "batch": "its own examples, so that a query's answer depends on the others (transductive)",
    "support": "the support set's, so that each query stands alone (inductive)",
    "running": "running means over the tasks of training",
}
PARTS = {
    "all": "warp, the three losses and film",
    "none": "the start alone: maml on this network",
    "warp": "a linear layer that bends the inner steps",
    "inductive": "a loss of the support set",
    "transductive": "a loss of the query set, by the relation network",
    "regulariser": "a loss of the parameters",
    "film": "scales and shifts by the task's own inputs",
    "relation": "cross-entropy against the relation scores, which npbml does not have",
}


def entry_of(task: str) -> EpisodesEntry:
    """Returns the entry of a source of episodes, by its name or the path of a folder."""
    return EPISODES.get(task, OWN_EPISODES)
