"""Marks the cells of tables that hold words or a sentence, so that they stay wide enough to be read on a phone."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

LENGTHS = {"sentence": 40, "words": 18}
"""Characters from which a cell is one."""


def _mark(app: Sphinx, document: nodes.document) -> None:
    for cell in document.findall(nodes.entry):
        length = len(cell.astext())
        cell["classes"] += [name for name, least in LENGTHS.items() if length >= least][:1]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-read", _mark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
