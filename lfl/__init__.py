"""Loss function learning: a small network learns the loss while the model trains."""

from .errors import Failure, LflError, UserError
from .hypergradient import implicit
from .loss import LearnedLoss, cross_entropy, error_rate, loss_network, squared_error
from .model import draw_masks, functional, mask_specs
from .optimiser import Optimiser, adam, adamw, sgd
from .step import Carry, Info, base_step, fresh_carry, meta_step, offline_step
from .task import Task
from .version import VERSION

__version__ = VERSION

__all__ = [
    "Carry",
    "Failure",
    "Info",
    "LearnedLoss",
    "LflError",
    "Optimiser",
    "Task",
    "UserError",
    "adam",
    "adamw",
    "base_step",
    "cross_entropy",
    "draw_masks",
    "error_rate",
    "fresh_carry",
    "functional",
    "implicit",
    "loss_network",
    "mask_specs",
    "meta_step",
    "offline_step",
    "sgd",
    "squared_error",
]
