"""Pictures of a search for losses: the front, the best error over the candidates, the family tree of the winner."""

import base64
import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..run.searched import CandidateLine
from ..text import for_picture
from .figures import COLOURS, new_figure, rendered
from .search import SearchLog, each_formula

MOST_LETTERS = 44
OPERATORS = ("initial", "guess", "crossover", "mutation", "copy", "elite", "cma")
DOTS = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(OPERATORS)}


def search_figure(log: SearchLog) -> Figure:
    """Draws the front over all candidates, and the best error after each candidate."""
    figure = new_figure(11.0, 4.0)
    front, course = figure.subplots(1, 2)
    _front(log, front)
    _course(log, course)
    return figure


def _front(log: SearchLog, on: Axes) -> None:
    accepted, best = log.accepted, log.front
    on.scatter(
        [len(each.tree) for each in accepted],
        [_error(each) for each in accepted],
        s=12,
        color="0.6",
        label="a candidate",
    )
    on.step(
        [len(each.tree) for each in best],
        [_error(each) for each in best],
        where="post",
        marker="o",
        color=COLOURS[0],
        label="the front",
    )
    winner = log.winner
    if winner is not None:
        on.scatter(
            [len(winner.tree)],
            [_error(winner)],
            s=110,
            facecolors="none",
            edgecolors=COLOURS[1],
            linewidths=2,
            label="chosen",
        )
    on.set_xlabel("size of the formula, in nodes")
    on.set_ylabel("validation error in the search")
    on.set_title("Size against error", fontsize=11)
    on.legend(fontsize=9)
    on.grid(alpha=0.25)


def _course(log: SearchLog, on: Axes) -> None:
    least, course = math.inf, []
    for each in log.candidates:
        least = min(least, math.inf if each.fitness is None else each.fitness)
        course.append(least)
    on.plot(
        range(1, len(course) + 1), [value if math.isfinite(value) else math.nan for value in course], color=COLOURS[0]
    )
    on.set_xlabel("candidates")
    on.set_ylabel("least validation error so far")
    on.set_title("The best so far", fontsize=11)
    on.grid(alpha=0.25)


def family_figure(log: SearchLog) -> Figure | None:
    """Draws the family tree of the winner: its ancestors by generation, with what made them; None without parents."""
    winner = log.winner
    family = [] if winner is None else log.ancestors(winner)
    if winner is None or len(family) < 2:
        return None
    places = _places(family)
    figure = new_figure(11.0, 4.5)
    on = figure.subplots()
    for each in family:
        for slot in each.parents:
            parent = (each.generation - 1, slot)
            if parent in places:
                (x, y), (u, v) = places[parent], places[each.place]
                on.plot([x, u], [y, v], color="0.75", linewidth=0.8, zorder=1)
    for name in OPERATORS:
        own = [places[each.place] for each in family if each.operator == name]
        if own:
            xs, ys = zip(*own, strict=True)
            on.scatter(xs, ys, s=28, color=DOTS[name], label=name, zorder=2)
    x, y = places[winner.place]
    on.scatter([x], [y], s=130, facecolors="none", edgecolors="0.2", linewidths=1.5, zorder=3)
    text = each_formula(winner)
    on.set_title(for_picture(text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}..."), fontsize=11)
    on.set_xlabel("generation")
    on.set_yticks([])
    on.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _places(family: list[CandidateLine]) -> dict[tuple[int, int], tuple[float, float]]:
    """Where each ancestor is drawn: by its generation, spread evenly within it."""
    of_generation: dict[int, list[tuple[int, int]]] = {}
    for each in family:
        of_generation.setdefault(each.generation, []).append(each.place)
    return {
        place: (float(generation), (i + 1) / (len(own) + 1))
        for generation, own in of_generation.items()
        for i, place in enumerate(sorted(own))
    }


def as_image(figure: Figure) -> str:
    """Returns a figure as the address of an image that a page holds itself."""
    return "data:image/png;base64," + base64.b64encode(rendered(figure, "png")).decode()


def _error(line: CandidateLine) -> float:
    return math.nan if line.fitness is None else line.fitness
