"""Docstrings as they are written, plain text with indented formulas and `code`, to what Sphinx reads.

Sections such as Args and Returns are left to napoleon, which comes after this.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SECTION = re.compile(r"(Args|Returns|Raises|Warns|Yields|Example|Examples|Attributes|Note|Warning):\s*")
IN_A_LINE = re.compile(r"(Returns, Raises|Returns|Raises|Source|Example|See also): (?=\S)")
"""A section that begins in its own line, which napoleon does not know."""

ITEM = re.compile(r"(\s*)[\w*][\w*, ]*:( |$)")
NAMES = re.compile(r" {4}(\w+, )*\w+,")
CHOICE = re.compile(r"\s*(`[^`]+`|Or a function): ")
CODE = re.compile(r"`([^`]+)`")
PAGE = re.compile(r"docs/([a-z-]+)\.md")


def converted(lines: list[str]) -> list[str]:
    """Returns the lines of a docstring as reStructuredText."""
    return list(_blocks(_whole_code(lines)))


def _whole_code(lines: list[str]) -> Iterator[str]:
    """Joins lines where `code`, or the names of an item of Args, go on in the next one."""
    open_line = ""
    for line in lines:
        line = f"{open_line} {line.strip()}" if open_line else line
        open_line = line if line.count("`") % 2 or NAMES.fullmatch(line) else ""
        if not open_line:
            yield line
    if open_line:
        yield open_line


def _blocks(lines: list[str]) -> Iterator[str]:
    """Puts `::` before each block that is indented more than the text above it."""
    text_indent, block_indent, section, choices = 0, None, False, ""
    after_blank, doctest = True, False
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if not line.strip():
            after_blank, doctest = True, False
            yield line
            continue
        if block_indent is not None and indent >= block_indent:
            yield line
            continue
        block_indent = None
        if doctest or line.lstrip().startswith(">>>"):
            doctest = True
            yield line
            continue
        if indent == 0:
            section = SECTION.fullmatch(line) is not None
            text_indent, choices = 4 if section else 0, ""
            yield line if section else _prose(line)
        elif after_blank and indent > text_indent and not (section and ITEM.match(line) and indent == 4):
            block_indent = indent
            yield from [f"{' ' * text_indent}::", "", line]
        elif section and indent == 8 and CHOICE.match(line):  # one of several values of an argument
            choices = "  "
            yield from ["", f"{' ' * 8}- {_prose(line).lstrip()}"]
        else:
            if indent < 8:
                choices = ""
            if section:
                text_indent = 8 if ITEM.match(line) and indent == 4 else max(indent, 4)
            yield choices + _prose(line)
        after_blank = False


def _prose(line: str) -> str:
    indent, text = re.fullmatch(r"(\s*)(.*)", line).groups()  # type: ignore[union-attr]
    head = IN_A_LINE.match(text)
    if head and not indent:
        return f"**{head[1]}:** {_words(text[head.end() :])}"
    name = re.match(r"[\w*][\w*, ]*: ", text) if indent else None  # an item of Args, whose name napoleon escapes
    return indent + (name[0] if name else "") + _words(text[name.end() if name else 0 :])


def _words(text: str) -> str:
    parts = CODE.split(text)
    words = "".join(_code(part) if number % 2 else _plain(part) for number, part in enumerate(parts))
    return re.sub(r"(?<=`)(?=s\b)", r"\\ ", words)


def _plain(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("*", "\\*").replace("|", "\\|")
    text = re.sub(r"_(?=\W|$)", r"\\_", text)
    return PAGE.sub(lambda page: f":doc:`/{page[1]}`", text)


def _code(text: str) -> str:
    """Returns inline code; a link where it is a name of lfl or of a project that the site refers to."""
    page = PAGE.fullmatch(text)
    if page:
        return f":doc:`/{page[1]}`"
    name = text.removesuffix("()")
    if name.removeprefix("lfl.") in _public():
        return f":py:obj:`{text} <lfl.{name.removeprefix('lfl.')}>`"
    if re.fullmatch(r"(torch|numpy)\.[\w.]+", name):
        return f":py:obj:`{text} <{name}>`"
    return f"``{text.strip()}``"


@cache
def _public() -> frozenset[str]:
    import lfl

    return frozenset(lfl.__all__) - {"train", "clip", "mixed", "unroll", "implicit"}


def _process(app: "Sphinx", what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = converted(lines)


def _skip(app: "Sphinx", what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leaves out what has no docstring of its own: the fields of a NamedTuple, which the class's Args describe."""
    doc = getattr(obj, "__doc__", None) or ""
    return True if doc.startswith("Alias for field number") else None


def _signature(
    app: "Sphinx", what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Writes a default that has no text of its own, such as a function, as dots."""
    return signature and re.sub(r"<[^<>]*(<[^<>]*>)?[^<>]*>", "...", signature), returns


def _dash(app: "Sphinx", document: Any) -> None:
    """Sets a dash between an argument and what it is: two hyphens in a text stay, since they begin a flag."""
    from docutils import nodes

    for text in list(document.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" \N{EN DASH} "))


def setup(app: "Sphinx") -> dict[str, Any]:
    app.connect("doctree-read", _dash)
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
