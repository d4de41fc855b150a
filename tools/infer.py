"""Predict on images and write them with what was found.

That is a detector's boxes, masks and scores, a panoptic one's segments, the five best classes of a classifier, or a
segmentor's classes. The number of a segment, or of a segmentor's class, is the part of the image that it covers.
"""

import argparse
import sys
from pathlib import Path

from rich.progress import track

from se_backbones.inference import drawn_file, predict
from se_backbones.weights.errors import WeightsError

IMAGES = {'.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff'}


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file, or a name such as se-backbones://NAME/classifier')
    parser.add_argument('images', nargs='+', help='image files, or folders of them')
    parser.add_argument('--out-dir', default='predictions', help='folder for the drawn images (default: predictions)')
    parser.add_argument('--score-threshold', type=float, default=0.3, help='for detectors (default: 0.3)')
    parser.add_argument('--device', default='cpu', help='such as cuda:0 (default: cpu)')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    files = []
    for name in args.images:
        path = Path(name)
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGES) if path.is_dir() else [path]
        files += [str(p) for p in found]
    named = [args.config, *files] if '://' in args.checkpoint else [args.config, args.checkpoint, *files]
    absent = [name for name in named if not Path(name).exists()]
    if absent or not files:
        sys.exit(f'There is no file {absent[0]}.' if absent else f'No images in {", ".join(args.images)}.')
    predictions = predict(args.config, args.checkpoint, files, args.device, args.score_threshold)
    try:
        for prediction in track(predictions, 'predicting', total=len(files), transient=True):
            drawn = drawn_file(prediction, args.out_dir)
            found = ', '.join(f'{o["label"]} {o["score"]:.2f}' for o in prediction.objects) or 'nothing'
            print(f'{prediction.image}: {found} -> {drawn}')
    except WeightsError as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
