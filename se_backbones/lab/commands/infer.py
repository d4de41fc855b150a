"""Predict on images, folders or a video; draw the predictions and write them as JSON.

    se-backbones infer CONFIG CHECKPOINT data/digit_scenes/val --json found.json
    se-backbones infer CONFIG CHECKPOINT data/digit_scenes/val/00000[2-5].jpg --sheet found.png \\
        --annotations data/digit_scenes/annotations/instances_val.json  # beside the truth
    se-backbones infer CONFIG CHECKPOINT street.mp4

That is a detector's boxes, masks and scores, a panoptic one's segments, the five best classes of a classifier, or a
segmentor's classes. The number of a segment, or of a segmentor's class, is the part of the image that it covers.
Objects with boxes are written in COCO's results format: docs/deployment.md.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from se_backbones.lab.launch import add_config, checked_model, one_line_errors
from se_backbones.utils import atomic
from se_backbones.utils.extras import need
from se_backbones.utils.validation import first_few

if TYPE_CHECKING:
    from se_backbones.lab.inference import Prediction

IMAGES = {'.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff'}


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config(parser)
    parser.add_argument('checkpoint', help='checkpoint file, URL, or a name such as se-backbones://NAME/classifier')
    parser.add_argument('inputs', nargs='+', help='image files, folders (all images in them), or one video file')
    parser.add_argument('--out-dir', default='predictions', help='folder for the drawn images (default: predictions)')
    parser.add_argument('--no-drawings', action='store_true', help='write no drawn images and no video')
    parser.add_argument('--json', metavar='FILE', help='a new file for what was found')
    parser.add_argument('--sheet', metavar='FILE.png', help='draw all images into this new file, instead of one each')
    parser.add_argument('--annotations', metavar='FILE',
                        help='COCO annotation file, or a folder of label maps: the truth is drawn beside each '
                        'prediction, and the JSON file has the ids of images and categories')
    parser.add_argument('--score-threshold', type=float, default=0.3, help='for detectors (default: 0.3)')
    parser.add_argument('--batch-size', type=int, default=1, help='images that go through the network together')
    parser.add_argument('--device', default='cpu', help='such as cuda:0 (default: cpu)')
    parser.add_argument('--debug', action='store_true', help='show where in the code an error comes from')
    args = parser.parse_args(argv)
    if args.no_drawings and not args.json:
        parser.error('--no-drawings without --json leaves nothing to write.')
    if args.sheet and Path(args.sheet).suffix.lower() not in IMAGES:
        parser.error(f'--sheet takes the name of an image, such as sheet.png, got {args.sheet}.')
    return args


def main(argv=None) -> None:
    args = parse_args(argv)
    named = '://' in args.checkpoint
    absent = [name for name in (*([] if named else [args.checkpoint]), args.annotations, *args.inputs)
              if name and not Path(name).exists()]
    if absent:
        sys.exit(f'error: There is no file {absent[0]}.')
    if not args.no_drawings:
        with one_line_errors():
            need('Drawings', 'viz', 'supervision', 'matplotlib')
    from se_backbones.lab.inference import ResultsFile, contact_sheet, drawn_files, is_video, predict
    from se_backbones.lab.inference.truth import read_coco
    from se_backbones.lab.pictures.scenes import write_picture
    with one_line_errors(args.debug), ExitStack() as stack:
        ids = args.annotations if args.annotations and Path(args.annotations).is_file() else None
        if ids:
            read_coco(ids)  # before the model is loaded
        results = ResultsFile(args.json, ids) if args.json else None
        on_sheet: list[Prediction] = []
        if any(map(is_video, args.inputs)):
            images, count, draw = open_the_video(args, stack)
        else:
            images = image_files(args.inputs, args.out_dir)
            count = len(images)
            if results:
                results.check(images)
            if args.sheet:
                atomic.check_new(args.sheet)
                draw = on_sheet.append
            elif not args.no_drawings:
                files = drawn_files(images, args.out_dir)
                draw = lambda prediction: write_picture(prediction.drawn, files[prediction.image])  # noqa: E731
        cfg = checked_model(args.config)
        unreadable: list[str] = []
        predictions = predict(cfg, args.checkpoint, images, args.device, args.score_threshold, args.batch_size,
                              args.annotations, unreadable)
        bar = stack.enter_context(Progress(TextColumn('predicting'), BarColumn(), MofNCompleteColumn(),
                                           TimeRemainingColumn(), console=Console(highlight=False, soft_wrap=True),
                                           transient=True))
        unknown = 0
        for prediction in bar.track(predictions, total=count):
            unknown += prediction.truth is None
            drawn = None if args.no_drawings else draw(prediction)
            bar.console.print(line(prediction) + (f' -> {drawn}' if drawn else ''), markup=False)
            if results:
                results.add(prediction)
        if args.annotations and unknown:
            bar.console.print(f'{args.annotations} knows nothing of {unknown} of the {count} images.', markup=False)
        if on_sheet:
            bar.console.print(f'{contact_sheet(on_sheet, args.sheet)}')
        if results:
            bar.console.print(f'{results.write()}')
        if unreadable:
            sys.exit(f'error: {len(unreadable)} of the {count} files are no images, or damaged, and were left out: '
                     f'{first_few(unreadable)}.')


def image_files(inputs: list[str], out_dir: str) -> list[str]:
    """Return the files that are named, and those in folders and their folders, once each, but for what was drawn."""
    files, drawn = [], Path(out_dir).absolute()
    for path in map(Path, inputs):
        inside = path.absolute() in drawn.parents
        files += sorted(p for p in _walk(path) if p.suffix.lower() in IMAGES
                        and not (inside and drawn in p.absolute().parents)) if path.is_dir() else [path]
    if not files:
        sys.exit(f'error: No images in {", ".join(inputs)}.')
    once: dict[str, str] = {}
    for file in files:
        once.setdefault(os.path.abspath(file), str(file))
    return list(once.values())


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of those in it; one that cannot be read is an error, unlike for ``rglob``."""
    def refuse(error: OSError) -> None:
        raise error
    for place, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(place, name) for name in names)


def open_the_video(args: argparse.Namespace, stack: ExitStack):
    if args.annotations:
        sys.exit('error: --annotations are of image files; the frames of a video have none.')
    if len(args.inputs) > 1 or args.sheet:
        sys.exit('error: One video at a time, and no images or sheet beside it; got '
                 f'{", ".join(args.inputs)}.')
    from se_backbones.lab.inference import drawn_video, frames_of
    from se_backbones.lab.inference.video import open_video
    file = Path(args.inputs[0])
    video = open_video(file)
    if args.no_drawings:
        return frames_of(file), len(video), None
    suffix = file.suffix if file.suffix.lower() == '.avi' else '.mp4'
    add = stack.enter_context(drawn_video(Path(args.out_dir, f'{file.stem}_predicted{suffix}'), video.fps))
    return frames_of(file), len(video), lambda prediction: add(prediction.drawn)


def line(prediction: 'Prediction') -> str:
    found = ', '.join(f'{o["label"]} {o["score"]:.2f}' for o in prediction.objects) or 'nothing'
    return f'{prediction.image}: {found}'
