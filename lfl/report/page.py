"""Writes the report: one HTML page about runs, which needs no network."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib import colormaps
from matplotlib.colors import to_hex

from ..errors import UserError
from ..run.folder import check_output, explained, make_folder, write_output
from ..run.history import Curves
from ..version import VERSION
from .collect import Comparison, Group, RunLog, labels_of
from .curves import (
    TITLES,
    horizontal_label,
    learned_phases,
    learning_panels,
    rate_panels,
    target_labels,
    vertical_label,
)
from .few_shot import (
    FewShotGroup,
    FewShotLog,
    adaptation_table,
    few_shot_groups,
    few_shot_panels,
    few_shot_results,
    few_shot_runs,
    few_shot_settings,
    few_shot_title,
)
from .figures import COLOURS, COLOURS_ON_DARK, DASHES, MARKERS, STEP_COLOURS, Panel
from .formulas import formula_table
from .search import finalist_table, front_table, lineage_table, read_search, summary
from .search_figures import as_image, family_figure, search_figure
from .tables import (
    Table,
    ablation_table,
    metric_table,
    paper_table,
    result_table,
    run_table,
    setting_tables,
    training_length,
)

_HERE = Path(__file__).parent


def write_page(comparisons: Sequence[Comparison], path: Path, few_shot: Sequence[FewShotLog] = ()) -> None:
    """Writes a page with results, curves, the learned loss step by step, settings, and the paper's results.

    Args:
        comparisons: from `collect_runs`.
        path: the file to write; an existing one is replaced.
        few_shot: few-shot runs, from `read_few_shot_log`.

    Raises:
        UserError: the path is a folder, or lies beneath a file.
        Failure: the file cannot be written.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; choose a file for --out, such as {path / 'report.html'}.")
    check_output(path)
    content = page(comparisons, few_shot).encode()
    make_folder(path.parent)
    with explained(f"write {path}", "choose another --out"):
        write_output(path, content)


def page(comparisons: Sequence[Comparison], few_shot: Sequence[FewShotLog] = ()) -> str:
    """Returns the page as HTML, the same text for the same runs.

    Text from the user, such as names of files, is escaped: as HTML in the page, as JSON inside HTML in its data.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    groups = few_shot_groups(few_shot)
    few_panels = [few_shot_panels(each) for each in groups]
    labels = labels_of(comparisons)
    labels += dict.fromkeys(label for panels in few_panels for panel in panels for label in panel.lines)
    charts: list[dict[str, Any]] = []
    losses: list[list[dict[str, Any]]] = []
    sections: list[dict[str, Any]] = []
    for comparison in comparisons:
        panels = [*learning_panels([comparison]), *rate_panels([comparison])]
        first = len(charts)
        charts.extend(panel_chart(panel, labels) for panel in panels)
        found = loss_charts(comparison)
        if found:
            losses.append(found)
        differ, common = setting_tables(comparison)
        sections.append(
            {
                "title": comparison.title,
                "length": training_length(comparison),
                "caption": "Mean ± standard deviation over seeds",
                "results": result_table(comparison),
                "adaptation": None,
                "metrics": metric_table(comparison),
                "charts": list(enumerate(panels, first)),
                "losses": (len(losses) - 1, found) if found else None,
                "differ": differ,
                "common": common,
                "runs": run_table(comparison),
                "formulas": formula_table(comparison),
                "searches": search_sections(comparison),
                "paper": paper_table(comparison),
                "ablations": ablation_table(comparison),
            }
        )
    for section, panels in zip(groups, few_panels, strict=True):
        first = len(charts)
        charts.extend(panel_chart(panel, labels) for panel in panels)
        sections.append(few_shot_section(section, list(enumerate(panels, first))))
    style = {"dashes": DASHES, "markers": MARKERS, "colours": len(COLOURS)}
    return environment.from_string((_HERE / "page.html").read_text()).render(
        title="; ".join(section["title"] for section in sections),
        sections=sections,
        data={"style": style, "charts": charts, "losses": losses},
        colours=COLOURS,
        colours_on_dark=COLOURS_ON_DARK,
        css=Markup((_HERE / "page.css").read_text()),
        script=Markup((_HERE / "page.js").read_text()),
        version=VERSION,
    )


def few_shot_section(groups: Sequence[FewShotGroup], charts: list[tuple[int, Panel]]) -> dict[str, Any]:
    """Returns the section of few-shot runs of one task, size and model."""
    settings = groups[0].runs[0].settings
    differ, common = few_shot_settings(groups)
    nothing = Table([], [])
    return {
        "title": few_shot_title(settings),
        "length": f"{settings.steps:,} steps of {settings.meta_batch} tasks. Transductive: the answer to a query "
        "depends on the queries beside it, through batch norm or the method.",
        "caption": "After the last step on a task; ± is the 95 % interval over episodes, of several seeds the range",
        "results": few_shot_results(groups),
        "adaptation": adaptation_table(groups),
        "metrics": nothing,
        "charts": charts,
        "losses": None,
        "differ": differ,
        "common": common,
        "runs": few_shot_runs(groups),
        "formulas": nothing,
        "searches": [],
        "paper": nothing,
        "ablations": nothing,
    }


def search_sections(comparison: Comparison) -> list[dict[str, Any]]:
    """Returns the searches that found the losses of a comparison's runs: text, tables and pictures."""
    logs = [
        (f"{group.label}, seed {run.seed}", read_search(run.folder, str(run.config.get("loss", ""))))
        for group in comparison.groups
        for run in group.runs
    ]
    return [
        {
            "name": name,
            "summary": summary(log),
            "front": front_table(log),
            "finalists": finalist_table(log),
            "lineage": lineage_table(log),
            "pictures": [
                (words, as_image(figure))
                for words, figure in (
                    ("Size against validation error, and the best error so far", search_figure(log)),
                    ("The family tree of the formula that was chosen", family_figure(log)),
                )
                if figure is not None
            ],
        }
        for name, log in logs
        if log is not None
    ]


