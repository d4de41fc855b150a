"""Train a GE Faster R-CNN on digit scenes, evaluate it, and show what it finds: the project's main job in minutes."""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

from rich.console import Console

from se_backbones import config_path
from se_backbones.engine.checks.config_tree import import_quietly
from se_backbones.engine.checks.options import Options, merge_options
from se_backbones.engine.work_dir import check_work_dir
from se_backbones.lab.analysis.curves import plot_curves, read_curves
from se_backbones.lab.digits import make_digit_scenes
from se_backbones.lab.launch import config_file, one_line_errors, read_config, started
from se_backbones.utils import atomic
from se_backbones.utils.extras import need

CONFIG = config_path('digits/faster_rcnn_ge_r18.py')
SHEET, CURVES = 'predictions.png', 'curves.png'
LEAST = 0.6  # box mAP of that config, which reaches 0.77


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--config', type=config_file, default=CONFIG)
    parser.add_argument('--data', default='data/digit_scenes', help='made if absent (default: data/digit_scenes)')
    parser.add_argument('--work-dir', help='default: work_dirs/demo/<date and time>, so that no run overwrites another')
    parser.add_argument('--scenes', type=int, default=2,
                        help='how many test scenes to draw, beginning with the fullest (default: 2)')
    parser.add_argument('--cfg-options', nargs='+', action=Options, metavar='KEY=VALUE', help='override settings')
    return parser.parse_args(argv)


def main(argv=None) -> dict[str, float]:
    args = parse_args(argv)
    with one_line_errors():
        need('The pictures', 'demo', 'supervision', 'matplotlib')
    from se_backbones.lab.inference import contact_sheet, predict
    console = Console(highlight=False)
    start = time.time()
    if not Path(args.data).exists():
        console.print(f'Making the data in {args.data} ...')
        make_digit_scenes(args.data)

    cfg = read_config(args.config)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = f'{args.data}/'
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.ann_file = f'{args.data}/annotations/instances_val.json'
    with one_line_errors():
        merge_options(cfg, args.cfg_options or {})
    cfg.work_dir = args.work_dir or str(Path('work_dirs', 'demo', time.strftime('%Y%m%d_%H%M%S')))
    work_dir = Path(cfg.work_dir)
    with one_line_errors():
        check_work_dir(cfg)
        if work_dir.is_dir():
            for name in (SHEET, CURVES):
                atomic.check_new(work_dir / name)
    console.print(f'Training {Path(args.config).name}: about six minutes on two CPU cores ...')
    import_quietly(cfg)
    with started(cfg, ('train', 'val')) as runner:
        runner.train()
    trained = time.time() - start
    # The last validation of the training is the evaluation: validation and test scenes are the same here.
    metrics = {name: curve.values[-1] for name, curve in read_curves(work_dir).items() if name.startswith('coco/')}

    annotations = json.loads(Path(cfg.test_evaluator.ann_file).read_text())
    folder = Path(args.data, cfg.test_dataloader.dataset.data_prefix.img)
    digits = Counter(found['image_id'] for found in annotations['annotations'])
    fullest = sorted(annotations['images'], key=lambda image: -digits[image['id']])[:args.scenes]
    images = [str(folder / image['file_name']) for image in fullest]
    checkpoint = (work_dir / 'last_checkpoint').read_text().strip()
    predictions = predict(cfg, checkpoint, images, score_threshold=0.5, annotations=cfg.test_evaluator.ann_file)
    title = 'GE Faster R-CNN' if args.config == CONFIG else Path(args.config).stem
    sheet = contact_sheet(predictions, work_dir / SHEET, titles=('truth', title))
    curves = plot_curves({'': work_dir}, [['loss'], ['coco/bbox_mAP', 'coco/bbox_mAP_50', 'coco/bbox_mAP_75']],
                         work_dir / CURVES)

    console.rule('what came out')
    console.print(f'bbox mAP       {metrics["coco/bbox_mAP"]:.3f}   (mAP50 {metrics["coco/bbox_mAP_50"]:.3f}, '
                  f'on {len(annotations["images"])} test scenes, with digits that were not trained on)')
    console.print(f'time           {trained:.0f} s of training, {time.time() - start:.0f} s in all')
    console.print(f'predictions    {sheet}')
    console.print(f'curves         {curves}')
    console.print(f'checkpoint     {checkpoint}')
    if args.config == CONFIG and not args.cfg_options and metrics['coco/bbox_mAP'] < LEAST:
        raise SystemExit(f'error: a box mAP of {metrics["coco/bbox_mAP"]:.3f} is too low, this training reaches more '
                         f'than {LEAST}: something computes wrongly here; se-backbones doctor may say what')
    console.print('next, on COCO  ln -s /path/to/coco data/coco && se-backbones train configs/faster_rcnn_ge_r50.py')
    return metrics
