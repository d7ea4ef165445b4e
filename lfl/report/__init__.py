"""Tables, figures and pages about runs."""

from . import _matplotlib as _matplotlib  # first: it imports matplotlib where MPLBACKEND would prevent that
from .collect import Comparison, Group, collect_runs
from .curves import draw_losses, draw_pictures
from .few_shot import FewShotLog, read_few_shot_log
from .page import write_page
from .suspects import has_images, suspects_figure

__all__ = [
    "Comparison",
    "FewShotLog",
    "Group",
    "collect_runs",
    "draw_losses",
    "draw_pictures",
    "has_images",
    "read_few_shot_log",
    "suspects_figure",
    "write_page",
]
