"""Make one of the embedded digit datasets: scenes for detection and segmentation, or digits to classify.

    se-backbones data digits  # data/digit_scenes, 1,000 + 200 scenes
    se-backbones data digits --layout coco2017 --out data/coco_digits
    se-backbones data digits --hard  # data/hard_digit_scenes, 300 + 200 scenes
    se-backbones data digits --kind digits  # data/single_digits, an image folder
"""

import argparse
import time

from se_backbones.lab.digits import make_digit_scenes, make_single_digits
from se_backbones.utils import atomic
from se_backbones.utils.extras import need

KINDS = {'scenes': ('data/digit_scenes', make_digit_scenes), 'digits': ('data/single_digits', make_single_digits)}
SCENES = ('num_train', 'num_val', 'seed', 'layout', 'names', 'semantic', 'hard')
# Few, as the hard scenes are to show what a network makes of little data.
HARD = dict(out='data/hard_digit_scenes', num_train=300)


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kind', choices=KINDS, default='scenes')
    parser.add_argument('--out', help='folder to make (default data/digit_scenes or data/single_digits)')
    parser.add_argument('--size', type=int, help='side of an image in pixels (default 128; digits: 32)')
    parser.add_argument('--force', action='store_true',
                        help='replace the folder when it was made by this tool and holds nothing else')
    parser.add_argument('--preview', metavar='FILE',
                        help='also draw what it looks like, with boxes and masks: .png or .jpg')
    scenes = parser.add_argument_group('only with --kind scenes')
    scenes.add_argument('--num-train', type=int, help='training images (default 1000; --hard: 300)')
    scenes.add_argument('--num-val', type=int, help='validation images (default 200)')
    scenes.add_argument('--seed', type=int, help='default 0')
    scenes.add_argument('--layout', help="'digits' (default) or 'coco2017': COCO's file names and 80 categories")
    scenes.add_argument('--names', nargs=10, metavar='NAME', help='category names of the digits 0 to 9')
    scenes.add_argument('--no-semantic', dest='semantic', action='store_const', const=False,
                        help='write no semantic masks')
    scenes.add_argument('--hard', action='store_const', const=True,
                        help='smaller digits of less contrast among pieces of digits')
    args = parser.parse_args(argv)
    for option in SCENES:
        if args.kind != 'scenes' and getattr(args, option) is not None:
            name = 'no-semantic' if option == 'semantic' else option.replace('_', '-')
            parser.error(f'--{name} has no effect with --kind {args.kind}')
    if args.hard:
        for option, value in HARD.items():
            setattr(args, option, getattr(args, option) or value)
    return args


def main(argv=None):
    args = parse_args(argv)
    default_out, make = KINDS[args.kind]
    settings = {key: getattr(args, key) for key in ('size', *SCENES) if getattr(args, key) is not None}
    start = time.perf_counter()
    try:
        if args.preview:
            need('Previews', 'viz', 'supervision', 'matplotlib')
            atomic.check_new(args.preview)  # said before the work, not after it
        result = make(args.out or default_out, force=args.force, **settings)
        seconds = time.perf_counter() - start
        print(f'{result.root}: ' + (f'made in {seconds:.1f} s' if result.made else 'was there already'))
        for split, count in result.counts.items():
            print(f'  {split}: {count["images"]} images, {count["digits"]} digits')
        if args.preview:
            from se_backbones.lab.digits import preview_digits, preview_scenes
            preview = preview_scenes if args.kind == 'scenes' else preview_digits
            print(f'preview: {preview(result.root, args.preview)}')
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from None
