"""Pictures and pages of runs."""

from . import backend as backend
from .gather import Comparison, Group, gather
from .losses import draw_losses
from .page import write_page
from .pictures import draw_pictures
from .sheet import has_pictures, sheet

__all__ = ["Comparison", "Group", "draw_losses", "draw_pictures", "gather", "has_pictures", "sheet", "write_page"]
