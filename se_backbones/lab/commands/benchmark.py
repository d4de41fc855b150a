"""Time ResNet-50 with SE and GE beside the plain network and other libraries' networks, in one process.

    se-backbones analyse benchmark                                        # training steps, 8 x 224 px
    se-backbones analyse benchmark --phase train infer --layout nchw channels_last --json result.json \\
        --chart result.png
    se-backbones analyse benchmark --phase infer --fold --batch 1 8       # norms folded into convolutions too
    se-backbones analyse benchmark --size 64 128 256 512 --chart-scaling scaling.png
    se-backbones analyse benchmark --device cuda --precision bf16 --layout channels_last --batch 128 --ops
    se-backbones analyse benchmark --ops  # single functions against the speed of a copy
    se-backbones analyse benchmark --detector --size 320 --batch 2        # Faster R-CNN, training iterations
    SE_BACKBONES_TAIL=plain se-backbones analyse benchmark                # without the fused tail
    se-backbones analyse benchmark --preset gpu                           # six minutes of a GPU, see below
    se-backbones analyse benchmark --preset gpu --device cpu --quick --json dry.json  # tries that anywhere

The preset writes docs/benchmarks/gpu.json and gpu.md after each of its runs: classification in bf16 and channels_last,
detection with frozen norms in fp32 and NCHW, inference of one image, functions against the speed of a copy, compiled
networks. It begins no run that the minutes are too few for.

Several values of an option are measured one after the other. Networks that are the same function are compared first,
and nothing is timed if they differ.
"""

import argparse
import json
import sys
import time
from itertools import groupby, product
from operator import itemgetter
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from se_backbones.lab.benchmark.charts import ratio_chart, scaling_chart
from se_backbones.lab.benchmark.networks import networks
from se_backbones.lab.benchmark.presets import PRESETS, quick
from se_backbones.lab.benchmark.settings import AS_WRITTEN, FOLDED, LAYOUTS, PRECISIONS, Setting
from se_backbones.lab.benchmark.tables import network_rows, operator_rows, report, title
from se_backbones.lab.pictures.figures import FORMATS
from se_backbones.utils.validation import did_you_mean

DOCS = Path('docs', 'benchmarks')
FILES = ('json', 'markdown', 'chart')
# The options that something else than ResNet-50s takes; any other would change nothing.
TAKEN = {
    'preset': ('minutes', 'quick', 'device', 'threads', *FILES),
    'ops': ('batch', 'layout', 'precision', 'device', 'rounds', 'threads', *FILES[:2]),
    'detector': ('size', 'batch', 'frozen_norms', 'device', 'rounds', 'threads', *FILES),
}


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--phase', nargs='+', choices=('train', 'infer'), default=['train'])
    parser.add_argument('--size', nargs='+', type=int, default=[224], help='of the images in pixels')
    parser.add_argument('--batch', nargs='+', type=int, default=[8], help='images per step')
    parser.add_argument('--layout', nargs='+', choices=tuple(LAYOUTS), default=['nchw'])
    parser.add_argument('--precision', nargs='+', choices=tuple(PRECISIONS), default=['fp32'], help='halves: autocast')
    parser.add_argument('--device', choices=('cpu', 'cuda'), help='default: cpu, but cuda for --preset gpu')
    parser.add_argument('--preset', choices=tuple(PRESETS), help='a list of runs instead of the options for one')
    parser.add_argument('--minutes', type=float, default=6, help='of a preset (default 6)')
    parser.add_argument('--quick', action='store_true', help='a preset on tiny images, to try it')
    parser.add_argument('--compile', action='store_true', help='torch.compile every network')
    parser.add_argument('--fold', action='store_true', help='inference: each network with folded norms as well')
    parser.add_argument('--frozen-norms', action='store_true', help='running statistics in training, as in detection')
    parser.add_argument('--networks', nargs='+', metavar='NAME', help='some of: ' + ', '.join(networks(224)))
    parser.add_argument('--ops', action='store_true', help='single functions instead of networks')
    parser.add_argument('--detector', action='store_true', help='Faster R-CNN R50-FPN instead of ResNet-50')
    parser.add_argument('--rounds', type=int, default=7, help='timed calls of each (default 7)')
    parser.add_argument('--threads', type=int)
    parser.add_argument('--json', type=Path, metavar='FILE', help='also save all figures, with hardware and versions')
    parser.add_argument('--markdown', type=Path, metavar='FILE', help='also save the tables')
    parser.add_argument('--chart', type=Path, metavar='FILE', help='also draw the ratios: .png, .pdf, .svg')
    parser.add_argument('--chart-scaling', type=Path, metavar='FILE', help='also draw time and memory by size')
    args = parser.parse_args(argv)
    for kind, taken in TAKEN.items():
        for name, value in vars(args).items() if getattr(args, kind) else ():
            if name not in (kind, *taken) and value != parser.get_default(name):
                parser.error(f'--{name.replace("_", "-")} changes nothing of --{kind}, which takes '
                             f'{", ".join(f"--{option}" for option in taken).replace("_", "-")}.')
    args.device = args.device or ('cuda' if args.preset == 'gpu' else 'cpu')
    if args.quick and not args.preset:
        parser.error('--quick needs --preset.')
    if args.preset and not args.quick:
        args.json = args.json or DOCS / f'{args.preset}.json'
        args.markdown = args.markdown or DOCS / f'{args.preset}.md'
    for name in args.networks or ():
        if name not in networks(224):
            parser.error(f'--networks has no {name!r}; there are {", ".join(networks(224))}.'
                         f'{did_you_mean(name, networks(224))}')
    if args.fold and args.phase != ['infer']:
        parser.error('--fold needs --phase infer: folded norms cannot be trained.')
    pixels = {batch * size**2 for size, batch in product(args.size, args.batch)}
    if args.chart_scaling and not 1 < len(pixels) == len(settings(args)):
        parser.error('--chart-scaling draws over the size: give several values of --size or --batch, no two of which '
                     'make the same number of pixels, and one of the other options.')
    for file in (args.json, args.markdown, args.chart, args.chart_scaling):
        if file and file.exists():
            parser.error(f'{file} exists; name another file, or delete it.')
    for file in filter(None, (args.chart, args.chart_scaling)):
        if file.suffix[1:] not in FORMATS:
            parser.error(f'{file} must end in {", ".join(f".{kind}" for kind in FORMATS)}.')
    return args


