"""What runs have logged: first and last value of each quantity, seconds for an iteration, chosen curves in one PNG.

    python tools/analysis_tools/analyze_logs.py work_dirs/faster_rcnn_r18 work_dirs/faster_rcnn_ge_r18
    python tools/analysis_tools/analyze_logs.py work_dirs/* --keys loss coco/bbox_mAP --out curves.png

Training and validation errors as the papers draw them: tools/analysis_tools/curves.py.
"""

import argparse
from pathlib import Path

from se_backbones.lab.analysis.curves import VALIDATION, plot_curves, read_curves
from se_backbones.lab.analysis.launch import one_line_errors


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dirs', nargs='+', metavar='WORK_DIR', help='work dirs of runs')
    parser.add_argument('--keys', nargs='+', metavar='KEY',
                        help='what to draw, a panel each (default: the loss, and what validation measured)')
    parser.add_argument('--out', default='curves.png', help='the picture (default: curves.png)')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    with one_line_errors():
        runs = {Path(folder).resolve().name: folder for folder in args.work_dirs}
        if len(runs) < len(args.work_dirs):
            raise ValueError(f'work dirs need different names, got {", ".join(args.work_dirs)}')
        found = {label: read_curves(folder) for label, folder in runs.items()}
        logged = list(dict.fromkeys(key for curves in found.values() for key in curves))
        keys = args.keys or [key for key in ('loss', *VALIDATION) if key in logged]
        unknown = [key for key in keys if key not in logged]
        if unknown:
            raise ValueError(f'--keys {unknown[0]} was not logged; there are {", ".join(logged)}')
        for label, curves in found.items():
            print(label)
            for key, curve in curves.items():
                if key == 'time':
                    print(f'  {sorted(curve.values)[len(curve.values) // 2]:.3f} s an iteration (median)')
                else:
                    print(f'  {key}: {curve.values[0]:.4g} -> {curve.values[-1]:.4g} ({len(curve.values)} values)')
        print(plot_curves(runs, [[key] for key in keys], args.out))


if __name__ == '__main__':
    main()
