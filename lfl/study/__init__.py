"""Studies: methods compared over seeds, and the paper's tables, run on this machine or on a cluster."""

from .comparison import Compared, Comparison, compare, compare_with_first, draw_learning, plan, write_comparison
from .control import Stopped
from .engine import Engine, parse_engine, share_of_threads
from .experiment import TUNED, Experiment, Line, Planned, Variant, candidates_of, make_experiment, parse_variant
from .grid import FailedExperiment, Resources, check_paths, run_study
from .paper_tables import Entry, defaults_of, entries, parse_row, table_lines
from .result import Outcome, Paired, Summary, deviations_off, missing, paired, read_outcome, summarise
from .status import LineStatus, Running, Status, StatusReader
from .worker import UnexpectedFailure

__all__ = [
    "TUNED",
    "Compared",
    "Comparison",
    "Engine",
    "Entry",
    "Experiment",
    "FailedExperiment",
    "Line",
    "LineStatus",
    "Outcome",
    "Paired",
    "Planned",
    "Resources",
    "Running",
    "Status",
    "StatusReader",
    "Stopped",
    "Summary",
    "UnexpectedFailure",
    "Variant",
    "candidates_of",
    "check_paths",
    "compare",
    "compare_with_first",
    "defaults_of",
    "deviations_off",
    "draw_learning",
    "entries",
    "make_experiment",
    "missing",
    "paired",
    "parse_engine",
    "parse_row",
    "parse_variant",
    "plan",
    "read_outcome",
    "run_study",
    "share_of_threads",
    "summarise",
    "table_lines",
    "write_comparison",
]
