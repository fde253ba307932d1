"""How Sphinx makes the site from the pages in this folder: `scripts/docs`.

The site asks nobody else for anything: no font, script or picture comes from elsewhere, and formulas are MathML, which
browsers draw by themselves.
"""

from docutils.nodes import SkipNode, math, math_block
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

project = "Ridgeway"
extensions = ["myst_parser"]
nitpicky = True
# Two hyphens begin an option.
smartquotes = False

# Headings have the anchors that GitHub gives them, so that links hold in both places.
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
highlight_language = "none"

html_theme = "furo"
html_title = "Ridgeway"
html_static_path = ["static"]
html_css_files = ["ridgeway.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Tell Sphinx how formulas become HTML."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))


def _inline(translator: HTML5Translator, formula: math) -> None:
    translator.body.append(tex2mathml(formula.astext()))
    raise SkipNode


def _block(translator: HTML5Translator, formula: math_block) -> None:
    translator.body.append(tex2mathml(formula.astext(), as_block=True))
    raise SkipNode
