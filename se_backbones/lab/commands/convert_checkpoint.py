"""Convert a checkpoint between the keys of this project, timm, torchvision, mmpretrain and Caffe, and check the result.

    se-backbones convert se_resnet50-ce0d4300.pth --to mmpretrain
    se-backbones convert SE-ResNet-50.caffemodel --prototxt SE-ResNet-50.prototxt -o \\
        se_resnet50.pth
    se-backbones convert se_resnet50.pth --to caffe-senet --prototxt \\
        SE-ResNet-50.prototxt

Keys change, functions do not: a network whose stride or stem pool differs in the other library does not exist there,
and the comparison of outputs says so. Nothing is written then.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from se_backbones.pretrained.errors import WeightsError
from se_backbones.pretrained.layouts import CAFFE, LAYOUTS
from se_backbones.pretrained.manifest import config_text
from se_backbones.pretrained.writing import SUFFIXES, check_writable
from se_backbones.utils.terminal import facts
from se_backbones.utils.validation import first_few

if TYPE_CHECKING:
    from se_backbones.lab.convert.comparison import Comparison
    from se_backbones.lab.convert.conversion import Conversion


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', metavar='SRC', help='.pth, .safetensors or .caffemodel file')
    parser.add_argument('--from', dest='layout', metavar='LAYOUT',
                        help=f'layout of its keys: {", ".join([*LAYOUTS, CAFFE])} (default: what they look like)')
    parser.add_argument('--to', metavar='LAYOUT', default='se-backbones',
                        help='layout of the result, as for --from (default: se-backbones)')
    parser.add_argument('--arch', metavar='NAME', default='',
                        help='architecture, such as se_resnet50, to check against (default: what a published file '
                             'name says)')
    parser.add_argument('-o', '--out', type=Path, metavar='OUT',
                        help='.pth or .safetensors file, or .caffemodel for Caffe (default: <name of SRC>.<LAYOUT>.pth '
                             'or .caffemodel, in this folder)')
    parser.add_argument('--unchecked', action='store_true',
                        help='write even if tensors are missing or the outputs differ; compare no outputs')
    caffe = parser.add_argument_group(CAFFE)
    caffe.add_argument('--prototxt', type=Path,
                       help='the network, to check the tensors against, and for OpenCV to compare outputs')
    caffe.add_argument('--fold-preprocessing', choices=['imagenet'],
                       help='let the first layer take RGB images normalised as usual, instead of BGR minus a mean')
    caffe.add_argument('--class-order', choices=['sorted', 'devkit'],
                       help='of the result: by WordNet id, as everywhere else, or as in the ILSVRC2012 kit (default: '
                            "what the result's library has, devkit for Caffe)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    console = Console()
    suffixes = ('.caffemodel',) if args.to == CAFFE else SUFFIXES
    out = args.out or Path(f'{Path(args.source).stem}.{args.to}{suffixes[0]}')
    options = {key: value for key in ('prototxt', 'fold_preprocessing', 'class_order')
               if (value := getattr(args, key)) is not None}
    from_caffe = args.layout == CAFFE or args.source.endswith('.caffemodel')
    if options and not (from_caffe or (args.to == CAFFE and 'fold_preprocessing' not in options)):
        sys.exit(f'error: --{next(iter(options)).replace("_", "-")} is for --from {CAFFE}.')
    try:
        check_writable(out, suffixes)
        from se_backbones.lab.convert.comparison import compare
        from se_backbones.lab.convert.conversion import convert
        conversion = convert(args.source, args.to, args.layout or '', args.arch, **options)
        comparisons = [] if args.unchecked else compare(conversion)
        console.print(table(args.source, conversion, comparisons))
        doubts = list(reasons_against(conversion, comparisons))
        if doubts and not args.unchecked:
            sys.exit(f'error: nothing was written: {"; ".join(doubts)}. --unchecked writes it anyway.')
        print(conversion.write(out))
    except WeightsError as error:
        sys.exit(f'error: {error}')


def reasons_against(conversion: 'Conversion', comparisons: 'list[Comparison]') -> Iterator[str]:
    """Yield why the result is not the network that it is said to be."""
    if not conversion.complete:
        yield 'the tensors are not those of the architecture'
    yield from conversion.differing
    if conversion.not_finite:
        yield f'{conversion.not_finite[0]} holds NaN or infinity'
    for comparison in comparisons:
        if not comparison.agrees:
            yield (f'the network of {comparison.layout} computes something else from these tensors, as where its '
                   'stride or stem pool is another')


def table(source: str, conversion: 'Conversion', comparisons: 'list[Comparison]') -> Table:
    rows = {'file': Path(source).name, 'keys': f'{conversion.source} -> {conversion.target}'}
    if conversion.arch or not conversion.backbone:
        rows['architecture'] = conversion.arch or 'not known (--arch NAME)'
    if conversion.backbone:
        rows['our backbone'] = config_text(conversion.backbone)
    rows['matched'] = f'{len(conversion.state)} tensors, {conversion.renamed} of them renamed'
    for name, keys in (('left out', conversion.unknown), ('missing', conversion.missing),
                       ('unexpected', conversion.unexpected), ('other shape', conversion.mismatched),
                       ('not finite', conversion.not_finite)):
        if keys or (name in ('missing', 'unexpected') and conversion.backbone):
            rows[name] = f'{len(keys)}: {first_few(keys)}' if keys else 'none'
    rows |= {f'outputs, {comparison.layout}': _difference(comparison) for comparison in comparisons}
    return facts(rows.items())


def _difference(comparison: 'Comparison') -> str:
    if comparison.difference is None:
        return f'not compared: {comparison.reason}'
    verdict = 'the same' if comparison.agrees else 'NOT the same'
    return f'{verdict}: largest difference {comparison.difference:.1e} of the largest output'
