"""Parameters and multiply-adds of configs, or of all networks in the tables of both papers.

    se-backbones analyse complexity configs/faster_rcnn_ge_r50.py --input-size 800x1344 --stages
    se-backbones analyse complexity --paper                               # the papers' cells beside ours
    se-backbones analyse complexity --paper --write docs/complexity.md
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from se_backbones.lab.analysis.paper_tables import ALTERNATIVES, BY_SECTION, CONVENTIONS
from se_backbones.lab.launch import config_file, read_config
from se_backbones.utils import atomic

if TYPE_CHECKING:
    from se_backbones.lab.analysis.complexity import Complexity, Verdict

# What a wrong config raises in mmengine and the hosts.
ERRORS = (AssertionError, AttributeError, ImportError, KeyError, OSError, RuntimeError, SyntaxError, TypeError,
          ValueError)

INTRODUCTION = """\
# Compare parameters and FLOPs with the papers'

Every cell on parameters and FLOPs in the SE paper (Tables II, III, X, XIII, XV, XVI) and the GE paper (Tables 1 to 4)
beside what our networks have. `{command}` writes this page, and a
test compares the two. `se-backbones analyse complexity CONFIG --stages` counts a config of yours in the same
way.

The papers do not say how they count. One convention for each paper decides all its verdicts:

| paper | an operation is one of the | a parameter is |
|---|---|---|
{conventions}

{summary}

{by_section}

The column "ours" counts by these conventions, with the statistics (B). For information, the column "plain" has the
multiply-adds of convolutions and fully connected layers alone (MACs), or trainable parameters alone (A). Biases, norms,
activations, pools and copies count no operation. A difference is ours minus the paper's.
"""
ALTERNATIVES_TITLE = 'Networks found by search'
ALTERNATIVES_TEXT = """\
Each gives a cell that the network of its row above misses, and misses one that it gives; not among the numbers above.
"""


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='*', type=config_file, metavar='CONFIG', help='config files')
    parser.add_argument('--input-size', type=parse_size, metavar='SIZE',
                        help='of the image in pixels: 224 (default) or HEIGHTxWIDTH')
    parser.add_argument('--stages', action='store_true', help='also the costs of each stage and operator')
    parser.add_argument('--paper', action='store_true', help="the papers' tables instead of configs")
    parser.add_argument('--write', metavar='FILE.md', help='with --paper: the tables as Markdown, over an earlier page')
    parser.add_argument('--json', metavar='FILE', help='also save the data in a new file')
    args = parser.parse_args(argv)
    if args.paper == bool(args.configs):
        parser.error('give config files, or --paper')
    if args.paper and (args.input_size or args.stages):
        parser.error('--input-size and --stages have no effect with --paper')
    if args.write and not args.paper:
        parser.error('--write needs --paper')
    return args


def parse_size(text: str) -> tuple[int, int]:
    sides = text.split('x')
    if len(sides) > 2 or not all(side.isdigit() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f'{text!r} is neither a number of pixels nor HEIGHTxWIDTH')
    return int(sides[0]), int(sides[-1])


def main(argv=None) -> None:
    args = parse_args(argv)
    from se_backbones.lab.analysis.complexity import compare_with_papers
    console = Console()
    try:
        if args.json:
            Path(args.json).parent.mkdir(parents=True, exist_ok=True)
            atomic.check_new(args.json)
        if args.paper:
            verdicts, alternatives = list(compare_with_papers()), list(compare_with_papers(ALTERNATIVES))
            console.print(*paper_tables(verdicts), f'\n{ALTERNATIVES_TITLE}', *paper_tables(alternatives), sep='\n')
            console.print(summary(verdicts), soft_wrap=True)
            data = dict(conventions={paper: convention.text for paper, convention in CONVENTIONS.items()},
                        cells=[verdict.as_dict() for verdict in verdicts],
                        alternatives=[verdict.as_dict() for verdict in alternatives])
        else:
            results = {config: count(read_config(config), args.input_size or (224, 224)) for config in args.configs}
            for config, parts in results.items():
                console.print(config_table(config, parts, args.stages))
            data = {config: {part: result.as_dict() for part, result in parts.items()}
                    for config, parts in results.items()}
            for note in notes(results):
                console.print(note, soft_wrap=True)
        if args.write:
            Path(args.write).parent.mkdir(parents=True, exist_ok=True)
            atomic.write_text(args.write, markdown(verdicts, alternatives, args.write))
        if args.json:
            atomic.write_text(args.json, json.dumps(data, indent=1) + '\n')
    except ERRORS as error:
        raise SystemExit(f'error: {" ".join(str(error).split())}') from None


def count(config: str, size: tuple[int, int]) -> 'dict[str, Complexity]':
    """Return the complexity of a config's model and, where it has one, of its backbone alone."""
    from se_backbones.lab.analysis.complexity import build, complexity
    model = build(config)
    results = {'model': complexity(model, size)}
    if hasattr(model, 'backbone'):
        results['backbone'] = complexity(model.backbone, size)
    return results


