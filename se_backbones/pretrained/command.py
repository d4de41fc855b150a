"""``se-backbones weights``: list, describe, download and verify published weights.

    se-backbones weights list se_resne*
    se-backbones weights info se_resnet50.cadene
    se-backbones weights download se_resnet50.cadene
    se-backbones weights verify ~/Downloads/SE-ResNet-50.caffemodel
"""

import argparse
import sys
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from se_backbones.pretrained.download import cache_folder
from se_backbones.pretrained.errors import WeightsError
from se_backbones.pretrained.hub import fetch_weights
from se_backbones.pretrained.manifest import Weights, config_text, find, manifest

if TYPE_CHECKING:
    from se_backbones.pretrained.verification import Verdict


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='VERB')
    listing = verbs.add_parser('list', help='the published weights that fit our backbones')
    listing.add_argument('pattern', nargs='?', default='*', help='such as se_resne*')
    for verb, text in (('info', 'what a config needs for them, who reports what'), ('download', 'into the cache')):
        verbs.add_parser(verb, help=text).add_argument('name')
    verbs.add_parser('verify', help='whether a file is what it says it is').add_argument('file')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        if args.verb == 'list':
            rows = [weights for name, weights in manifest().items() if fnmatch(name, args.pattern)]
            if not rows:
                raise WeightsError(f'No published weights match {args.pattern!r}.')
            console.print(table(rows))
            console.print(f'Cache: {cache_folder()}. Use one with init_cfg=dict(type="Pretrained", '
                          'checkpoint="se-backbones://NAME").', soft_wrap=True, highlight=False)
        elif args.verb == 'info':
            console.print(details(find(args.name)))
        elif args.verb == 'download':
            print(fetch_weights(find(args.name)))
        else:
            from se_backbones.pretrained.verification import verify  # builds networks
            console.print(verdict_table(verify(Path(args.file))))
    except WeightsError as error:
        raise SystemExit(f'error: {error}') from None
    except KeyboardInterrupt:
        raise SystemExit('interrupted') from None


def table(rows: Iterable[Weights]) -> Table:
    result = Table(title='Published weights')
    for name, side in (('name', 'left'), ('top-1', 'right'), ('top-5', 'right'), ('crop', 'right'),
                       ('images', 'left'), ('licence', 'left'), ('cached', 'left')):
        result.add_column(name, justify=side, no_wrap=name == 'name')
    for weights in rows:
        cached = 'yes' if (cache_folder() / weights.file).exists() else '' if weights.urls else 'by hand'
        result.add_row(weights.name, _percent(weights.top1), _percent(weights.top5), str(weights.crop),
                       weights.preprocessing.channel_order.upper(), weights.licence, cached)
    return result


def details(weights: Weights) -> Table:
    result = Table(title=weights.name, show_header=False)
    p, rgb = weights.preprocessing, weights.preprocessing.channel_order == 'rgb'
    facts = {
        'backbone': f'backbone={config_text(weights.backbone)}',
        'weights': f'init_cfg=dict(type="Pretrained", checkpoint="se-backbones://{weights.name}")',
        'images': f'{p.channel_order.upper()}: data_preprocessor=dict(bgr_to_rgb={rgb}, mean={list(p.mean)}, '
                  f'std={list(p.std)}), in mmpretrain to_rgb={rgb}',
        'evaluation': f'{weights.crop} pixels out of {weights.resize}, {weights.interpolation}',
        'accuracy': f'{_percent(weights.top1)} top-1, {_percent(weights.top5)} top-5 ({weights.source})',
        'classifier': f'{weights.num_classes} classes, dropout {weights.dropout:g}' if weights.num_classes else 'none',
        'file': f'{weights.file} ({weights.layout})',
        'sha256': f'{"begins with " * (len(weights.sha256) < 64)}{weights.sha256}' if weights.sha256
                  else 'none was published',
        'from': '\n'.join(weights.urls) or f'by hand from {weights.page} into {cache_folder()}',
        'timm': weights.timm, 'page': weights.page, 'licence': weights.licence, 'note': weights.note,
    }
    for name, text in facts.items():
        if text:
            result.add_row(name, Text(text))
    return result


def verdict_table(verdict: 'Verdict') -> Table:
    # As Text: rich would take brackets in names out of a file, or of one, for its own markup.
    result = Table(title=Text(str(verdict.path)), show_header=False)
    for name, text in verdict.rows():
        result.add_row(name, Text(text))
    return result


def _percent(value: float | None) -> str:
    return '?' if value is None else f'{value:.2f}'
