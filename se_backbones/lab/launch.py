"""What the tools that start a Runner have in common: their options, and a config that is ready and checked.

Importing torch and the hosts takes seconds: tools do it when options and config are known to be right.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.config import Config, DictAction
from mmengine.logging import print_log

from se_backbones.engine.preflight import ConfigProblem, check_config
from se_backbones.pretrained.errors import WeightsError


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that mmdet's and mmpretrain's tools share."""
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints; default work_dirs/<name of the config>')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings, such as train_dataloader.batch_size=4 optim_wrapper.optimizer.lr=0.01')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    # torch.distributed.launch passes it; torchrun sets LOCAL_RANK instead.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def prepare(args: argparse.Namespace, loops: tuple[str, ...]) -> Config:
    """Return the config of a run, with the command line merged into it; exit with one message if it cannot run.

    Args:
        args: Parsed options of :func:`add_run_options`.
        loops: Which loops will run, for the checks: ``'train'``, ``'val'``, ``'test'``.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if not os.path.exists(args.config):
        sys.exit(f'There is no config file {args.config}.')
    cfg = Config.fromfile(args.config)
    cfg.launcher = args.launcher
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    name = os.path.splitext(os.path.basename(args.config))[0]
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or os.path.join('work_dirs', name)
    try:
        check_config(cfg, loops)
    except ConfigProblem as problem:
        sys.exit(str(problem))
    from se_backbones.engine.distributed import start_without_gpu
    from se_backbones.pretrained.requirements import setting_problems, warn_about_images
    start_without_gpu(cfg)
    try:
        warn_about_images(cfg)
        if problem := next(setting_problems(cfg), None):
            sys.exit(f'error: {problem}')
    except WeightsError as error:
        sys.exit(f'error: {error}')
    return cfg


@contextmanager
def safe_checkpoints() -> Iterator[None]:
    """While it is open no checkpoint runs code; one that cannot be had or does not fit ends the tool in one line."""
    from se_backbones.models.loading import MisfitError
    from se_backbones.pretrained.guard import no_code_from_checkpoints
    try:
        with no_code_from_checkpoints():
            yield
    except (WeightsError, MisfitError) as error:
        sys.exit(f'error: {error}')


def never_lose_checkpoints(cfg: Config) -> None:
    """Put ``se_backbones.CheckpointHook`` in the place of mmengine's own hook, as it is a drop-in; changes ``cfg``.

    A config that names a hook of its own keeps it.
    """
    from mmengine.hooks import CheckpointHook
    if 'checkpoint' not in cfg.get('default_hooks', {}):
        # What mmengine adds; None is how a config does without.
        cfg.merge_from_dict(dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1))))
    hook = cfg.default_hooks.checkpoint
    if hook and hook.get('type') in ('CheckpointHook', 'mmengine.CheckpointHook', CheckpointHook):
        hook['type'] = 'se_backbones.CheckpointHook'
        print_log("Checkpoints are saved by se_backbones.CheckpointHook in place of mmengine's: a kill loses none.",
                  logger='current')
