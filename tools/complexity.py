"""Parameters and multiply-adds of configs, or of all networks in the tables of both papers.

    python tools/complexity.py configs/faster_rcnn_ge_r50.py --input-size 800x1344 --stages
    python tools/complexity.py --paper                               # the papers' cells beside ours
    python tools/complexity.py --paper --write docs/complexity.md
"""

import argparse
import json
import sys
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table

from se_backbones.analysis.complexity import CONVENTIONS, Complexity, Verdict, build, compare_with_papers, complexity

# What a wrong config raises in mmengine and the hosts.
ERRORS = (AssertionError, AttributeError, ImportError, KeyError, OSError, SyntaxError, TypeError, ValueError)

INTRODUCTION = """\
<!-- made by: {command} -->
# Parameters and FLOPs of the papers' networks

Every cell on parameters and FLOPs in the SE paper (Tables II, III, X, XIII, XV, XVI) and the GE paper (Tables 1 to 4)
beside what our networks have. The command in the first line of this file writes it, and a test compares the two.
`python tools/complexity.py CONFIG --stages` counts a config of yours in the same way.

The papers do not say how they count, so a cell is compared under several conventions, and its verdict names those that
give the printed digits:

| convention | what counts |
|---|---|
{conventions}

A pool counts one operation for each cell that it reads, any other element-wise function one for each element of its
output, a norm one multiply-add for each element; biases, copies and the interpolation's look-ups count nothing. A
network without operators has the same FLOPs under MACs, +scale and +operators. A difference is ours minus the paper's.

{summary}
"""


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='*', metavar='CONFIG', help='config files')
    parser.add_argument('--input-size', type=parse_size, metavar='SIZE',
                        help='of the image in pixels: 224 (default) or HEIGHTxWIDTH')
    parser.add_argument('--stages', action='store_true', help='also the costs of each stage and operator')
    parser.add_argument('--paper', action='store_true', help="the papers' tables instead of configs")
    parser.add_argument('--write', metavar='FILE.md', help='with --paper: write the tables as Markdown')
    parser.add_argument('--json', metavar='FILE', help='also save the data')
    args = parser.parse_args(argv)
    if args.paper == bool(args.configs):
        parser.error('give config files, or --paper')
    if args.paper and (args.input_size or args.stages):
        parser.error('--input-size and --stages have no effect with --paper')
    if args.write and not args.paper:
        parser.error('--write goes with --paper')
    return args


def parse_size(text: str) -> tuple[int, int]:
    sides = text.split('x')
    if len(sides) > 2 or not all(side.isdigit() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f'{text!r} is neither a number of pixels nor HEIGHTxWIDTH')
    return int(sides[0]), int(sides[-1])


def main(argv=None) -> None:
    args = parse_args(argv)
    # A terminal tells its width; a file or a pipe has none, and rich would take 80.
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        if args.paper:
            verdicts = list(compare_with_papers())
            console.print(paper_table(verdicts))
            console.print(summary(verdicts), soft_wrap=True)
            data = dict(conventions=CONVENTIONS, cells=[verdict.as_dict() for verdict in verdicts])
        else:
            results = {config: count(config, args.input_size or (224, 224)) for config in args.configs}
            console.print(config_table(results, args.stages))
            data = {config: {part: result.as_dict() for part, result in parts.items()}
                    for config, parts in results.items()}
            for note in notes(results):
                console.print(note, soft_wrap=True)
        if args.write:
            save(args.write, markdown(verdicts, args.write))
        if args.json:
            save(args.json, json.dumps(data, indent=1) + '\n')
    except ERRORS as error:
        raise SystemExit(f'error: {" ".join(str(error).split())}') from None


def save(file: str, text: str) -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(text)


def count(config: str, size: tuple[int, int]) -> dict[str, Complexity]:
    """Return the complexity of a config's model and, where it has one, of its backbone alone."""
    model = build(config)
    results = {'model': complexity(model, size)}
    if hasattr(model, 'backbone'):
        results['backbone'] = complexity(model.backbone, size)
    return results


def config_table(results: dict[str, dict[str, Complexity]], stages: bool) -> Table:
    table = Table(title='Costs of one image')
    table.add_column('config')
    for name in ('input', 'parameters (A)', 'with BN statistics (B)', 'multiply-adds', 'element-wise'):
        table.add_column(name, justify='right')
    for config, parts in results.items():
        for part, result in parts.items():
            name = config if part == 'model' else f'  its {part}'
            table.add_row(name + '*' * bool(result.not_run), '{}x{}'.format(*result.input_size), *cells(result))
        if stages:
            model = parts['model']
            for part in model.parts:
                table.add_row(f'    {", ".join(part)}', '', *cells(model, part))
        table.add_section()
    return table


def cells(result: Complexity, part: tuple[str, str] | None = None) -> list[str]:
    cost = result.total if part is None else result.parts[part]
    parameters = [cost.parameters, cost.parameters_and_statistics]
    work = [cost.multiply_adds, cost.elementwise.total()]
    ran = part is None or part[0] not in result.not_run
    return [*map(readable, parameters), *(map(readable, work) if ran else ['not counted'] * 2)]


def readable(count: int) -> str:
    return f'{count / 1e9:.3f} G' if count >= 1e8 else f'{count / 1e6:.3f} M' if count >= 1e5 else f'{count:,}'


def notes(results: dict[str, dict[str, Complexity]]) -> list[str]:
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


def ours(verdict: Verdict) -> str:
    return ', '.join(f'{name} {value:.3f}' for name, value in verdict.ours.items())


def paper_table(verdicts: list[Verdict]) -> Table:
    table = Table(title="The papers' cells beside ours")
    for name in ('table', 'row', 'cell', 'printed', 'ours', 'verdict'):
        table.add_column(name)
    for _, rows in groupby(verdicts, key=lambda verdict: verdict.table):
        for v in rows:
            table.add_row(v.table, v.row, v.quantity, v.printed, ours(v), v.text)
        table.add_section()
    return table


def summary(verdicts: list[Verdict]) -> str:
    """Return the numbers of verdicts, and of cells that each convention agrees with, in words."""
    kinds = [verdict.kind for verdict in verdicts]
    lines = [f'Of {len(verdicts)} cells {kinds.count("agrees")} agree to the printed digit under one convention at '
             f'least, {kinds.count("differs")} differ, and {kinds.count("not reproducible")} are not reproducible for '
             'a known reason.']
    for paper, cells in groupby(verdicts, key=lambda verdict: verdict.table.split()[0]):
        cells = list(cells)
        parts = []
        for name in CONVENTIONS:
            asked = [cell for cell in cells if ('A' in cell.ours) == (name in 'AB')]
            parts.append(f'{name} {sum(cell.agrees_under(name) for cell in asked)} of {len(asked)}')
        lines.append(f'{paper} paper, cells that one convention for all gives: {", ".join(parts)}.')
    return '\n'.join(lines)


def markdown(verdicts: list[Verdict], file: str) -> str:
    conventions = '\n'.join(f'| {name} | {text} |' for name, text in CONVENTIONS.items())
    text = INTRODUCTION.format(command=f'python tools/complexity.py --paper --write {file}', conventions=conventions,
                               summary=summary(verdicts).replace('\n', '\n\n'))
    for table, rows in groupby(verdicts, key=lambda verdict: verdict.table):
        text += f'\n## {table}\n\n| row | cell | printed | ours | verdict |\n|---|---|---|---|---|\n'
        text += ''.join(f'| {v.row} | {v.quantity} | {v.printed} | {ours(v)} | {v.text} |\n' for v in rows)
    return text


if __name__ == '__main__':
    main()
