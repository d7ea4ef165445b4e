"""The directive `commands`: a section for each command of `lfl`."""

from typing import Any

from command_sections import sections
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Commands(SphinxDirective):
    """Inserts the commands, their arguments and their options."""

    def run(self) -> list[nodes.Node]:
        lines = StringList(list(sections()), source="lfl_cli")
        return self.parse_text_to_nodes(lines, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
