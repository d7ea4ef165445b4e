"""Results tables: for the terminal, as CSV and as Markdown, and put beside what a file holds already."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import UserError
from ..report.published import figures
from ..report.spread import Spread, spread_words
from ..run.folder import explained, write_bytes
from ..run.lock import in_turn
from ..text import from_cell, to_cell
from .entry import Entry
from .line import TUNED, TUNED_FACTORS
from .statistics import Paired

Key = tuple[str, str, str]
Cells = dict[Key, list[str]]
"""The cells of each line behind task, model and method, by those three."""

KEYS = ["task", "model", "method"]
CSV = [*KEYS, "seeds", "mean", "std", "paper_mean", "paper_std", "ratio_to_baseline_time", "commit"]
ERRORS = [
    *KEYS,
    "seeds",
    "test error",
    "the paper's",
    "deviations off",
    "less baseline",
    "less tuned",
    "time ratio",
    "note",
]
HOURS = [*KEYS, "seeds", "hours a run", "the paper's", "time ratio", "the paper's ratio", "note"]
ABOUT = (
    "Mean ± standard deviation over seeds. Deviations off: above the paper's mean, in the paper's standard deviations. "
    "Less baseline, less tuned: differences by seed, p of a paired t test. Time ratio: of a run to the baseline's."
)
ABOUT_TUNED = (
    f"{TUNED}: the baseline with a cosine schedule, and of five rates (the task's times "
    f"{', '.join(f'{factor:g}' for factor in TUNED_FACTORS)}) the one of least mean validation error over the same "
    "seeds; its time is that of all five."
)


class Format(NamedTuple):
    """A kind of results file.

    Args:
        option: the flag that names the file.
        suffix: of its name.
        columns: what its first line says.
        read: the cells in a file's text; None where it is no such table.
        write: the text of cells in order.
    """

    option: str
    suffix: str
    columns: list[str]
    read: Callable[[str], Cells | None]
    write: Callable[[Cells], str]


def csv_cells(entries: Sequence[Entry]) -> Cells:
    """Entries as cells of the columns `CSV`: numbers of six digits, empty where there are none, nan for divergence."""
    return {
        entry.key: [
            str(entry.seeds),
            _digits(entry.found.mean),
            _digits(entry.found.std),
            *(["", ""] if entry.published is None else map(_digits, entry.published)),
            _digits(entry.time_ratio),
            entry.commit,
        ]
        for entry in entries
    }


def shown_cells(entries: Sequence[Entry], *, hours: bool) -> Cells:
    """Entries as cells of the columns `ERRORS` or `HOURS`, for people."""
    cells = {}
    for entry in entries:
        places = 3 if hours else 4
        paper = "" if entry.published is None else spread_words(entry.published, places)
        compared = (
            [_times(entry.time_ratio), _times(entry.published_ratio)]
            if hours
            else [
                "" if entry.off is None else f"{entry.off:+.1f}",
                paired_words(entry.less_baseline),
                paired_words(entry.less_tuned),
                _times(entry.time_ratio),
            ]
        )
        cells[entry.key] = [str(entry.seeds), spread_words(entry.found, places), paper, *compared, entry.note]
    return cells


def remark(cells: Cells) -> str:
    """What is to be said beneath a table."""
    return " ".join([ABOUT, *([ABOUT_TUNED] if any(key[2] == TUNED for key in cells) else [])])


def paired_words(found: Paired | None) -> str:
    """`-0.0045 ± 0.0017, p 0.04`."""
    if found is None:
        return ""
    return spread_words(Spread(found.mean, found.std), signed=True) + ("" if found.p is None else f", p {found.p:.2g}")


def csv_format() -> Format:
    """`--csv`."""

    def read(text: str) -> Cells | None:
        first, *rest = list(csv.reader(io.StringIO(text))) or [[]]
        return _by_key([list(map(from_cell, row)) for row in rest], len(CSV)) if first == CSV else None

    def write(cells: Cells) -> str:
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows(
            [CSV, *(map(to_cell, [*key, *rest]) for key, rest in cells.items())]
        )
        return file.getvalue()

    return Format("--csv", "csv", CSV, read, write)


def markdown_format(*, hours: bool) -> Format:
    """`--markdown`, with the columns `ERRORS` or `HOURS`."""
    columns = HOURS if hours else ERRORS

    def read(text: str) -> Cells | None:
        lines = [line for line in text.splitlines() if line.startswith("|")]
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        return _by_key(rows[2:], len(columns)) if rows and rows[0] == columns else None

    def write(cells: Cells) -> str:
        rows = [columns, ["---"] * len(columns), *([*key, *rest] for key, rest in cells.items())]
        text = "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
        return f"{text}\n{remark(cells)}\n"

    return Format("--markdown", "md", columns, read, write)


def read_results(path: Path, form: Format) -> Cells:
    """What a results file holds; nothing where it is not there.

    Raises:
        UserError: it is something else.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path} ({error}); choose another {form.option}.") from error
    cells = form.read(text) if text.strip() else {}
    if cells is None:
        raise UserError(f"{path} is not a results table of this kind; choose another {form.option}.")
    return cells


def merge_results(path: Path, form: Format, cells: Cells, table: int) -> None:
    """Take lines into a results file; its others stay, also those that other processes take in; its folder is made.

    Raises:
        UserError, Failure: as `read_results` and `write_results`.
    """
    with explained(f"write {path}", f"choose another {form.option}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with in_turn(path.parent):
            write_results(path.resolve(), form, read_results(path, form) | cells, table)


def write_results(path: Path, form: Format, cells: Cells, table: int) -> None:
    """Write lines in the paper's order, and nothing else.

    Raises:
        Failure: the disk does not go along.
    """
    known = list(figures(table))
    rows, labels = (list(dict.fromkeys(part)) for part in ([key[:2] for key in known], [key[2] for key in known]))

    def place(key: Key) -> tuple[int, tuple[str, str], int, str]:
        row = key[:2]
        return (
            rows.index(row) if row in rows else len(rows),
            row,
            labels.index(key[2]) if key[2] in labels else len(labels),
            key[2],
        )

    text = form.write({key: cells[key] for key in sorted(cells, key=place)})
    with explained(f"write {path}", f"choose another {form.option}"):
        write_bytes(path, text.encode())


def _by_key(rows: list[list[str]], width: int) -> Cells | None:
    if any(len(row) != width for row in rows):
        return None
    return {(row[0], row[1], row[2]): row[3:] for row in rows}


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
