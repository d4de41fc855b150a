"""What pages, messages, help texts and docstrings name exists: commands, modules, files, types, arguments."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from mmengine.utils import get_object_from_string

from se_backbones.cli import COMMANDS
from se_backbones.pretrained.manifest import manifest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / 'se_backbones').rglob('*.py'))
PAGES = sorted({*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md'), *(ROOT / 'configs').rglob('*.md')})
TYPES = {name for file in SOURCES for name in re.findall(
    r'^@\w+\.register_module\(\)\nclass (\w+)', file.read_text(), re.MULTILINE)}
TARGETS = set(re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
# `make` is also an English word.
COMMAND = re.compile(r'\b(se-backbones|python -m|(?<=: )make|(?<=`)make) (\w[\w.-]*\w)(?: ([\w-]+))?')


# --- Messages and help texts ------------------------------------------------------------------------------------------


def texts(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the strings of a module with their places, those that are cut over several lines as one."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield f'{file.relative_to(ROOT)}:{node.lineno}', node.value


def unknown(program: str, first: str, second: str) -> bool:
    if program == 'make':
        return first not in TARGETS
    if program == 'python -m':  # a package is called by its __main__
        found = importlib.util.find_spec(first) if first.startswith('se_backbones') else True
        return not found or (getattr(found, 'submodule_search_locations', None) is not None
                             and importlib.util.find_spec(f'{first}.__main__') is None)
    return first not in COMMANDS and f'{first} {second}' not in COMMANDS


def test_a_command_in_a_message_or_help_text_exists():
    found = [(place, *match.groups()) for file in SOURCES for place, text in texts(file)
             for match in COMMAND.finditer(text)]
    assert len(found) > 80
    assert [each for each in found if unknown(*each[1:])] == []


# --- Pages ------------------------------------------------------------------------------------------------------------


def is_there(name: str) -> bool:
    """Return whether a dotted name is a module or an attribute of one, or a type that a config can name."""
    parent, _, last = name.rpartition('.')
    if parent == 'se_backbones' and last in TYPES:
        return True
    try:
        get_object_from_string(name)
    except (ImportError, AttributeError):
        return False
    return get_object_from_string(name) is not None


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_of_ours_exist(page):
    names = set(re.findall(r'`(se_backbones(?:\.\w+)+)', page.read_text())) - {'se_backbones.X', 'se_backbones.json'}
    assert [name for name in sorted(names) if not is_there(name)] == []


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_of_ours_exist(page):
    files = set(re.findall(r'`((?:se_backbones|tests|tools|configs|docs|requirements)/[\w./-]+)`', page.read_text()))
    assert [file for file in sorted(files) if not (ROOT / file).exists()] == []


# --- Tables of names --------------------------------------------------------------------------------------------------


def test_every_extra_is_on_the_page_of_the_installation():
    extras = re.findall(r"^        '(\w+)': ", (ROOT / 'setup.py').read_text(), re.MULTILINE)
    text = (ROOT / 'docs' / 'install.md').read_text()
    assert len(extras) > 10 and not [name for name in extras if f'`{name}`' not in text and f'.[{name}' not in text]


def test_every_origin_of_published_weights_is_in_their_table():
    table = (ROOT / 'docs' / 'weights.md').read_text().split('| origin |')[1].split('\n\n')[0]
    patterns = re.findall(r'`\.([\w*]+)`', table)
    origins = {name.partition('.')[2] for name in manifest()}
    assert not [origin for origin in origins if not any(fnmatch(origin, pattern) for pattern in patterns)]


# --- Folders ----------------------------------------------------------------------------------------------------------


def test_contributing_says_what_is_in_each_folder():
    tree = (ROOT / 'CONTRIBUTING.md').read_text().split('```text\n')[1].split('```')[0]
    folders = [folder for place in ('se_backbones', 'se_backbones/lab', 'se_backbones/models', 'configs')
               for folder in (ROOT / place).iterdir() if folder.is_dir() and folder.name != '__pycache__']
    assert len(folders) > 30 and {folder.name for folder in folders if f'{folder.name}/' not in tree} <= {'.mim'}


# --- The API ----------------------------------------------------------------------------------------------------------


def test_every_type_that_a_config_can_name_is_in_the_api():
    pages = ''.join(page.read_text() for page in (ROOT / 'docs' / 'api').glob('*.md'))
    shown = set(re.findall(r'automodule:: (\S+)', pages))
    types = {'.'.join(file.relative_to(ROOT).with_suffix('').parts) for file in SOURCES
             if re.search(r'^@\w+\.register_module\(\)', file.read_text(), re.MULTILINE)}
    assert len(types) > 20 and not types - shown
