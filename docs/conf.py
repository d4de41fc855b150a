"""The documentation site: `make docs` builds it into build/docs, with every warning an error."""

import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from se_backbones import __version__  # noqa: E402

project = 'se_backbones'
author = copyright = 'the se_backbones authors'
version = release = __version__

extensions = ['myst_nb', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx.ext.viewcode', 'sphinx_copybutton']
exclude_patterns = ['conf.py', 'notebook.py']

html_theme = 'furo'
html_title = f'se_backbones {__version__}'
html_static_path = ['_static']
html_css_files = ['site.css']
html_show_copyright = False

# Headings down to the third level can be linked to: [text](page.md#heading).
myst_heading_anchors = 3
myst_enable_extensions = ['colon_fence']
# The notebook is shown with the outputs that it was committed with; `make notebook` executes it.
nb_execution_mode = 'off'

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_default_options = {'members': True, 'show-inheritance': True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# A field that autodoc finds as well, as of a NamedTuple, is described once.
napoleon_use_ivar = True
copybutton_exclude = '.linenos, .gp'

# Pages that are files of elsewhere in the repository.
SHOWN = {'senet': 'configs/senet/README.md', 'genet': 'configs/genet/README.md', 'contributing': 'CONTRIBUTING.md',
         'changelog': 'CHANGELOG.md'}
DOCS = Path(__file__).resolve().parent


def prepare_page(app, docname: str, source: list[str]) -> None:
    """Put the file in the place of a page of ``SHOWN``, and make links fit for the site, in any page.

    Files outside of docs/ become downloads; of folders, which a site cannot show, the words stay.
    """
    file = DOCS.parent / SHOWN[docname] if docname in SHOWN else DOCS / f'{docname}.md'
    if not file.exists():
        return
    pages = {(DOCS.parent / shown).resolve(): f'{page}.md' for page, shown in SHOWN.items()}

    def fit(match: re.Match) -> str:
        words, target, anchor = match.groups()
        path = (file.parent / target).resolve()
        if '://' in target or not path.exists():  # the builder says so
            return match[0]
        if path.is_dir():
            return words
        page = pages.get(path) or os.path.relpath(path, (DOCS / docname).parent)
        return f'[{words}]({page}{anchor or ""})'
    source[0] = re.sub(r'(?<!!)\[([^][]*)\]\(([^)#\s]+)(#[^)\s]*)?\)', fit, file.read_text())


def setup(app) -> None:
    app.connect('source-read', prepare_page)
