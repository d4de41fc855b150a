"""Write a trained model into a file that runs without OpenMMLab, and compare the file with the model.

    se-backbones export CONFIG CHECKPOINT --format onnx -o detector.onnx
    se-backbones export CONFIG CHECKPOINT --format onnx --fold --quantize -o classifier.onnx

The file takes images as the config's test pipeline resizes them, ``(N, 3, H, W)`` of pixels from 0 to 255. Classifiers,
semantic segmentors and Faster R-CNN are exported whole, other models as backbone and neck: docs/deployment.md.
"""

import argparse
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track
from rich.table import Table

from se_backbones.lab.export import PARTS, SUFFIXES
from se_backbones.lab.launch import add_config, add_config_options, one_line_errors, prepare

if TYPE_CHECKING:
    from se_backbones.lab.export import Measured


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config(parser)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('-o', '--out', required=True, metavar='FILE',
                        help=f'a new file: {", ".join(f"{suffix} for {name}" for name, suffix in SUFFIXES.items())}')
    parser.add_argument('--format', choices=SUFFIXES, default='onnx', help='default: onnx')
    parser.add_argument('--part', choices=PARTS, default='whole',
                        help='the whole model, or its features: backbone and neck (default: whole)')
    parser.add_argument('--fold', action='store_true', help='make the batch norms part of the convolutions before them')
    parser.add_argument('--one-size', action='store_true',
                        help='for images of the size of the test images alone (default: any size, if it can be)')
    parser.add_argument('--quantize', nargs='?', type=int, const=256, metavar='N',
                        help='also write an int8 file, its ranges read off N images of the training set (default: 256)')
    parser.add_argument('--images', type=int, default=20, metavar='N', help='test images to compare with (default: 20)')
    parser.add_argument('--evaluate', action='store_true', help='evaluate model and files on the whole test set')
    add_config_options(parser)
    # What prepare() asks for.
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)
    args = parser.parse_args(argv)
    if args.quantize is not None and args.quantize < 1:
        parser.error(f'--quantize must be at least 1, got {args.quantize}')
    if args.evaluate and args.part != 'whole':
        parser.error(f'--evaluate has no effect with --part {args.part}: only whole models have a metric')
    return args


def main(argv=None) -> 'list[Measured]':
    args = parse_args(argv)
    cfg = prepare(args, ('test', 'train') if args.quantize else ('test',))
    from se_backbones.lab.analysis.subject import Subject
    from se_backbones.lab.export import export, training_images
    (cfg.get('test_dataloader') or cfg.val_dataloader).batch_size = 1
    console = Console(highlight=False)

    def progress(images, description):
        return track(images, description, console=console, transient=True)
    with one_line_errors(args.debug):
        subject = Subject.load(cfg, args.checkpoint, max_images=args.images)
        rows = export(
            subject, args.out, args.format, args.part, args.fold, args.one_size, progress=progress,
            calibration=training_images(cfg, args.quantize) if args.quantize else None,
            evaluation=Subject.load(cfg, None) if args.evaluate or args.quantize else None)
    console.print(table(rows))
    return rows


def table(rows: 'list[Measured]') -> Table:
    from se_backbones.lab.analysis.subject import METRICS
    outputs = list(rows[1].differences)
    metrics = [name for name in METRICS if name in rows[0].metrics]
    result = Table(box=None, pad_edge=False, title_justify='left',
                   title=f'{", ".join(outputs)}: the largest difference from PyTorch')
    result.add_column(no_wrap=True)
    for name in ('MB', 'ms an image', *outputs, *metrics):
        result.add_column(name, justify='right')
    for row in rows:
        result.add_row(row.name, f'{row.bytes / 1e6:.2f}', f'{1000 * row.latency:.2f}',
                       *(f'{row.differences[name]:.1e}' if row.differences else '' for name in outputs),
                       *(f'{row.metrics[name]:.4g}' for name in metrics))
    return result
