"""``se-backbones weights``: list, describe, download and verify published weights.

    se-backbones weights list se_resne*
    se-backbones weights info se_resnet50.cadene
    se-backbones weights download se_resnet50.cadene
    se-backbones weights verify ~/Downloads/SE-ResNet-50.caffemodel
"""

import argparse
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from rich.console import Console
from rich.table import Table

from se_backbones.pretrained.download import cache_folder
from se_backbones.pretrained.errors import WeightsError
from se_backbones.pretrained.hub import fetch_weights
from se_backbones.pretrained.manifest import Weights, config_text, find, manifest
from se_backbones.utils.terminal import facts


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    listing = commands.add_parser('list', help='list the published weights')
    listing.add_argument('pattern', nargs='?', default='*', help='such as se_resne*')
    for command, text in (('info', 'what a config needs for them, who reports what'), ('download', 'into the cache')):
        commands.add_parser(command, help=text).add_argument('name')
    commands.add_parser('verify', help='check a file against its checksum and its architecture').add_argument('file')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    console = Console(highlight=False)
    try:
        if args.command == 'list':
            rows = [weights for name, weights in manifest().items() if fnmatch(name, args.pattern)]
            if not rows:
                raise WeightsError(f'No published weights match {args.pattern!r}.')
            console.print(table(rows))
            console.print(f'+ in {cache_folder()}   ! manual download   *  `info NAME` says more\n'
                          'In a config: init_cfg=dict(type="Pretrained", checkpoint="se-backbones://NAME")',
                          soft_wrap=True)
        elif args.command == 'info':
            weights = find(args.name)
            console.print(details(weights))
            print('', 'In a config:', *settings(weights), sep='\n')
        elif args.command == 'download':
            print(fetch_weights(find(args.name)))
        else:
            from se_backbones.pretrained.verification import verify  # builds networks
            found = verify(Path(args.file))
            console.print(facts([('file', str(found.path)), *found.rows()]))
            if found.problems or found.not_finite:
                raise SystemExit(1)
    except WeightsError as error:
        raise SystemExit(f'error: {error}') from None
    except KeyboardInterrupt:
        raise SystemExit('interrupted') from None


def table(rows: Iterable[Weights]) -> Table:
    """Return what there is, in lines of at most 80 characters."""
    result = Table(box=None, padding=(0, 1, 0, 0), title='Published weights, top-1 on ImageNet', title_justify='left')
    result.add_column('')
    for name, side in (('name', 'left'), ('top-1', 'right'), ('px', 'right'), ('MB', 'right'), ('licence', 'left')):
        result.add_column(name, justify=side, no_wrap=True)
    for weights in rows:
        mark = '+' if (cache_folder() / weights.file).exists() else '' if weights.urls else '!'
        licence, *more = re.split('[,;]', weights.licence)
        result.add_row(mark, weights.name, _percent(weights.top1), str(weights.crop), str(weights.megabytes),
                       licence + '*' * bool(more))
    return result


def details(weights: Weights) -> Table:
    """Return what is known of published weights."""
    return facts({
        'name': weights.name,
        'accuracy': f'{_percent(weights.top1)} top-1, {_percent(weights.top5)} top-5 ({weights.source})',
        'evaluation': f'{weights.crop} pixels out of {weights.resize}, {weights.interpolation}',
        'images': weights.preprocessing.channel_order.upper(),
        'classifier': f'{weights.num_classes} classes, dropout {weights.dropout:g}' if weights.num_classes else 'none',
        'file': f'{weights.file} ({weights.layout}), {weights.megabytes} MB of tensors',
        'sha256': f'{"begins with " * (len(weights.sha256) < 64)}{weights.sha256}' if weights.sha256
                  else 'none was published',
        'from': '\n'.join(weights.urls) or f'by hand from {weights.page} into {cache_folder()}',
        'timm': weights.timm, 'page': weights.page, 'licence': weights.licence, 'note': weights.note,
    }.items())


def settings(weights: Weights) -> Iterator[str]:
    """Yield what a config says, in lines to paste."""
    p, rgb = weights.preprocessing, weights.preprocessing.channel_order == 'rgb'
    yield f'backbone={config_text(weights.backbone)}'
    yield f'init_cfg=dict(type="Pretrained", checkpoint="se-backbones://{weights.name}")'
    yield (f'data_preprocessor=dict(bgr_to_rgb={rgb}, mean={list(p.mean)}, std={list(p.std)})'
           f'  # in mmpretrain to_rgb={rgb}')


def _percent(value: float | None) -> str:
    return '?' if value is None else f'{value:.2f}'
