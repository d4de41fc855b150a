"""What the tools that start a Runner have in common: their options, a config that is ready and checked, and the start.

Importing torch and the hosts takes seconds: tools do it when options and config are known to be right.
"""

import argparse
import glob
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mmengine.config import Config
from mmengine.logging import print_log

from se_backbones import config_path
from se_backbones.engine.checks.config_tree import class_of, import_quietly
from se_backbones.engine.checks.explanations import explained
from se_backbones.engine.checks.options import Options, merge_options
from se_backbones.engine.preflight import check_config, check_files
from se_backbones.pretrained.errors import WeightsError

if TYPE_CHECKING:
    from mmengine.runner import Runner


# What is raised about files and values that a user gave, and packages that are missing.
_USERS = (ValueError, OSError, ImportError, WeightsError)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that mmdet's and mmpretrain's tools share."""
    add_config(parser)
    parser.add_argument('--work-dir', help='folder of logs and checkpoints; default work_dirs/<name of the config>')
    add_config_options(parser)
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    # torch.distributed.launch passes it; torchrun sets LOCAL_RANK instead.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the config, a file or the name of a shipped one."""
    parser.add_argument('config', type=config_file, help='config file, or one that is installed, such as '
                        'se_backbones::faster_rcnn_ge_r50.py')


def config_file(name: str) -> str:
    """Return the path for ``se_backbones::faster_rcnn_ge_r50.py`` or ``mmdet::...``; every other name as it is."""
    # Of a name that is not there, read_config says so.
    with suppress(FileNotFoundError, ImportError):
        return config_path(name) if '::' in name else name
    return name


def read_config(name: str) -> Config:
    """Return the config of a name that went through :func:`config_file`.

    Raises:
        FileNotFoundError: There is no such file, or it is a folder; the text has the names that are near.
        ImportError: The package of the name is not installed.
    """
    if '::' in name:
        name = config_path(name)
    elif os.path.isdir(name):
        raise FileNotFoundError(f'{name} is a folder, not a config file.')
    elif not os.path.isfile(name):
        shipped = name.removeprefix('configs/')
        hint = f' There is se_backbones::{shipped}' if os.path.isfile(f'{config_path()}/{shipped}') else ''
        raise FileNotFoundError(f'There is no config file {name}.{hint}')
    return Config.fromfile(name)


def add_config_options(parser: argparse.ArgumentParser, example: str = 'train_dataloader.batch_size=4 '
                       'optim_wrapper.optimizer.lr=0.01') -> None:
    """Add ``--cfg-options`` and ``--debug``."""
    parser.add_argument('--cfg-options', nargs='+', action=Options, metavar='KEY=VALUE',
                        help=f'override settings, such as {example}')
    parser.add_argument('--debug', action='store_true', help='show where in the code an error comes from')


@contextmanager
def one_line_errors(debug: bool = False, kinds: tuple[type[Exception], ...] = _USERS) -> Iterator[None]:
    """Turn an error about what the user gave into one line and exit code 1, without a traceback unless ``debug``."""
    try:
        yield
    except kinds as error:
        if debug:
            raise
        raise SystemExit(f'error: {explained(error)}') from None


