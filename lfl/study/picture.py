"""The picture of a comparison: its learning curves, under the names that its lines have."""

from collections.abc import Sequence
from pathlib import Path

from ..report.collect import Comparison, collect_runs, labels_of
from ..report.curves import learning_panels
from ..report.figures import FORMATS, draw_panels, rendered
from ..run.folder import explained, write_bytes
from .summary import Summary


def draw_learning(summaries: Sequence[Summary], folder: Path) -> list[Path]:
    """Draw `learning.png` and `learning.svg`: the validation error over the steps, mean and range over the seeds.

    Args:
        summaries: of one task and model; seeds that diverged are left out.
        folder: where to.

    Returns:
        The pictures; none where there is nothing to draw.

    Raises:
        Failure: the disk does not go along.
    """
    groups = []
    for summary in summaries:
        runs = [summary.cell.run(outcome.seed) for outcome in summary.outcomes if outcome.diverged is None]
        for comparison in collect_runs(runs)[0]:
            groups += [group._replace(label=summary.line.label) for group in comparison.groups]
    comparisons = [Comparison(summaries[0].line.task, summaries[0].line.model, groups)] if groups else []
    panels = learning_panels(comparisons)
    if not panels:
        return []
    figure = draw_panels(panels, labels_of(comparisons))
    pictures = [folder / f"learning.{form}" for form in FORMATS]
    with explained(f"write into {folder}", "make room there"):
        for path, form in zip(pictures, FORMATS, strict=True):
            write_bytes(path, rendered(figure, form))
    return pictures