def settings(args: argparse.Namespace) -> list[Setting]:
    """Return every combination that is asked for."""
    return [Setting(phase, size, batch, layout, precision, args.compile, args.frozen_norms, args.device, args.rounds)
            for phase, layout, precision, size, batch in product(args.phase, args.layout, args.precision, args.size,
                                                                 args.batch)]


def show(console: Console, heading: str, columns, rows) -> None:
    table = Table(title=heading, title_justify='left')
    for column in columns:
        table.add_column(column, justify='left' if column in ('network', 'map', 'function') else 'right')
    for row in rows:
        table.add_row(*row)
    console.print(table)


def main(argv=None) -> None:
    args = parse_args(argv)
    import torch

    from se_backbones.lab.benchmark.agreement import check_agreement
    from se_backbones.lab.benchmark.detectors import measure_detectors
    from se_backbones.lab.benchmark.operators import NUM_CALLS, measure_operators
    from se_backbones.lab.benchmark.runs import environment, measure
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise SystemExit('error: --device cuda: torch sees no GPU here.')
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    console, begin = Console(), time.monotonic()
    if not console.is_terminal:
        console.width = 120
    names = args.networks or list(networks(224))
    result = dict(environment=environment(args.device), runs=[], operators=[],
                  command=' '.join(['se-backbones analyse benchmark', *sys.argv[1:]]))
    with Progress(console=console, transient=True) as progress:
        def advancing(text: str, total: int):
            task = progress.add_task(text, total=total)
            return lambda: progress.advance(task)

        def functions(setting: Setting, text: str) -> list[dict]:
            return measure_operators(
                setting.batch, getattr(torch, PRECISIONS[setting.precision]), setting.layout == 'channels_last',
                setting.device, setting.rounds, advancing(text, NUM_CALLS * (setting.rounds + 1)))
        if args.ops:
            for setting in settings(args):
                result['operators'] += functions(setting, 'functions')
        elif args.preset:
            runs = quick(PRESETS[args.preset], args.device) if args.quick else PRESETS[args.preset]
            check_agreement(sorted({name.removesuffix(AS_WRITTEN) for run in runs for name in run.names}))
            for run in runs:
                left = 60 * args.minutes - (time.monotonic() - begin)
                if left < run.least_seconds:
                    console.print(f'{left:.0f} s are left: not measured: {run.setting}')
                    continue
                if run.names:
                    result['runs'].append(measure(run.setting, run.names, advancing(
                        str(run.setting), len(run.names) * (run.setting.rounds + 1))))
                else:
                    result['operators'] += functions(run.setting, f'functions, {run.setting}')
                save(args, result)
        elif args.detector:
            for size, batch in product(args.size, args.batch):
                result['runs'].append(measure_detectors(size, batch, args.rounds, args.device,
                                                        advancing('detectors', 4 * (args.rounds + 1))))
        else:
            check_agreement(names)
            chosen = [*names, *(f'{name}{FOLDED}' for name in names)] if args.fold else names
            for setting in settings(args):
                result['runs'].append(measure(setting, chosen,
                                              advancing(str(setting), len(chosen) * (args.rounds + 1))))
    for run in result['runs']:
        show(console, title(run), *network_rows(run))
    for setting, rows in groupby(result['operators'], key=itemgetter('setting')):
        show(console, setting, *operator_rows(rows))
    save(args, result)
    if args.chart and result['runs']:
        ratio_chart(result['runs'], args.chart)
    if args.chart_scaling:
        scaling_chart(result['runs'], args.chart_scaling)


def save(args: argparse.Namespace, result: dict) -> None:
    """Write what has been measured so far."""
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(result, indent=1) + '\n')
    if args.markdown:
        args.markdown.parent.mkdir(parents=True, exist_ok=True)
        # A page of its own, which is in no table of contents until somebody has read it.
        args.markdown.write_text(('---\norphan: true\n---\n\n' if args.preset else '') + report(result))