def prepare(args: argparse.Namespace, loops: tuple[str, ...], *first: Callable[[Config], None]) -> Config:
    """Return the config of a run, with the command line merged into it; exit with one message if it cannot run.

    Args:
        args: Parsed options of :func:`add_run_options`.
        loops: Which loops will run, for the checks: ``'train'``, ``'val'``, ``'test'``.
        first: Checks of the tool's own that need neither torch nor the hosts.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    with one_line_errors(args.debug, (Exception,)):
        cfg = read_config(args.config)
        cfg.launcher = args.launcher
        if args.cfg_options:
            merge_options(cfg, args.cfg_options)
        name = os.path.splitext(os.path.basename(args.config))[0]
        cfg.work_dir = args.work_dir or cfg.get('work_dir') or os.path.join('work_dirs', name)
        for check in first:
            check(cfg)
        if cfg.get('default_scope') is None:
            import_quietly(cfg)  # a config in Python imports its classes as soon as they are looked at
        check_files(cfg, loops)
        import_quietly(cfg)
        check_config(cfg, loops)
    from se_backbones.engine.distributed import start_without_gpu
    start_without_gpu(cfg)
    return cfg


def checked_model(config: str) -> Config:
    """Return a config whose model alone is used; its data need not be there.

    Raises:
        ConfigProblem: The model cannot be built, or its parts do not fit together.
    """
    cfg = read_config(config)
    import_quietly(cfg)
    check_config(cfg, ())
    return cfg


@contextmanager
def safe_checkpoints() -> Iterator[None]:
    """While it is open no checkpoint runs code; one that cannot be loaded or does not fit ends the tool in one line."""
    from se_backbones.models.loading import MisfitError
    from se_backbones.pretrained.guard import no_code_from_checkpoints
    try:
        with no_code_from_checkpoints():
            yield
    except (WeightsError, MisfitError) as error:
        sys.exit(f'error: {error}')


@contextmanager
def started(cfg: Config, loops: tuple[str, ...], debug: bool = False) -> 'Iterator[Runner]':
    """Build the Runner of a config that was prepared, for ``runner.train()`` or ``test()`` within the context.

    The datasets are loaded and looked at before anything is written. What fails until the first iteration ends the tool
    in one line, and leaves no work folder behind that was not there; what fails later has its traceback. A run's header
    goes to the screen, and what mmengine says of environment, config and hooks to the log file.
    """
    from se_backbones.engine.invalid_loss import InvalidLossError
    from se_backbones.engine.work_dir_lock import FolderInUseError
    from se_backbones.lab.starting import build_runner, has_begun
    new = _first_new(cfg.work_dir)
    runner = None
    with safe_checkpoints():
        try:
            runner = build_runner(cfg, loops)
            yield runner
        except Exception as error:
            begun = has_begun(runner)
            if debug or begun and not isinstance(error, InvalidLossError):
                raise
            others = isinstance(error, FolderInUseError) or len(glob.glob(os.path.join(cfg.work_dir, '*/'))) > 1
            if new and not begun and not others:
                _remove(cfg.work_dir, new)
            if isinstance(error, WeightsError):
                raise
            with one_line_errors(kinds=(Exception,)):
                raise


def _first_new(folder: str) -> str | None:
    """Return what would be made first for a folder to exist: itself or one above; None: it exists."""
    new, path = None, os.path.abspath(folder)
    while not os.path.exists(path):
        new, path = path, os.path.dirname(path)
    return new


def _remove(folder: str, first: str) -> None:
    """Remove a folder with all that is in it, and those above it up to ``first`` that are empty then."""
    path = os.path.abspath(folder)
    shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):  # other runs have begun beside it
        while path != first:
            path = os.path.dirname(path)
            os.rmdir(path)


def use_atomic_checkpoint_hook(cfg: Config) -> None:
    """Put ``se_backbones.CheckpointHook`` in the place of mmengine's own hook, as it is a drop-in; changes ``cfg``.

    A config that names a hook of its own keeps it.
    """
    from mmengine.hooks import CheckpointHook
    from mmengine.registry import HOOKS
    if 'checkpoint' not in cfg.get('default_hooks', {}):
        # What mmengine adds; None is how a config does without.
        cfg.merge_from_dict(dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1))))
    hook = cfg.default_hooks.checkpoint
    if hook and 'type' in hook and class_of(hook, cfg, HOOKS) is CheckpointHook:
        hook['type'] = 'se_backbones.CheckpointHook'
        print_log("se_backbones.CheckpointHook replaces mmengine's: a killed run loses no checkpoint.",
                  logger='current')