_DIGITS = 4


def panel_chart(panel: Panel, labels: Sequence[str]) -> dict[str, Any]:
    """Returns a panel for `page.js`. A line's style is the position of its label among all labels."""
    return {
        "measure": panel.measure,
        "limits": panel.limits,
        "reference": panel.reference and {"name": panel.reference[0], "level": panel.reference[1]},
        "lines": [
            {
                "label": label,
                "style": labels.index(label),
                "x": line.step.tolist(),
                "y": rounded(line.mean),
                "range": [rounded(line.low), rounded(line.high)] if line.num_seeds > 1 else None,
            }
            for label, line in panel.lines.items()
        ],
    }


def loss_charts(comparison: Comparison) -> list[dict[str, Any]]:
    """Returns the learned loss of each run of a comparison, for `page.js`."""
    return [
        _loss_chart(group, run, run.curves)
        for group in comparison.groups
        for run in group.runs
        if run.curves is not None
    ]


def _loss_chart(group: Group, run: RunLog, curves: Curves) -> dict[str, Any]:
    phases = learned_phases(curves, group.settings["method"])
    kept = [i for i, phase in enumerate(curves.phase.tolist()) if phase in phases]
    last = {phase: int(curves.step[curves.phase == phase].max()) for phase in phases}
    measured = [(str(curves.phase[i]), int(curves.step[i])) for i in kept]
    return {
        "name": f"{group.label}, seed {run.seed}",
        "measure": vertical_label(curves),
        "axis": horizontal_label(curves),
        "x": rounded(curves.axis),
        "targets": target_labels(curves),
        "captions": [f"{TITLES[phase]}, step {step:,} of {last[phase]:,}" for phase, step in measured],
        "colours": [to_hex(colormaps[STEP_COLOURS](step / max(1, last[phase]))) for phase, step in measured],
        "phases": [phase for phase, _ in measured],
        "curves": [[rounded(curve) for curve in curves.curves[i]] for i in kept],
    }


def rounded(values: Iterable[float]) -> list[float | None]:
    """Returns numbers rounded to four digits; None for those that are not finite."""
    short = [float(f"{value:.{_DIGITS}g}") for value in values]
    return [value if math.isfinite(value) else None for value in short]
