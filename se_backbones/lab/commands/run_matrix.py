"""Train many configs with several seeds each, and lay the results out as a table and a picture.

    se-backbones analyse sweep configs/fashion_mnist/operators.toml
    se-backbones analyse sweep configs/digits/faster_rcnn_r18.py configs/digits/faster_rcnn_ge_r18.py \\
        --seeds 3

What is done is skipped, so the same command goes on after any interruption. The first config, or the baseline that a
list names, is what the others are compared with. Each run has a folder of its own, with its log; after each one,
matrix.md, matrix.json and the picture are written anew.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

from se_backbones.engine.checks.options import Options
from se_backbones.lab.launch import config_file, one_line_errors
from se_backbones.lab.made_tables import put_between
from se_backbones.lab.pictures.figures import add_format_option
from se_backbones.lab.sweep import LOG, plot, read_sweep, summarise, to_markdown, train_all
from se_backbones.utils import atomic


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', type=config_file, metavar='CONFIG',
                        help='config files, or one list of them (.toml)')
    parser.add_argument('--seeds', type=int, default=5, metavar='N', help='seeds 0 to N - 1 (default: 5)')
    parser.add_argument('--out-dir', default='work_dirs/matrix', help='folder of the runs (default: work_dirs/matrix)')
    parser.add_argument('--minutes', type=float, default=math.inf, metavar='N',
                        help='begin no run after N minutes; the same command goes on later')
    parser.add_argument('--only-table', action='store_true', help='train nothing; show what is there')
    add_format_option(parser)
    parser.add_argument('--links', default='', metavar='PATH', help='path from the page to the configs, for links')
    parser.add_argument('--page', type=Path, metavar='FILE.md',
                        help='also put the tables there, between the lines <!-- LIST: made by ... --> and '
                        '<!-- end of LIST -->, where LIST is the folder and the name of the list, such as '
                        'fashion_mnist/operators')
    parser.add_argument('--cfg-options', nargs='+', action=Options, metavar='KEY=VALUE', default={},
                        help='override settings of every config')
    args = parser.parse_args(argv)
    if args.seeds < 1:
        parser.error(f'--seeds must be at least 1, got {args.seeds}')
    return args


def main(argv=None) -> None:
    args = parse_args(argv)
    out = Path(args.out_dir)
    failed = []
    with one_line_errors():
        sweep = read_sweep(args.configs)
        if args.page:
            put_between(args.page, *marks(args.configs[0]), None)  # said before the work, not after it
        runs = sweep.runs(range(args.seeds), out, args.cfg_options)
        from se_backbones.engine.work_dir_lock import FolderInUseError, lock_work_dir
        out.mkdir(parents=True, exist_ok=True)
        try:
            lock_work_dir(out)
        except FolderInUseError as error:
            sys.exit(f'error: {error}')
        for run, error in [] if args.only_table else trained(runs, args.minutes):
            if error:
                failed.append(f'{run}: {error} (see {run.folder / LOG})')
            else:
                write(sweep, runs, out, args)
        write(sweep, runs, out, args)
    print('\n'.join(str(out / f'matrix.{kind}') for kind in ('md', 'json', args.format)
                    if (out / f'matrix.{kind}').exists()))
    if failed:
        sys.exit('\n'.join([f'error: {len(failed)} of {len(runs)} runs failed:', *failed]))


def trained(runs, minutes: float):
    """Train what is not done within the time, say how it goes, and yield each run with its error."""
    begin = time.monotonic()
    for count, (run, error) in enumerate(train_all(runs), 1):
        number = runs.index(run) + 1
        metrics = [] if error else list(run.result()['metrics'].items())[:2]
        found = error or ', '.join(f'{key} {value:.4g}' for key, value in metrics)
        passed = (time.monotonic() - begin) / 60
        left = passed / count * (len(runs) - number)
        print(f'[{number}/{len(runs)}] {run}: {found}; about {left:.0f} minutes left', flush=True)
        yield run, error
        if passed > minutes and number < len(runs):
            print(f'Stopping after {passed:.0f} minutes; the same command goes on.')
            break


def write(sweep, runs, out: Path, args: argparse.Namespace) -> None:
    if (data := summarise(sweep, runs)) is not None:
        tables = to_markdown(data, args.links)
        atomic.write_text(out / 'matrix.md', tables)
        atomic.write_text(out / 'matrix.json', json.dumps(data, indent=1) + '\n')
        plot(data, out / f'matrix.{args.format}')
        if args.page:
            put_between(args.page, *marks(args.configs[0]), tables)


def marks(sweep: str) -> tuple[str, str]:
    """Return the lines between which a page has the tables of a list."""
    name = '/'.join(Path(sweep).resolve().with_suffix('').parts[-2:])
    return f'<!-- {name}: made by se-backbones analyse sweep -->', f'<!-- end of {name} -->'
