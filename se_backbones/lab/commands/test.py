"""Evaluate a checkpoint on the test set of a config: detector, classifier or segmentor."""

import argparse
import copy
import os
import sys

from mmengine.config import Config, ConfigDict

from se_backbones.lab.launch import add_run_options, one_line_errors, prepare, started
from se_backbones.utils import atomic
from se_backbones.utils.config_types import host_of
from se_backbones.utils.dataset_configs import innermost_datasets
from se_backbones.utils.extras import need


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_run_options(parser)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='pickle file for all predictions')
    parser.add_argument('--show-dir', help='folder for drawn predictions, beside the truth')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation: tta_model and tta_pipeline of the '
                        'config, or both mirror images')
    return parser.parse_args(argv)


def augment_tests(cfg: Config) -> None:
    """Put the config's test-time augmentation, or flips, around its model, as the hosts' own tools do."""
    scope = host_of(cfg)
    stock = {'mmpretrain': dict(type='AverageClsScoreTTA'), 'mmseg': dict(type='SegTTAModel'),
             'mmdet': dict(type='DetTTAModel', tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=100))}
    if 'tta_model' not in cfg:
        if scope not in stock:
            sys.exit(f'error: --tta needs tta_model in the config, as default_scope={scope!r} has no stock one.')
        cfg.tta_model = {**stock[scope], '_scope_': scope}
    datasets = [dataset for _, dataset in innermost_datasets(cfg.test_dataloader)]
    if 'tta_pipeline' not in cfg:
        *steps, pack = copy.deepcopy(datasets[0].pipeline)
        if scope == 'mmdet':
            pack.meta_keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction')
        # As it is first: that one's truth is compared with.
        flips = [dict(type='RandomFlip', prob=probability, _scope_=scope) for probability in (0.0, 1.0)]
        cfg.tta_pipeline = [*steps, dict(type='TestTimeAug', transforms=[flips, [pack]], _scope_=scope)]
    for dataset in datasets:
        dataset.pipeline = cfg.tta_pipeline
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)


def main(argv=None) -> None:
    args = parse_args(argv)
    if not os.path.exists(args.checkpoint) and '://' not in args.checkpoint:
        sys.exit(f'error: There is no checkpoint {args.checkpoint}.')
    if args.show_dir:
        with one_line_errors():
            need('Drawings', 'viz', 'supervision', 'matplotlib')
    if args.out:
        if not args.out.endswith(('.pkl', '.pickle')):
            sys.exit(f'error: --out must end in .pkl or .pickle, got {args.out}.')
        with one_line_errors():
            atomic.check_new(args.out)
    # Before the checks, which look at the checkpoint of a run as well. Resuming, a test would build the training set.
    cfg = prepare(args, ('test',), lambda cfg: cfg.update(load_from=args.checkpoint, resume=False))
    from mmengine.evaluator import DumpResults

    from se_backbones.pretrained.complete import load_complete
    if args.tta:
        augment_tests(cfg)
    with started(cfg, ('test',), args.debug) as runner:
        model = runner.model.module if args.tta else runner.model
        load_complete(model, args.checkpoint, cfg)
        if args.out:
            runner.test_evaluator.metrics.append(DumpResults(out_file_path=args.out))
        if args.show_dir:
            from se_backbones.lab.inference.show_hook import ShowHook
            runner.register_hook(ShowHook(runner, args.show_dir))
        runner.test()