def config_table(config: str, parts: 'dict[str, Complexity]', stages: bool) -> Table:
    """Return the costs of a config's model, of its backbone and, if asked for, of each stage and operator."""
    model = parts['model']
    table = Table(box=None, padding=(0, 0, 0, 2), pad_edge=False, title_justify='left',
                  title=f'{config}: one image of {"x".join(map(str, model.input_size))}')
    table.add_column(no_wrap=True)
    for name in ('parameters (A)', 'with BN statistics (B)', 'multiply-adds', 'element-wise'):
        table.add_column(name, justify='right')
    for part, result in parts.items():
        table.add_row(part + '*' * bool(result.not_run), *cells(result))
    for part in model.parts if stages else ():
        table.add_row(f'  {", ".join(part)}', *cells(model, part))
    return table


def cells(result: 'Complexity', part: tuple[str, str] | None = None) -> list[str]:
    cost = result.total if part is None else result.parts[part]
    parameters = [cost.parameters, cost.parameters_and_statistics]
    work = [cost.multiply_adds, cost.elementwise.total()]
    ran = part is None or part[0] not in result.not_run
    return [*map(readable, parameters), *(map(readable, work) if ran else ['not counted'] * 2)]


def readable(count: int) -> str:
    return f'{count / 1e9:.3f} G' if count >= 1e8 else f'{count / 1e6:.3f} M' if count >= 1e5 else f'{count:,}'


def notes(results: 'dict[str, dict[str, Complexity]]') -> list[str]:
    lines = []
    for config, parts in results.items():
        model = parts['model']
        if model.not_run:
            lines.append(f"* {config}: without the work of {', '.join(model.not_run)}, which depends on what an image "
                         'holds; their parameters are counted.')
        if model.left_out:
            calls = ', '.join(f'{name} ({number} calls)' for name, number in model.left_out.items())
            lines.append(f'{config}: operations without a rule, not counted: {calls}.')
        if model.total.frozen:
            lines.append(f'{config}: {model.total.frozen:,} of the parameters are frozen.')
    return lines


COLUMNS = ('row', 'cell', 'printed', 'ours', 'plain', 'verdict')


def columns(verdict: 'Verdict') -> list[str]:
    v = verdict
    ours, plain = ('B ', 'A ') if v.quantity == 'Params (M)' else ('', 'MACs ')
    return [v.row, v.quantity, v.printed, f'{ours}{v.ours:.3f}', f'{plain}{v.plain:.3f}', v.text]


def paper_tables(verdicts: 'list[Verdict]') -> 'Iterable[Table]':
    for title, rows in by_table(verdicts):
        table = Table(*COLUMNS, title=title, title_justify='left', box=None, padding=(0, 1))
        for verdict in rows:
            table.add_row(*columns(verdict))
        yield table


def markdown_table(verdicts: 'Iterable[Verdict]') -> str:
    lines = [COLUMNS, ['---'] * len(COLUMNS), *map(columns, verdicts)]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def by_table(verdicts: 'list[Verdict]') -> 'Iterable[tuple[str, Iterable[Verdict]]]':
    return groupby(verdicts, key=lambda verdict: verdict.table)


def summary(verdicts: 'list[Verdict]') -> str:
    """Return how many cells agree, differ and are not reproducible, for each paper, in words."""
    lines = []
    for paper in CONVENTIONS:
        cells = [verdict for verdict in verdicts if verdict.paper == paper]
        parameters = [cell for cell in cells if cell.quantity == 'Params (M)']
        flops = [cell for cell in cells if cell not in parameters]
        kinds = Counter(cell.kind for cell in cells)
        lines.append(f'{paper} paper: {kinds["agrees"]} of {len(cells)} cells agree to the printed digit '
                     f'({agreeing(flops)} on FLOPs, {agreeing(parameters)} on parameters), {kinds["differs"]} differ, '
                     f'{kinds["not reproducible"]} are not reproducible.')
    return '\n'.join(lines)


def agreeing(cells: 'list[Verdict]') -> str:
    return f'{sum(cell.agrees for cell in cells)} of {len(cells)}'


def markdown(verdicts: 'list[Verdict]', alternatives: 'list[Verdict]', file: str) -> str:
    conventions = '\n'.join(f'| {paper} | {convention.text} | trainable, or a running statistic of a batch norm |'
                            for paper, convention in CONVENTIONS.items())
    command = f'se-backbones analyse complexity --paper --write {file}'
    text = INTRODUCTION.format(command=command, conventions=conventions, by_section=BY_SECTION,
                               summary=summary(verdicts).replace('\n', '\n\n'))
    for table, rows in by_table(verdicts):
        text += f'\n## {table}\n\n{markdown_table(rows)}'
    text += f'\n## {ALTERNATIVES_TITLE}\n\n{ALTERNATIVES_TEXT}'
    for table, rows in by_table(alternatives):
        text += f'\n{table}:\n\n{markdown_table(rows)}'
    return text
