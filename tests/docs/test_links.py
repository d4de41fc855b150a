"""Links among the pages and to files of the repository lead somewhere, headings included."""

import itertools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path for path in (*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md'), *(ROOT / 'configs').rglob('*.md'),
                                 *(ROOT / 'benchmarks').rglob('*.md')))
LINK = re.compile(r'\]\(([^)\s]+)\)')


def without_code(text: str) -> str:
    return re.sub(r'^```.*?^```$|`[^`\n]*`', '', text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r'^#+ (.*)$', re.sub(r'^```.*?^```$', '', page.read_text(), flags=re.M | re.S), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).strip().replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in LINK.findall(without_code(page.read_text())):
        if target.startswith(('http://', 'https://')):
            continue
        file, _, anchor = target.partition('#')
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), f'{target}: there is no such file'
        assert path.is_relative_to(ROOT)
        assert not anchor or anchor in anchors(path), f'{target}: no heading of {path.name} is called so'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_headings_go_down_one_level_at_a_time(page):
    """Sphinx warns of others, and a warning ends the building of the site."""
    levels = [len(marks) for marks in re.findall('^(#+) ', without_code(page.read_text()), re.MULTILINE)]
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))


def test_every_page_is_on_the_site():
    """A page outside of every toctree is an error of the build; this says so without building."""
    shown = set()
    for index in (ROOT / 'docs').rglob('index.md'):
        for tree in re.findall(r'```\{toctree\}\n(.*?)```', index.read_text(), re.DOTALL):
            shown |= {index.parent / f'{line}.md' for line in tree.splitlines() if line and not line.startswith(':')}
    pages = set((ROOT / 'docs').rglob('*.md'))
    assert pages - shown == {ROOT / 'docs' / 'index.md'}


def test_every_picture_is_on_a_page():
    shown = {(page.parent / target).resolve() for page in PAGES for target in LINK.findall(page.read_text())}
    pictures = {file for kind in ('png', 'jpg', 'gif', 'svg') for file in (ROOT / 'docs').rglob(f'*.{kind}')}
    assert pictures and not pictures - shown
