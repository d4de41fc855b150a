"""What to do in a work dir that has checkpoints: resume, stop, or begin."""

import os
import re

from mmengine.config import Config

from se_backbones.engine.checks.config_tree import ConfigProblem
from se_backbones.engine.resume import POINTER, last_checkpoint


class RunIsFinished(Exception):  # noqa: N818 nothing is wrong
    """A run that is asked to go on has done all of its epochs or iterations."""


def check_work_dir(cfg: Config) -> str | None:
    """Look at the work folder of a training that is about to start; return what to tell about it, or None.

    Raises:
        ConfigProblem: It holds checkpoints of another run and ``resume`` is not set: they would be mixed with new ones.
        RunIsFinished: The run to resume is done.
    """
    newest = _newest(cfg.work_dir)
    if not cfg.get('resume'):
        if newest:
            raise ConfigProblem(f'{cfg.work_dir} holds checkpoints of a run already (the newest is {newest}). Go on '
                                'from it with --resume, or begin in another folder with --work-dir.')
        return None
    if cfg.get('load_from'):
        return None
    if not newest:
        return f'There is no checkpoint in {cfg.work_dir} to resume from: the run begins at its first iteration.'
    loop = cfg.get('train_cfg') or {}
    for unit, key in (('epoch', 'max_epochs'), ('iter', 'max_iters')):
        match = re.fullmatch(rf'{unit}_(\d+)\.pth', newest)
        if match and isinstance(loop.get(key), int) and int(match[1]) >= loop[key]:
            raise RunIsFinished(f'The run in {cfg.work_dir} is finished: {newest} is of {unit} {match[1]}, and '
                                f'train_cfg.{key}={loop[key]}. For more, raise train_cfg.{key}; '
                                'se-backbones test evaluates it.')
    return None


def _newest(folder: str) -> str | None:
    """Return the name of the newest checkpoint of a folder."""
    if (named := last_checkpoint(folder)) is not None:
        return os.path.basename(named.rstrip('/')) or POINTER
    names = os.listdir(folder) if os.path.isdir(folder) else []
    numbers = {int(match[2]): name for name in names if (match := re.fullmatch(r'(epoch|iter)_(\d+)\.pth', name))}
    return numbers[max(numbers)] if numbers else None
