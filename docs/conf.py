"""Configuration of Sphinx, see https://www.sphinx-doc.org/en/master/usage/configuration.html."""

project = "rkt upgrade-regression harness"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
myst_heading_anchors = 3
