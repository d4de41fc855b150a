"""Draw the logged curves of runs, print their first and last values, and save all as JSON.

    se-backbones analyse logs work_dirs/resnet18_se work_dirs/resnet18 --labels SE plain
    se-backbones analyse logs work_dirs/* --keys loss coco/bbox_mAP

Without --keys, training and validation error are drawn as the papers draw them, and the gate saturation of each run
that logged it.
"""

import argparse
import math
import statistics
from pathlib import Path

from se_backbones.lab.analysis.curves import (
    plot_curves,
    plot_progression,
    plot_saturation,
    read_curves,
    saturation_curves,
)
from se_backbones.lab.analysis.launch import new_files, write_json
from se_backbones.lab.launch import one_line_errors
from se_backbones.lab.pictures.figures import add_format_option


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dirs', nargs='+', metavar='WORK_DIR',
                        help='work dirs of runs; of a folder with seed_0, seed_1, ... the mean')
    parser.add_argument('--labels', nargs='+', metavar='WORDS', help='what to call the runs (default: the folders)')
    parser.add_argument('--keys', nargs='+', metavar='KEY', help='what to draw, a panel each')
    parser.add_argument('--until', type=int, metavar='STEP', help='of --keys: draw no later iteration or epoch')
    parser.add_argument('--out-dir', default='analysis', help='folder for the new files (default: analysis)')
    add_format_option(parser)
    args = parser.parse_args(argv)
    args.labels = args.labels or [Path(folder).resolve().name for folder in args.work_dirs]
    if len(args.labels) != len(args.work_dirs) or len(set(args.labels)) < len(args.labels):
        parser.error(f'--labels takes a different label for each of the {len(args.work_dirs)} runs')
    if args.until and not args.keys:
        parser.error('--until is for --keys')
    return args


def main(argv=None) -> None:
    args = parse_args(argv)
    runs = dict(zip(args.labels, args.work_dirs, strict=True))
    with one_line_errors():
        numbers, picture = new_files(args, 'curves')
        found = {label: read_curves(folder) for label, folder in runs.items()}
        logged = dict.fromkeys(key for curves in found.values() for key in curves)
        unknown = [key for key in args.keys or () if key not in logged]
        if unknown:
            raise ValueError(f'--keys {unknown[0]} was not logged; there are {", ".join(logged)}')
        for label, curves in found.items():
            print(label)
            for key, curve in curves.items():
                if key == 'time':
                    print(f'  {statistics.median_high(curve.values):.3f} s an iteration (median)')
                else:
                    print(f'  {key}: {curve.values[0]:.4g} -> {curve.values[-1]:.4g} ({len(curve.values)} values)')
        print(write_json({label: {key: curve._asdict() for key, curve in curves.items()}
                          for label, curves in found.items()}, numbers))
        if args.keys:
            print(plot_curves(runs, [[key] for key in args.keys], picture, args.until or math.inf))
            return
        print(plot_progression(runs, picture))
        for label, curves in found.items():
            if saturation_curves(curves):
                print(plot_saturation(runs[label], picture.with_stem(f'saturation_{label}')))
