"""Train many configs with several seeds each, and lay the results out as a table and a picture.

    python tools/analysis_tools/run_matrix.py configs/digits/ablation/classifier.toml
    python tools/analysis_tools/run_matrix.py configs/digits/faster_rcnn_r18.py configs/digits/faster_rcnn_ge_r18.py \\
        --seeds 3

What is done is skipped, so the same command goes on after any interruption. The first config, or the baseline that a
list names, is what the others are compared with. Each run has a folder of its own, with its log; after each one,
matrix.md, matrix.json and matrix.png are written anew.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

from mmengine.config import DictAction

from se_backbones.lab.analysis.launch import one_line_errors
from se_backbones.lab.sweep import read_matrix, summarise, to_markdown
from se_backbones.lab.sweep.picture import plot
from se_backbones.lab.sweep.table import as_data
from se_backbones.utils import atomic


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='config files, or one list of them (.toml)')
    parser.add_argument('--seeds', type=int, default=5, metavar='N', help='seeds 0 to N - 1 (default: 5)')
    parser.add_argument('--out-dir', default='work_dirs/matrix', help='folder of the runs (default: work_dirs/matrix)')
    parser.add_argument('--minutes', type=float, default=math.inf, metavar='N',
                        help='begin no run after N minutes; the same command goes on later')
    parser.add_argument('--only-table', action='store_true', help='train nothing; show what is there')
    parser.add_argument('--links', default='', metavar='PATH', help='path from the page to the configs, for links')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', default={},
                        help='override settings of every config')
    args = parser.parse_args(argv)
    if args.seeds < 1:
        parser.error(f'--seeds must be at least 1, got {args.seeds}')
    return args


def write(matrix, runs, out: Path, links: str) -> None:
    summaries = summarise(matrix, runs)
    if summaries:
        atomic.write_text(out / 'matrix.md', to_markdown(matrix, summaries, links))
        atomic.write_text(out / 'matrix.json', json.dumps(as_data(matrix, summaries), indent=1) + '\n')
        plot(matrix, summaries, out / 'matrix.png')


def main(argv=None) -> None:
    args = parse_args(argv)
    out = Path(args.out_dir)
    failed = []
    with one_line_errors():
        matrix = read_matrix(args.configs)
        runs = matrix.runs(range(args.seeds), out, args.cfg_options)
        from se_backbones.engine.occupied import FolderInUseError, occupy
        out.mkdir(parents=True, exist_ok=True)
        try:
            occupy(out)
        except FolderInUseError as error:
            sys.exit(f'error: {error}')
        if not args.only_table:
            failed = train(matrix, runs, out, args)
        write(matrix, runs, out, args.links)
    print('\n'.join(str(out / f'matrix.{kind}') for kind in ('md', 'json', 'png')))
    if failed:
        sys.exit('\n'.join([f'{len(failed)} of {len(runs)} runs failed:', *failed]))


def train(matrix, runs, out: Path, args: argparse.Namespace) -> list[str]:
    """Train what is not done, say how it goes, and return a line for each run that failed."""
    from se_backbones.lab.sweep import run_all
    begin, trained, failed = time.monotonic(), 0, []
    for number, outcome in enumerate(run_all(runs), 1):
        if not outcome.new:
            continue
        trained += 1
        name = f'{outcome.run.config.stem}, seed {outcome.run.seed}'
        if outcome.result is None:
            failed.append(f'{name}: {outcome.error} (see {outcome.run.folder / "log.txt"})')
            found = failed[-1].partition(': ')[2]
        else:
            found = ', '.join(f'{key} {value:.4g}' for key, value in list(outcome.result['metrics'].items())[:2])
            write(matrix, runs, out, args.links)
        passed = (time.monotonic() - begin) / 60
        left = passed / trained * (len(runs) - number)
        print(f'[{number}/{len(runs)}] {name}: {found}; about {left:.0f} minutes left', flush=True)
        if passed > args.minutes and number < len(runs):
            print(f'Stopping after {passed:.0f} minutes; the same command goes on.')
            break
    return failed


if __name__ == '__main__':
    main()
