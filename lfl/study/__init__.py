"""Studies: many runs over tasks, methods and seeds, made once and summed up."""

from .cell import Cell, make_cell
from .comparison import compare, write_comparison
from .entry import entries
from .grid import Trouble, missing, run_grid
from .line import TUNED, Line, candidates_of
from .outcome import Outcome, read_outcome
from .status import running
from .summary import Summary, summarise
from .tables import defaults_of, parse_row, table_lines
from .work import Stopped, Worker

__all__ = [
    "TUNED",
    "Cell",
    "Line",
    "Outcome",
    "Stopped",
    "Summary",
    "Trouble",
    "Worker",
    "candidates_of",
    "compare",
    "defaults_of",
    "entries",
    "make_cell",
    "missing",
    "parse_row",
    "read_outcome",
    "run_grid",
    "running",
    "summarise",
    "table_lines",
    "write_comparison",
]
