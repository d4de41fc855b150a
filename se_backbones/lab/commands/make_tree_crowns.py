"""Cut the aerial photographs with tree crowns that the wheel of deepforest 2.1.0 carries into tiles, in COCO's format.

    pip download --no-deps deepforest==2.1.0              # 20 MB; nothing of it is installed
    se-backbones data trees                               # data/tree_crowns
"""

import argparse

from se_backbones.lab.convert.tree_crowns import WHEEL, make_tree_crowns


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--wheel', default=WHEEL, help=f'the wheel, or the folder it was unpacked to (default {WHEEL})')
    parser.add_argument('--out', default='data/tree_crowns', help='folder to make (default data/tree_crowns)')
    parser.add_argument('--force', action='store_true',
                        help='replace the folder when it was made by this tool and holds nothing else')
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    try:
        result = make_tree_crowns(args.out, args.wheel, args.force)
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from None
    print(f'{result.root}: ' + ('made' if result.made else 'was there already'))
    for split, count in result.counts.items():
        print(f'  {split}: {count["images"]} tiles, {count["crowns"]} crowns')
