"""A page about runs: one HTML file that needs no network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ..errors import UserError
from ..run.folder import check_output, explained, make_folder, write_output
from ..version import VERSION
from .charts import loss_charts, panel_chart
from .gather import Comparison, labels_of
from .learning import learning_panels
from .rates import rate_panels
from .style import COLOURS, COLOURS_ON_DARK, DASHES, MARKERS
from .tables import ablation_table, length, metric_table, paper_table, result_table, run_table, setting_tables

HERE = Path(__file__).parent


def write_page(comparisons: Sequence[Comparison], path: Path) -> None:
    """Write a page: results, curves, the learned loss step by step, settings, and the paper's figures.

    Args:
        comparisons: of `gather`.
        path: of the file; one that is there is replaced.

    Raises:
        UserError: the path is a folder, or lies beneath a file.
        Failure: the disk does not take it.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; choose a file for --out, such as {path / 'report.html'}.")
    check_output(path)
    content = page(comparisons).encode()
    make_folder(path.parent)
    with explained(f"write {path}", "choose another --out"):
        write_output(path, content)


def page(comparisons: Sequence[Comparison]) -> str:
    """The page as HTML: the same for the same runs.

    What comes from the user is escaped: as HTML where it is text, and as JSON inside HTML where it is data.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    labels = labels_of(comparisons)
    charts: list[dict[str, Any]] = []
    losses: list[list[dict[str, Any]]] = []
    sections = []
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
                "length": length(comparison),
                "results": result_table(comparison),
                "metrics": metric_table(comparison),
                "charts": list(enumerate(panels, first)),
                "losses": (len(losses) - 1, found) if found else None,
                "differ": differ,
                "common": common,
                "runs": run_table(comparison),
                "paper": paper_table(comparison),
                "ablations": ablation_table(comparison),
            }
        )
    style = {"dashes": DASHES, "markers": MARKERS, "colours": len(COLOURS)}
    return environment.from_string((HERE / "page.html").read_text()).render(
        title="; ".join(comparison.title for comparison in comparisons),
        sections=sections,
        data={"style": style, "charts": charts, "losses": losses},
        colours=COLOURS,
        colours_on_dark=COLOURS_ON_DARK,
        css=Markup((HERE / "page.css").read_text()),
        script=Markup((HERE / "page.js").read_text()),
        version=VERSION,
    )
