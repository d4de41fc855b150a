"""Evaluate a checkpoint on the test set of a config: detector, classifier or segmentor."""

import argparse
import os
import sys

from mmengine.config import Config

from se_backbones.lab.launch import add_run_options, prepare, safe_checkpoints


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_run_options(parser)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='pickle file for all predictions')
    parser.add_argument('--show-dir', help='folder for drawn predictions')
    return parser.parse_args(argv)


def draw_into(cfg: Config, folder: str) -> None:
    """Make the run draw its predictions; each host's hook has its own words for "draw, into this folder"."""
    scope = cfg.get('default_scope')
    hooks = {'mmpretrain': dict(type='VisualizationHook', enable=True, out_dir=folder),
             # The original mmseg counts test batches too.
             'mmseg': dict(type='SegVisualizationHook', draw=True, interval=1)}
    hook = hooks.get(scope, dict(type='DetVisualizationHook', draw=True, test_out_dir=folder))
    cfg.default_hooks['visualization'] = {**hook, '_scope_': scope}
    if scope == 'mmseg':
        cfg.visualizer['save_dir'] = folder


def main(argv=None) -> None:
    args = parse_args(argv)
    if not os.path.exists(args.checkpoint) and '://' not in args.checkpoint:
        sys.exit(f'There is no checkpoint {args.checkpoint}.')
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        sys.exit(f'--out must end in .pkl or .pickle, got {args.out}.')
    cfg = prepare(args, ('test',))
    from mmengine.evaluator import DumpResults
    from mmengine.runner import Runner

    from se_backbones.pretrained.complete import check_complete
    from se_backbones.pretrained.source import load
    cfg.load_from = args.checkpoint
    if args.show_dir:
        draw_into(cfg, args.show_dir)
    with safe_checkpoints():
        runner = Runner.from_cfg(cfg)
        check_complete(runner.model, load(args.checkpoint).state, args.checkpoint)
        if args.out:
            runner.test_evaluator.metrics.append(DumpResults(out_file_path=args.out))
        runner.test()


if __name__ == '__main__':
    main()
