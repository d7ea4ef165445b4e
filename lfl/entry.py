"""The kinds of entries in the catalogue: a name's description, and where what it names is imported from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple, Protocol


@dataclass(frozen=True)
class Defaults:
    """How a task is trained unless other settings are given: the published settings, where there are any.

    Args:
        steps: steps of the model.
        inner_lr: learning rate of the model.
        batch_size: examples in a batch.
        offline_steps, restart_every, offline_lr: steps of the offline phase, after how many of them the model starts
            again, and the loss's learning rate there.
        outer_lr: learning rate of the loss, online.
        optimizer, momentum, nesterov, weight_decay: the model's optimiser.
        theta_init: how the model's parameters are drawn.
        loss: the hand-made loss that the baseline trains on.
    """

    steps: int
    inner_lr: float
    batch_size: int = 128
    offline_steps: int = 2500
    restart_every: int = 1
    offline_lr: float = 1e-3
    outer_lr: float = 1e-5
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    theta_init: str = "xavier"
    loss: str = "cross-entropy"
    optimizer: str = "sgd"


@dataclass(frozen=True)
class Entry:
    """A name in the catalogue.

    Args:
        about: one line for help, lists and completion.
        source: where it is imported from when it is asked for, `"package.module:attribute"`.
    """

    about: str
    source: str

    def load(self) -> Any:
        """Imports and returns what the entry names."""
        module, _, attribute = self.source.partition(":")
        return getattr(import_module(module), attribute)


@dataclass(frozen=True)
class TaskEntry(Entry):
    """A named data set.

    Args:
        defaults: how it is trained unless other settings are given.
        downloads: whether its data are downloaded on first use; else they come with scikit-learn.
    """

    defaults: Defaults = field(kw_only=True)
    downloads: bool = True


@dataclass(frozen=True)
class ModelEntry(Entry):
    """A model.

    Args:
        tokens: whether it reads rows of ids, as of a text, and predicts at each place.
    """

    tokens: bool = False


@dataclass(frozen=True)
class LossEntry(Entry):
    """A loss.

    Args:
        kinds: the kinds of targets that it is for.
        from_base: whether a learned loss starts at a hand-made one, its base.
        pointwise: whether a learned loss is a function of one target and one output at a time.
    """

    kinds: tuple[str, ...] = ("classification", "regression")
    from_base: bool = False
    pointwise: bool = False


class FormatEntry(NamedTuple):
    """A format that a learned loss is exported in.

    Args:
        about: one line for help and completion.
        suffix: of its files, with the dot; none for a folder.
    """

    about: str
    suffix: str


@dataclass(frozen=True)
class MethodEntry:
    """A method: what is learned beside the model, when, and with which settings of its own.

    Args:
        about: one line for help, lists and completion.
        learns_loss, learns_rate: what phi holds: a learned loss, the learning rate, both or nothing.
        offline: whether phi is learned before the model is trained (Algorithm 1 or 3).
        online: whether phi is learned while the model is trained (Algorithm 2 or 4).
        defaults: the method's own defaults, which go before the task's.
    """

    about: str
    learns_loss: bool = False
    learns_rate: bool = False
    offline: bool = False
    online: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def learns(self) -> bool:
        """Whether anything is learned in the run, beside the model."""
        return self.offline or self.online


class Described(Protocol):
    """What has a line about itself."""

    @property
    def about(self) -> str: ...


def about(table: Mapping[str, Described]) -> dict[str, str]:
    """Returns the names of a table of the catalogue, each with the line about it."""
    return {name: entry.about for name, entry in table.items()}
