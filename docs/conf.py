"""How ``make docs`` builds the pages: Markdown as it lies here, the API, and a gallery."""

import importlib.metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]

project = "skginr"
author = "The skginr developers"
copyright = "The skginr developers"
release = importlib.metadata.version("skginr")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["benchmarks/**", "reproduction/**"]
templates_path = ["_templates"]

# Anchors as a forge makes them, so that links hold there and here.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["config.cache"]

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
# All that numpydoc checks, but for what this style does otherwise: a summary in one sentence, which
# may name its argument first (SS03, SS05, SS06, ES01), descriptions that are sentences or nothing
# (PR04, PR07, PR08, PR09, RT03, RT04, RT05), a constructor that its class documents (GL08, PR01,
# PR02), text on the line of the quotes (GL01, GL02), and what is yielded in one line (YD01). "See
# Also" and examples (SA01, EX01) are for public classes and functions, not for every method of
# theirs: numpydoc cannot tell, so tests/test_package.py asks for them.
numpydoc_validation_checks = {
    "all",
    *["SS03", "SS05", "SS06", "ES01", "PR04", "PR07", "PR08", "PR09", "RT03", "RT04", "RT05"],
    *["GL01", "GL02", "GL08", "PR01", "PR02", "SA01", "EX01", "YD01"],
}
numpydoc_validation_exclude = {r"\.set_\w+_request$", r"\.set_output$"}

html_theme = "pydata_sphinx_theme"
html_title = "skginr"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "changelog": [], "migration": []}


# Stories only: they need no folder of data. experiments.md lists the other scripts.
sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples" / "stories"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    # What is printed, and pictures; not what the last line of a cell happens to return.
    "capture_repr": (),
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "min_reported_time": 1,
    "reset_modules": (),
}
