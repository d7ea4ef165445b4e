"""The documentation site: `pip install -e '.[docs]' && sphinx-build -W docs docs/_build`."""

import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # pages that call `lfl`
os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of small models wait for each other, more so with -j 2

from inventories import fallback  # noqa: E402

from lfl.version import VERSION  # noqa: E402

project = "lfl"
author = "The lfl developers"
copyright = "the lfl developers"
release = version = VERSION

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_design",
    "commands",
    "docstrings",
    "mathml",
    "tables",
]
exclude_patterns = ["_build", "_ext", "jupyter_execute", ".jupyter_cache"]  # the last two come from executed pages
highlight_language = "text"
smartquotes_action = "qe"  # two hyphens begin a flag
html_math_renderer = "mathml"

# Pages in Markdown; those that start as a notebook are executed, in a folder of their own, and an error ends the build.
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_timeout = 240
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # progress and other packages' warnings

suppress_warnings = ["myst.header"]  # the tables of `lfl list --settings` begin at the third level

autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_use_rtype = False

# Each reference has the project's full list of names where there is a network, else the few of docs/_ext/inventories.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", (None, fallback("python"))),
    "numpy": ("https://numpy.org/doc/stable", (None, fallback("numpy"))),
    "torch": ("https://docs.pytorch.org/docs/stable", (None, fallback("torch"))),
}
intersphinx_timeout = 10

html_theme = "pydata_sphinx_theme"
html_title = "lfl"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_search_scorer = str(HERE / "_ext" / "scorer.js")
html_extra_path = ["report.html"]
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": "lfl"},
    "navbar_align": "left",
    "show_toc_level": 2,
    "header_links_before_dropdown": 8,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
}
html_sidebars = {"index": []}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def spread(app: Any, env: Any, pages: list[str]) -> None:
    """Spreads the executed pages, which are neighbours, over the four parts that `-j 2` reads."""
    pages[:] = [page for first in range(4) for page in pages[first::4]]


def setup(app: Any) -> None:
    app.connect("env-before-read-docs", spread)
