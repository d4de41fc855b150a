"""Train a config: detector, classifier or segmentor."""

import argparse
import os
import sys
from functools import partial

from mmengine.config import Config

from se_backbones.engine.work_dir import RunIsFinished, check_work_dir
from se_backbones.lab.launch import add_run_options, prepare, started, use_atomic_checkpoint_hook


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_run_options(parser)
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='resume from CHECKPOINT, or from the newest intact one in the work dir')
    parser.add_argument('--amp', nargs='?', const='float16', choices=['float16', 'bfloat16'], metavar='DTYPE',
                        help='automatic mixed precision, in float16 (default) or bfloat16')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help="scale the learning rate from the config's base_batch_size to the batch size in use")
    return parser.parse_args(argv)


def look_at_work_dir(cfg: Config, resume: str | None) -> None:
    begins_from = cfg.get('load_from')
    if resume:
        if resume != 'auto' and '://' not in resume and not os.path.exists(resume):
            sys.exit(f'error: There is no checkpoint {resume}.')
        cfg.resume = True
        cfg.load_from = None if resume == 'auto' else resume
    try:
        remark = check_work_dir(cfg)
    except RunIsFinished as finished:
        print(finished)
        sys.exit(0)
    if remark:
        print(remark)
        cfg.resume, cfg.load_from = False, begins_from


def main(argv=None) -> None:
    args = parse_args(argv)
    cfg = prepare(args, ('train', 'val'), partial(look_at_work_dir, resume=args.resume))
    from se_backbones.engine.distributed import has_accelerator
    use_atomic_checkpoint_hook(cfg)
    if args.amp:
        if not has_accelerator():
            sys.exit(f'error: --amp {args.amp} needs a GPU; leave it out to train on the CPU.')
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.dtype = args.amp
        # bfloat16 has float32's range: nothing underflows, nothing needs scaling.
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic' if args.amp == 'float16' else 1.0)
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            sys.exit('error: --auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in '
                     f'{args.config}, which has none.')
        cfg.auto_scale_lr.enable = True
    with started(cfg, ('train', 'val'), args.debug) as runner:
        runner.train()
