"""List the types that a config can name (backbones, operators, others) and the shipped configs."""

import argparse
import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from se_backbones import __version__, config_path


def summary(docstring: str | None) -> str:
    """Return the beginning of a docstring, up to the first full stop, semicolon or bracket."""
    return re.split(r'[.;](?:\s|$)|\s\(', (docstring or '').strip(), maxsplit=1)[0].replace('``', '').replace('\n', ' ')


def registered(*modules: str) -> dict[str, str]:
    """Return ``{name: summary}`` of the types that packages register, read without importing them."""
    found = {}
    for module in modules:
        folder = Path(__file__).parents[3].joinpath(*module.split('.'))
        found |= dict(sorted((cls.name, summary(ast.get_docstring(cls)))
                             for file in folder.glob('*.py') for cls in _registered_classes(file)))
    return found


def _registered_classes(file: Path) -> Iterator[ast.ClassDef]:
    for node in ast.parse(file.read_text()).body:
        decorators = map(ast.unparse, node.decorator_list) if isinstance(node, ast.ClassDef) else ()
        if any(decorator.endswith('.register_module()') for decorator in decorators):
            yield node


def configs(folder: str = '') -> list[str]:
    """Return the names of the shipped configs that can be run, relative to ``configs/``."""
    root = Path(config_path())
    names = [file.relative_to(root) for file in sorted((root / folder).rglob('*.py'))]
    return [name.as_posix() for name in names if '_base_' not in name.parts]


def rows(entries: dict[str, str]) -> Table:
    """Return a table of names and what they are."""
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, text in entries.items():
        table.add_row(Text(name, 'cyan'), Text(text))
    return table


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    counts = Counter(name.partition('/')[0] for name in configs() if '/' in name)
    parser.add_argument('folder', nargs='?', choices=sorted(counts), help='list the configs of a folder instead')
    folder = parser.parse_args(argv).folder
    if folder:
        print(*(f'se_backbones::{name}' for name in configs(folder)), sep='\n')
        return
    console = Console(highlight=False)
    console.print(f'[bold]se_backbones {__version__}[/]: SE and GE backbones for OpenMMLab')
    entries = [name for name in configs() if '/' not in name]
    for title, listed in {
        "Backbones: type='se_backbones.<name>'": registered('se_backbones.models.backbones'),
        "Operators: context=dict(op=dict(type='<name>'))": registered('se_backbones.models.operators'),
        "Other types: 'se_backbones.<name>'": registered(
            'se_backbones.models.shared_heads', 'se_backbones.models.necks', 'se_backbones.engine',
            'se_backbones.datasets', 'se_backbones.evaluation', 'se_backbones.pretrained'),
        f"Configs: 'se_backbones::<name>', from {config_path()}; se-backbones list FOLDER": {
            **dict.fromkeys(entries, ''), **{f'{name}/': f'{counts[name]} configs' for name in sorted(counts)}},
    }.items():
        console.print(f'\n[bold]{title}[/]', soft_wrap=True)
        console.print(rows(listed))
