"""The documentation site: `make docs` builds it into build/docs with Sphinx."""

import sys
from importlib.metadata import version as find_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "defect-discovery"
author = "The defect-discovery authors"
copyright = author
release = version = find_version(project)

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "reference_pages",
]
root_doc = "index"
exclude_patterns = ["_ext"]
# What the pages link to in the repository (code, benchmarks) is no page of the site.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

# numpydoc's sections; a word in single backticks is code, as in the rest of the project.
default_role = "code"
napoleon_use_ivar = True  # a property is described once, not again as an attribute
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "none"  # the sections of a docstring say types, shapes and units
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"

# The type of a field may bear the name of several attributes; it links to none of them then.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = "defect-discovery"
html_static_path: list[str] = []
