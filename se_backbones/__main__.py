"""``python -m se_backbones`` lists what this package can do: backbones, operators, tools, configs."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from se_backbones import __version__, config_path

MODULES = {'se_backbones.doctor': 'say what in this environment would fail, and what to do about it',
           'se_backbones.weights': 'list, describe, download and verify published weights',
           'se_backbones.mmcv_ext': "let mmcv run on torchvision's operators where its own were not compiled"}


def summary(docstring: str | None) -> str:
    """Return the beginning of a docstring, up to the first full stop, semicolon or bracket."""
    return re.split(r'[.;](?:\s|$)|\s\(', (docstring or '').strip(), maxsplit=1)[0].replace('``', '').replace('\n', ' ')


def registered(*modules: str) -> dict[str, str]:
    """Return ``{name: summary}`` of the models and hooks that packages register, read without importing them."""
    found = {}
    for module in modules:
        folder = Path(__file__).parents[1].joinpath(*module.split('.'))
        found |= dict(sorted((cls.name, summary(ast.get_docstring(cls)))
                             for file in folder.glob('*.py') for cls in _registered_classes(file)))
    return found


def _registered_classes(file: Path) -> Iterator[ast.ClassDef]:
    for node in ast.parse(file.read_text()).body:
        decorators = map(ast.unparse, node.decorator_list) if isinstance(node, ast.ClassDef) else ()
        if {'MODELS.register_module()', 'HOOKS.register_module()'} & set(decorators):
            yield node


def tools() -> dict[str, str]:
    """Return ``{file: summary}`` of the tools, read without importing them."""
    folder = Path(config_path()).parent / 'tools'
    files = sorted(folder.rglob('*.py'), key=lambda file: (len(file.parts), file))
    return {file.relative_to(folder).as_posix(): summary(ast.get_docstring(ast.parse(file.read_text())))
            for file in files}


def config_counts() -> dict[str, str]:
    """Return ``{folder: how many configs}`` of the shipped configs that can be run, the entries first."""
    root = Path(config_path())
    files = [file.relative_to(root) for file in root.rglob('*.py') if '_base_' not in file.parts]
    counts = Counter(file.parts[0] if len(file.parts) > 1 else '' for file in files)
    entries = ', '.join(sorted(file.name for file in files if len(file.parts) == 1))
    return {'entries': entries} | {f'{name}/': f'{counts[name]} configs' for name in sorted(counts) if name}


def rows(title: str, entries: dict[str, str]) -> Table:
    """Return a table of names and what they are."""
    table = Table(title=title, title_justify='left', title_style='bold', box=None, show_header=False, padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, text in entries.items():
        table.add_row(Text(name, 'cyan'), Text(text))
    return table


def main() -> None:
    console = Console(highlight=False)
    root = Path(config_path())
    console.print(f'[bold]se_backbones {__version__}[/]: SE and GE backbones for OpenMMLab')
    for title, entries in {
        "Backbones: type='se_backbones.<name>'": registered('se_backbones.models.backbones'),
        "Operators: context=dict(op=dict(type='<name>'))": registered('se_backbones.models.operators'),
        "Other types: 'se_backbones.<name>'": registered(
            'se_backbones.models.shared_heads', 'se_backbones.models.necks', 'se_backbones.engine'),
        f'Configs in {root}: se_backbones.config_path(<file>)': config_counts(),
        f'Tools in {root.parent / "tools"}: python <tool> --help': tools(),
        'Commands: python -m <name>': MODULES,
    }.items():
        console.print()
        console.print(rows(title, entries))
    console.print('\nREADME.md and docs/ of the source say how; `make docs` there builds the site.', markup=False)


if __name__ == '__main__':
    main()
