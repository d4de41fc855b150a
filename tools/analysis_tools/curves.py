"""Training and validation error of several runs in one picture, and the gate saturation of each that logged it.

    python tools/analysis_tools/curves.py work_dirs/resnet18_se work_dirs/resnet18 --labels SE plain
"""

import argparse
from pathlib import Path

from se_backbones.lab.analysis.curves import plot_progression, plot_saturation, read_curves, saturation_curves
from se_backbones.lab.analysis.launch import one_line_errors, write_json


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dirs', nargs='+', metavar='WORK_DIR', help='work dirs of runs')
    parser.add_argument('--labels', nargs='+', metavar='WORDS', help='what to call the runs (default: the folders)')
    parser.add_argument('--out-dir', default='analysis',
                        help='folder for what is written, in place of what an earlier call wrote (default: analysis)')
    args = parser.parse_args(argv)
    args.labels = args.labels or [Path(folder).resolve().name for folder in args.work_dirs]
    if len(set(args.labels)) != len(args.work_dirs):
        parser.error(f'--labels takes a different label for each of the {len(args.work_dirs)} runs')
    return args


def main(argv=None) -> None:
    args = parse_args(argv)
    runs = dict(zip(args.labels, args.work_dirs, strict=True))
    out = Path(args.out_dir)
    with one_line_errors():
        curves = {label: read_curves(folder) for label, folder in runs.items()}
        print(write_json({label: {name: curve._asdict() for name, curve in found.items()}
                          for label, found in curves.items()}, out / 'curves.json'))
        print(plot_progression(runs, out / 'curves.png'))
        for label, folder in runs.items():
            if saturation_curves(curves[label]):
                print(plot_saturation(folder, out / f'saturation_{label}.png'))


if __name__ == '__main__':
    main()
