"""The results of `value.py`: tables as Markdown, counts of wins and losses, and the figure of the README.

    python benchmarks/value_tables.py --table    # docs/value.md: a summary, the count, each scenario in full
    python benchmarks/value_tables.py --count    # wins, ties and losses of `residual`
    python benchmarks/value_tables.py --times    # docs/value.md: the time of a step
    python benchmarks/value_tables.py --clean    # docs/value.md: clean data at the paper's settings
    python benchmarks/value_tables.py --figure   # docs/value.png

Each rival is listed with the choice that was made for it, and `residual` is compared with it seed by seed: the mean of
the differences in test error, and p of Student's paired t test. A win is a mean below zero with p below 0.05, a loss
one above zero with p below 0.05; all else is a tie.
"""

import argparse
import csv
import json
import math
import statistics
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from rivals import Rival, scenarios
from table1 import markdown, our_spread
from value import RESULTS, SEEDS, Grid

from lfl.report.statistics import spread, spread_words
from lfl.study import paired

HERE = Path(__file__).parent
OURS = "residual"
HEAD = ["", "rate", "choice", "last step", "best step", "residual less it", "p"]
SIGNIFICANT = 0.05
IN_BRIEF = (
    *("digits, symmetric:0.4, 144 clean", "digits, symmetric:0.4, 50 clean", "digits, symmetric:0.8, 144 clean"),
    *("mnist, symmetric:0.4", "mnist, symmetric:0.7", "mnist, none", "mnist, 100:1"),
    *("california, shift:0.3", "crime, shift:0.3"),
)
"""Scenarios of the README, where it pays and where it does not."""


class Line(NamedTuple):
    """The results of a rival in a scenario.

    Args:
        rate, option: the choice for its last step.
        last, best: test errors by seed at the last step and at the best step, each with the choice made for it; `best`
            is empty where the clean set was trained on.
        seconds: median time of a run.
    """

    rate: float | None
    option: object
    last: dict[int, float]
    best: dict[int, float]
    seconds: float

    def better(self) -> dict[int, float]:
        """Returns the test errors of the last or the best step, whichever has the lower mean."""
        return self.last if not self.best or mean(self.last) <= mean(self.best) else self.best


def lines(grid: Grid, name: str) -> dict[str, Line]:
    """Returns the results of a scenario by rival, without those that are not measured yet."""
    found = {}
    for rival, whole in scenarios()[name].rivals.items():
        try:
            rate, option = grid.chosen(name, rival, "last_held")
            last = errors(grid, name, rival, (rate, option), "last_test")
            best = {}
            if not trains_on_clean(whole):
                best = errors(grid, name, rival, grid.chosen(name, rival, "best_held"), "best_test")
        except SystemExit:  # not measured yet
            continue
        rows = [float(grid.row(name, rival, rate, option, seed)["seconds"]) for seed in SEEDS]
        found[rival] = Line(rate, option, last, best, statistics.median(rows))
    return found


def trains_on_clean(rival: Rival) -> bool:
    return rival.start is not None or rival.data != "train"


def errors(grid: Grid, name: str, rival: str, choice: tuple, column: str) -> dict[int, float]:
    return {seed: float(grid.row(name, rival, *choice, seed)[column]) for seed in SEEDS}


def verdict(ours: dict[int, float], theirs: dict[int, float]) -> str:
    found = paired(ours, theirs)
    if found is None or found.p is None or found.p >= SIGNIFICANT:
        return "tie"
    return "win" if found.mean < 0 else "loss"


def table(name: str, found: dict[str, Line]) -> str:
    rows = [[name, *HEAD[1:]], ["---"] * len(HEAD)]
    ours = found[OURS].last if OURS in found else None
    for rival, line in found.items():
        less = p = ""
        if ours is not None and rival != OURS:
            difference = paired(ours, line.better())
            if difference is not None:
                less = f"{difference.mean:+.4f}"
                p = p_words(difference.p)
        shown = [words(line.last), words(line.best)]
        choice = "" if line.option is None else str(line.option)
        rows.append([rival, "" if line.rate is None else f"{line.rate:g}", choice, *shown, less, p])
    return markdown(rows)


def p_words(p: float | None) -> str:
    return "" if p is None else f"{p:.3f}" if p >= 0.001 else "< 0.001"


def count(all_found: dict[str, dict[str, Line]]) -> str:
    """Returns a table of wins, ties and losses against each rival's better step, and their sums."""
    verdicts: dict[str, Counter[str]] = {}
    for found in all_found.values():
        for rival, line in found.items():
            if OURS in found and not rival.startswith(OURS):
                verdicts.setdefault(rival, Counter())[verdict(found[OURS].last, line.better())] += 1
    total = sum(verdicts.values(), Counter())
    rows = [["residual against", "wins", "ties", "losses"], ["---"] * 4]
    rows += [[rival, *(str(c[word]) for word in ("win", "tie", "loss"))] for rival, c in verdicts.items()]
    rows.append(["all", *(str(total[word]) for word in ("win", "tie", "loss"))])
    return markdown(rows)


def timed() -> list[dict[str, Any]]:
    """Returns the measurements of `value.py --time`, a row for each scenario."""
    rows: list[dict[str, Any]] = json.loads((RESULTS / "value-time.json").read_text())["rows"]
    return rows


def time_table() -> str:
    """Returns a table of times over a plain loop's for each `--meta-every`: median, lowest and highest of blocks."""
    rows = timed()
    ways = [way for way in rows[0]["over plain"] if way != "plain"]
    shown = [["time over plain", *ways], ["---"] * (1 + len(ways))]
    for row in rows:
        ratios = [row["over plain"][way] for way in ways]
        shown.append([row["scenario"], *(f"{r['median']:.2f} ({r['least']:.2f} to {r['most']:.2f})" for r in ratios)])
    return markdown(shown)


