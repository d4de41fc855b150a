"""Convert a checkpoint between the keys of this project, timm, torchvision, mmpretrain and Caffe, and check the result.

    python tools/convert_checkpoint.py se_resnet50-ce0d4300.pth --to mmpretrain
    python tools/convert_checkpoint.py SE-ResNet-50.caffemodel --to se-backbones -o se_resnet50.safetensors

Keys change, functions do not: a network whose stride or stem pool differs in the other library cannot be had there, and
the comparison of outputs says so. Nothing is written then.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from se_backbones.checks import first_few
from se_backbones.weights.comparison import Comparison, compare
from se_backbones.weights.conversion import CAFFE, Conversion, convert
from se_backbones.weights.errors import WeightsError
from se_backbones.weights.layouts import LAYOUTS
from se_backbones.weights.writing import check_writable, write_checkpoint


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', metavar='SRC', help='.pth, .safetensors or .caffemodel file')
    parser.add_argument('--from', dest='layout', metavar='LAYOUT',
                        help=f'layout of its keys: {", ".join([*LAYOUTS, CAFFE])} (default: what they look like)')
    parser.add_argument('--to', metavar='LAYOUT', default='se-backbones',
                        help='layout of the result, as for --from, but for Caffe (default: se-backbones)')
    parser.add_argument('--arch', metavar='NAME', default='',
                        help='architecture, such as se_resnet50, to check against (default: what a published file '
                             'name says)')
    parser.add_argument('-o', '--out', type=Path, metavar='OUT',
                        help='.pth or .safetensors file (default: <name of SRC>.<LAYOUT>.pth, in this folder)')
    parser.add_argument('--unchecked', action='store_true',
                        help='write even if tensors are missing or the outputs differ; compare no outputs')
    caffe = parser.add_argument_group(CAFFE)
    caffe.add_argument('--prototxt', type=Path, help='the network, to check the .caffemodel against')
    caffe.add_argument('--fold-preprocessing', choices=['imagenet'],
                       help='let the first layer take RGB images normalised as usual, instead of BGR minus a mean')
    caffe.add_argument('--class-order', choices=['sorted', 'devkit'],
                       help='of the result: by WordNet id, as everywhere else, or as in the file (default: sorted)')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 140)
    out = args.out or Path(f'{Path(args.source).stem}.{args.to}.pth')
    options = {key: value for key in ('prototxt', 'fold_preprocessing', 'class_order')
               if (value := getattr(args, key)) is not None}
    if options and args.layout != CAFFE and not args.source.endswith('.caffemodel'):
        sys.exit(f'error: --{next(iter(options)).replace("_", "-")} is for --from {CAFFE}.')
    try:
        check_writable(out)
        conversion = convert(args.source, args.to, args.layout or '', args.arch, **options)
        comparisons = [] if args.unchecked else compare(conversion)
        console.print(table(args.source, conversion, comparisons))
        sound = conversion.complete and all(comparison.agrees for comparison in comparisons)
        if not sound and not args.unchecked:
            sys.exit('error: the result is not the network that it is said to be (--unchecked writes it all the same).')
        print(write_checkpoint(conversion.state, out))
    except WeightsError as error:
        sys.exit(f'error: {error}')


def table(source: str, conversion: Conversion, comparisons: list[Comparison]) -> Table:
    result = Table(title=Path(source).name, show_header=False)
    result.add_row('keys', f'{conversion.source} -> {conversion.target}')
    result.add_row('architecture', conversion.arch or 'not known (--arch NAME)')
    result.add_row('matched', f'{len(conversion.state)} tensors, {conversion.renamed} of them renamed')
    for name, keys in (('left out', conversion.unknown), ('missing', conversion.missing),
                       ('unexpected', conversion.unexpected), ('other shape', conversion.reshaped)):
        if keys or (name in ('missing', 'unexpected') and conversion.backbone):
            result.add_row(name, f'{len(keys)}: {first_few(keys)}' if keys else 'none')
    for comparison in comparisons:
        result.add_row(f'outputs, {comparison.layout}', _difference(comparison))
    return result


def _difference(comparison: Comparison) -> str:
    if comparison.difference is None:
        return f'not compared: {comparison.reason}'
    verdict = 'the same' if comparison.agrees else 'NOT the same'
    return f'{verdict}: largest difference {comparison.difference:.1e} of the largest output'


if __name__ == '__main__':
    main()
