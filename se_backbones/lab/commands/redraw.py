"""Draw the picture of importance, a sweep or a benchmark again, from the JSON file that it wrote.

    se-backbones analyse redraw analysis/importance.json --format pdf
    se-backbones analyse redraw docs/benchmarks/cpu_training.json --out training.svg

The picture lies beside the file, with its name, unless --out says otherwise.
"""

import argparse
import json
from pathlib import Path

from se_backbones.lab.launch import one_line_errors
from se_backbones.lab.pictures.figures import add_format_option
from se_backbones.utils import atomic
from se_backbones.utils.extras import need


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file', type=Path, help='JSON file that importance, sweep or benchmark wrote')
    parser.add_argument('--out', type=Path, metavar='FILE', help='the new file: .png, .pdf or .svg')
    add_format_option(parser)
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    with one_line_errors():
        need('Pictures', 'viz', 'matplotlib')
        out = atomic.check_new(args.out or args.file.with_suffix(f'.{args.format}'))
        data = json.loads(args.file.read_text())
        keys = set(data) if isinstance(data, dict) else set()
        if {'metric', 'ratios', 'operators'} <= keys:
            from se_backbones.lab.analysis.importance import Importance, plot_importance
            print(plot_importance(Importance(**data), out))
        elif {'baseline', 'configs', 'tables'} <= keys:
            from se_backbones.lab.sweep import plot
            print(plot(data, out))
        elif {'environment', 'runs'} <= keys and data['runs']:
            from se_backbones.lab.benchmark.charts import differ_in_pixels, ratio_chart, scaling_chart
            print((scaling_chart if differ_in_pixels(data['runs']) else ratio_chart)(data['runs'], out))
        else:
            raise ValueError(f'{args.file} is not a result of importance, sweep or benchmark.')
