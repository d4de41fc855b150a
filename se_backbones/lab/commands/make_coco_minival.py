"""Derive COCO's minival (5,000 images) and val2014 without it (35,504) from the annotation files of 2014 and 2017.

    se-backbones data coco-minival data/coco/annotations
"""

import argparse

from se_backbones.lab.convert.coco_minival import make_minival


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('annotations', nargs='?', default='data/coco/annotations',
                        help='folder of the four instances_*.json files (default data/coco/annotations)')
    args = parser.parse_args(argv)
    try:
        made = make_minival(args.annotations)
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from None
    for path, (images, annotations) in made.items():
        print(f'{path}: {images:,} images, {annotations:,} annotations')
