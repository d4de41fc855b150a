"""One self-contained HTML page on one or several runs: configs, costs, curves, metrics, gates, what they find.

    se-backbones analyse report work_dirs/resnet18_se work_dirs/resnet18 -o report.html
"""

import argparse

from rich.progress import track

from se_backbones.lab.launch import one_line_errors
from se_backbones.lab.report import MOST_IMAGES
from se_backbones.utils.extras import need


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dirs', nargs='+', metavar='WORK_DIR', help='work dirs of runs')
    parser.add_argument('-o', '--out', default='report.html', help='the page to write (default: report.html)')
    parser.add_argument('--labels', nargs='+', metavar='WORDS', help='what to call the runs (default: the folders)')
    parser.add_argument('--device', default='cpu', help='such as cuda:0 (default: cpu)')
    parser.add_argument('--max-images', type=int, default=MOST_IMAGES, metavar='N',
                        help=f'test images for gates and selectivity (default: {MOST_IMAGES}; 0: all)')
    args = parser.parse_args(argv)
    if args.labels and len(args.labels) != len(args.work_dirs):
        parser.error(f'--labels takes a label for each of the {len(args.work_dirs)} runs')
    return args


def main(argv=None) -> None:
    args = parse_args(argv)
    labels = args.labels or [None] * len(args.work_dirs)
    with one_line_errors():
        need('Reports', 'viz', 'jinja2', 'matplotlib', 'supervision')
        from se_backbones.lab.report import find_run, write_report
        runs = [find_run(folder, label) for folder, label in zip(args.work_dirs, labels, strict=True)]
        file = write_report(runs, args.out, args.device, args.max_images or None, track)
    print(f'{file}: {file.stat().st_size / 2**20:.1f} MiB, opens in any browser, needs no network')
