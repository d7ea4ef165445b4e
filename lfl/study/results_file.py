"""Files of results: tables as CSV and as Markdown, written anew or merged into a file that has other lines."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import UserError
from ..report.published import paper_results
from ..report.statistics import Spread, spread_words
from ..run.folder import explained, in_turn, write_bytes
from ..text import from_cell, to_cell
from .experiment import TUNED, TUNED_FACTORS
from .paper_tables import Entry
from .result import Paired

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


REMARKS = {ABOUT, f"{ABOUT} {ABOUT_TUNED}"}
"""All that `remark` returns."""


class Format(NamedTuple):
    """A kind of results file.

    Args:
        option: the flag that names the file.
        suffix: of the file's name.
        columns: the names of its columns.
        read: returns the cells in a file's text; None where it is no such table.
        write: returns the text of cells in order, in the place of the table in a text that was there; "" for none.
        holds: what a file must hold to be such a table, for errors.
    """

    option: str
    suffix: str
    columns: list[str]
    read: Callable[[str], Cells | None]
    write: Callable[[Cells, str], str]
    holds: str


def csv_cells(entries: Sequence[Entry]) -> Cells:
    """Returns entries as cells of the columns `CSV`: numbers of six digits, empty without one, nan for divergence."""
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


def readable_cells(entries: Sequence[Entry], *, hours: bool) -> Cells:
    """Returns entries as cells of the columns `ERRORS` or `HOURS`, for people to read."""
    cells = {}
    for entry in entries:
        places = 3 if hours else 4
        paper = "" if entry.published is None else spread_words(entry.published, places)
        compared = (
            [_times(entry.time_ratio), _times(entry.published_ratio)]
            if hours
            else [
                "" if entry.off is None else f"{entry.off:+.1f}",
                paired_words(entry.minus_baseline),
                paired_words(entry.minus_tuned),
                _times(entry.time_ratio),
            ]
        )
        cells[entry.key] = [str(entry.seeds), spread_words(entry.found, places), paper, *compared, entry.note]
    return cells


def remark(cells: Cells) -> str:
    """Returns the remark beneath a table."""
    return " ".join([ABOUT, *([ABOUT_TUNED] if any(key[2] == TUNED for key in cells) else [])])


def paired_words(found: Paired | None) -> str:
    """Writes differences as `-0.0045 ± 0.0017, p 0.04`; empty without any."""
    if found is None:
        return ""
    return spread_words(Spread(found.mean, found.std), signed=True) + ("" if found.p is None else f", p {found.p:.2g}")


def csv_format() -> Format:
    """Returns the format of `--csv`."""

    def read(text: str) -> Cells | None:
        first, *rest = list(csv.reader(io.StringIO(text))) or [[]]
        return _by_key([list(map(from_cell, row)) for row in rest], len(CSV)) if first == CSV else None

    def write(cells: Cells, before: str = "") -> str:
        del before  # all of it was read
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows(
            [CSV, *(map(to_cell, [*key, *rest]) for key, rest in cells.items())]
        )
        return file.getvalue()

    holds = f"the line {','.join(CSV)} and rows of these columns below it, without comments or blank lines"
    return Format("--csv", "csv", CSV, read, write, holds)


def markdown_format(*, hours: bool) -> Format:
    """Returns the format of `--markdown`, with the columns `ERRORS` or `HOURS`; text around the table is kept."""
    columns = HOURS if hours else ERRORS

    def read(text: str) -> Cells | None:
        found = _table_in(text, columns)
        if found is None:
            return None
        return _by_key([_row(line) for line in text.split("\n")[found][2:]], len(columns))

    def write(cells: Cells, before: str = "") -> str:
        rows = [columns, ["---"] * len(columns), *([*key, *rest] for key, rest in cells.items())]
        table = [f"| {' | '.join(row)} |" for row in rows]
        found = _table_in(before, columns)
        if found is None:
            return "\n".join([*table, "", remark(cells), ""])
        lines = before.split("\n")
        end = "\r" if lines[found.start].endswith("\r") else ""
        lines[found] = [row + end for row in table]
        return "\n".join(remark(cells) + end if line.rstrip("\r") in REMARKS else line for line in lines)

    holds = f"one table with the columns {', '.join(columns)}, each line of it a row of its own"
    return Format("--markdown", "md", columns, read, write, holds)


def _table_in(text: str, columns: list[str]) -> slice | None:
    """The lines of the only table with such columns; None where there is none, or several."""
    lines = text.split("\n")
    starts = [i for i, line in enumerate(lines) if _row(line) == columns]
    if len(starts) != 1 or not lines[starts[0] + 1 : starts[0] + 2]:
        return None
    end = starts[0]
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    return slice(starts[0], end)


def _row(line: str) -> list[str]:
    """The cells of a line of a table; none of another line."""
    return [cell.strip() for cell in line.rstrip("\r").strip("|").split("|")] if line.startswith("|") else []


def read_results(path: Path, form: Format) -> Cells:
    """Reads a results file; a file that is not there has no cells.

    Raises:
        UserError: it is something else.
    """
    return _read(path, form)[0]


def _read(path: Path, form: Format) -> tuple[Cells, str]:
    """The cells of a results file, and its text."""
    try:
        text = path.read_bytes().decode()
        cells = form.read(text) if text.strip() else {}
    except FileNotFoundError:
        return {}, ""
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path} ({error}); choose another {form.option}.") from error
    if cells is None:
        raise UserError(f"{path} is not a results table, which holds {form.holds}; choose another {form.option}.")
    return cells, text


def merge_results(path: Path, form: Format, cells: Cells, table: int) -> None:
    """Merges lines into a results file, and makes its folder; other lines stay, also those other processes merge.

    Text before and after a Markdown table stays as it is.

    Raises:
        UserError, Failure: as `read_results` and `write_results`.
    """
    with explained(f"write {path}", f"choose another {form.option}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with in_turn(path.parent):
            held, text = _read(path, form)
            write_results(path.resolve(), form, held | cells, table, before=text)


def write_results(path: Path, form: Format, cells: Cells, table: int, *, before: str = "") -> None:
    """Writes lines in the paper's order, in the place of the table in the text `before`, or alone.

    Raises:
        Failure: the file cannot be written.
    """
    known = list(paper_results(table))
    rows, labels = (list(dict.fromkeys(part)) for part in ([key[:2] for key in known], [key[2] for key in known]))

    def place(key: Key) -> tuple[int, tuple[str, str], int, str]:
        row = key[:2]
        return (
            rows.index(row) if row in rows else len(rows),
            row,
            labels.index(key[2]) if key[2] in labels else len(labels),
            key[2],
        )

    text = form.write({key: cells[key] for key in sorted(cells, key=place)}, before)
    with explained(f"write {path}", f"choose another {form.option}"):
        write_bytes(path, text.encode())


def _by_key(rows: list[list[str]], width: int) -> Cells | None:
    """None where a row is of another width, or there twice."""
    if any(len(row) != width for row in rows):
        return None
    cells = {(row[0], row[1], row[2]): row[3:] for row in rows}
    return cells if len(cells) == len(rows) else None


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
