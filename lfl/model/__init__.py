"""Models: any module as a pure function, and the named architectures."""

from .build import Architecture, build_model, initial_theta, xavier_uniform
from .dropout import draw_masks
from .functional import PureModule, functional, is_seed, mask_specs

__all__ = [
    "Architecture",
    "PureModule",
    "build_model",
    "draw_masks",
    "functional",
    "initial_theta",
    "is_seed",
    "mask_specs",
    "xavier_uniform",
]