def clean_table() -> str:
    """Returns a table of `residual` beside other methods on clean data, at the paper's settings, from `table1.csv`."""
    methods = ("baseline", "baseline-tuned", "adalfl", OURS)
    found: dict[str, dict[str, str]] = {}
    with (RESULTS / "table1.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(f"{row['task']}, {row['model']}", {})[row["method"]] = spread_words(our_spread(row))
    shown = [["", *methods], ["---"] * (1 + len(methods))]
    shown += [[name, *(row.get(method, "") for method in methods)] for name, row in found.items() if OURS in row]
    return markdown(shown)


def summary(all_found: dict[str, dict[str, Line]]) -> str:
    """Returns a table, a row for each scenario: the hand-made loss, the best rival by test error, and `residual`."""
    rows = [["", "usual loss, last step", "its best step", "best rival", "residual", "less best rival", "p", "time"]]
    rows.append(["---"] * len(rows[0]))
    known = scenarios()

    def measured_as(name: str) -> tuple[str, str]:
        return known[name].task, known[name].model

    time = {measured_as(row["scenario"]): f"{row['over plain']['every 10']['median']:.2f}" for row in timed()}
    for name, found in all_found.items():
        others = {rival: line for rival, line in found.items() if not rival.startswith(OURS)}
        if OURS not in found or not others:
            continue
        best = min(others, key=lambda rival: mean(others[rival].better()))
        usual = next(iter(others.values()))
        difference = paired(found[OURS].last, others[best].better())
        p = "" if difference is None else p_words(difference.p)
        rows.append(
            [
                name,
                words(usual.last),
                words(usual.best),
                f"{best} {words(others[best].better())}",
                words(found[OURS].last),
                "" if difference is None else f"{difference.mean:+.4f}",
                p,
                time.get(measured_as(name), ""),
            ]
        )
    return markdown(rows)


def in_brief(chosen: dict[str, dict[str, Line]]) -> str:
    """Returns the README's table: the usual loss, the best rival by test error, and `residual`."""
    rows = [["", "usual loss", "best rival", "learned", "p"], ["---"] * 5]
    for name, found in chosen.items():
        others = {rival: line for rival, line in found.items() if not rival.startswith(OURS)}
        best = min(others, key=lambda rival: mean(others[rival].better()))
        usual, ours = next(iter(others.values())).better(), found[OURS].last
        difference = paired(ours, others[best].better())
        p = "" if difference is None else p_words(difference.p)
        shown = [f"{mean(usual):.4f}", f"{best} {mean(others[best].better()):.4f}", f"{mean(ours):.4f}", p]
        rows.append([name, *shown])
    return markdown(rows)


def mean(errors: dict[int, float]) -> float:
    """Returns the mean, infinite where a seed diverged."""
    return math.inf if any(map(math.isnan, errors.values())) else statistics.fmean(errors.values())


def words(errors: dict[int, float]) -> str:
    return spread_words(spread(list(errors.values()))) if errors else ""


def figure(grid: Grid, path: Path) -> None:
    """Draws the test error on the digits against the share of wrong labels."""
    from lfl.report.figures import line_style, new_figure, rendered

    shown = {
        "learned (residual)": OURS,
        "cross-entropy": "cross-entropy",
        "cross-entropy at its best step": "cross-entropy",
        "the clean examples alone": "clean alone",
        "generalised cross-entropy": "gce",
        "fine-tuned on the clean examples": "cross-entropy, fine-tuned",
    }
    shares = {0.0: "none"} | {s: f"symmetric:{s}" for s in (0.2, 0.4, 0.6, 0.8)}
    picture = new_figure(6.0, 3.6)
    axes = picture.subplots()
    for i, (label, rival) in enumerate(shown.items()):
        points = {}
        for share, noise in shares.items():
            found = lines(grid, f"digits, {noise}, 144 clean")
            if rival in found:
                line = found[rival]
                points[share] = list((line.best if "best" in label else line.last).values())
        means = [statistics.fmean(values) for values in points.values()]
        axes.plot([100 * share for share in points], [100 * mean for mean in means], label=label, **line_style(i))
        axes.fill_between(
            [100 * share for share in points],
            [100 * min(values) for values in points.values()],
            [100 * max(values) for values in points.values()],
            color=line_style(i)["color"],
            alpha=0.12,
            linewidth=0,
        )
    axes.set_xlabel("wrong labels in train, %")
    axes.set_ylabel("test error, %")
    axes.set_yscale("log")
    axes.set_yticks([2, 5, 10, 20, 50], labels=["2", "5", "10", "20", "50"])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8)
    path.write_bytes(rendered(picture, "png"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only scenarios whose names start with this")
    parser.add_argument("--results", type=Path, default=RESULTS / "value.csv")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--table", action="store_true")
    wanted.add_argument("--summary", action="store_true")
    wanted.add_argument("--count", action="store_true")
    wanted.add_argument("--figure", action="store_true")
    wanted.add_argument("--times", action="store_true")
    wanted.add_argument("--clean", action="store_true")
    asked = parser.parse_args()
    grid = Grid(asked.results, until=float("-inf"))
    if asked.times or asked.clean:
        print(time_table() if asked.times else clean_table())
        return
    if asked.figure:
        figure(grid, HERE.parent / "docs" / "value.png")
        return
    found = {name: lines(grid, name) for name in scenarios() if name.startswith(asked.only)}
    if asked.count:
        print(count(found))
    elif asked.summary:
        print(in_brief({name: found[name] for name in IN_BRIEF}))
    else:
        print("\n\n".join([summary(found), count(found), *(table(name, each) for name, each in found.items() if each)]))


if __name__ == "__main__":
    main()
