"""The documentation: pages of this folder, notebooks, and a reference made from the tables."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import generate  # noqa: E402

from circuits.runfiles.provenance import version as _version  # noqa: E402

project = "Pulvinar"
author = "The Pulvinar authors"
project_copyright = "GPL-3.0-or-later"
version = release = _version()

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks come executed
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
# equations of Brian2 objects and the like say nothing as a default value
autodoc_preserve_defaults = True
default_role = "code"

html_theme = "pydata_sphinx_theme"
html_title = "Pulvinar"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_static_path = []


def setup(app):
    """Write the generated pages before anything looks for sources."""
    generate.write(HERE)
